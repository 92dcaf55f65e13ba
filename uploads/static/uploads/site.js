// This module runs on every page: it updates the bell, dismisses messages and announces content that htmx loads.

import htmx from "./vendor/htmx.js";
import { announce } from "./speech.js";
import { isStreaming, subscribe } from "./stream.js";

const NOTICED = [
  "upload.ready", "upload.failed", "webhook.disabled", "account.password_changed", "account.email_refused",
];
// All in milliseconds. Changes within TOGETHER cause one request. Without an event stream the page polls every
// PAUSE, with one every STREAM_PAUSE; the bell polls only without one, every BELL_PAUSE.
const TOGETHER = 150;
const PAUSE = 1500;
const STREAM_PAUSE = 10000;
const BELL_PAUSE = 30000;

// --- Debouncing --------------------------------------------------------------------------------

function gathered(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, TOGETHER);
  };
}

// --- The bell ----------------------------------------------------------------------------------

const bell = document.getElementById("bell");
const countAgain = gathered(() => {
  htmx.trigger("#unread", "notices");
  if (bell?.open) htmx.trigger("#latest", "opened");
});

bell?.addEventListener("toggle", () => {
  if (bell.open) htmx.trigger("#latest", "opened");
});

document.addEventListener("click", ({ target }) => {
  if (bell?.open && !bell.contains(target)) bell.open = false;
});

document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !bell?.open) return;
  if (bell.contains(document.activeElement)) bell.querySelector("summary").focus();
  bell.open = false;
});

setInterval(() => {
  if (bell && !isStreaming() && !document.hidden) countAgain();
}, BELL_PAUSE);

// --- A part of the page that shows one upload ---------------------------------------------------

function watched() {
  return document.querySelector("[data-watch]");
}

const drawAgain = gathered(() => htmx.trigger(watched(), "changed"));
let lookTimer;

// Poll for the end of processing, because an upload that was ready before sends no second event.
function lookLater() {
  clearTimeout(lookTimer);
  if (!watched() || !("unfinished" in watched().dataset)) return;
  lookTimer = setTimeout(() => htmx.trigger(watched(), "changed"), isStreaming() ? STREAM_PAUSE : PAUSE);
}

subscribe(({ type, data }) => {
  if (NOTICED.includes(type)) countAgain();
  if (data.id && data.id === watched()?.dataset.watch) drawAgain();
});

lookLater();

// --- Content that htmx loads -------------------------------------------------------------------

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  if (ctx.response.raw.redirected) location.reload(); // The person has signed out meanwhile.
  if (ctx.response.raw.redirected || ctx.response.status >= 400) event.preventDefault();
});

let shown = watched()?.dataset.news;

document.addEventListener("htmx:after:swap", () => {
  const news = watched()?.dataset.news;
  if (news && news !== shown) announce(news);
  shown = news;
  lookLater();
});

document.addEventListener("htmx:after:swap", ({ detail }) => {
  if (detail.ctx.target?.id !== "messages") return;
  const said = [...document.querySelectorAll("#messages .message > span")].map((line) => line.textContent.trim());
  if (said.length > 0) announce(said.join(" "));
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-dismiss]");
  if (!button) return;
  const list = button.closest("ul");
  button.closest("li").remove();
  list.hidden = list.children.length === 0;
  document.getElementById("main").focus();
});
