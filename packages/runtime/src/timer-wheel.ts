/**
 * Hot path. Hierarchical timer wheel: insert and remove are O(1), nothing is visited before it is due except when it moves
 * down a level, and an empty wheel costs nothing. It knows ticks, not time; its owner drives it (`clock-wheel.ts`, the
 * Node clock).
 *
 *   level 0: 64 buckets of 1 tick       |  entry at tick t lies in the lowest level whose span covers t - now; when `now`
 *   level 1: 64 buckets of 64 ticks     |  enters the span of a higher bucket, its entries are dealt out again below
 *   level 2: 64 buckets of 4,096 ticks  |
 *   level 3: 64 buckets of 262,144 ticks (what is due even later is dealt again each time round)
 */

const BUCKETS = 64;
const LEVELS = 4;
const SPANS = [1, 64, 4096, 262_144];
const NOT_LINKED = -1;

/** Something that expires. Extend it; one entry is in at most one wheel. */
export abstract class WheelEntry {
  /** Links of the bucket list; owned by the wheel. */
  wheelPrev: WheelEntry | null = null;
  wheelNext: WheelEntry | null = null;
  wheelSlot = NOT_LINKED;
  /** Tick at which it expires. */
  wheelTick = 0;

  /** Called once when due; the entry is out of the wheel and may be inserted again. */
  abstract expire(): void;
}

/** The wheel. */
export class TimerWheel {
  readonly #heads: (WheelEntry | null)[] = Array.from({ length: BUCKETS * LEVELS }, () => null);
  readonly #tails: (WheelEntry | null)[] = Array.from({ length: BUCKETS * LEVELS }, () => null);
  readonly #counts = [0, 0, 0, 0];
  #count = 0;
  #now: number;

  constructor(nowTick: number) {
    this.#now = nowTick;
  }

  /** Entries in the wheel. */
  get count(): number {
    return this.#count;
  }

  /** Puts an entry in, to expire at `tick` (at the next tick if that has passed). It must not be in a wheel. */
  insert(entry: WheelEntry, tick: number): void {
    entry.wheelTick = tick > this.#now ? tick : this.#now + 1;
    this.#count++;
    this.#link(entry);
  }

  /** Takes an entry out; harmless if it is not in. */
  remove(entry: WheelEntry): void {
    if (entry.wheelSlot === NOT_LINKED) return;
    this.#unlink(entry);
    this.#count--;
  }

  /** Expires everything due up to `tick`, in order of ticks. Entries inserted meanwhile are respected. */
  advance(tick: number): void {
    while (this.#now < tick) {
      const next = this.nextTick();
      if (next > tick) {
        this.#now = tick;
        return;
      }
      this.#now = next;
      for (let level = LEVELS - 1; level > 0; level--) {
        if (next % SPANS[level] === 0) this.#deal(level, next);
      }
      this.#expireBucket(next % BUCKETS);
    }
  }

  /** A tick before which nothing expires and at which something may; Infinity when empty. */
  nextTick(): number {
    let best = Infinity;
    for (let level = 0; level < LEVELS; level++) {
      if (this.#counts[level] === 0) continue;
      const base = Math.floor(this.#now / SPANS[level]);
      for (let i = 1; i <= BUCKETS; i++) {
        if (this.#heads[level * BUCKETS + ((base + i) % BUCKETS)] === null) continue;
        const tick = (base + i) * SPANS[level];
        if (tick < best) best = tick;
        break;
      }
    }
    return best;
  }

  #link(entry: WheelEntry): void {
    const ahead = entry.wheelTick - this.#now;
    const level = ahead < 64 ? 0 : ahead < 4096 ? 1 : ahead < 262_144 ? 2 : 3;
    const slot = level * BUCKETS + (Math.floor(entry.wheelTick / SPANS[level]) % BUCKETS);
    const tail = this.#tails[slot];
    entry.wheelSlot = slot;
    entry.wheelPrev = tail;
    entry.wheelNext = null;
    if (tail === null) this.#heads[slot] = entry;
    else tail.wheelNext = entry;
    this.#tails[slot] = entry;
    this.#counts[level]++;
  }

  #unlink(entry: WheelEntry): void {
    const { wheelPrev, wheelNext, wheelSlot } = entry;
    if (wheelPrev === null) this.#heads[wheelSlot] = wheelNext;
    else wheelPrev.wheelNext = wheelNext;
    if (wheelNext === null) this.#tails[wheelSlot] = wheelPrev;
    else wheelNext.wheelPrev = wheelPrev;
    entry.wheelPrev = null;
    entry.wheelNext = null;
    entry.wheelSlot = NOT_LINKED;
    this.#counts[wheelSlot >> 6]--;
  }

  /** Deals the bucket of `level` that starts at `tick` out to the levels below; emptied first, the far end deals into itself. */
  #deal(level: number, tick: number): void {
    const slot = level * BUCKETS + (Math.floor(tick / SPANS[level]) % BUCKETS);
    let entry = this.#heads[slot];
    this.#heads[slot] = null;
    this.#tails[slot] = null;
    while (entry !== null) {
      const next: WheelEntry | null = entry.wheelNext;
      this.#counts[level]--;
      this.#link(entry);
      entry = next;
    }
  }

  #expireBucket(slot: number): void {
    for (let entry = this.#heads[slot]; entry !== null; entry = this.#heads[slot]) {
      this.#unlink(entry);
      this.#count--;
      entry.expire();
    }
  }
}
