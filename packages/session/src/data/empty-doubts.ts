/**
 * Doubts about first lists that are empty. A publication is acknowledged before it has reached its data leader, so a subscriber at
 * another session may ask the leader just before it comes. A first list without anybody is therefore believed only when it is still
 * empty a moment later; the leader's notice of the first publisher comes meanwhile and ends the doubt at once.
 */
import type { Clock, Timer } from '@sofa-registry/runtime';
import type { ServiceEntry } from '../registry/service-entry.ts';

/** The doubts. No more than there are watched lists. */
export class EmptyDoubts {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #again: (service: ServiceEntry) => void;
  /** When each doubt is over, in this order. */
  readonly #due = new Map<ServiceEntry, number>();
  /** Those that are over: the next empty answer is believed. */
  readonly #over = new Set<ServiceEntry>();
  #timer: Timer | null = null;

  /** @param again asks the leader once more, when a doubt is over */
  constructor(clock: Clock, waitMs: number, again: (service: ServiceEntry) => void) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#again = again;
  }

  /** The first answer was empty. True: it is not believed yet. */
  doubts(service: ServiceEntry): boolean {
    if (this.#waitMs === 0 || this.#over.has(service)) return false;
    if (!this.#due.has(service)) {
      this.#due.set(service, this.#clock.monoMs() + this.#waitMs);
      this.#timer ??= this.#clock.setTimer(this.#waitMs, () => this.#look());
    }
    return true;
  }

  /** The list is known, or watched no more. */
  forget(service: ServiceEntry): void {
    this.#due.delete(service);
    this.#over.delete(service);
  }

  /** No more timers. */
  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = null;
    const nowMs = this.#clock.monoMs();
    for (const [service, dueMs] of this.#due) {
      if (dueMs > nowMs) {
        this.#timer = this.#clock.setTimer(dueMs - nowMs, () => this.#look());
        return;
      }
      this.#due.delete(service);
      this.#over.add(service);
      this.#again(service);
    }
  }
}
