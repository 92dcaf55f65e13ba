// A page that nobody looks at asks nothing: htmx knows such a condition only with `eval`.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});
