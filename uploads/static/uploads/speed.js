// How fast bytes go, as a mean in which what was some seconds ago hardly counts.

const FADES_IN = 2; // seconds
const AT_LEAST = 0.2; // seconds between two measurements

export class Speed {
  #value = 0; // bytes a second
  #at = performance.now();
  #bytes = 0;

  // Note that so many bytes are through by now; return the speed, 0 while it is not known.
  note(bytes) {
    const now = performance.now();
    const seconds = (now - this.#at) / 1000;
    if (seconds < AT_LEAST) return this.#value;
    const current = Math.max(0, bytes - this.#bytes) / seconds;
    const weight = 1 - Math.exp(-seconds / FADES_IN);
    this.#value = this.#value ? this.#value + weight * (current - this.#value) : current;
    [this.#at, this.#bytes] = [now, bytes];
    return this.#value;
  }
}
