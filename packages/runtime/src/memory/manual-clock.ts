/**
 * A clock that stands still until it is told to move: tests and simulations run minutes in milliseconds, always in the same
 * order. Timers fire exactly when due, in order of time, then of setting.
 */
import type { Clock, Timer } from '../ports.ts';

/** Options of {@link ManualClock}. */
export interface ManualClockOptions {
  /** Monotonic time at the start, in ms. Default 0. */
  readonly monoMs?: number;
  /** Wall time at the start, in ms since 1970. Default 2024-01-01 UTC. */
  readonly wallMs?: number;
  /**
   * Links of a promise chain that are followed before the next step, when nothing else happens. Default 50; a chain that
   * awaits more often than that without a timer or `defer` in between needs more.
   */
  readonly microtaskHops?: number;
}

/** Rounds of deferred functions within one step; more means that they call one another for ever. */
const DEFER_ROUNDS_MAX = 100_000;
const START_WALL_MS = 1_704_067_200_000;

/** Awaited to let promise chains go one link further. */
const FOLLOW = Promise.resolve();

class ManualTimer implements Timer {
  readonly dueMs: number;
  readonly order: number;
  fn: (() => void) | null;

  constructor(dueMs: number, order: number, fn: () => void) {
    this.dueMs = dueMs;
    this.order = order;
    this.fn = fn;
  }

  cancel(): void {
    this.fn = null;
  }
}

/** The clock. */
export class ManualClock implements Clock {
  #monoMs: number;
  #wallOffsetMs: number;
  readonly #hops: number;
  readonly #heap: ManualTimer[] = [];
  #order = 0;
  #deferred: (() => void)[] = [];

  constructor(options?: ManualClockOptions) {
    this.#monoMs = options?.monoMs ?? 0;
    this.#wallOffsetMs = (options?.wallMs ?? START_WALL_MS) - this.#monoMs;
    this.#hops = options?.microtaskHops ?? 50;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  wallMs(): number {
    return this.#monoMs + this.#wallOffsetMs;
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    const timer = new ManualTimer(this.#monoMs + Math.max(0, delayMs), this.#order++, fn);
    this.#push(timer);
    return timer;
  }

  defer(fn: () => void): void {
    this.#deferred.push(fn);
  }

  /** Steps the wall clock, either way; monotonic time and timers do not notice. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** When the next timer is due; Infinity if none is set. */
  nextTimerMs(): number {
    this.#dropCancelled();
    return this.#heap.length === 0 ? Infinity : this.#heap[0].dueMs;
  }

  /**
   * Moves time forward by `ms`, firing timers when they are due. Between any two steps deferred functions run and promise
   * chains are followed, before the first and after the last timer too.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monoMs + ms;
    await this.settle();
    while (this.nextTimerMs() <= untilMs) {
      this.#fireNext();
      await this.settle();
    }
    this.#monoMs = untilMs;
    await this.settle();
  }

  /** Runs deferred functions and promise chains until nothing more happens, without moving time. */
  async settle(): Promise<void> {
    for (let round = 0; round < DEFER_ROUNDS_MAX; round++) {
      for (let hop = 0; hop < this.#hops && this.#deferred.length === 0; hop++) await FOLLOW;
      if (this.#deferred.length === 0) return;
      this.#runDeferredOnce();
    }
    throw new Error('deferred functions call one another without end');
  }

  /** {@link advance} without following promises, for code that has none. */
  advanceSync(ms: number): void {
    const untilMs = this.#monoMs + ms;
    this.settleSync();
    while (this.nextTimerMs() <= untilMs) {
      this.#fireNext();
      this.settleSync();
    }
    this.#monoMs = untilMs;
  }

  /** Runs deferred functions until there are none. */
  settleSync(): void {
    for (let round = 0; this.#deferred.length > 0; round++) {
      if (round === DEFER_ROUNDS_MAX) throw new Error('deferred functions call one another without end');
      this.#runDeferredOnce();
    }
  }

  /** What is deferred meanwhile waits for the next round, as with setImmediate. */
  #runDeferredOnce(): void {
    const batch = this.#deferred;
    this.#deferred = [];
    for (let i = 0; i < batch.length; i++) {
      try {
        batch[i]();
      } catch (error) {
        this.#deferred = batch.slice(i + 1).concat(this.#deferred);
        throw error;
      }
    }
  }

  #fireNext(): void {
    const timer = this.#pop();
    const { fn } = timer;
    timer.fn = null;
    this.#monoMs = Math.max(this.#monoMs, timer.dueMs);
    fn?.();
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0].fn === null) this.#pop();
  }

  #push(timer: ManualTimer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): ManualTimer {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop() as ManualTimer;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function before(a: ManualTimer, b: ManualTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
