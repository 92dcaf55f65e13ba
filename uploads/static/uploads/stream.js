// Pass each of the person's events once to every module of the page, from the time the page was rendered.

import { follow } from "./live.js";

const { events, person, lastEvent, names } = document.body.dataset;

// The number of past events to keep for a module that is loaded later.
const KEPT = 500;

const past = [];
const listeners = [];

function onEvent(event) {
  past.push(event);
  if (past.length > KEPT) past.shift();
  for (const listener of listeners) listener(event);
}

export function subscribe(listener) {
  past.forEach(listener);
  listeners.push(listener);
}

// Return whether the stream is open. The modules poll if it is not.
export const isStreaming = events
  ? follow({ address: events, person, last: Number(lastEvent), names: names.split(" "), onEvent })
  : () => false;
