/**
 * Publishers whose connection closed (design section 5 "Push"). Pure core. A single client's publishers stay for the grace;
 * when many connections close together it is our fault until proved otherwise, and theirs stay for the hold. A publisher
 * that was registered again meanwhile is another object in the store and is left alone.
 */
import type { SessionPublisher } from './registry/registrations.ts';

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

/** So many closes that leave no connection open are a crowd too, however small the session is: it lost every socket it had. */
const ALL_CLOSED_MIN = 2;
/** Closed connections that are remembered for the window; more only make the share an underestimate. */
const CLOSES_MAX = 200_000;

/** The core. All times are monotonic ms. */
export class Departures {
  readonly #options: DepartureOptions;
  /** Waiting for the grace, in order of `dueMs`. */
  #graced: Departure[] = [];
  /** Waiting for the hold, in order of `dueMs`. */
  #held: Departure[] = [];
  /** Sent away by us, and expected at another session; in order of `dueMs`. */
  #sent: Departure[] = [];
  /** Times of the closes in the window. */
  #closes: number[] = [];
  #from = 0;
  #massUntilMs = -Infinity;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** Departures that wait. */
  get pending(): readonly Departure[] {
    return [...this.#graced, ...this.#held, ...this.#sent];
  }

  /** Number of departures that wait. */
  get size(): number {
    return this.#graced.length + this.#held.length + this.#sent.length;
  }

  /** True while publishers are kept because of a fault. */
  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** True while closes count as a fault of ours. */
  mass(nowMs: number): boolean {
    return nowMs < this.#massUntilMs;
  }

  /**
   * A client connection closed.
   * @param open connections that are still open and have said something
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
    const { windowMs, graceMs, holdMs } = this.#options;
    this.#expire(nowMs - windowMs);
    if (this.#closes.length - this.#from < CLOSES_MAX) this.#closes.push(nowMs);
    const began = this.#crowd(nowMs, open);
    const held = fault || this.mass(nowMs);
    if (publishers !== null && publishers.size > 0) {
      const dueMs = nowMs + (held ? holdMs : graceMs);
      (held ? this.#held : this.#graced).push({ clientAddress, publishers, closedMs: nowMs, dueMs, held });
    }
    return began;
  }

  /**
   * A connection closed whose client had taken back all it had: no lost socket, but it may have been the last one open.
   * @returns true if a mass close was recognised just now
   */
  left(nowMs: number, open: number): boolean {
    this.#expire(nowMs - this.#options.windowMs);
    return this.#crowd(nowMs, open);
  }

  /** A client closed that was sent away: its publishers stay for the hold, it is no sign of a fault. */
  sentAway(nowMs: number, clientAddress: string, publishers: ReadonlySet<SessionPublisher> | null): void {
    if (publishers === null || publishers.size === 0) return;
    const dueMs = nowMs + this.#options.holdMs;
    this.#sent.push({ clientAddress, publishers, closedMs: nowMs, dueMs, held: false });
  }

  /** Takes the departures whose time has come. */
  due(nowMs: number): Departure[] {
    return [this.#graced, this.#held, this.#sent].flatMap((line) => takeDue(line, nowMs));
  }

  /** When {@link due} has something next; Infinity if nothing waits. */
  nextDueMs(): number {
    return Math.min(...[this.#graced, this.#held, this.#sent].map((line) => line[0]?.dueMs ?? Infinity));
  }

  /** Looks whether the closes of the window are a crowd, with `open` connections left; true if that is news. */
  #crowd(nowMs: number, open: number): boolean {
    const { massMin, massShare, windowMs } = this.#options;
    const closes = this.#closes.length - this.#from;
    const crowd =
      (closes >= massMin && closes >= massShare * (open + closes)) ||
      (open === 0 && closes >= ALL_CLOSED_MIN);
    if (!crowd) return false;
    const wasMass = this.mass(nowMs);
    this.#massUntilMs = nowMs + windowMs;
    if (!wasMass) this.#holdGraced();
    return !wasMass;
  }

  /** The first of a crowd looked like single clients. */
  #holdGraced(): void {
    for (const departure of this.#graced) {
      departure.held = true;
      departure.dueMs = departure.closedMs + this.#options.holdMs;
      this.#held.push(departure);
    }
    this.#graced = [];
    this.#held.sort((a, b) => a.dueMs - b.dueMs);
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

/** Takes what is due off the front of a line that is in order of `dueMs`. */
function takeDue(line: Departure[], nowMs: number): Departure[] {
  let count = 0;
  while (count < line.length && line[count].dueMs <= nowMs) count++;
  return line.splice(0, count);
}
