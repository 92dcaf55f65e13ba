// The page of one image. A click sets the focal point, and the previews of the crops follow it.

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function parts() {
  const form = document.getElementById("focus-form");
  if (!form) return null;
  const { x, y } = form.elements;
  return { form, x, y, aim: form.querySelector("#aim"), cross: form.querySelector("#cross") };
}

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

function show() {
  const found = parts();
  if (!found) return;
  const { form, x, y, aim, cross } = found;
  const [left, top] = [Number(x.value), Number(y.value)];
  cross.hidden = false;
  [cross.style.left, cross.style.top] = [`${left}%`, `${top}%`];
  for (const field of [x, y]) form.querySelector(`output[for=${field.id}]`).textContent = `${Math.round(field.value)} %`;
  const [width, height] = [Number(aim.dataset.width), Number(aim.dataset.height)];
  form.querySelectorAll(".crop").forEach((crop) => showCrop(crop, { width, height, x: left / 100, y: top / 100 }));
}

function look(event) {
  const { x, y, aim } = parts();
  const box = aim.getBoundingClientRect();
  x.value = clamp((100 * (event.clientX - box.left)) / box.width, 0, 100);
  y.value = clamp((100 * (event.clientY - box.top)) / box.height, 0, 100);
  show();
}

document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest("#aim")) return;
  event.preventDefault();
  look(event);
  const stop = new AbortController();
  document.addEventListener("pointermove", look, { signal: stop.signal });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => stop.abort(), { signal: stop.signal });
  }
});

document.addEventListener("input", ({ target }) => {
  if (target.closest("#focus-form")) show();
});

document.addEventListener("htmx:after:swap", show);
show();
