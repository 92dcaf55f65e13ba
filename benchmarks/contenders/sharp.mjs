// Measure sharp, with the same JSON lines as worker.py: node sharp.mjs RECIPE FOLDER
//
//   usual: one pipeline for each rendition, all concurrent, with the default options
//   best: one decode, a cascade, effort 2, one libvips thread; concurrent encodes
//   best-serial: the same, with one encode after the other

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import sharp from "sharp";

const [recipe, folder] = process.argv.slice(2);
const CASCADE_RATIO = 1.5;

if (recipe !== "usual") {
  sharp.concurrency(1);
  sharp.cache(false);
}

function save(pipeline, rendition, effort) {
  const path = join(folder, rendition.name);
  if (rendition.format === "webp") {
    return pipeline.webp({ quality: rendition.quality, ...effort }).toFile(path);
  }
  const flat = pipeline.flatten({ background: "#ffffff" });
  return flat.jpeg({ quality: rendition.quality, progressive: true }).toFile(path);
}

function resizing({ width, height }) {
  return height ? { width, height, fit: "cover" } : { width, withoutEnlargement: true };
}

async function usual(source, renditions) {
  await Promise.all(
    renditions.map((rendition) =>
      save(sharp(source).autoOrient().resize(resizing(rendition)), rendition, {}),
    ),
  );
}

async function raw(pipeline) {
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  return { data, raw: { width: info.width, height: info.height, channels: info.channels } };
}

// Resize each picture from the smallest one that is large enough.
async function cascade(source, sizes) {
  const pictures = new Map();
  for (const size of sizes) {
    const larger = [...pictures.values()].filter(
      (picture) => picture.raw.width >= CASCADE_RATIO * size.width,
    );
    const base = larger.at(-1);
    const pipeline = base ? sharp(base.data, { raw: base.raw }) : sharp(source).autoOrient();
    pictures.set(size.width, await raw(pipeline.resize(resizing(size))));
  }
  return pictures;
}

async function best(source, renditions) {
  const sizes = renditions.filter(({ format }) => format === "webp");
  const pictures = await cascade(readFileSync(source), sizes);
  const encode = (rendition, effort) => {
    const { data, raw } = pictures.get(rendition.width);
    return save(sharp(data, { raw }), rendition, effort);
  };
  if (recipe === "best") {
    await Promise.all(renditions.map((rendition) => encode(rendition, { effort: 2 })));
    return;
  }
  for (const rendition of renditions) {
    await encode(rendition, { effort: 2 });
  }
}

// Return the peak memory of this process in bytes. Linux reports it as VmHWM.
function peak() {
  try {
    const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
    return Number(kibibytes) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

async function measure({ source, renditions }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const idlePeak = peak();
  const cpuBefore = process.cpuUsage();
  const wallBefore = performance.now();
  await (recipe === "usual" ? usual : best)(source, renditions);
  const wall = (performance.now() - wallBefore) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const files = Object.fromEntries(renditions.map(({ name }) => [name, join(folder, name)]));
  return { wall, cpu: (user + system) / 1e6, idle_peak: idlePeak, peak: peak(), files };
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

answer({
  versions: { sharp: sharp.versions.sharp, libvips: sharp.versions.vips, "Node.js": process.versions.node },
});
for await (const line of createInterface({ input: process.stdin })) {
  try {
    answer(await measure(JSON.parse(line)));
  } catch (error) {
    answer({ error: String(error) });
  }
}
