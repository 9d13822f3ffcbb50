/** Hot path. What is stored of one service: its publishers, and for a while its latest changes. Plain state, no rules. */
import { NO_DATUM_VERSION } from '@sofa-registry/model';
import { highHalf, joined, lowHalf } from './halves.ts';
import type { History, Tombstone } from './history.ts';
import type { Interest } from './interests.ts';
import { RecentChanges } from './recent-changes.ts';
import { NO_PUBLISHERS, type Publishers, StoredPublisher } from './stored-publisher.ts';

/** Bytes a record takes in a list beside its payload and strings: lengths and tags. */
const ENTRY_BYTES = 8;

/** Bytes of a record in a list, nearly. */
export function entryBytes(record: Pick<StoredPublisher, 'bytes' | 'registerId' | 'zone'>): number {
  return record.bytes + record.registerId.length + record.zone.length + ENTRY_BYTES;
}

/** One service's data. */
export class Datum {
  readonly dataInfoId: string;
  /** crc32c of the dataInfoId, seed of digests. */
  readonly hash: number;
  readonly slot: number;
  publishers: Publishers = NO_PUBLISHERS;
  /** What a sweep will forget; null at rest. */
  history: History | null = null;
  /** Who is told of changes. */
  interests: Interest[] = NOBODY;
  /** Bytes of the whole list, nearly. */
  bytes = 0;
  #versionHigh = 0;
  #versionLow = NO_DATUM_VERSION;

  constructor(dataInfoId: string, hash: number, slot: number) {
    this.dataInfoId = dataInfoId;
    this.hash = hash;
    this.slot = slot;
  }

  get version(): number {
    return joined(this.#versionHigh, this.#versionLow);
  }

  set version(version: number) {
    this.#versionHigh = highHalf(version);
    this.#versionLow = lowHalf(version);
  }

  /** Removals that are remembered; null when there are none. */
  get tombstones(): ReadonlyMap<string, Tombstone> | null {
    return this.history === null ? null : this.history.tombstones;
  }

  /** Changes up to the present version; null when none are remembered. */
  get recent(): RecentChanges | null {
    return this.history === null ? null : this.history.recent;
  }

  /** Puts a record in, in place of one with its registerId. */
  put(record: StoredPublisher): void {
    const { publishers } = this;
    if (publishers instanceof Map) publishers.set(record.registerId, record);
    else if (publishers instanceof StoredPublisher && publishers.registerId !== record.registerId)
      this.publishers = new Map([
        [publishers.registerId, publishers],
        [record.registerId, record],
      ]);
    else this.publishers = record;
  }

  /** Takes the record with this registerId out. */
  remove(registerId: string): void {
    const { publishers } = this;
    if (!(publishers instanceof Map)) {
      if (publishers.has(registerId)) this.publishers = NO_PUBLISHERS;
      return;
    }
    publishers.delete(registerId);
    if (publishers.size === 1) for (const last of publishers.values()) this.publishers = last;
  }

  /** Deltas start from this version or a later one. */
  get recentFloor(): number {
    return this.recent === null ? this.version : this.recent.floor;
  }

  /**
   * Remembers in `history` the change that brought the datum from version `from` to its present one; forgets the oldest half above `max`.
   * The first one is not remembered unless somebody waits for it: who has nothing gets the list.
   */
  remember(history: History, from: number, registerId: string | null, max: number): void {
    const { recent } = history;
    const { version } = this;
    if (max === 0) history.recent = null;
    // Beyond the size of the list a delta saves nothing.
    else if (recent !== null) recent.push(version, registerId, Math.min(max, this.publishers.size + 8));
    else if (from !== version && (from > NO_DATUM_VERSION || this.interests !== NOBODY))
      history.recent = new RecentChanges(from, version, registerId);
  }

  /** True if `version` was a version of this datum and all changes after it are remembered. */
  knows(version: number): boolean {
    return version === this.version || (this.recent?.knows(version) ?? false);
  }
}

/** Shared empty list; never written to. */
export const NOBODY: Interest[] = [];
