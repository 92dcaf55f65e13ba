// A button with `data-copy` copies that URL as an absolute one; a button with `data-copy-text` copies that text.
// A form with `data-copy-from` is sent, and its answer replaces the part of the page with that id. The first text to
// copy in the element `data-made` of the answer is copied.

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

async function answerOf(form) {
  const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.getElementById(form.dataset.copyFrom);
}

const toCopy = (part) => part?.querySelector("[data-made] [data-copy-text]");

// Safari copies only what a click asks for at once. The text may come later, so the promise of it is copied.
async function copyLater(text) {
  if (!navigator.clipboard?.write) return copyTheOldWay(await text);
  const content = text.then((words) => new Blob([words], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": content })]);
}

async function makeAndCopy(form, button) {
  button.disabled = true;
  const answer = answerOf(form);
  const copied = copyLater(answer.then((part) => toCopy(part).dataset.copyText)).then(() => true, () => false);
  const part = await answer.catch(() => null);
  // Signed out meanwhile, or no connection: the browser shows it.
  if (!part) return form.submit();
  document.getElementById(form.dataset.copyFrom).replaceWith(part);
  const made = toCopy(part);
  if (!made) return part.querySelector("button:not(.no-script-only)").focus();
  made.focus();
  if (await copied) confirm(made);
  region.textContent = `${region.textContent} ${part.querySelector("[data-made] p").textContent.trim()}`;
}

document.addEventListener("submit", (event) => {
  if (!event.target.dataset.copyFrom) return;
  event.preventDefault();
  makeAndCopy(event.target, event.submitter);
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy], [data-copy-text]");
  if (button) copy(button);
});
