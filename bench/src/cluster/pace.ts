/** Something done so many times per second, evenly, whatever the timer makes of it. */
const TICK_MS = 10;

/** See above. */
export class Pace {
  readonly #act: () => void;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** @param act what is done each time */
  constructor(act: () => void) {
    this.#act = act;
  }

  /** From now on `perSecond` times; 0 stops it. */
  set(perSecond: number): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (perSecond === 0) return;
    let owed = 0;
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      owed += ((now - lastMs) * perSecond) / 1000;
      lastMs = now;
      for (; owed >= 1; owed--) this.#act();
    }, TICK_MS);
  }
}
