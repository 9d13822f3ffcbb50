/** Repeating timers. */
import type { Clock, Timer } from './ports.ts';

class Repeat implements Timer {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #fn: () => void | Promise<void>;
  readonly #run: () => void;
  #timer: Timer;
  #cancelled = false;

  constructor(clock: Clock, ms: number, fn: () => void | Promise<void>) {
    this.#clock = clock;
    this.#ms = ms;
    this.#fn = fn;
    this.#run = () => this.#fire();
    this.#timer = clock.setTimer(ms, this.#run);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#timer.cancel();
  }

  #fire(): void {
    let result: void | Promise<void> = undefined;
    try {
      result = this.#fn();
    } finally {
      if (!(result instanceof Promise)) this.#arm();
    }
    if (result instanceof Promise) void result.finally(() => this.#arm());
  }

  #arm(): void {
    if (!this.#cancelled) this.#timer = this.#clock.setTimer(this.#ms, this.#run);
  }
}

/**
 * Calls `fn` every `ms`, the first time after `ms`. The next wait starts when `fn` has returned, or when the promise it
 * returned has settled, so runs never overlap. An error of `fn` is not swallowed, and does not stop the repetition.
 */
export function every(clock: Clock, ms: number, fn: () => void | Promise<void>): Timer {
  return new Repeat(clock, ms, fn);
}
