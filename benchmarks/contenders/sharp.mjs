// Measure sharp, with the same JSON lines as worker.py: node sharp.mjs RECIPE FOLDER
//
//   usual: one pipeline for each rendition, all concurrent, with the default options
//   best: one decode, a cascade, effort 2, one libvips thread; concurrent encodes
//   best-serial: the same, with one encode after the other
//
// The WebP renditions of an animation are animated, and its JPEG renditions show the first frame.

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import sharp from "sharp";

const [recipe, folder] = process.argv.slice(2);
const CASCADE_RATIO = 1.5;
// libvips' effort for AVIF is 9 minus the encoder's speed: this is speed 8, as in Darkroom.
const EFFORTS = { webp: { effort: 2 }, avif: { effort: 1 } };

if (recipe !== "usual") {
  sharp.concurrency(1);
  sharp.cache(false);
}

function save(pipeline, rendition, options) {
  const path = join(folder, rendition.name);
  const { quality } = rendition;
  if (rendition.format === "webp") {
    return pipeline.webp({ quality, ...options }).toFile(path);
  }
  if (rendition.format === "avif") {
    return pipeline.avif({ quality, chromaSubsampling: "4:2:0", ...options }).toFile(path);
  }
  const flat = pipeline.flatten({ background: "#ffffff" });
  return flat.jpeg({ quality, progressive: true }).toFile(path);
}

function resizing({ width, height }) {
  return height ? { width, height, fit: "cover" } : { width, withoutEnlargement: true };
}

const isAnimated = (source) => source.endsWith(".gif");

async function usual(source, renditions) {
  await Promise.all(
    renditions.map((rendition) => {
      const animated = isAnimated(source) && rendition.format === "webp";
      return save(sharp(source, { animated }).autoOrient().resize(resizing(rendition)), rendition, {});
    }),
  );
}

async function raw(pipeline) {
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels, pageHeight } = info;
  // The frames of an animation are stacked: `height` is that of all together.
  return { data, raw: { width, height, channels, ...(pageHeight && { pageHeight }) } };
}

// Resize each picture from the smallest one that is large enough. One that was not reduced always is.
async function cascade(source, sizes, { animated, originalWidth }) {
  const pictures = new Map();
  for (const size of sizes) {
    const base = [...pictures.values()].findLast(
      ({ raw: { width } }) => width >= CASCADE_RATIO * size.width || width === originalWidth,
    );
    const pipeline = base
      ? sharp(base.data, { raw: base.raw, animated })
      : sharp(source, { animated }).autoOrient();
    pictures.set(size.width, await raw(pipeline.resize(resizing(size))));
  }
  return pictures;
}

function firstFrame({ data, raw }) {
  const { width, channels, pageHeight } = raw;
  const height = pageHeight ?? raw.height;
  return { data: data.subarray(0, width * height * channels), raw: { width, height, channels } };
}

async function best(source, renditions) {
  const sizes = renditions.filter(({ format }) => format === "webp");
  const file = readFileSync(source);
  const animated = isAnimated(source);
  const { width: originalWidth, delay, loop } = await sharp(file, { animated }).metadata();
  const pictures = await cascade(file, sizes, { animated, originalWidth });
  const encode = (rendition) => {
    const whole = pictures.get(rendition.width);
    const moving = animated && rendition.format === "webp";
    const { data, raw } = moving ? whole : firstFrame(whole);
    const timing = moving ? { delay, loop } : {};
    const pipeline = sharp(data, { raw, animated: moving });
    return save(pipeline, rendition, { ...EFFORTS[rendition.format], ...timing });
  };
  if (recipe === "best") {
    await Promise.all(renditions.map(encode));
    return;
  }
  for (const rendition of renditions) {
    await encode(rendition);
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
