// The picker of a focal point: a click on the picture or two sliders set it, and a cross shows it. The attribute
// `data-focal` marks the `picker` and in it the `aim` (around the picture), the `cross`, and the sliders `x` and `y`.

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const part = (picker, name) => picker.querySelector(`[data-focal=${name}]`);

// Draw the cross, and the texts of the sliders. A picture that cannot be aimed at has no cross.
export function show(picker) {
  const [cross, x, y] = ["cross", "x", "y"].map((name) => part(picker, name));
  for (const slider of [x, y]) {
    picker.querySelector(`[data-focal-text=${slider.dataset.focal}]`).textContent = `${Math.round(slider.value)} %`;
  }
  if (!cross) return;
  cross.hidden = !part(picker, "aim");
  [cross.style.left, cross.style.top] = [`${x.value}%`, `${y.value}%`];
}

function look(picker, { clientX, clientY }) {
  const box = part(picker, "aim").getBoundingClientRect();
  const x = part(picker, "x");
  x.value = clamp((100 * (clientX - box.left)) / box.width, 0, 100);
  part(picker, "y").value = clamp((100 * (clientY - box.top)) / box.height, 0, 100);
  x.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("pointerdown", (event) => {
  const picker = event.target.closest("[data-focal=aim]")?.closest("[data-focal=picker]");
  if (!picker) return;
  event.preventDefault();
  look(picker, event);
  const stop = new AbortController();
  document.addEventListener("pointermove", (moved) => look(picker, moved), { signal: stop.signal });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => stop.abort(), { signal: stop.signal });
  }
});

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-focal=x], [data-focal=y]")) show(target.closest("[data-focal=picker]"));
});
