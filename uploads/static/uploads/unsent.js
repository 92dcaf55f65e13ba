// What has not been sent yet, kept by the browser so that it outlives the page. Each tab keeps its own;
// what a tab left that is gone is taken over by the next one that looks.

const { person } = document.body.dataset;
const FLAG = `darkroom-unsent-${person}`;
const DATABASE = "darkroom-unsent";
const STORE = "files";
// Bytes kept at most, by one tab: beyond that only the name is kept, and the file must be chosen again.
const ROOM = 1024 ** 3;

const tab = `${FLAG}-${crypto.randomUUID?.() ?? Math.random()}`;
const canKeep = Boolean(navigator.locks && window.indexedDB);

// Held as long as the tab lives: by it others know that what it keeps is being sent.
if (canKeep) navigator.locks.request(tab, () => new Promise(() => {}));

let used = 0;
let opened;

export function mayBeUnsent() {
  return canKeep && localStorage.getItem(FLAG) !== null;
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function database() {
  opened ??= (() => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
    return settled(request);
  })();
  return opened;
}

async function inStore(mode, action) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  return settled(action(store));
}

// A browser that keeps nothing (a private window, a full disk) sends all the same.
async function quietly(promise) {
  try {
    return await promise;
  } catch {
    return undefined;
  }
}

export async function keep(key, file) {
  if (!canKeep) return;
  localStorage.setItem(FLAG, "yes");
  const data = used + file.size <= ROOM ? file : null;
  used += data ? file.size : 0;
  const entry = { key, person, tab, name: file.name, size: file.size, data };
  const kept = await quietly(inStore("readwrite", (store) => store.put(entry)));
  if (kept === undefined && data) await quietly(inStore("readwrite", (store) => store.put({ ...entry, data: null })));
}

export async function forget(key, size) {
  if (!canKeep) return;
  used = Math.max(0, used - size);
  await quietly(inStore("readwrite", (store) => store.delete(key)));
  const left = await quietly(inStore("readonly", (store) => store.count()));
  if (left === 0) localStorage.removeItem(FLAG);
}

// Return what this person left unsent in tabs that are gone, as entries with a name and, where it was
// kept, the file; they are this tab's to send now.
export async function takeOver() {
  if (!canKeep) return [];
  const { held } = await navigator.locks.query();
  const alive = new Set(held.map(({ name }) => name));
  const entries = (await quietly(inStore("readonly", (store) => store.getAll()))) ?? [];
  const left = entries.filter((entry) => entry.person === person && !alive.has(entry.tab));
  await Promise.all(left.map(({ key }) => quietly(inStore("readwrite", (store) => store.delete(key)))));
  if (left.length === entries.length) localStorage.removeItem(FLAG);
  return left;
}
