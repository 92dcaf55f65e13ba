// The person's events as they happen: one stream for all tabs of a browser, which one tab opens and
// tells the others. The tab that holds the lock is the one; when it goes, the next has the lock.

// Events that a tab keeps for those that come later: what happens while a page is loading.
const KEPT = 500;

// Follow the person's events after `last`, the newest that the page knows. `onEvent` gets each once;
// answer whether there is a stream at present.
export function follow({ address, person, last, names, onEvent }) {
  if (!navigator.locks) return () => false; // Plain HTTP to another machine: the page asks by itself.
  const shared = `darkroom-events-${person}`; // Somebody else may have signed in in another tab.
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

  function lead() {
    const source = new EventSource(`${address}?last_event_id=${newest}`);
    const state = (isOpen) => {
      open = isOpen;
      tell({ open });
    };
    source.addEventListener("open", () => state(true));
    source.addEventListener("error", () => state(false));
    for (const name of names) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        const event = { id: Number(lastEventId), ...JSON.parse(data) };
        kept.push(event);
        if (kept.length > KEPT) kept.shift();
        tell({ event });
        take(event);
      });
    }
    tabs.onmessage = ({ data }) => {
      if (!("since" in data)) return;
      tell({ open });
      kept.filter(({ id }) => id > data.since).forEach((event) => tell({ event }));
    };
    return new Promise(() => {}); // The lock is held as long as the tab lives.
  }

  tabs.onmessage = ({ data }) => {
    if ("open" in data) open = data.open;
    if ("event" in data) take(data.event);
  };
  tell({ since: last });
  navigator.locks.request(shared, lead);
  return () => open;
}
