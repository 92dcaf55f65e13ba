// The page of one image. The previews of the crops follow the focal point.

import { clamp, show } from "./focal_point.js";

// Return the CSS `object-position` in percent that shows the focal point as near to the middle of the crop as the
// edges of the picture allow. `seen` is the share of the picture's side that the crop shows.
function position({ focus, seen }) {
  return seen >= 1 ? 50 : (100 * clamp(focus - seen / 2, 0, 1 - seen)) / (1 - seen);
}

function showCrop(crop, { width, height, x, y }) {
  const [cropWidth, cropHeight] = [Number(crop.dataset.width), Number(crop.dataset.height)];
  const scale = Math.max(cropWidth / width, cropHeight / height);
  const across = position({ focus: x, seen: cropWidth / (width * scale) });
  const down = position({ focus: y, seen: cropHeight / (height * scale) });
  crop.style.aspectRatio = `${cropWidth} / ${cropHeight}`;
  crop.querySelector("img").style.objectPosition = `${across}% ${down}%`;
}

function showCrops(form) {
  const { width, height } = form.querySelector("#aim").dataset;
  const [x, y] = [form.elements.x.value / 100, form.elements.y.value / 100];
  const picture = { width: Number(width), height: Number(height), x, y };
  form.querySelectorAll(".crop").forEach((crop) => showCrop(crop, picture));
}

function showAll() {
  const form = document.getElementById("focus-form");
  if (!form) return;
  show(form);
  showCrops(form);
}

document.addEventListener("input", ({ target }) => {
  if (target.closest("#focus-form")) showCrops(target.closest("#focus-form"));
});

document.addEventListener("htmx:after:swap", showAll);
showAll();
