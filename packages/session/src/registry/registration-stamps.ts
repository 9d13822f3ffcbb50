/**
 * Stamps of what clients register (design section 4). A process that stood still (a long pause of the collector, a suspended machine)
 * reads old bytes when it goes on: their clients may have moved on since, and died. So what it reads in its first moment is stamped as
 * of before: whatever another session heard meanwhile is newer, and a client that is here all the same is asked (see doubts).
 */
import type { HybridClock } from '@sofa-registry/model';
import type { Clock } from '@sofa-registry/runtime';

/** Without a {@link RegistrationStamps.tick} for so long this process stood still, ms. */
const STILL_MS = 2000;
/** What waited in sockets is read by then, ms. */
const WAKING_MS = 1000;

/** The stamps. */
export class RegistrationStamps {
  readonly #clock: Clock;
  readonly #hybrid: HybridClock;
  /** Infinity before the first tick: nothing is old then. */
  #tickMonoMs = Infinity;
  #tickWallMs = Infinity;
  /** The newest that was made here, or made or seen before the last tick. */
  #last = 0;
  #wakingUntilMs = -Infinity;

  constructor(clock: Clock, hybrid: HybridClock) {
    this.#clock = clock;
    this.#hybrid = hybrid;
  }

  /** To be called all the time, much more often than every {@link STILL_MS}. */
  tick(): void {
    if (this.awake) this.#last = Math.max(this.#last, this.#hybrid.last);
    this.#tickMonoMs = this.#clock.monoMs();
    this.#tickWallMs = this.#clock.wallMs();
  }

  /** True unless what is read now may have waited for long. */
  get awake(): boolean {
    return this.wakingMs === 0;
  }

  /** How long what is read may still be old, ms; 0 = it is not. */
  get wakingMs(): number {
    const monoMs = this.#clock.monoMs();
    const wallMs = this.#clock.wallMs();
    // The monotonic clock of a suspended machine stands still as well.
    if (Math.max(monoMs - this.#tickMonoMs, wallMs - this.#tickWallMs) > STILL_MS) {
      this.#wakingUntilMs = monoMs + WAKING_MS;
      this.#tickMonoMs = monoMs;
      this.#tickWallMs = wallMs;
    }
    return Math.max(0, this.#wakingUntilMs - monoMs);
  }

  /**
   * The next stamp, above all that were made here.
   * @param held stamp of what is held here of the same registration; it may be newer than the moment before a stand-still, for its client
   *   has proved since that it is here. What comes next is newer still.
   */
  next(held = 0): number {
    this.#last = this.awake ? this.#hybrid.next() : this.#last + 1;
    return Math.max(this.#last, held + 1);
  }
}
