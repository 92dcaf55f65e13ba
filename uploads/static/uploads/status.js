// Pause polling while the page is hidden. htmx could do this in an attribute only with `eval`, which the content
// security policy forbids.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});
