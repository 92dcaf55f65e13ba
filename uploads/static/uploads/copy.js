// A button with `data-copy` copies that URL as an absolute one; a button with `data-copy-text` copies that text.

const region = document.getElementById("announcements");

// Browsers offer `navigator.clipboard` only over HTTPS and on localhost.
function copyTheOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

async function copy(button) {
  const text = button.dataset.copyText ?? new URL(button.dataset.copy, location.href).href;
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyTheOldWay(text);
  button.focus();
  confirm(button);
}

function confirm(button) {
  const label = button.firstChild;
  const before = label.textContent;
  if (before === button.dataset.copied) return;
  label.textContent = button.dataset.copied;
  region.textContent = button.dataset.copied;
  setTimeout(() => {
    label.textContent = before;
    region.textContent = "";
  }, 1500);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy], [data-copy-text]");
  if (button) copy(button);
});
