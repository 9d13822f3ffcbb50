/**
 * Hot path. A publisher as it is kept. Measured by bench/src/data-memory.ts; every field costs 8 B, a number beyond 31 bits 16 B more.
 * What a client's registrations share is one object, the payload lies in a slab without a Buffer of its own.
 */
import { type PublisherRecord, stampToMs } from '@sofa-registry/model';
import { NO_BOXES } from '@sofa-registry/wire';
import { highHalf, joined, lowHalf } from './halves.ts';
import type { Origin } from './origins.ts';
import type { Owner } from './owner.ts';
import { type PayloadSlabs, placedBytes, placedStart } from './payload-slabs.ts';

/** The publishers of one datum by registerId, to be read. */
export interface Publishers {
  readonly size: number;
  get(registerId: string): StoredPublisher | undefined;
  has(registerId: string): boolean;
  keys(): Iterable<string>;
  values(): Iterable<StoredPublisher>;
}

/** The record. It also is the list of just itself: most services have one publisher, and a Map for it would cost 180 B. */
export class StoredPublisher implements PublisherRecord, Publishers {
  readonly registerId: string;
  readonly version: number;
  readonly #stampHigh: number;
  readonly #stampLow: number;
  readonly attributes: ReadonlyMap<string, string> | null;
  readonly #origin: Origin;
  /** clientTimestamp less the time of the stamp, ms: a small number where the clocks agree. */
  readonly #lagMs: number;
  readonly #slab: Buffer;
  /** Where the payload lies in the slab, see {@link PayloadSlabs.place}. */
  readonly #place: number;

  /**
   * @param record what to keep, but its payload
   * @param origin who published it
   * @param payload where the payload lies: slabs that have just kept it, or a record with the same content
   */
  constructor(record: PublisherRecord, origin: Origin, payload: PayloadSlabs | StoredPublisher) {
    this.registerId = record.registerId;
    this.version = record.version;
    this.#stampHigh = highHalf(record.stamp);
    this.#stampLow = lowHalf(record.stamp);
    const { attributes } = record;
    this.attributes = attributes !== null && attributes.size > 0 ? attributes : null;
    this.#origin = origin;
    this.#lagMs = record.clientTimestamp - stampToMs(record.stamp);
    const same = payload instanceof StoredPublisher;
    this.#slab = same ? payload.#slab : payload.slab;
    this.#place = same ? payload.#place : payload.place;
  }

  get stamp(): number {
    return joined(this.#stampHigh, this.#stampLow);
  }

  get owner(): Owner {
    return this.#origin.owner;
  }

  get zone(): string {
    return this.#origin.zone;
  }

  get appName(): string {
    return this.#origin.appName;
  }

  get clientAddress(): string {
    return this.#origin.clientAddress;
  }

  get clientTimestamp(): number {
    return stampToMs(this.stamp) + this.#lagMs;
  }

  /** Bytes of the payload. */
  get bytes(): number {
    return placedBytes(this.#slab, this.#place);
  }

  /** The payload, as a view made for the asker. */
  get payload(): Buffer {
    const start = placedStart(this.#place);
    return this.#slab.subarray(start, start + this.bytes);
  }

  get size(): number {
    return 1;
  }

  get(registerId: string): StoredPublisher | undefined {
    return registerId === this.registerId ? this : undefined;
  }

  has(registerId: string): boolean {
    return registerId === this.registerId;
  }

  keys(): Iterable<string> {
    return [this.registerId];
  }

  values(): Iterable<StoredPublisher> {
    return [this];
  }

  /** True if subscribers see the same of `record`: payload, zone and attributes. */
  sameContent(record: PublisherRecord): boolean {
    if (this.zone !== record.zone) return false;
    const { payload } = record;
    // No bytes at all are kept as the empty payload.
    if (payload.length === 0 ? this.#slab !== NO_BOXES : !this.samePayload(payload)) return false;
    return sameAttributes(this.attributes, record.attributes);
  }

  /** True if the payload has these bytes. Public, as a class with a private method costs each instance 8 B. */
  samePayload(payload: Buffer): boolean {
    const start = placedStart(this.#place);
    const end = start + this.bytes;
    return payload.length === end - start && this.#slab.compare(payload, 0, payload.length, start, end) === 0;
  }
}

/** The list of nobody. */
export const NO_PUBLISHERS: Publishers = Object.freeze({
  size: 0,
  get: () => undefined,
  has: () => false,
  keys: () => [],
  values: () => [],
});

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
