// Uploading with progress, and cards that follow what the workers do. The server draws every card;
// this file sends files, asks for cards that have changed and puts them in place.

import { follow } from "./live.js";

const AT_ONCE = 3;
// Milliseconds: how soon changes are drawn together, and the pauses between two looks where no
// stream tells of changes, and where one does.
const TOGETHER = 50;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 3000;
const STREAM_PAUSE = 15000;
const CARDS_A_REQUEST = 24;
const SHOWN_OPEN = 4;

const uploader = document.getElementById("uploader");
const actions = document.getElementById("actions");
const cards = document.getElementById("cards");
const region = document.getElementById("announcements");
const words = JSON.parse(document.getElementById("words").textContent);
const token = uploader.elements.csrfmiddlewaretoken.value;

function say(word, values = {}) {
  return words[word].replace(/\{(\w+)\}/g, (_match, name) => values[name]);
}

// --- Telling what happened, politely and not too often -----------------------------------------

const news = [];
let newsTimer;

function announce(text) {
  news.push(text);
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => {
    region.textContent = news.length > 3 ? say("many", { count: news.length }) : news.join(" ");
    news.length = 0;
  }, 700);
}

// --- Cards -------------------------------------------------------------------------------------

// What was sent from this page, with a remark where there is one. While it is only a few, their
// sizes are shown open.
const remarks = new Map();
const drawn = new WeakMap();

function cardOf(id) {
  return document.getElementById(`upload-${id}`);
}

async function fetchCards(ids) {
  const query = new URLSearchParams(ids.map((id) => ["id", id]));
  const response = await fetch(`${cards.dataset.source}?${query}`);
  if (response.redirected) location.reload(); // Signed out meanwhile.
  if (!response.ok || response.redirected) throw new Error(response.statusText);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  return [...template.content.querySelectorAll(".card")];
}

function remember(card) {
  drawn.set(card, card.outerHTML);
  const remark = remarks.get(card.dataset.upload);
  if (remark === undefined) return card;
  const sizes = card.querySelector(".sizes");
  if (sizes) sizes.open = remarks.size <= SHOWN_OPEN;
  if (remark) {
    card.classList.add("note");
    card.querySelector(".remark").textContent = remark;
  }
  return card;
}

// Put a newly drawn card where the former one was; focus and what was folded open stay.
function replace(old, card) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.className);
  old.replaceWith(card);
  card.querySelectorAll("details").forEach((details) => {
    if (open.includes(details.className)) details.open = true;
  });
  if (focused) (document.getElementById(focused) ?? card).focus();
  const finished = "unfinished" in old.dataset && !("unfinished" in card.dataset);
  if (finished) announce(card.dataset.news);
}

// Draw these uploads' cards again, and those that another tab or program has sent; answer whether
// anything looks different.
async function refresh(ids) {
  const fetched = new Map((await fetchCards(ids)).map((card) => [card.dataset.upload, card]));
  let moved = false;
  for (const id of ids) {
    const old = cardOf(id);
    const card = fetched.get(id);
    if (card && drawn.get(old) === card.outerHTML) continue;
    moved = true;
    if (old && card) replace(old, remember(card));
    else if (card) cards.prepend(remember(card));
    else old?.remove();
  }
  return moved;
}

// --- Where changes come from: the stream, and a look now and then in case there is none -----------

const changed = new Set();
let drawTimer;

function onEvent({ type, data }) {
  if (!data.id) return;
  if (!cardOf(data.id) && !(type === "upload.received" && "newest" in cards.dataset)) return;
  changed.add(data.id);
  clearTimeout(drawTimer);
  drawTimer = setTimeout(draw, TOGETHER);
}

// While this page is sending, what is new to it may be what it sends: that has a place already.
async function draw() {
  const ids = [...changed].filter((id) => sending === 0 || cardOf(id)).slice(0, CARDS_A_REQUEST);
  ids.forEach((id) => changed.delete(id));
  await refresh(ids).catch(() => ids.forEach((id) => changed.add(id)));
  if (changed.size > 0) drawTimer = setTimeout(draw, FIRST_PAUSE);
}

const isStreaming = follow({
  address: cards.dataset.events,
  person: cards.dataset.person,
  last: Number(cards.dataset.lastEvent),
  names: cards.dataset.names.split(" "),
  onEvent,
});

let pause = FIRST_PAUSE;
let lookTimer;

function watchSoon() {
  pause = FIRST_PAUSE;
  lookLater();
}

function lookLater() {
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, isStreaming() ? STREAM_PAUSE : pause);
}

async function look() {
  const unfinished = [...cards.querySelectorAll("[data-unfinished]")].map((card) => card.dataset.upload);
  if (unfinished.length === 0) return;
  // The last ones on the page were sent first, so they change first.
  const moved = await refresh(unfinished.slice(-CARDS_A_REQUEST)).catch(() => false);
  pause = moved ? FIRST_PAUSE : Math.min(pause * 1.5, LONGEST_PAUSE);
  lookLater();
}

// --- Sending -----------------------------------------------------------------------------------

const waiting = [];
let sending = 0;

function add(files) {
  for (const file of files) {
    const row = newRow(file);
    cards.prepend(row);
    waiting.push({ file, row });
  }
  sendNext();
}

function newRow(file) {
  const row = document.getElementById("sending").content.firstElementChild.cloneNode(true);
  row.querySelector("bdi").textContent = file.name;
  row.querySelector("progress").setAttribute("aria-label", file.name);
  tell(row, say("waiting"));
  return row;
}

function tell(row, text) {
  row.querySelector(".status").textContent = text;
}

function sendNext() {
  while (sending < AT_ONCE && waiting.length > 0) {
    sending += 1;
    send(waiting.shift()).finally(() => {
      sending -= 1;
      sendNext();
    });
  }
}

async function send({ file, row }) {
  const bar = row.querySelector("progress");
  const answer = await post(file, (share) => {
    bar.value = share;
    tell(row, share < 1 ? say("uploading", { percent: Math.floor(share * 100) }) : say("processing"));
  });
  if (answer.status === 200 || answer.status === 201) await arrived(row, answer.body);
  else failed(row, file, answer);
}

function post(file, onProgress) {
  const body = new FormData();
  body.append("file", file);
  body.append("visibility", uploader.elements.visibility.value);
  const request = new XMLHttpRequest();
  request.open("POST", uploader.dataset.api);
  request.setRequestHeader("X-CSRFToken", token);
  request.setRequestHeader("Accept", "application/json");
  request.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
  return new Promise((resolve) => {
    request.addEventListener("loadend", () => {
      resolve({ status: request.status, body: readJson(request.responseText) });
    });
    request.send(body);
  });
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

async function arrived(row, upload) {
  remarks.set(upload.id, upload.duplicate ? say("duplicate") : "");
  if (upload.duplicate) announce(say("duplicateNews", { name: upload.filename }));
  tell(row, upload.duplicate ? say("duplicate") : say("processing"));
  const [card] = await fetchCards([upload.id]).catch(() => []);
  if (!card) {
    setTimeout(arrived, LONGEST_PAUSE, row, upload);
    return;
  }
  cardOf(upload.id)?.remove();
  row.replaceWith(remember(card));
  if (!upload.duplicate && !("unfinished" in card.dataset)) announce(card.dataset.news);
  watchSoon();
}

function failed(row, file, { status, body }) {
  const why = body.detail ?? say(status === 0 ? "offline" : "refused", { status });
  row.classList.replace("sending", "failed");
  row.querySelector("progress").remove();
  row.querySelector(".dismiss").hidden = false;
  tell(row, say("failed", { why }));
  announce(`${file.name}: ${say("failed", { why })}`);
}

// --- What people do ----------------------------------------------------------------------------

async function act(button) {
  const card = button.closest(".card");
  const neighbour = card.nextElementSibling ?? card.previousElementSibling ?? uploader.elements.file;
  const headers = { "X-CSRFToken": token, Accept: "application/json" };
  const response = await fetch(button.dataset.api, { method: button.dataset.method, headers }).catch(() => null);
  if (!response?.ok) {
    const problem = await response?.json().catch(() => null);
    announce(problem?.detail ?? say("offline"));
    return;
  }
  await refresh([card.dataset.upload]);
  if (button.dataset.method === "DELETE") {
    neighbour.focus();
    announce(say("deleted"));
  }
  watchSoon();
}

uploader.elements.file.addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = "";
});
uploader.addEventListener("submit", (event) => event.preventDefault());
uploader.querySelector("[type=submit]").hidden = true;

actions.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter);
});

document.addEventListener("click", ({ target }) => {
  if (target.closest(".dismiss")) target.closest(".card").remove();
});

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    uploader.classList.toggle("over", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}

window.addEventListener("beforeunload", (event) => {
  if (sending > 0) event.preventDefault();
});

watchSoon();
