// Texts in the reader's language, and announcements for screen readers, which are gathered so that they stay few.

const region = document.getElementById("announcements");
const source = document.getElementById("words");
const words = source ? JSON.parse(source.textContent) : {};
const language = document.documentElement.lang || undefined; // Pages of other projects may have none.

const GATHERED = 700; // milliseconds
const AT_MOST = 3;

const news = [];
let timer;

export function say(word, values = {}) {
  return words[word].replace(/\{(\w+)\}/g, (_match, name) => values[name]);
}

export function announce(text) {
  news.push(text);
  clearTimeout(timer);
  timer = setTimeout(() => {
    region.textContent = news.length > AT_MOST && words.many ? say("many", { count: news.length }) : news.join(" ");
    news.length = 0;
  }, GATHERED);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

export function sayBytes(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  const options = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long" };
  return new Intl.NumberFormat(language, { ...options, maximumFractionDigits: value < 10 && power ? 1 : 0 }).format(value);
}

export function saySeconds(seconds) {
  if (seconds < 90) return say("seconds", { count: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return say("minutes", { count: Math.round(seconds / 60) });
  return say("hours", { count: Math.round(seconds / 3600) });
}
