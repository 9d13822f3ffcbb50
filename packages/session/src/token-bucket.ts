/** Rate limit of registrations. Hot path: two numbers, no timer. */

/** Holds up to one second's worth of tokens. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #tokensMax: number;
  #tokens: number;
  #atMs: number;
  /** When it last had no token, monotonic ms; -Infinity = never. */
  lackedMs = -Infinity;

  /** @param ratePerSecond tokens per second, also the burst */
  constructor(ratePerSecond: number, nowMonoMs: number) {
    this.#perMs = ratePerSecond / 1000;
    this.#tokensMax = ratePerSecond;
    this.#tokens = ratePerSecond;
    this.#atMs = nowMonoMs;
  }

  /** Takes one token; false if there is none. */
  take(nowMonoMs: number): boolean {
    const passedMs = nowMonoMs - this.#atMs;
    if (passedMs > 0) {
      this.#tokens = Math.min(this.#tokensMax, this.#tokens + passedMs * this.#perMs);
      this.#atMs = nowMonoMs;
    }
    if (this.#tokens < 1) {
      this.lackedMs = nowMonoMs;
      return false;
    }
    this.#tokens--;
    return true;
  }
}
