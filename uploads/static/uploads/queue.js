// The queue sends a few files at a time, shows the state of each, and waits while the connection is lost.

import { Uppy, XHRUpload } from "./vendor/uppy.js";
import { watch } from "./gallery.js";
import { Row } from "./row.js";
import { announce, say, sayBytes, saySeconds } from "./speech.js";
import { Speed } from "./speed.js";
import { forget, keep, takeOver } from "./unsent.js";

const AT_ONCE = 3;
const RETRIES = 4;
// Milliseconds between two updates of the progress, between two checks of a lost connection, and between two
// announcements for screen readers.
const DRAWN_EVERY = 200;
const LOOK_EVERY = 1500;
const TOLD_EVERY = 15000;
const WAIT_AT_MOST = 300; // seconds
// Statuses after which the same request may succeed later. 0 is a request without a response.
const PASSING = [0, 408, 429, 500, 502, 503, 504];

const form = document.getElementById("uploader");
const panel = document.getElementById("queue");
const list = document.getElementById("queue-rows");
const notice = document.getElementById("queue-notice");
const { api, alive, limit } = form.dataset;

const rows = new Map(); // by the key of the file
const uploads = new Map(); // rows by the id of their upload

// --- Waiting: for a lost connection, or for as long as the server asks ------------------------------

let gate = Promise.resolve();
let isWaiting = false;

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function isAlive() {
  const options = { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(5000) };
  return (await fetch(alive, options).catch(() => null))?.ok ?? false;
}

function tellWaiting(text) {
  notice.textContent = text;
  notice.hidden = !text;
  if (text) announce(text);
}

// Hold all requests back until `condition` resolves, and show the reason.
function closeGate(text, condition) {
  if (isWaiting) return;
  isWaiting = true;
  tellWaiting(text);
  gate = condition().finally(() => {
    isWaiting = false;
    tellWaiting("");
  });
}

async function connection() {
  while (!(await isAlive())) await sleep(LOOK_EVERY);
}

async function beforeRequest(_request, tries, [file]) {
  if (!navigator.onLine || (tries > 0 && !isWaiting && !(await isAlive()))) closeGate(say("offline"), connection);
  await gate;
  // Never send a file that was cancelled while it waited.
  if (!uppy.getFile(file.id)) await new Promise(() => {});
}

function afterResponse(request) {
  if (request.status !== 429 && request.status !== 503) return;
  const seconds = Math.min(WAIT_AT_MOST, Number(request.getResponseHeader("Retry-After")) || 2);
  closeGate(say("paused", { time: saySeconds(seconds) }), () => sleep(seconds * 1000));
}

// --- Sending -----------------------------------------------------------------------------------

function headers() {
  return { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, Accept: "application/json" };
}

const uppy = new Uppy({
  autoProceed: true,
  allowMultipleUploadBatches: true,
  logger: { debug() {}, warn() {}, error() {} }, // The row of the file shows its error.
});

uppy.use(XHRUpload, {
  endpoint: api,
  fieldName: "file",
  allowedMetaFields: ["visibility"],
  limit: AT_ONCE,
  retries: RETRIES,
  timeout: 0, // No time-out, because connections may be slow. The server ends stalled requests.
  headers,
  shouldRetry: ({ status }) => PASSING.includes(status),
  onBeforeRequest: beforeRequest,
  onAfterResponse: afterResponse,
});

let number = 0;

export function add(files) {
  panel.hidden = false;
  fold(false);
  const started = [...files].map((file) => start(file)).filter(Boolean);
  uppy.addFiles(started);
  draw();
}

function start(file) {
  const key = `${Date.now()}-${(number += 1)}`;
  const row = new Row({ key, name: file.name, size: file.size, file, onCancel: cancel, onRetry: retry });
  rows.set(key, row);
  list.append(row.element);
  if (file.size > Number(limit)) {
    const sizes = { size: sayBytes(file.size), limit: sayBytes(Number(limit)) };
    row.fail(say("tooLarge", { name: file.name, ...sizes }), { again: false });
    return null;
  }
  keep(key, file);
  return send(row);
}

function send(row) {
  row.wait();
  // Uppy rejects a file that it already has. The key makes every choice of a file a different one.
  const meta = { relativePath: row.key, visibility: form.elements.visibility.value };
  return { name: row.name, type: row.file.type, data: row.file, meta };
}

function rowOf(file) {
  return rows.get(file.meta.relativePath);
}

uppy.on("upload-progress", (file, { bytesUploaded, bytesTotal }) => {
  rowOf(file)?.progress(bytesUploaded, bytesTotal);
  drawSoon();
});

uppy.on("upload-success", (file, { body }) => {
  const row = rowOf(file);
  // Remove the file later, because Uppy still updates its state after this event.
  queueMicrotask(() => uppy.removeFile(file.id));
  forget(row.key, row.size);
  row.arrive(body);
  if (!body.duplicate) uploads.set(body.id, row);
  watch(body.id);
  drawSoon();
});

uppy.on("upload-error", (file, error, request) => {
  const row = rowOf(file);
  const status = request?.status ?? error?.request?.status ?? 0;
  queueMicrotask(() => uppy.removeFile(file.id));
  const why = reasonIn(request ?? error?.request) ?? say(status ? "refused" : "lost", { status });
  const again = PASSING.includes(status) || status >= 500 || status === 507;
  if (!again) forget(row.key, row.size);
  row.fail(why, { again });
  announce(`${row.name}: ${say("failed", { why })}`);
  drawSoon();
});

function reasonIn(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return undefined;
  }
}

document.addEventListener("upload-seen", ({ detail: { id, status, reason } }) => {
  const row = uploads.get(id);
  if (!row) return;
  if (status === "ready") row.finish();
  if (status === "failed") row.fail(reason, { again: true });
  if (status === "ready" || !status) uploads.delete(id);
  drawSoon();
});

// --- Cancel and retry ----------------------------------------------------------------------------

function fileOf(row) {
  return uppy.getFiles().find((file) => rowOf(file) === row);
}

// Abort an active upload. Remove a finished one from the list.
function cancel(row) {
  if (!row.isActive) {
    const next = row.element.nextElementSibling ?? row.element.previousElementSibling ?? panel.querySelector("button");
    rows.delete(row.key);
    row.element.remove();
    (next.querySelector?.("button.cancel") ?? next).focus();
  } else {
    row.cancel();
    const file = fileOf(row);
    if (file) uppy.removeFile(file.id);
  }
  forget(row.key, row.size);
  draw();
}

async function retry(row) {
  if (row.upload) {
    await reprocess(row);
  } else if (row.file) {
    keep(row.key, row.file);
    uppy.addFiles([send(row)]);
  }
  draw();
}

// Process an upload again that was received but failed.
async function reprocess(row) {
  const options = { method: "POST", headers: headers() };
  const answer = await fetch(`${api}${row.upload}/reprocess/`, options).catch(() => null);
  if (!answer?.ok) return;
  row.process();
  uploads.set(row.upload, row);
  watch(row.upload);
}

const every = (state) => [...rows.values()].filter((row) => row[state]);

document.getElementById("queue-retry").addEventListener("click", () => {
  every("hasFailed").filter(({ canRetry }) => canRetry).forEach(retry);
  panel.querySelector("#queue-fold").focus();
});

document.getElementById("queue-cancel").addEventListener("click", () => {
  every("isSending").forEach(cancel);
  panel.querySelector("#queue-fold").focus();
});

// --- Resuming: files that were unsent when a page was closed ----------------------------------------

export async function resume() {
  const left = await takeOver();
  if (left.length === 0) return;
  const kept = left.filter(({ data }) => data);
  if (kept.length > 0) {
    add(kept.map(({ data }) => data));
    announce(say("resumed"));
  }
  left.filter(({ data }) => !data).forEach(lose);
  panel.hidden = false;
  draw();
}

function lose({ key, name, size }) {
  const row = new Row({ key, name, size, file: null, onCancel: cancel, onRetry: retry });
  rows.set(key, row);
  list.append(row.element);
  row.fail(say("chooseAgain"), { again: false });
}

// --- Overall progress ----------------------------------------------------------------------------

let drawTimer;
const speed = new Speed();
let toldAt = performance.now();
let wasBusy = false;

function drawSoon() {
  drawTimer ??= setTimeout(draw, DRAWN_EVERY);
}

function draw() {
  clearTimeout(drawTimer);
  drawTimer = undefined;
  const counted = every("counts");
  const total = counted.reduce((sum, row) => sum + row.size, 0);
  const bytes = counted.reduce((sum, row) => sum + row.sentBytes, 0);
  const done = counted.filter((row) => row.isSent).length;
  const failed = every("hasFailed").length;
  const busy = every("isSending").length > 0;
  const current = speed.note(bytes);
  const percent = total ? Math.floor((100 * bytes) / total) : 100;
  const time = saySeconds(current ? (total - bytes) / current : 0);
  const line = say(busy ? "overall" : "overallDone", { done, total: counted.length, percent, time });
  document.getElementById("queue-overall").textContent = failed ? `${line} · ${say("someFailed", { count: failed })}` : line;
  const bar = document.getElementById("queue-progress");
  bar.value = total ? bytes / total : 1;
  bar.hidden = !busy;
  document.getElementById("queue-retry").hidden = !every("hasFailed").some(({ canRetry }) => canRetry);
  document.getElementById("queue-cancel").hidden = !busy;
  document.getElementById("queue-close").hidden = busy;
  tellProgress({ busy, percent, done, failed });
}

function tellProgress({ busy, percent, done, failed }) {
  if (wasBusy && !busy) announce(say("complete", { done, failed }));
  if (!wasBusy) toldAt = performance.now();
  if (busy && performance.now() - toldAt > TOLD_EVERY) {
    announce(say("progress", { percent }));
    toldAt = performance.now();
  }
  wasBusy = busy;
}

// --- The panel -----------------------------------------------------------------------------------

const foldButton = document.getElementById("queue-fold");

function fold(isFolded) {
  document.getElementById("queue-body").hidden = isFolded;
  foldButton.setAttribute("aria-expanded", String(!isFolded));
  foldButton.textContent = say(isFolded ? "unfold" : "fold");
}

foldButton.addEventListener("click", () => fold(foldButton.getAttribute("aria-expanded") === "true"));

document.getElementById("queue-close").addEventListener("click", () => {
  for (const row of rows.values()) if (!row.isActive) cancel(row);
  panel.hidden = true;
  document.querySelector("#uploader [data-choose]").focus();
});

window.addEventListener("offline", () => {
  if (every("isSending").length > 0) closeGate(say("offline"), connection);
});

window.addEventListener("beforeunload", (event) => {
  if (every("isSending").length > 0) event.preventDefault();
});
