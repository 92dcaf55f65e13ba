// The uploader accepts files that are chosen, dropped or pasted. It loads the modules that send files when they
// are first needed.

import { mayBeUnsent } from "./unsent.js";

const uploader = document.getElementById("uploader");
const target = document.getElementById("drop-target");

const loadQueue = () => import("./queue.js");

async function add(files) {
  if (files.length === 0) return;
  const queue = await loadQueue();
  queue.add(files);
}

// --- Chosen ------------------------------------------------------------------------------------

for (const button of uploader.querySelectorAll("[data-choose]")) {
  const field = document.getElementById(button.dataset.choose);
  button.addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    add([...field.files].filter(isWanted));
    field.value = "";
  });
}

uploader.addEventListener("submit", (event) => event.preventDefault());

// Leave out the hidden files that file managers create in folders.
function isWanted({ name }) {
  return !name.startsWith(".") && !["Thumbs.db", "desktop.ini"].includes(name);
}

// --- Dropped, whole folders included --------------------------------------------------------------

function readFile(entry) {
  return new Promise((resolve) => entry.file(resolve, () => resolve(null)));
}

// Browsers return the entries of a folder in parts. An empty part is the end.
async function readFolder(entry) {
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const part = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (part.length === 0) break;
    entries.push(...part);
  }
  return (await Promise.all(entries.map(readEntry))).flat();
}

async function readEntry(entry) {
  if (entry.isDirectory) return readFolder(entry);
  const file = await readFile(entry);
  return file && isWanted(file) ? [file] : [];
}

async function dropped({ items, files }) {
  // Get the entries before the first `await`, because the browser discards them after the event.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...files];
  return (await Promise.all(entries.map(readEntry))).flat();
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

let over;

function show(isOver) {
  clearTimeout(over);
  target.hidden = !isOver;
}

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  show(true);
  // Hide the target by a timer: browsers repeat `dragover` during a drag, but do not reliably send `dragleave`.
  over = setTimeout(show, 500, false);
});

document.addEventListener("drop", async (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  show(false);
  add(await dropped(event.dataTransfer));
});

// --- Pasted --------------------------------------------------------------------------------------

// Browsers give every image from the clipboard the same name.
function named(file) {
  if (!/^image\.\w+$/.test(file.name)) return file;
  const moment = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  return new File([file], file.name.replace("image", `pasted-${moment}`), { type: file.type });
}

document.addEventListener("paste", ({ clipboardData, target: field }) => {
  if (field.matches?.("input, textarea")) return;
  add([...(clipboardData?.files ?? [])].map(named));
});

if (mayBeUnsent()) loadQueue().then((queue) => queue.resume());
