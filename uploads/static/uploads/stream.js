// The person's events for every script of a page, each once, from those before the page was drawn on.

import { follow } from "./live.js";

const { events, person, lastEvent, names } = document.body.dataset;

// Events that are kept for a script that is loaded later.
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

// Whether there is a stream at present; where there is none, scripts ask by themselves.
export const isStreaming = events
  ? follow({ address: events, person, last: Number(lastEvent), names: names.split(" "), onEvent })
  : () => false;
