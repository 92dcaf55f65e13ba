// The speed of a transfer, as an exponential moving average.

const FADES_IN = 2; // seconds: the time constant of the average
const AT_LEAST = 0.2; // seconds between two measurements

export class Speed {
  #value = 0; // bytes a second
  #at = performance.now();
  #bytes = 0;

  // Record the number of bytes sent so far. Return the speed, or 0 while it is unknown.
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
