/** Waiting with a limit. */

/** Sleeps. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks again and again until `condition` holds. @returns false if it did not within `limitMs` */
export async function until(condition: () => boolean, limitMs: number, everyMs = 5): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await sleep(everyMs);
  }
  return true;
}

/** A number of things to wait for. */
export class Countdown {
  readonly done: Promise<void>;
  #left: number;
  #finish: () => void = () => undefined;

  constructor(count: number) {
    this.#left = count;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    if (count === 0) this.#finish();
  }

  get left(): number {
    return this.#left;
  }

  hit(): void {
    this.#left--;
    if (this.#left === 0) this.#finish();
  }

  /** True when all came within the limit. */
  async within(limitMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), limitMs);
    });
    const result = await Promise.race([this.done.then(() => true), late]);
    clearTimeout(timer);
    return result;
  }
}
