/**
 * The cached list of one dataInfoId: entries, version, what changed lately. Pure. Versions only rise (I7, I8): an answer that is
 * older than what is cached is refused, so a fault of a data node never shrinks a list (I6). Hot path.
 */
import { NO_DATUM_VERSION } from '@sofa-registry/model';
import {
  keepPacked,
  type ListEntry,
  type DatumUpdate,
  type OnceShown,
  UpdateKind,
} from '@sofa-registry/wire';
import { OnceList } from './once-list.ts';

/** What became of one registerId in one step. */
export interface EntryChange {
  readonly registerId: string;
  /** Zone before; null = was not listed. */
  readonly beforeZone: string | null;
  /** Null = removed. */
  readonly after: ListEntry | null;
}

/** One step of the list. */
export interface DatumStep {
  readonly from: number;
  readonly to: number;
  readonly changes: readonly EntryChange[];
}

/** Outcome of {@link WatchedDatum.apply}. */
export type ApplyOutcome =
  /** The version rose; see `changed` of the views. */
  | 'applied'
  /** Nothing new: the version is the cached one. */
  | 'same'
  /** The step does not start at the cached version, or carries no data: fetch. */
  | 'gap'
  /** Older than what is cached: kept what there is. */
  | 'stale';

/** Bounds of the history. */
export interface HistoryLimits {
  readonly steps: number;
  readonly entriesMax: number;
}

/** Why a list is held at its last good state. */
export interface HoldReason {
  readonly reason: string;
  readonly sinceMonoMs: number;
}

/** Publishers of this session for one list. Payloads are never written to. */
interface OwnPublishers {
  readonly publishers: ReadonlyMap<string, { readonly registerId: string; readonly payload: Buffer }> | null;
}

const NO_PUBLISHERS: OwnPublishers = Object.freeze({ publishers: null });

/** The list. Version 0 = never fetched. */
export class WatchedDatum {
  version = 0;
  /** By registerId, in the order of arrival. */
  entries = new Map<string, ListEntry>();
  /** Version at which the list as a whole last changed its content. */
  contentVersion = 0;
  /** The same for the entries of the session's own zone. */
  zoneContentVersion = 0;
  /** Wall ms of the oldest change not yet handed to the push engine; 0 = none. */
  oldestChangeMs = 0;
  /** Encoded push bodies of {@link bodiesVersion}, by view key (see push-bodies). */
  readonly bodies = new Map<string, unknown>();
  bodiesVersion = 0;
  /** A fetch is under way. */
  fetching = false;
  /** The leader an unanswered request for it is with. */
  askedAt: string | null = null;
  /** Version that a change notice promised; a fetch that brings less is repeated. */
  promisedVersion = 0;
  /** Nobody published the id for so long that it is to get a real version (see subscriptions). */
  confirmEmpty = false;
  /** Fetch attempts in a row that failed. */
  attempts = 0;
  hold: HoldReason | null = null;
  /** Monotonic time of the last fan-out; -Infinity = none yet. */
  lastFanoutMs = -Infinity;
  /** A trailing fan-out is scheduled. */
  fanoutDue = false;
  readonly #history: DatumStep[] = [];
  #historyEntries = 0;
  readonly #zone: string;
  readonly #limits: HistoryLimits;
  readonly #own: OwnPublishers;

  /**
   * @param zone the session's region
   * @param own publishers of this session: what they hold already is not held a second time
   */
  constructor(zone: string, limits: HistoryLimits, own: OwnPublishers = NO_PUBLISHERS) {
    this.#zone = zone;
    this.#limits = limits;
    this.#own = own;
  }

  /** Takes a step or a whole list. Payloads are copied out of the message. */
  apply(update: DatumUpdate): ApplyOutcome {
    if (update.to < this.version) return 'stale';
    if (update.to === this.version) return 'same';
    if (update.kind === UpdateKind.version) return 'gap';
    if (update.kind === UpdateKind.delta && update.from !== this.version) return 'gap';
    const changes: EntryChange[] =
      update.kind === UpdateKind.delta ? this.#applyDelta(update) : this.#applyFull(update);
    const from = this.version;
    this.version = update.to;
    this.#mark(changes);
    if (from > 0) this.#remember({ from, to: update.to, changes });
    if (changes.length > 0 && update.changedMs > 0) {
      if (this.oldestChangeMs === 0 || update.changedMs < this.oldestChangeMs)
        this.oldestChangeMs = update.changedMs;
    }
    return 'applied';
  }

  /**
   * The present list with temporary publications in it, to be shown once (F027). The plain one is news to everybody in whose scope
   * they are: it follows, and takes them away.
   */
  showOnce({ version, entries }: OnceShown): OnceList {
    this.contentVersion = this.version;
    const inZone = entries.some(({ zone }) => zone === this.#zone);
    if (inZone) this.zoneContentVersion = this.version;
    const whole = new Map(this.entries);
    for (const entry of entries) whole.set(entry.registerId, this.#keep(entry));
    return new OnceList(version, whole, inZone);
  }

  /** Steps from `from` to the present as one set of changes (newest per registerId); null if they are no longer known. */
  changesSince(from: number): Map<string, EntryChange> | null {
    const history = this.#history;
    let start = history.length;
    while (start > 0 && history[start - 1].from >= from) start--;
    if (from === this.version) return new Map();
    if (start === history.length || history[start].from !== from) return null;
    const merged = new Map<string, EntryChange>();
    for (let i = start; i < history.length; i++) {
      for (const change of history[i].changes) {
        const known = merged.get(change.registerId);
        merged.set(
          change.registerId,
          known === undefined ? change : { ...change, beforeZone: known.beforeZone },
        );
      }
    }
    return merged;
  }

  #applyDelta(update: DatumUpdate): EntryChange[] {
    const changes: EntryChange[] = [];
    for (const registerId of update.removed) {
      const before = this.entries.get(registerId);
      if (before === undefined) continue;
      this.entries.delete(registerId);
      changes.push({ registerId, beforeZone: before.zone, after: null });
    }
    for (const entry of update.entries) {
      const change = this.#put(this.entries.get(entry.registerId), entry);
      if (change !== null) changes.push(change);
    }
    return changes;
  }

  #applyFull(update: DatumUpdate): EntryChange[] {
    const before = this.entries;
    const changes: EntryChange[] = [];
    this.entries = new Map();
    for (const entry of update.entries) {
      const held = before.get(entry.registerId);
      const change = this.#put(held, entry);
      if (change === null) this.entries.set(entry.registerId, held as ListEntry);
      else changes.push(change);
    }
    for (const held of before.values()) {
      if (!this.entries.has(held.registerId)) {
        changes.push({ registerId: held.registerId, beforeZone: held.zone, after: null });
      }
    }
    return changes;
  }

  /** Stores an entry unless it equals the one held; returns the change. */
  #put(held: ListEntry | undefined, entry: ListEntry): EntryChange | null {
    if (held !== undefined && held.zone === entry.zone && held.payload.equals(entry.payload)) return null;
    const after = this.#keep(entry);
    this.entries.set(after.registerId, after);
    return { registerId: after.registerId, beforeZone: held === undefined ? null : held.zone, after };
  }

  /** The entry without the message it came in. */
  #keep({ registerId, zone, payload }: ListEntry): ListEntry {
    const own = this.#own.publishers?.get(registerId);
    if (own !== undefined && own.payload.equals(payload))
      return { registerId: own.registerId, zone, payload: own.payload };
    return { registerId, zone, payload: keepPacked(payload, 0, payload.length) };
  }

  #mark(changes: readonly EntryChange[]): void {
    if (this.contentVersion <= NO_DATUM_VERSION) {
      // The first list is content for everybody, also when it is empty. So is the first one with a real version: a client may
      // hold an older list, which an empty one of version 1 does not replace (wire 4.5).
      this.contentVersion = this.version;
      this.zoneContentVersion = this.version;
      return;
    }
    if (changes.length === 0) return;
    this.contentVersion = this.version;
    for (const { beforeZone, after } of changes) {
      if (beforeZone !== this.#zone && (after === null || after.zone !== this.#zone)) continue;
      this.zoneContentVersion = this.version;
      return;
    }
  }

  #remember(step: DatumStep): void {
    this.#history.push(step);
    this.#historyEntries += step.changes.length;
    while (
      this.#history.length > 0 &&
      (this.#history.length > this.#limits.steps || this.#historyEntries > this.#limits.entriesMax)
    ) {
      this.#historyEntries -= (this.#history.shift() as DatumStep).changes.length;
    }
  }
}
