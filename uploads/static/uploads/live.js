// Share one event stream between all tabs of a browser, because browsers limit the connections to a site.
// The tab that holds a lock opens the stream and broadcasts the events. When it closes, another tab gets the lock.

// The number of past events that the leading tab keeps for a tab that opens later.
const KEPT = 500;

// Milliseconds after which a refused stream is opened again, such as one too many. The page polls meanwhile.
const AGAIN = 60_000;

// Call `onEvent` once for each of the person's events after `last`, the newest event that the page contains.
// Return a function that returns whether the stream is open.
export function follow({ address, person, last, names, onEvent }) {
  if (!navigator.locks) return () => false; // Locks need HTTPS or localhost. Without them the page polls.
  const shared = `darkroom-events-${person}`; // Another user may be signed in in another tab.
  const tabs = new BroadcastChannel(shared);
  const seen = new Set();
  const kept = [];
  let newest = last;
  let open = false;

  function take(event) {
    if (event.id <= last || seen.has(event.id)) return;
    seen.add(event.id);
    newest = Math.max(newest, event.id);
    onEvent(event);
  }

  function tell(message) {
    tabs.postMessage(message);
  }

  function connect() {
    const source = new EventSource(`${address}?last_event_id=${newest}`);
    const state = (isOpen) => {
      open = isOpen;
      tell({ open });
    };
    source.addEventListener("open", () => state(true));
    source.addEventListener("error", () => {
      state(false);
      // A browser reconnects by itself after a lost connection, but not after a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
    });
    for (const name of names) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        const event = { id: Number(lastEventId), ...JSON.parse(data) };
        kept.push(event);
        if (kept.length > KEPT) kept.shift();
        tell({ event });
        take(event);
      });
    }
  }

  function lead() {
    connect();
    tabs.onmessage = ({ data }) => {
      if (!("since" in data)) return;
      tell({ open });
      kept.filter(({ id }) => id > data.since).forEach((event) => tell({ event }));
    };
    return new Promise(() => {}); // Never resolve, so that this tab holds the lock until it closes.
  }

  tabs.onmessage = ({ data }) => {
    if ("open" in data) open = data.open;
    if ("event" in data) take(data.event);
  };
  tell({ since: last });
  navigator.locks.request(shared, lead);
  return () => open;
}
