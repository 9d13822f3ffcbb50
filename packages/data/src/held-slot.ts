/**
 * One slot as this node holds it, and the decisions about it (reference/data-and-slots.md 3.3, 6; design section 5). Pure.
 *
 * A leader is *readable* once it may answer reads. It is *settled* once every session that may hold publishers was heard since the
 * slot was gained. *partial*: the ceiling passed before that. *givenUp*: so did the last ceiling.
 *   gained without a complete copy (new, restarted, all copies lost)   readable when settled or partial
 *   promoted with a complete copy                                      readable at once
 * A reader that has a version this node does not know holds a list that may name publishers this node lacks: it waits (and keeps
 * its list) until the slot is settled or given up, so that no list shrinks by what was not heard yet (I6). A reader that has
 * nothing is answered as soon as the slot is readable.
 */
import type { Datum } from './datum.ts';
import type { SlotStore } from './slot-store.ts';

/** Roles of a node for a slot. */
export type HeldRole = 'none' | 'follower' | 'leader';

/** Sessions that may hold publishers. */
export interface SessionCensus {
  /** Process ids: listed by meta, or connected here. */
  readonly present: ReadonlySet<string>;
  /** Process ids that were so a lease ago; a copy that is complete has what they wrote. */
  readonly departed: ReadonlyMap<string, unknown>;
  /** False while meta itself may not know all of them yet. */
  readonly complete: boolean;
}

/** The two ceilings of settings.ts. */
export interface SlotCeilings {
  readonly migratingCeilingMs: number;
  readonly partialCeilingMs: number;
}

/** The slot. */
export class HeldSlot {
  readonly id: number;
  role: HeldRole = 'none';
  /** Null if and only if the role is none. */
  store: SlotStore | null = null;
  leaderEpoch = 0;
  leader = '';
  followers: readonly string[] = [];
  readable = false;
  settled = false;
  partial = false;
  givenUp = false;
  /** Leader: gained with a complete copy. Follower: the copy is complete. */
  complete = false;
  /** When the leadership was gained, monotonic ms. */
  gainedMs = 0;
  /** When the first session was heard since then; -1 = none yet. */
  firstHeardMs = -1;
  /** Process ids of sessions heard since the leadership was gained. */
  readonly heard = new Set<string>();
  /** While > 0: the old leader's last changes are awaited until then (monotonic ms). */
  handOverUntilMs = 0;
  /** Stream of the old leader, and how far it was applied. */
  handOverStream = 0;
  handOverSequence = 0;
  /** Follower: the copy differs from its leader's, a repair has not ended. */
  damaged = false;
  /** Leader epoch another node claimed for the slot; at or above our own we do not lead any more, whatever our table says. */
  fencedBelow = 0;
  /** Address of the node this one handed the slot over to, '' = none. */
  heir = '';
  /** Until when requests that still come here are passed on to it, monotonic ms. */
  heirUntilMs = 0;

  constructor(id: number) {
    this.id = id;
  }

  /** True if this node may take writes. */
  get leads(): boolean {
    return this.role === 'leader' && this.fencedBelow <= this.leaderEpoch;
  }

  /** Becomes leader. `complete`: with a copy that is known to be complete. */
  gain(leaderEpoch: number, complete: boolean, nowMs: number): void {
    this.role = 'leader';
    this.leaderEpoch = leaderEpoch;
    this.complete = complete;
    this.readable = complete;
    this.settled = false;
    this.partial = false;
    this.givenUp = false;
    this.gainedMs = nowMs;
    this.firstHeardMs = -1;
    this.heard.clear();
    this.handOverUntilMs = 0;
    this.heir = '';
  }

  /** Another node leads from now on. */
  handedTo(heir: string, untilMs: number): void {
    this.heir = heir;
    this.heirUntilMs = untilMs;
  }

  /** Is no longer leader. */
  lose(role: 'none' | 'follower'): void {
    this.role = role;
    this.readable = false;
    this.settled = false;
    this.partial = false;
    this.givenUp = false;
    this.handOverUntilMs = 0;
    this.heard.clear();
  }

  /** Notes that a session's publishers of this slot are all here. True if that is news. */
  hear(processId: string, nowMs: number): boolean {
    if (this.role !== 'leader' || this.heard.has(processId)) return false;
    this.heard.add(processId);
    if (this.firstHeardMs < 0) this.firstHeardMs = nowMs;
    return true;
  }

  /** Decides again whether the slot is settled, partial and readable. True if something changed. */
  assess(census: SessionCensus, nowMs: number, ceilings: SlotCeilings): boolean {
    if (this.role !== 'leader' || this.settled || this.handOverUntilMs > 0) return false;
    const allHeard = this.#allHeard(census);
    const late = this.#late(nowMs, ceilings.migratingCeilingMs);
    if (allHeard && (census.complete || late)) {
      this.settled = true;
      this.partial = false;
      this.readable = true;
      return true;
    }
    if (late && !this.partial) {
      this.partial = true;
      this.readable = true;
      return true;
    }
    if (this.givenUp || !this.#late(nowMs, ceilings.partialCeilingMs)) return false;
    this.givenUp = true;
    return true;
  }

  /** True if what this node holds counts against what a reader holds. */
  get decided(): boolean {
    return this.settled || this.givenUp;
  }

  /** True if a read of `datum` that comes from version `since` must wait: the reader knows more than this node. */
  aheadOf(datum: Datum | undefined, since: number): boolean {
    if (this.decided || since <= 1) return false;
    return datum === undefined || !datum.knows(since);
  }

  /** The sessions that still have to be heard. */
  missing(census: SessionCensus): string[] {
    const wanted = this.complete ? [...census.present] : [...census.present, ...census.departed.keys()];
    return wanted.filter((processId) => !this.heard.has(processId));
  }

  #allHeard(census: SessionCensus): boolean {
    const { heard } = this;
    // Nobody heard proves nothing: sessions may be about to connect, and until then nobody reads.
    if (heard.size === 0 || heard.size < census.present.size) return false;
    for (const processId of census.present) if (!heard.has(processId)) return false;
    if (!this.complete)
      for (const processId of census.departed.keys()) if (!heard.has(processId)) return false;
    return true;
  }

  #late(nowMs: number, ceilingMs: number): boolean {
    const fromMs = this.complete ? this.gainedMs : this.firstHeardMs;
    return fromMs >= 0 && nowMs - fromMs >= ceilingMs;
  }
}
