// The gallery updates its cards while workers process the uploads. It also handles selection and the keyboard.
// The server renders every card. This module fetches the cards that have changed and replaces them.

import { thumbHashToRGBA } from "./vendor/thumbhash.js";
import { announce, say } from "./speech.js";
import { isStreaming, subscribe } from "./stream.js";

// All in milliseconds. Changes within TOGETHER are fetched in one request. Without an event stream the gallery
// polls, with pauses that grow from FIRST_PAUSE to LONGEST_PAUSE; with one it polls every STREAM_PAUSE.
const TOGETHER = 60;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 3000;
const STREAM_PAUSE = 5000;
const CARDS_A_REQUEST = 60;

// The most cards to measure in one direction, to find a row.
const NEAR = 40;

const gallery = document.querySelector(".gallery");

// Look the list up each time, because htmx replaces it when a filter changes.
function list() {
  return document.getElementById("cards");
}

function cardOf(id) {
  return document.getElementById(`upload-${id}`);
}

function allCards() {
  return [...list().querySelectorAll(".card")];
}

// --- Placeholders ------------------------------------------------------------------------------

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function isLoaded(image) {
  return image.complete && image.naturalWidth > 0;
}

// Show the ThumbHash of an image until the image is loaded.
function drawPlaceholder(card) {
  const image = card.querySelector("img");
  if (!image || isLoaded(image)) return;
  const { w, h, rgba } = thumbHashToRGBA(bytesOf(card.dataset.thumbhash));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [w, h];
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(rgba), w, h), 0, 0);
  image.closest("picture").before(canvas);
  image.addEventListener("load", () => canvas.remove(), { once: true });
}

// Decode only the placeholders in view, because a page has many.
const inSight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    inSight.unobserve(target);
    drawPlaceholder(target);
  }
});

function showPlaceholder(card) {
  const image = card.querySelector("img");
  if (image && card.dataset.thumbhash && !isLoaded(image)) inSight.observe(card);
}

// --- Updating cards ----------------------------------------------------------------------------

async function fetchCards(ids) {
  const query = new URLSearchParams(ids.map((id) => ["id", id]));
  const response = await fetch(`${list().dataset.source}?${query}`);
  if (response.redirected) location.reload(); // The person has signed out meanwhile.
  if (!response.ok || response.redirected) throw new Error(response.statusText);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  return [...template.content.querySelectorAll(".card")];
}

// Replace a card, but keep its focus, its selection and its picture if that is already loaded.
function replace(old, card) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const [image, newImage] = [old.querySelector("img"), card.querySelector("img")];
  if (image && image.src === newImage?.src) newImage.closest("picture").replaceWith(image.closest("picture"));
  card.querySelector("input").checked = old.querySelector("input").checked;
  old.replaceWith(card);
  showPlaceholder(card);
  if (focused) document.getElementById(focused)?.focus();
  if ("unfinished" in old.dataset && !("unfinished" in card.dataset)) announce(card.dataset.news);
}

// Insert a card in the order of the list, newest first, unless its position is on a page not loaded yet.
function insert(card) {
  const next = allCards().find((other) => other.dataset.position < card.dataset.position);
  if (next) next.before(card);
  else if (list().querySelector(".more")) return;
  else list().querySelector(".cards:last-of-type").append(card);
  showPlaceholder(card);
}

function remove(card) {
  const neighbour = card.nextElementSibling ?? card.previousElementSibling;
  const focused = card.contains(document.activeElement);
  card.remove();
  if (focused) (neighbour?.querySelector("a") ?? document.getElementById("images")).focus();
}

// Fetch and replace the cards of these uploads, and insert new ones. Return whether the status of any changed.
async function refresh(ids) {
  const fetched = new Map((await fetchCards(ids)).map((card) => [card.dataset.upload, card]));
  let moved = false;
  for (const id of ids) {
    const [old, card] = [cardOf(id), fetched.get(id)];
    moved ||= old?.dataset.status !== card?.dataset.status;
    if (old && card) replace(old, card);
    else if (old) remove(old);
    else if (card && "newest" in list().dataset) insert(card);
    tell(id, card);
  }
  count();
  return moved;
}

// --- Changes: from the event stream, and by polling in case the stream is blocked -----------------

const changed = new Set();
const watched = new Set();
let drawTimer;

function drawSoon(id) {
  changed.add(id);
  clearTimeout(drawTimer);
  drawTimer = setTimeout(draw, TOGETHER);
}

async function draw() {
  const ids = [...changed].slice(0, CARDS_A_REQUEST);
  ids.forEach((id) => changed.delete(id));
  await refresh(ids).catch(() => ids.forEach((id) => changed.add(id)));
  if (changed.size > 0) drawTimer = setTimeout(draw, FIRST_PAUSE);
  lookSoon();
}

const NEW = ["upload.received", "upload.restored"];

subscribe(({ type, data }) => {
  if (!data.id) return;
  if (cardOf(data.id) || watched.has(data.id) || (NEW.includes(type) && "newest" in list().dataset)) drawSoon(data.id);
});

// The server sends this event after an action on the page.
document.addEventListener("uploads-changed", ({ detail }) => {
  clearSelection();
  detail.ids.forEach(drawSoon);
});

// Follow an upload until it is finished, even if the list shows no card of it.
export function watch(id) {
  watched.add(id);
  drawSoon(id);
}

function tell(id, card) {
  const { status, reason } = card?.dataset ?? {};
  if (!card || !("unfinished" in card.dataset)) watched.delete(id);
  document.dispatchEvent(new CustomEvent("upload-seen", { detail: { id, status, reason } }));
}

let pause = FIRST_PAUSE;
let lookTimer;

function lookSoon() {
  pause = FIRST_PAUSE;
  lookLater();
}

function lookLater() {
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, isStreaming() ? STREAM_PAUSE : pause);
}

async function look() {
  const unfinished = [...list().querySelectorAll("[data-unfinished]")].map((card) => card.dataset.upload);
  const ids = [...new Set([...watched, ...unfinished.reverse()])];
  if (ids.length === 0) return;
  // Workers process the oldest uploads first, and those are at the end of the list.
  const moved = await refresh(ids.slice(0, CARDS_A_REQUEST)).catch(() => false);
  pause = moved ? FIRST_PAUSE : Math.min(pause * 1.5, LONGEST_PAUSE);
  lookLater();
}

// --- Selecting ---------------------------------------------------------------------------------

let anchor;

function boxes() {
  return [...list().querySelectorAll("input[name=id]")];
}

function count() {
  const selected = boxes().filter((box) => box.checked).length;
  document.getElementById("selected-count").textContent = selected ? say("selected", { count: selected }) : "";
  gallery.classList.toggle("selecting", selected > 0);
  document.getElementById("empty").hidden = list().querySelector(".card") !== null;
}

function clearSelection() {
  boxes().forEach((box) => (box.checked = false));
  count();
}

// A click with the shift key gives all images since the previous click the same state.
function selectTo(box) {
  const all = boxes();
  const [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
  if (from >= 0) all.slice(from, to + 1).forEach((other) => (other.checked = box.checked));
}

gallery.addEventListener("click", ({ target, shiftKey }) => {
  if (!target.matches("input[name=id]")) return;
  if (shiftKey) selectTo(target);
  anchor = target;
  count();
});

document.getElementById("select-none").addEventListener("click", () => {
  clearSelection();
  (anchor ?? document.getElementById("q")).focus();
});

// --- Keyboard: arrows move, the space bar selects, Delete deletes ----------------------------------

function inRowBelow(cards, index, direction) {
  const here = cards[index].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  // Measure only the cards near by, because measuring makes the browser lay out cards that are out of view.
  const rows = direction > 0 ? cards.slice(index + 1, index + NEAR) : cards.slice(Math.max(0, index - NEAR), index).reverse();
  const row = rows.find((card) => Math.abs(card.getBoundingClientRect().top - here.top) > 4)?.getBoundingClientRect().top;
  const distance = (card) => {
    const box = card.getBoundingClientRect();
    return Math.abs(box.left + box.width / 2 - middle);
  };
  const there = rows.filter((card) => Math.abs(card.getBoundingClientRect().top - row) <= 4);
  return there.sort((a, b) => distance(a) - distance(b))[0];
}

function neighbour(card, key) {
  const cards = allCards();
  const index = cards.indexOf(card);
  const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  if (key === "Home") return cards[0];
  if (key === "End") return cards.at(-1);
  if (key === "ArrowDown" || key === "ArrowUp") return inRowBelow(cards, index, key === "ArrowDown" ? 1 : -1);
  if (key === "ArrowLeft" || key === "ArrowRight") return cards[index + (key === forward ? 1 : -1)];
  return undefined;
}

function act(card, key, event) {
  const box = card.querySelector("input");
  if (key === " " && event.target !== box) {
    box.checked = !box.checked;
    if (event.shiftKey) selectTo(box);
    anchor = box;
    count();
  } else if (key === "Delete") {
    if (!gallery.classList.contains("selecting")) box.checked = true;
    document.querySelector("#selection .danger").click();
  } else return false;
  return true;
}

gallery.addEventListener("keydown", (event) => {
  const card = event.target.closest(".card");
  if (event.key === "Escape" && gallery.classList.contains("selecting")) clearSelection();
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = neighbour(card, event.key);
  next?.querySelector("a").focus();
  if (next || act(card, event.key, event)) event.preventDefault();
});

// --- Pages: the URL follows the scroll position -----------------------------------------------------

// Put the page in view into the URL, so that the browser's back button returns to it.
const seen = new IntersectionObserver((entries) => {
  const page = entries.findLast((entry) => entry.isIntersecting)?.target;
  if (page) history.replaceState(history.state, "", page.dataset.page);
}, { rootMargin: "-45% 0px -50% 0px" });

// Move the last, incomplete row of the previous page to this page, so that the row is filled.
function joinRows(page) {
  const before = page.previousElementSibling;
  if (!before?.matches(".cards")) return;
  const cards = [...before.querySelectorAll(".card")].slice(-NEAR);
  const top = cards.at(-1)?.getBoundingClientRect().top;
  page.prepend(...cards.filter((card) => Math.abs(card.getBoundingClientRect().top - top) <= 4));
}

const settled = new WeakSet();

function settle() {
  for (const page of list().querySelectorAll(".cards")) {
    if (settled.has(page)) continue;
    settled.add(page);
    page.querySelectorAll(".card").forEach(showPlaceholder);
    joinRows(page);
    seen.observe(page);
  }
  count();
  lookSoon();
}

document.addEventListener("htmx:after:swap", settle);
settle();
