/** Hot path. What is stored of one service: its publishers, its removals, its latest changes. Plain state, no rules. */
import { NO_DATUM_VERSION, type PublisherRecord } from '@sofa-registry/model';
import { NO_BOXES } from '@sofa-registry/wire';
import type { Interest } from './interests.ts';
import type { Interner } from './interner.ts';
import type { Owner } from './owner.ts';
import type { PayloadSlabs } from './payload-slabs.ts';

/** A publisher as it is kept. One hidden class; strings are interned, the payload lies in a slab. */
export class StoredPublisher implements PublisherRecord {
  readonly registerId: string;
  readonly version: number;
  readonly stamp: number;
  readonly owner: Owner;
  readonly zone: string;
  readonly appName: string;
  readonly clientAddress: string;
  readonly clientTimestamp: number;
  readonly attributes: ReadonlyMap<string, string> | null;
  readonly #slab: Buffer;
  readonly #start: number;
  /** Bytes of the payload. */
  readonly bytes: number;

  /**
   * @param record what to keep, but its payload
   * @param words shares strings
   * @param place where the payload lies: slabs that have just kept it, or a record with the same content
   */
  constructor(record: PublisherRecord, owner: Owner, words: Interner, place: PayloadSlabs | StoredPublisher) {
    this.registerId = record.registerId;
    this.version = record.version;
    this.stamp = record.stamp;
    this.owner = owner;
    this.zone = words.get(record.zone);
    this.appName = words.get(record.appName);
    this.clientAddress = words.get(record.clientAddress);
    this.clientTimestamp = record.clientTimestamp;
    const { attributes } = record;
    this.attributes = attributes !== null && attributes.size > 0 ? attributes : null;
    const same = place instanceof StoredPublisher;
    this.#slab = same ? place.#slab : place.slab;
    this.#start = same ? place.#start : place.start;
    this.bytes = place.bytes;
  }

  /** The payload, as a view made for the asker. */
  get payload(): Buffer {
    return this.#slab.subarray(this.#start, this.#start + this.bytes);
  }

  /** True if subscribers see the same of `record`: payload, zone and attributes. */
  sameContent(record: PublisherRecord): boolean {
    if (this.zone !== record.zone) return false;
    const { payload } = record;
    // No bytes at all are kept as the empty payload.
    if (payload.length === 0 ? this.#slab !== NO_BOXES : !this.#samePayload(payload)) return false;
    return sameAttributes(this.attributes, record.attributes);
  }

  #samePayload(payload: Buffer): boolean {
    const start = this.#start;
    const end = start + this.bytes;
    return payload.length === this.bytes && this.#slab.compare(payload, 0, payload.length, start, end) === 0;
  }
}

function sameAttributes(
  a: ReadonlyMap<string, string> | null,
  b: ReadonlyMap<string, string> | null,
): boolean {
  const size = b === null ? 0 : b.size;
  if (a === null || b === null) return (a === null ? 0 : a.size) === size;
  if (a.size !== size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
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
    const versions = this.recentVersions;
    if (versions === null || this.recentIds === null) {
      // Literals of one element: an empty array that is pushed to takes room for seventeen.
      this.recentVersions = [version];
      this.recentIds = [registerId];
      return;
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
