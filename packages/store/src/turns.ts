/** One at a time: writers of one process take turns instead of racing each other in the store. */
import { StoreError } from './errors.ts';
import type { StoreClock } from './ports.ts';

/** Most callers that wait for their turn. */
const WAITING_MAX = 1_024;

/** A queue of turns. */
export class Turns {
  private readonly clock: StoreClock;
  private readonly waiting: (() => void)[] = [];
  private busy = false;

  constructor(clock: StoreClock) {
    this.clock = clock;
  }

  /**
   * Runs `work` when all earlier ones are through.
   * @throws SR_STORE_UNAVAILABLE when the turn did not come by `atMonoMs`, or too many wait
   */
  async take<T>(atMonoMs: number, work: () => Promise<T>): Promise<T> {
    if (this.busy) await this.wait(atMonoMs);
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
      this.waiting.shift()?.();
    }
  }

  private wait(atMonoMs: number): Promise<void> {
    if (this.waiting.length >= WAITING_MAX) throw tooBusy();
    return new Promise((resolve, reject) => {
      const go = (): void => {
        timer.cancel();
        // Taken for us now, before anybody else can run.
        this.busy = true;
        resolve();
      };
      const timer = this.clock.setTimer(Math.max(0, atMonoMs - this.clock.monoMs()), () => {
        const at = this.waiting.indexOf(go);
        if (at >= 0) this.waiting.splice(at, 1);
        reject(tooBusy());
      });
      this.waiting.push(go);
    });
  }
}

function tooBusy(): StoreError {
  return new StoreError(
    'SR_STORE_UNAVAILABLE',
    'the store is too slow for the writes that wait for it; nothing was done',
  );
}
