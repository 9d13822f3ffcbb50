/**
 * Requests that wait for their slot: until a slot opens or a table arrives, or until their time is up. Reads of a migrating slot
 * are held back here instead of refused. Bounded in number and time.
 */
import type { Clock, Timer } from '@sofa-registry/runtime';
import type { Link } from './link.ts';

/** One waiting request. */
export interface ParkedRequest {
  readonly link: Link;
  readonly deadlineMs: number;
  /** Tries again; `final`: must answer now. True if it was answered. */
  attempt(final: boolean): boolean;
}

/** The waiting room. */
export class ParkedRequests {
  readonly #clock: Clock;
  readonly #requests = new Set<ParkedRequest>();
  readonly #max: number;
  #woken = false;
  #timer: Timer | null = null;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** False when the room is full. Deadlines of one process come in order, nearly: all waits are equally long. */
  park(request: ParkedRequest): boolean {
    if (this.#requests.size >= this.#max) return false;
    this.#requests.add(request);
    this.#timer ??= this.#clock.setTimer(request.deadlineMs - this.#clock.monoMs(), this.#expire);
    return true;
  }

  /** Something changed: everybody tries again, at the end of the turn. */
  wake(): void {
    if (this.#woken || this.#requests.size === 0) return;
    this.#woken = true;
    this.#clock.defer(this.#retry);
  }

  /** The link is gone. */
  drop(link: Link): void {
    for (const request of this.#requests) if (request.link === link) this.#requests.delete(request);
  }

  clear(): void {
    this.#requests.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }

  readonly #retry = (): void => {
    this.#woken = false;
    for (const request of this.#requests) if (request.attempt(false)) this.#requests.delete(request);
  };

  readonly #expire = (): void => {
    this.#timer = null;
    const nowMs = this.#clock.monoMs();
    let nextMs = Infinity;
    for (const request of this.#requests) {
      if (request.deadlineMs > nowMs) {
        if (request.deadlineMs < nextMs) nextMs = request.deadlineMs;
        continue;
      }
      this.#requests.delete(request);
      request.attempt(true);
    }
    if (nextMs !== Infinity) this.#timer = this.#clock.setTimer(nextMs - nowMs, this.#expire);
  };
}
