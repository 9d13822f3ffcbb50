/** Hot path. What is stored of one service: its publishers, its removals, its latest changes. Plain state, no rules. */
import { NO_DATUM_VERSION } from '@sofa-registry/model';
import type { Interest } from './interests.ts';
import type { Owner } from './owner.ts';

/** A publisher as it is kept. One hidden class; strings are interned, the payload lies in a slab. */
export class StoredPublisher {
  readonly registerId: string;
  readonly version: number;
  readonly stamp: number;
  readonly owner: Owner;
  readonly zone: string;
  readonly appName: string;
  readonly clientAddress: string;
  readonly clientTimestamp: number;
  readonly attributes: ReadonlyMap<string, string> | null;
  readonly payload: Buffer;

  constructor(
    registerId: string,
    version: number,
    stamp: number,
    owner: Owner,
    zone: string,
    appName: string,
    clientAddress: string,
    clientTimestamp: number,
    attributes: ReadonlyMap<string, string> | null,
    payload: Buffer,
  ) {
    this.registerId = registerId;
    this.version = version;
    this.stamp = stamp;
    this.owner = owner;
    this.zone = zone;
    this.appName = appName;
    this.clientAddress = clientAddress;
    this.clientTimestamp = clientTimestamp;
    this.attributes = attributes;
    this.payload = payload;
  }
}

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
export function entryBytes(record: {
  readonly registerId: string;
  readonly zone: string;
  readonly payload: Buffer;
}): number {
  return record.payload.length + record.registerId.length + record.zone.length + ENTRY_BYTES;
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
  readonly publishers = new Map<string, StoredPublisher>();
  /** In the order they were left. */
  tombstones: Map<string, Tombstone> | null = null;
  /** Versions of the latest changes, ascending; null when none are remembered. */
  recentVersions: number[] | null = null;
  /** registerId of each change; null where only the version moved. */
  recentIds: (string | null)[] | null = null;
  /** The version before the first remembered change: deltas start from it or later. */
  recentFloor = NO_DATUM_VERSION;
  /** Who is told of changes. */
  interests: Interest[] = NOBODY;
  /** Bytes of the whole list, nearly. */
  bytes = 0;
  /** Last change, monotonic ms. */
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

  /** Remembers a change for deltas; forgets the oldest half above `max`. */
  remember(version: number, registerId: string | null, max: number): void {
    if (max === 0) {
      this.recentFloor = version;
      return;
    }
    let versions = this.recentVersions;
    if (versions === null || this.recentIds === null) {
      versions = this.recentVersions = [];
      this.recentIds = [];
    }
    versions.push(version);
    this.recentIds.push(registerId);
    // Beyond the size of the list a delta saves nothing.
    const limit = Math.min(max, this.publishers.size + 8);
    if (versions.length > limit) this.#forget(versions.length - (limit >> 1));
  }

  #forget(count: number): void {
    const versions = this.recentVersions as number[];
    const ids = this.recentIds as (string | null)[];
    this.recentFloor = versions[count - 1];
    this.recentVersions = versions.slice(count);
    this.recentIds = ids.slice(count);
  }

  /** Forgets all remembered changes: deltas start from the present version. */
  forgetRecent(): void {
    this.recentVersions = null;
    this.recentIds = null;
    this.recentFloor = this.version;
  }

  /** True if `version` was a version of this datum and all changes after it are remembered. */
  knows(version: number): boolean {
    if (version === this.version || version === this.recentFloor) return true;
    const at = this.indexAfter(version);
    return at > 0 && (this.recentVersions as number[])[at - 1] === version;
  }

  /** Index of the first remembered change after `version`. */
  indexAfter(version: number): number {
    const versions = this.recentVersions;
    if (versions === null) return 0;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (versions[mid] <= version) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}

/** Shared empty list; never written to. */
export const NOBODY: Interest[] = [];
