/** Hot path. What is stored of one service: its publishers, its removals, its latest changes. Plain state, no rules. */
import { NO_DATUM_VERSION } from '@sofa-registry/model';
import type { Interest } from './interests.ts';
import { RecentChanges } from './recent-changes.ts';
import { NO_PUBLISHERS, type Publishers, StoredPublisher } from './stored-publisher.ts';

/** A removal that is remembered: writes of the registerId up to (version, stamp) are refused. */
export interface Tombstone {
  readonly version: number;
  readonly stamp: number;
  /** When it was left here, monotonic ms. */
  readonly atMs: number;
}

/** Bytes a record takes in a list beside its payload and strings: lengths and tags. */
const ENTRY_BYTES = 8;

/** Bytes of a record in a list, nearly. */
export function entryBytes(record: StoredPublisher): number {
  return record.bytes + record.registerId.length + record.zone.length + ENTRY_BYTES;
}

/** One service's data. */
export class Datum {
  readonly dataInfoId: string;
  /** crc32c of the dataInfoId, seed of digests. */
  readonly hash: number;
  readonly slot: number;
  version = NO_DATUM_VERSION;
  /** Number of the batch that moved the version last. */
  batch = 0;
  publishers: Publishers = NO_PUBLISHERS;
  /** In the order they were left. */
  tombstones: Map<string, Tombstone> | null = null;
  /** Changes up to the present version; null when none are remembered. */
  recent: RecentChanges | null = null;
  /** Who is told of changes. */
  interests: Interest[] = NOBODY;
  /** Bytes of the whole list, nearly. */
  bytes = 0;
  /** Last change, monotonic ms, whole. */
  changedMs = 0;
  /** True while the slot's version digest counts it: it has publishers. */
  counted = false;
  /** True while it waits for a sweep. */
  sweeping = false;

  constructor(dataInfoId: string, hash: number, slot: number) {
    this.dataInfoId = dataInfoId;
    this.hash = hash;
    this.slot = slot;
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
   * Remembers the change that brought the datum from version `from` to its present one; forgets the oldest half above `max`. The first
   * one is not remembered unless somebody waits for it: who has nothing gets the list.
   */
  remember(from: number, registerId: string | null, max: number): void {
    const { recent, version } = this;
    if (max === 0) this.recent = null;
    // Beyond the size of the list a delta saves nothing.
    else if (recent !== null) recent.push(version, registerId, Math.min(max, this.publishers.size + 8));
    else if (from !== version && (from > NO_DATUM_VERSION || this.interests !== NOBODY))
      this.recent = new RecentChanges(from, version, registerId);
  }

  /** Forgets all remembered changes: deltas start from the present version. */
  forgetRecent(): void {
    this.recent = null;
  }

  /** True if `version` was a version of this datum and all changes after it are remembered. */
  knows(version: number): boolean {
    return version === this.version || (this.recent?.knows(version) ?? false);
  }
}

/** Shared empty list; never written to. */
export const NOBODY: Interest[] = [];
