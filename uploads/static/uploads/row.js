// A row shows one file of the queue, from the moment it is chosen until its image is ready.

import { announce, say, sayBytes, saySeconds } from "./speech.js";
import { Speed } from "./speed.js";

const template = document.getElementById("queue-row");
// The page contains the URL of an image with this placeholder for the id.
const NO_ID = "00000000-0000-0000-0000-000000000000";
const PREVIEW = 96; // pixels: twice the visible size, for high-density screens

// --- Previews: decoded one at a time and only for rows in view, to save memory ----------------------

let previews = Promise.resolve();

async function drawPreview(canvas, file) {
  const picture = await createImageBitmap(file, { resizeHeight: PREVIEW, resizeQuality: "medium" }).catch(() => null);
  if (!picture) return; // The browser cannot decode this format.
  const side = Math.min(picture.width, picture.height);
  const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
  [canvas.width, canvas.height] = [PREVIEW, PREVIEW];
  canvas.getContext("2d").drawImage(picture, left, top, side, side, 0, 0, PREVIEW, PREVIEW);
  picture.close();
}

const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    previews = previews.then(() => drawPreview(target, files.get(target)));
  }
});

const files = new WeakMap(); // by the canvas of the preview

// --- A row -----------------------------------------------------------------------------------------

export class Row {
  // `state` is waiting, sending, processing, ready, duplicate, failed or cancelled.
  state = "waiting";
  sentBytes = 0;
  upload = null; // the id of the upload
  canRetry = false;
  #speed = new Speed();

  constructor({ key, name, size, file, onCancel, onRetry }) {
    Object.assign(this, { key, name, size, file });
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.querySelector("bdi").textContent = name;
    this.element.querySelector(".file .soft").textContent = sayBytes(size);
    this.#bar.setAttribute("aria-label", name);
    this.#button(".cancel").addEventListener("click", () => onCancel(this));
    this.#button(".retry").addEventListener("click", () => onRetry(this));
    this.#label(".retry", "retry");
    if (file) {
      const canvas = this.element.querySelector("canvas");
      files.set(canvas, file);
      inView.observe(canvas);
    }
    this.wait();
  }

  get isSending() {
    return this.state === "waiting" || this.state === "sending";
  }

  get isActive() {
    return this.isSending || this.state === "processing";
  }

  get isSent() {
    return ["processing", "ready", "duplicate"].includes(this.state) || Boolean(this.upload);
  }

  get hasFailed() {
    return this.state === "failed";
  }

  // Return whether the overall progress includes this row.
  get counts() {
    return this.isSending || this.isSent;
  }

  wait() {
    this.sentBytes = 0;
    this.#speed = new Speed();
    this.#show("waiting", say("waiting"));
  }

  progress(bytes, total) {
    if (!this.isSending) return;
    this.sentBytes = (this.size * bytes) / total;
    const percent = Math.floor((100 * bytes) / total);
    const speed = this.#speed.note(this.sentBytes);
    const time = saySeconds(speed ? (this.size - this.sentBytes) / speed : 0);
    const text = say("sending", { percent, speed: sayBytes(speed), time });
    this.#show("sending", bytes < total ? text : say("checking"));
    this.#bar.value = bytes / total;
  }

  arrive(upload) {
    this.sentBytes = this.size;
    this.upload = upload.id;
    this.element.querySelector("a").href = document.getElementById("queue").dataset.image.replace(NO_ID, upload.id);
    if (!upload.duplicate) return this.process();
    this.#show("duplicate", say("duplicate"));
    return announce(`${this.name}: ${say("duplicate")}`);
  }

  process() {
    this.#show("processing", say("processing"));
  }

  finish() {
    this.#show("ready", say("ready"));
  }

  cancel() {
    this.sentBytes = 0;
    this.#show("cancelled", say("cancelled"));
  }

  fail(why, { again }) {
    this.#show("failed", say("failed", { why }), again);
  }

  #show(state, text, again = state === "cancelled") {
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    this.state = state;
    this.canRetry = again && Boolean(this.file || this.upload);
    this.element.className = `sent ${state}`;
    this.element.querySelector(".status").textContent = text;
    this.#bar.hidden = state !== "sending";
    this.#button(".retry").hidden = !this.canRetry;
    // Once the server has the file, it is deleted in the gallery.
    this.#button(".cancel").hidden = state === "processing";
    this.#label(".cancel", this.isSending ? "cancel" : "remove");
    if (focused?.hidden) this.element.focus();
  }

  get #bar() {
    return this.element.querySelector("progress");
  }

  #button(selector) {
    return this.element.querySelector(selector);
  }

  #label(selector, word) {
    const button = this.#button(selector);
    button.title = say(word);
    button.setAttribute("aria-label", say("of", { action: say(word), name: this.name }));
  }
}
