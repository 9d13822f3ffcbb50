/** Waiting times between attempts: exponential, bounded, jittered so that a crowd does not come back in step. */
import type { Random } from './ports.ts';

/** Options of {@link Backoff}. */
export interface BackoffOptions {
  /** First wait, in ms. Default 100. */
  readonly baseMs?: number;
  /** Longest wait, in ms. Default 5000. */
  readonly maxMs?: number;
  /** Growth from one wait to the next, >= 1. Default 2. */
  readonly factor?: number;
  /** Share of a wait that is random, 0 to 1. Default 0.5: a wait of 100 ms becomes 50 to 100 ms. */
  readonly jitter?: number;
}

/** State of one sequence of attempts. */
export class Backoff {
  readonly #random: Random;
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #factor: number;
  readonly #jitter: number;
  #attempt = 0;

  constructor(random: Random, options?: BackoffOptions) {
    this.#random = random;
    this.#baseMs = options?.baseMs ?? 100;
    this.#maxMs = options?.maxMs ?? 5000;
    this.#factor = options?.factor ?? 2;
    this.#jitter = options?.jitter ?? 0.5;
  }

  /** Waits taken since the start or the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The next wait, in ms. */
  nextMs(): number {
    const fullMs = Math.min(this.#maxMs, this.#baseMs * this.#factor ** this.#attempt);
    // Bounded, so that the power stays finite however long the other side is away.
    if (this.#attempt < 1000) this.#attempt++;
    return fullMs * (1 - this.#jitter * this.#random.next());
  }

  /** Starts over, after a success. */
  reset(): void {
    this.#attempt = 0;
  }
}
