/**
 * The clock of one simulated process: the simulation's time seen with an own wall offset and drift, stopped while the process
 * is paused, and silent after its death. All hosts share one {@link ManualClock}, so the order of events is one sequence.
 */
import type { Clock, ManualClock, Timer } from '@sofa-registry/runtime';

const NO_TIMER: Timer = { cancel() {} };

/** Parts of a ms that simulated time is counted in: a power of two, so that sums and differences of times are exact. */
const PARTS_PER_MS = 1024;

/** Rounds a delay up to what simulated time can express. */
export function simDelay(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(ms * PARTS_PER_MS) / PARTS_PER_MS;
}

/** A process's view of time. */
export class SimClock implements Clock {
  readonly #base: ManualClock;
  #wallOffsetMs = 0;
  #driftFrom = 0;
  /** Ms the wall clock gains per second. */
  #driftMsPerSecond = 0;
  #dead = false;
  #paused = false;
  /** Ms that the monotonic clock has stood still, and since when it does; -1 = it runs. */
  #stoodMs = 0;
  #standsSinceMs = -1;
  #heldTimers: (() => void)[] = [];
  #heldInput: (() => void)[] = [];

  readonly #crashed: (error: unknown) => void;

  /** @param crashed called with what a callback throws: in a real process it would be the end of it */
  constructor(base: ManualClock, crashed: (error: unknown) => void) {
    this.#base = base;
    this.#crashed = crashed;
  }

  monoMs(): number {
    const nowMs = this.#standsSinceMs < 0 ? this.#base.monoMs() : this.#standsSinceMs;
    return nowMs - this.#stoodMs;
  }

  /** Whole ms, as a machine's clock. */
  wallMs(): number {
    return Math.floor(this.#base.wallMs() + this.wallOffsetMs);
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    if (this.#dead) return NO_TIMER;
    let cancelled = false;
    const dueMs = this.monoMs() + simDelay(delayMs);
    const fire = (): void => {
      if (cancelled || this.#dead) return;
      if (this.#paused) this.#heldTimers.push(fire);
      // The machine was suspended meanwhile: this much is left.
      else if (this.monoMs() < dueMs) timer = this.#base.setTimer(dueMs - this.monoMs(), fire);
      else this.#call(fn);
    };
    let timer = this.#base.setTimer(simDelay(delayMs), fire);
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  defer(fn: () => void): void {
    if (!this.#dead) this.#base.defer(() => this.run(fn));
  }

  /** Runs `fn` as input of this process: now, after the pause, or never. */
  run(fn: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#heldInput.push(fn);
    else this.#call(fn);
  }

  #call(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#crashed(error);
    }
  }

  /** How far this machine's wall clock is from the simulation's, ms. */
  get wallOffsetMs(): number {
    return this.#wallOffsetMs + ((this.#base.monoMs() - this.#driftFrom) * this.#driftMsPerSecond) / 1000;
  }

  /** Steps this process's wall clock. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Lets this process's wall clock run fast (or slow) by so many ms per second. */
  drift(msPerSecond: number): void {
    this.#wallOffsetMs = this.wallOffsetMs;
    this.#driftFrom = this.#base.monoMs();
    this.#driftMsPerSecond = msPerSecond;
  }

  /** Stops the process as a long garbage collection or SIGSTOP does: events wait. */
  pause(): void {
    this.#paused = true;
  }

  /** Stops the whole machine as when a virtual one is suspended: its monotonic clock stands still, too. */
  suspend(): void {
    this.pause();
    if (this.#standsSinceMs < 0) this.#standsSinceMs = this.#base.monoMs();
  }

  /** Lets it go on. As in Node's event loop, overdue timers run before the input that has piled up. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#standsSinceMs >= 0) this.#stoodMs += this.#base.monoMs() - this.#standsSinceMs;
    this.#standsSinceMs = -1;
    const held = [...this.#heldTimers, ...this.#heldInput.map((fn) => () => this.run(fn))];
    this.#heldTimers = [];
    this.#heldInput = [];
    // One timer each: promise chains are followed between them, as between callbacks of a real process.
    for (const fn of held) this.#base.setTimer(0, fn);
  }

  /** Nothing happens in this process any more. */
  die(): void {
    this.#dead = true;
    this.#heldTimers = [];
    this.#heldInput = [];
  }

  get dead(): boolean {
    return this.#dead;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** True if its monotonic clock is behind the others': what it believes of its leases is wrong. */
  get lagging(): boolean {
    return this.#stoodMs > 0 || this.#standsSinceMs >= 0;
  }
}
