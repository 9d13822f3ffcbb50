/** A clock that moves only when told, with timers that fire in order. */
import type { StoreClock, StorePorts, StoreRandom, StoreTimer } from '../src/index.ts';

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
}

export class ManualClock implements StoreClock {
  private nowMs = 1_000;
  private wallOffsetMs = 1_790_000_000_000;
  private order = 0;
  private timers: Pending[] = [];

  monoMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs + this.wallOffsetMs;
  }

  /** Steps the wall clock; monotonic time and timers do not notice. */
  stepWall(ms: number): void {
    this.wallOffsetMs += ms;
  }

  setTimer(delayMs: number, fn: () => void): StoreTimer {
    const timer = { atMs: this.nowMs + delayMs, order: this.order++, fn };
    this.timers.push(timer);
    return {
      cancel: () => {
        this.timers = this.timers.filter((t) => t !== timer);
      },
    };
  }

  /** Moves time by `ms`, firing due timers in order and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await settle();
      const due = this.timers
        .filter((t) => t.atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((t) => t !== due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.fn();
    }
    this.nowMs = endMs;
    await settle();
  }
}

/** Lets everything that waits only on promises run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A small seeded source (xorshift32). */
export function seededRandom(seed: number): StoreRandom {
  let state = seed | 1;
  return {
    uint32() {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state >>> 0;
    },
  };
}

let seeds = 1;

/** Ports on a manual clock; every call gets its own random numbers. */
export function manualPorts(clock: ManualClock): StorePorts {
  return { clock, random: seededRandom(7919 * seeds++) };
}
