// The widget of a picture in a form. It sends a chosen or dropped file at once, shows it while it is processed, and
// sets its focal point. A file that cannot be sent at once stays in the form, which then sends it.

import { show as showPoint } from "./focal_point.js";
import { sayBytes } from "./speech.js";

// Milliseconds between two looks at an unfinished picture.
const LOOK_EVERY = 1500;
const PREVIEW = 480; // pixels
// Statuses with which the server has no objection to the file: the form may still send it. 0 is no answer.
const PASSING = [0, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504];

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

// --- A form waits until its pictures are sent --------------------------------------------------------

const sending = new Set(); // widgets
const held = new Map(); // the button with which each waiting form is submitted

document.addEventListener(
  "submit",
  (event) => {
    const busy = [...sending].find(({ form }) => form === event.target);
    if (!busy) return;
    event.preventDefault();
    event.stopPropagation();
    held.set(event.target, event.submitter);
    busy.tell("held");
  },
  { capture: true },
);

function release(form) {
  if (!held.has(form) || [...sending].some((widget) => widget.form === form)) return;
  const button = held.get(form);
  held.delete(form);
  form.requestSubmit(button);
}

// --- A widget ----------------------------------------------------------------------------------------

class PictureInput {
  #request;
  #timer;
  #drawing; // the canvas with the chosen file, until the server has a picture of it
  #isNew = false; // whether the picture was sent for this form
  #oldAlt; // the text alternative of the picture that is shown

  constructor(root) {
    this.root = root;
    this.words = JSON.parse(root.dataset.words);
    this.file = root.querySelector("[type=file]");
    for (const part of root.querySelectorAll("[data-part]")) this[part.dataset.part] = part;
    this.remove = root.querySelector("[type=checkbox]");
    this.sliders = ["x", "y"].map((name) => root.querySelector(`[data-focal=${name}]`));
    if (this.file.disabled) return;
    this.#listen();
    this.#oldAlt = this.preview?.dataset.alt ?? "";
    this.file.hidden = true;
    this.choose.hidden = this.hint.hidden = false;
    this.choose.setAttribute("aria-describedby", this.file.getAttribute("aria-describedby") ?? "");
    this.#shown(this.preview);
  }

  get form() {
    return this.root.closest("form");
  }

  get preview() {
    return this.shown.querySelector("[data-name]");
  }

  say(word, values = {}) {
    return this.words[word].replace(/\{(\w+)\}/g, (_match, name) => values[name]);
  }

  tell(word, values) {
    this.#tellText(this.say(word, values));
  }

  #tellText(text, isBad = false) {
    this.message.textContent = text;
    this.message.classList.toggle("picture-input-problem", isBad);
  }

  #listen() {
    const { root, file } = this;
    this.choose.addEventListener("click", () => file.click());
    this.cancel.addEventListener("click", () => this.#cancel());
    this.picker.addEventListener("toggle", () => this.#aim());
    file.addEventListener("change", () => file.files.length > 0 && this.#send(file.files[0]));
    for (const slider of this.sliders) {
      slider.addEventListener("input", () => {
        this.focus.value = this.sliders.map(({ value }) => (value / 100).toFixed(3)).join(",");
      });
    }
    root.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      root.classList.add("is-over");
    });
    for (const end of ["dragleave", "drop"]) root.addEventListener(end, () => root.classList.remove("is-over"));
    root.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      const chosen = new DataTransfer();
      chosen.items.add(event.dataTransfer.files[0]);
      file.files = chosen.files;
      this.#send(file.files[0]);
    });
  }

  // --- Sending ---------------------------------------------------------------------------------------

  #send(file) {
    this.#request?.abort();
    const limit = Number(this.root.dataset.limit);
    if (file.size > limit) {
      const sizes = { size: sayBytes(file.size), limit: sayBytes(limit) };
      return this.#refuse(this.say("tooLarge", { name: file.name, ...sizes }));
    }
    if (this.remove) this.remove.checked = false;
    this.#draw(file);
    const token = this.form?.elements.csrfmiddlewaretoken?.value;
    if (!this.root.dataset.send || !token) return this.#leave(file);
    const body = new FormData();
    body.append("csrfmiddlewaretoken", token);
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", ({ loaded, total }) => this.#progress(loaded / total));
    request.addEventListener("loadend", () => request === this.#request && this.#end(request, file));
    request.open("POST", this.root.dataset.send);
    request.send(body);
    this.#request = request;
    sending.add(this);
    this.#progress(0);
    return this.tell("sending", { name: file.name });
  }

  #progress(share) {
    this.progress.hidden = false;
    this.progress.querySelector("progress").value = share;
    const percent = { percent: Math.floor(100 * share) };
    this.percent.textContent = share < 1 ? this.say("percent", percent) : this.say("checking");
  }

  #end(request, file) {
    this.#stop();
    if (request.status === 200) this.#arrive(request.responseText);
    else if (PASSING.includes(request.status)) this.#leave(file);
    else return this.#refuse(reasonIn(request) ?? this.say("refused", { status: request.status }));
    return release(this.form);
  }

  #stop() {
    const isFocused = this.progress.contains(document.activeElement);
    this.#request = undefined;
    sending.delete(this);
    this.progress.hidden = true;
    if (isFocused) this.choose.focus();
  }

  #arrive(html) {
    this.file.value = "";
    this.focus.value = "";
    this.#isNew = true;
    this.tell("notSaved");
    this.#replace(html);
    // The text of the old picture does not describe the new one.
    if (this.alt?.value === this.#oldAlt) this.alt.value = this.preview.dataset.alt;
    this.#oldAlt = this.preview.dataset.alt;
  }

  // The form sends the file itself.
  #leave(file) {
    this.name.value = "";
    this.focus.value = "";
    this.tell("later", { name: file.name });
    this.#replace("");
    if (this.#drawing) this.shown.replaceChildren(this.#drawing);
  }

  #refuse(why) {
    this.#forget();
    this.#tellText(why, true);
    this.choose.focus();
  }

  // Show the picture that was there before.
  #forget() {
    held.delete(this.form);
    this.file.value = "";
    this.#drawing?.remove();
    this.#drawing = undefined;
  }

  #cancel() {
    const request = this.#request;
    this.#stop();
    request.abort();
    this.#forget();
    this.tell("cancelled");
  }

  // --- Showing ---------------------------------------------------------------------------------------

  // Show the file itself until the server has rendered it. The browser may not know its format.
  async #draw(file) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", file.name);
    this.#drawing = canvas;
    const options = { resizeHeight: PREVIEW, resizeQuality: "medium" };
    const picture = await createImageBitmap(file, options).catch(() => null);
    if (!picture || canvas !== this.#drawing) return;
    if (!this.preview && this.#request) this.shown.replaceChildren(canvas);
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
  }

  #replace(html) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    const next = template.content.firstElementChild;
    if (this.#drawing?.width) next?.querySelector("[data-nothing]")?.replaceWith(this.#drawing);
    this.shown.replaceChildren(...(next ? [next] : []));
    this.#shown(next);
  }

  #shown(preview) {
    this.choose.textContent = this.say(preview ? "replace" : "choose");
    this.picker.hidden = !preview?.querySelector("[data-aim]");
    if (preview) {
      this.name.value = preview.dataset.name;
      const point = this.focus.value ? this.focus.value.split(",").map((share) => 100 * share) : null;
      const found = [preview.dataset.x, preview.dataset.y];
      this.sliders.forEach((slider, number) => (slider.value = (point ?? found)[number]));
    }
    this.#aim();
    clearTimeout(this.#timer);
    if (preview?.dataset.refresh) this.#timer = setTimeout(() => this.#look(preview), LOOK_EVERY);
  }

  // The picture can be aimed at only while the picker is open, so that no touch moves the point by accident.
  #aim() {
    const aim = this.shown.querySelector("[data-aim]");
    if (aim && this.picker.open) aim.dataset.focal = "aim";
    else aim?.removeAttribute("data-focal");
    showPoint(this.root);
  }

  async #look(preview) {
    const answer = await fetch(preview.dataset.refresh).catch(() => null);
    const html = answer?.ok ? await answer.text() : null;
    if (preview !== this.preview) return; // Another picture was sent meanwhile.
    if (!html) {
      this.#timer = setTimeout(() => this.#look(preview), LOOK_EVERY);
      return;
    }
    this.#replace(html);
    if (!this.preview.dataset.refresh) this.#finish(this.preview.querySelector(".picture-input-status"));
  }

  #finish(status) {
    if (!status.classList.contains("ready")) this.#tellText(status.textContent, true);
    else this.tell(this.#isNew ? "readyNew" : "ready");
  }
}

function reasonIn(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return undefined;
  }
}

// --- Starting: on the page, and in the rows that the admin adds ----------------------------------------

const started = new WeakSet();

function start(parent) {
  for (const root of parent.querySelectorAll(".picture-input")) {
    if (started.has(root)) continue;
    started.add(root);
    new PictureInput(root);
  }
}

document.addEventListener("formset:added", ({ target }) => start(target));
start(document);
