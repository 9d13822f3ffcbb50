/**
 * Publishers whose connection closed (design section 5 "Push"). Pure core. A single client's publishers stay for the grace;
 * when many connections close together it is our fault until proved otherwise, and theirs stay for the hold. A publisher
 * that was registered again meanwhile is another object in the store and is left alone.
 */
import type { SessionPublisher } from './registrations.ts';

/** Options of {@link Departures}. */
export interface DepartureOptions {
  readonly graceMs: number;
  readonly holdMs: number;
  readonly massShare: number;
  readonly massMin: number;
  readonly windowMs: number;
}

/** Publishers of one closed connection. */
export interface Departure {
  readonly clientAddress: string;
  readonly publishers: ReadonlySet<SessionPublisher>;
  readonly closedMs: number;
  /** When they are removed unless they came back. */
  dueMs: number;
  held: boolean;
}

/** Closed connections that are remembered for the window; more only make the share an underestimate. */
const CLOSES_MAX = 200_000;

/** The core. All times are monotonic ms. */
export class Departures {
  readonly #options: DepartureOptions;
  /** In order of closing. */
  #pending: Departure[] = [];
  /** Times of the closes in the window. */
  #closes: number[] = [];
  #from = 0;
  #massUntilMs = -Infinity;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** Departures that wait. */
  get pending(): readonly Departure[] {
    return this.#pending;
  }

  /** True while closes count as a fault of ours. */
  mass(nowMs: number): boolean {
    return nowMs < this.#massUntilMs;
  }

  /**
   * A client connection closed.
   * @param open connections that are still open
   * @param fault true if every close counts as ours now (everything restarts)
   * @returns true if a mass close was recognised just now
   */
  closed(
    nowMs: number,
    open: number,
    fault: boolean,
    clientAddress: string,
    publishers: ReadonlySet<SessionPublisher> | null,
  ): boolean {
    const { massMin, massShare, windowMs, graceMs, holdMs } = this.#options;
    this.#expire(nowMs - windowMs);
    if (this.#closes.length - this.#from < CLOSES_MAX) this.#closes.push(nowMs);
    const closes = this.#closes.length - this.#from;
    const wasMass = this.mass(nowMs);
    const isMass = closes >= massMin && closes >= massShare * (open + closes);
    if (publishers !== null && publishers.size > 0) {
      const held = fault || wasMass || isMass;
      this.#pending.push({
        clientAddress,
        publishers,
        closedMs: nowMs,
        dueMs: nowMs + (held ? holdMs : graceMs),
        held,
      });
    }
    if (!isMass) return false;
    this.#massUntilMs = nowMs + windowMs;
    if (wasMass) return false;
    for (const departure of this.#pending) {
      if (departure.held) continue;
      departure.held = true;
      departure.dueMs = departure.closedMs + holdMs;
    }
    return true;
  }

  /** Ends every hold for which `test` is true (operator override): its publishers leave with the next {@link due}. */
  release(nowMs: number, test: (departure: Departure) => boolean): void {
    for (const departure of this.#pending) if (departure.held && test(departure)) departure.dueMs = nowMs;
  }

  /** Takes the departures whose time has come. */
  due(nowMs: number): Departure[] {
    if (this.#pending.length === 0) return [];
    const due = this.#pending.filter((departure) => departure.dueMs <= nowMs);
    if (due.length > 0) this.#pending = this.#pending.filter((departure) => departure.dueMs > nowMs);
    return due;
  }

  /** When {@link due} has something next; Infinity if nothing waits. */
  nextDueMs(): number {
    let next = Infinity;
    for (const { dueMs } of this.#pending) if (dueMs < next) next = dueMs;
    return next;
  }

  #expire(beforeMs: number): void {
    const closes = this.#closes;
    while (this.#from < closes.length && closes[this.#from] < beforeMs) this.#from++;
    if (this.#from > 1024 && this.#from * 2 > closes.length) {
      this.#closes = closes.slice(this.#from);
      this.#from = 0;
    }
  }
}
