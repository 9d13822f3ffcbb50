/**
 * Time of the Node.js process. Long timers share one wheel and one Node timer, so tens of thousands of them cost a few
 * hundred bytes each and no wake-up of their own; short ones, where a few ms matter, are Node timers.
 */
import type { Clock, Timer } from '../ports.ts';
import { TimerWheel, WheelEntry } from '../timer-wheel.ts';

/** Granularity of long timers: they fire up to so many ms late. */
const TICK_MS = 4;
/** Shorter delays than this are precise to about 1 ms. */
const PRECISE_MS_MAX = 20;
/** Longest sleep of the wheel's Node timer; it just looks again. */
const SLEEP_MS_MAX = 3_600_000;
/** Deferred work that defers more goes on within one turn of the event loop up to so many ms; the rest lets input in first. */
const DEFER_MS_MAX = 1;

class ShortTimer implements Timer {
  readonly #handle: NodeJS.Timeout;

  constructor(delayMs: number, fn: () => void) {
    this.#handle = setTimeout(fn, delayMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

class LongTimer extends WheelEntry implements Timer {
  readonly #clock: NodeClock;
  readonly #fn: () => void;

  constructor(clock: NodeClock, fn: () => void) {
    super();
    this.#clock = clock;
    this.#fn = fn;
  }

  cancel(): void {
    this.#clock.remove(this);
  }

  override expire(): void {
    try {
      this.#fn();
    } catch (error) {
      // As if the timer were alone: the error is the process's, the other timers go on.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** The clock; use {@link nodeClock}, which gives all callers the same one. */
export class NodeClock implements Clock {
  readonly #wheel = new TimerWheel(Math.floor(performance.now() / TICK_MS));
  readonly #onTimeout = (): void => this.#run();
  #timeout: NodeJS.Timeout | null = null;
  #armedTick = Infinity;
  #deferred: (() => void)[] = [];
  /** An immediate is set, or running. */
  #deferring = false;
  readonly #deferMsMax: number;
  readonly #onImmediate = (): void => this.#runDeferred();

  /** @param deferMsMax how long deferred work that defers more goes on before input comes in between */
  constructor(deferMsMax = DEFER_MS_MAX) {
    this.#deferMsMax = deferMsMax;
  }

  monoMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  /**
   * After the input of this turn of the event loop. A message that passes several tiers of one process is deferred at each; all
   * of it happens in the same turn, since a turn costs several times what such a step does. A busy turn goes on in the next.
   */
  defer(fn: () => void): void {
    this.#deferred.push(fn);
    if (this.#deferring) return;
    this.#deferring = true;
    setImmediate(this.#onImmediate);
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    if (delayMs < PRECISE_MS_MAX) return new ShortTimer(Math.max(0, delayMs), fn);
    const timer = new LongTimer(this, fn);
    const nowMs = performance.now();
    const wheel = this.#wheel;
    wheel.insert(timer, Math.ceil((nowMs + delayMs) / TICK_MS));
    if (timer.wheelTick < this.#armedTick) this.#arm(timer.wheelTick, nowMs);
    else if (wheel.count === 1) this.#timeout?.ref();
    return timer;
  }

  /** Takes a timer out. The Node timer is left to fire in vain, but does not keep the process alive for it. */
  remove(timer: LongTimer): void {
    this.#wheel.remove(timer);
    if (this.#wheel.count === 0) this.#timeout?.unref();
  }

  #runDeferred(): void {
    const endMs = performance.now() + this.#deferMsMax;
    let round = this.#deferred;
    let done = 0;
    try {
      do {
        round = this.#deferred;
        this.#deferred = [];
        done = 0;
        while (done < round.length) round[done++]();
      } while (this.#deferred.length > 0 && performance.now() < endMs);
    } finally {
      // Something is left of the round only after an error, which is the process's: the others must not suffer.
      if (done < round.length) this.#deferred = round.slice(done).concat(this.#deferred);
      if (this.#deferred.length > 0) setImmediate(this.#onImmediate);
      else this.#deferring = false;
    }
  }

  #arm(tick: number, nowMs: number): void {
    if (this.#timeout !== null) clearTimeout(this.#timeout);
    this.#armedTick = tick;
    const delayMs = Math.min(SLEEP_MS_MAX, Math.max(1, Math.ceil(tick * TICK_MS - nowMs)));
    this.#timeout = setTimeout(this.#onTimeout, delayMs);
  }

  #run(): void {
    this.#timeout = null;
    this.#armedTick = Infinity;
    const nowMs = performance.now();
    this.#wheel.advance(Math.floor(nowMs / TICK_MS));
    const next = this.#wheel.nextTick();
    if (next < this.#armedTick) this.#arm(next, nowMs);
  }
}

let shared: NodeClock | null = null;

/** The clock of the process; all callers share it, and with it the wheels of their channels. */
export function nodeClock(): Clock {
  shared ??= new NodeClock();
  return shared;
}
