// Keep unsent files in the browser's database, so that they survive closing the page. Each tab keeps its own files.
// The next tab that opens takes over the files of a closed tab.

const { person } = document.body.dataset;
const FLAG = `darkroom-unsent-${person}`;
const DATABASE = "darkroom-unsent";
const STORE = "files";
// The most bytes that one tab keeps. Beyond that it keeps only names, and the person chooses the files again.
const ROOM = 1024 ** 3;

const tab = `${FLAG}-${crypto.randomUUID?.() ?? Math.random()}`;
const canKeep = Boolean(navigator.locks && window.indexedDB);

// Hold this lock while the tab is open, so that other tabs do not take over its files.
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

// Ignore errors of the database (a private window, a full disk): files are then sent without being kept.
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

// Return the person's unsent files of closed tabs, as entries with a name and the file if it was kept. This tab
// sends them from now on.
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
