/**
 * How many publishers the cluster had before all its sessions restarted (design 5; never which ones). Sessions hold their first
 * pushes until nearly as many are back. Pure.
 *
 * The memory names the sessions that were counted. As long as one of them lives the registry has not restarted, and nothing is
 * handed out. When all of them are gone or have lost their connection (they are members until they are evicted), the remembered
 * number is handed out until nearly as many publishers are there again or the hold is over.
 *
 * What a session held is not counted any more once the session is gone, although its clients are only on their way to another one, or
 * to a restarted registry. So the number does not fall for a while after a session has gone. A number that is too high costs a wait that
 * ends with the hold, one that is too low costs lists their publishers.
 */

/** Share of the remembered number from which on all count as back. */
const BACK_SHARE = 0.95;
/** The memory is written when the number changed by more than this share. */
const CHANGE_SHARE = 0.1;
/** Shortest time between two writes, ms. */
const WRITE_MS = 1000;

/** So long after a session has gone the number is not below what it was, ms: its clients take up to 45 s to another one. */
export const RETURN_MS = 45_000;

/** What is stored. */
export interface PublisherCount {
  readonly count: number;
  /** Process ids of the sessions that were counted. */
  readonly sessions: readonly string[];
}

/** The memory. */
export class PublisherMemory {
  readonly #holdMs: number;
  #count = 0;
  /** What the number was when a session went, and until when it is not below that. */
  #floor = 0;
  #floorUntilMs = -Infinity;
  /** True until the first look at the sessions of this term: some of those that the former leader counted may have gone since. */
  #fresh = true;
  #sessions = new Set<string>();
  #restartedMs = -1;
  /** True while there is no session at all. */
  #waiting = false;
  #writtenMs = -Infinity;
  #written: PublisherCount = { count: 0, sessions: [] };

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** What a former leader left. */
  restore(stored: PublisherCount): void {
    this.#count = stored.count;
    this.#sessions = new Set(stored.sessions);
    this.#written = stored;
  }

  /** The number to hand out now; 0 when no restart is going on. Call with each change of the sessions. */
  expected(
    sessions: readonly {
      readonly processId: string;
      readonly publishers: number;
      readonly connected: boolean;
    }[],
    nowMs: number,
  ): number {
    const total = sessions.reduce((sum, session) => sum + session.publishers, 0);
    const survivor = sessions.some(({ connected, processId }) => connected && this.#sessions.has(processId));
    this.#waiting = sessions.length === 0 && this.#count > 0;
    if (sessions.length === 0) return this.#count;
    if (this.#count > 0 && !survivor) {
      if (this.#restartedMs < 0) this.#restartedMs = nowMs;
      if (nowMs - this.#restartedMs < this.#holdMs && total < this.#count * BACK_SHARE) return this.#count;
      // Who is not back by now has left.
      this.#floorUntilMs = -Infinity;
    } else if (this.#fresh || this.#someGone(sessions)) {
      this.#floor = this.#count;
      this.#floorUntilMs = nowMs + RETURN_MS;
    }
    this.#fresh = false;
    this.#restartedMs = -1;
    this.#count = nowMs < this.#floorUntilMs ? Math.max(total, this.#floor) : total;
    this.#sessions = new Set(sessions.map((session) => session.processId));
    return 0;
  }

  /** How long the number will still be handed out, ms; 0 when none is. */
  leftMs(nowMs: number): number {
    if (this.#restartedMs >= 0) return Math.max(0, this.#restartedMs + this.#holdMs - nowMs);
    return this.#waiting ? this.#holdMs : 0;
  }

  /** What to write now, or null: when it changed enough and the last write is some seconds ago. */
  due(nowMs: number): PublisherCount | null {
    if (nowMs - this.#writtenMs < WRITE_MS || this.#restartedMs >= 0) return null;
    const { count, sessions } = this.#written;
    const moved = Math.abs(this.#count - count) > count * CHANGE_SHARE;
    const same = sessions.length === this.#sessions.size && sessions.every((id) => this.#sessions.has(id));
    if (!moved && (same || this.#count === 0)) return null;
    this.#writtenMs = nowMs;
    this.#written = { count: this.#count, sessions: [...this.#sessions] };
    return this.#written;
  }

  #someGone(sessions: readonly { readonly processId: string }[]): boolean {
    const present = new Set(sessions.map(({ processId }) => processId));
    for (const processId of this.#sessions) if (!present.has(processId)) return true;
    return false;
  }

  /** What was due has not been written: it stays due. */
  unwritten(): void {
    this.#written = { count: 0, sessions: [] };
  }
}
