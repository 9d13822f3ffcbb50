/**
 * Hot path. The merge: what a write, a removal or a lease does to the stored data (reference/data-and-slots.md 1.4, 2.2).
 *
 * Rules. Per registerId the strictly newer (version, stamp) wins. A removal leaves a tombstone at its own (version, stamp); a
 * write at or below it is stale. Same payload, zone and attributes: the record is replaced and logged, the datum version stays
 * (I13). Anything else visible moves the datum version, once per datum and batch, to a stamp of the node's hybrid clock; with an
 * operation of another leader, to the version that one gave it.
 */
import { compareRegisterVersion, crc32c, type HybridClock, type PublisherRecord } from '@sofa-registry/model';
import { Datum, entryBytes } from './datum.ts';
import { History } from './history.ts';
import type { DataMetrics } from './metrics.ts';
import { Origins } from './origins.ts';
import type { Owner } from './owner.ts';
import { PayloadSlabs } from './payload-slabs.ts';
import type { DataTunables } from './settings.ts';
import type { SlotStore } from './slot-store.ts';
import { StoredPublisher } from './stored-publisher.ts';

/** What became of a write. */
export const Outcome = {
  /** Stored or removed. */
  applied: 0,
  /** Nothing to do: already so, or not this caller's to remove. */
  ignored: 1,
  /** Something newer is held, see {@link DatumStore.heldVersion}. */
  stale: 2,
  /** A limit was hit. */
  full: 3,
  /** The dataInfoId does not belong to the slot. */
  foreign: 4,
  /** The slot does not take it yet: again, a moment later. */
  early: 5,
} as const;
/** One of the values of {@link Outcome}. */
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Datum version parameter of changes that are made here: take one from the clock. */
export const OWN_VERSION = 0;

/** What the store needs. */
export interface DatumStoreContext {
  readonly clock: HybridClock;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  readonly slotCount: number;
  readonly tunables: DataTunables;
  readonly metrics: DataMetrics;
  /** A newer record of another owner has replaced one of `owner`. */
  readonly superseded: (owner: Owner, datum: Datum, by: StoredPublisher) => void;
  /** A datum's version moved on from `from`. */
  readonly changed: (datum: Datum, from: number) => void;
}

/** Clients whose records share what they have in common, per generation. */
const ORIGINS_MAX = 65_536;

/** The rules over slots that the caller owns. */
export class DatumStore {
  readonly #context: DatumStoreContext;
  readonly #origins = new Origins(ORIGINS_MAX);
  readonly #slabs = new PayloadSlabs();
  #batch = 0;
  /** Totals over all slots. */
  publishers = 0;
  tombstones = 0;
  data = 0;
  payloadBytes = 0;
  /** Of the record that made the last write stale. */
  heldVersion = 0;
  heldStamp = 0;
  /** Data that a sweep should look at. */
  sweepQueue: Datum[] = [];

  constructor(context: DatumStoreContext) {
    this.#context = context;
  }

  /** Starts a batch: each datum's version moves at most once until the next one. */
  beginBatch(): void {
    this.#batch++;
  }

  /** Stores a record. The payload is copied. `version`: see {@link OWN_VERSION}. */
  publish(
    slot: SlotStore,
    dataInfoId: string,
    record: PublisherRecord,
    owner: Owner,
    version: number = OWN_VERSION,
  ): Outcome {
    const datum = slot.data.get(dataInfoId) ?? this.#newDatum(slot, dataInfoId);
    if (typeof datum === 'number') return datum;
    const held = datum.publishers.get(record.registerId);
    if (held !== undefined) {
      const order = compareRegisterVersion(record.version, record.stamp, held.version, held.stamp);
      if (order === 0 && held.owner === owner) return Outcome.ignored;
      // An equal record of another session: that one made up the same stamp. The caller stamps anew, so the owner is never in doubt.
      if (order <= 0) return this.#stale(held.version, held.stamp);
    } else {
      const grave = datum.tombstones?.get(record.registerId);
      if (
        grave !== undefined &&
        compareRegisterVersion(record.version, record.stamp, grave.version, grave.stamp) <= 0
      )
        return this.#stale(grave.version, grave.stamp);
    }
    if (this.#overLimit(datum, record, held)) return Outcome.full;
    this.#put(slot, datum, record, owner, held, version);
    return Outcome.applied;
  }

  /** An explicit removal: a write of its own (version, stamp). */
  unpublish(
    slot: SlotStore,
    dataInfoId: string,
    registerId: string,
    version: number,
    stamp: number,
  ): Outcome {
    const datum = slot.data.get(dataInfoId) ?? this.#newDatum(slot, dataInfoId);
    if (typeof datum === 'number') return datum;
    const held = datum.publishers.get(registerId);
    if (held === undefined) return this.#bury(slot, datum, registerId, version, stamp);
    const order = compareRegisterVersion(version, stamp, held.version, held.stamp);
    if (order === 0) return Outcome.ignored;
    if (order < 0) return this.#stale(held.version, held.stamp);
    this.#remove(slot, datum, held, version, stamp, OWN_VERSION);
    return Outcome.applied;
  }

  /** A removal because the client's connection closed: only of the owner's own record, and not of a newer one. */
  clientOff(
    slot: SlotStore,
    dataInfoId: string,
    registerId: string,
    version: number,
    stamp: number,
    owner: Owner,
  ): Outcome {
    const datum = slot.data.get(dataInfoId) ?? this.#newDatum(slot, dataInfoId);
    if (typeof datum === 'number') return datum;
    const held = datum.publishers.get(registerId);
    if (held === undefined) return this.#bury(slot, datum, registerId, version, stamp);
    if (held.owner !== owner) return Outcome.ignored;
    if (compareRegisterVersion(version, stamp, held.version, held.stamp) < 0) return Outcome.ignored;
    this.#remove(slot, datum, held, version, stamp, OWN_VERSION);
    return Outcome.applied;
  }

  /** Removes a record as it is (lease, listing); the tombstone has its own (version, stamp). */
  expire(slot: SlotStore, datum: Datum, record: StoredPublisher): void {
    this.#remove(slot, datum, record, record.version, record.stamp, OWN_VERSION);
  }

  /** Applies a removal that a leader made. */
  applyRemoval(
    slot: SlotStore,
    dataInfoId: string,
    registerId: string,
    version: number,
    stamp: number,
    datumVersion: number,
  ): void {
    const datum = slot.data.get(dataInfoId) ?? this.#newDatum(slot, dataInfoId);
    if (typeof datum === 'number') return;
    const held = datum.publishers.get(registerId);
    if (held === undefined) this.#bury(slot, datum, registerId, version, stamp);
    else if (compareRegisterVersion(version, stamp, held.version, held.stamp) >= 0)
      this.#remove(slot, datum, held, version, stamp, datumVersion);
  }

  /** Moves a datum's version without a change of content: to `version`, or above everything seen. */
  raise(slot: SlotStore, datum: Datum, version: number = OWN_VERSION): void {
    this.beginBatch();
    this.#touch(slot, datum, null, version);
    this.#log(slot, datum, null, null, 0, 0);
  }

  /** Raises a datum's version and leaves one between the old and the new that nothing else has. @returns that one */
  raisePast(slot: SlotStore, datum: Datum): number {
    const between = this.#above(datum.version);
    this.raise(slot, datum, this.#above(between));
    return between;
  }

  /** Makes an empty datum for an id that only has subscribers. A number says why not. */
  shell(slot: SlotStore, dataInfoId: string): Datum | Outcome {
    return slot.data.get(dataInfoId) ?? this.#newDatum(slot, dataInfoId);
  }

  /** Makes a datum equal to a leader's copy of it: records not among these leave without a trace. */
  replace(
    slot: SlotStore,
    dataInfoId: string,
    version: number,
    records: readonly { readonly record: PublisherRecord; readonly owner: Owner }[],
  ): Datum | null {
    const datum = slot.data.get(dataInfoId) ?? this.#newDatum(slot, dataInfoId);
    if (typeof datum === 'number') return null;
    const gone = new Map<string, StoredPublisher>();
    for (const held of datum.publishers.values()) gone.set(held.registerId, held);
    for (const { record, owner } of records) {
      const held = gone.get(record.registerId);
      gone.delete(record.registerId);
      if (held?.version === record.version && held.stamp === record.stamp && held.owner === owner) continue;
      this.#place(slot, datum, this.#stored(record, owner, null), held);
    }
    for (const held of gone.values()) this.#take(slot, datum, held);
    this.#setVersion(slot, datum, version);
    this.#changed(datum).recent = null;
    return datum;
  }

  /** Remembers a removal that a leader remembers. */
  entomb(slot: SlotStore, datum: Datum, registerId: string, version: number, stamp: number): void {
    if (!datum.publishers.has(registerId)) this.#bury(slot, datum, registerId, version, stamp);
  }

  /** Forgets a datum altogether. */
  dropDatum(slot: SlotStore, datum: Datum): void {
    for (const held of datum.publishers.values()) this.#take(slot, datum, held);
    const graves = datum.tombstones?.size ?? 0;
    slot.tombstones -= graves;
    this.tombstones -= graves;
    datum.history = null;
    if (slot.data.delete(datum.dataInfoId)) this.data--;
  }

  /** Forgets a whole slot's data. */
  dropSlot(slot: SlotStore): void {
    for (const datum of slot.data.values()) this.dropDatum(slot, datum);
  }

  /** Drops tombstones, remembered changes and the datum itself when they are old. True if there is more to come. */
  sweep(slot: SlotStore, datum: Datum, nowMs: number): boolean {
    const { history } = datum;
    if (history === null) return false;
    const { tombstoneKeepMs, deltaKeepMs, emptyDatumKeepMs } = this.#context.tunables;
    const graves = history.tombstones;
    if (graves !== null) {
      for (const [registerId, grave] of graves) {
        if (nowMs - grave.atMs < tombstoneKeepMs) break;
        graves.delete(registerId);
        slot.tombstones--;
        this.tombstones--;
      }
      if (graves.size === 0) history.tombstones = null;
    }
    const restedMs = nowMs - history.changedMs;
    if (restedMs >= deltaKeepMs) history.recent = null;
    if (history.tombstones !== null || history.recent !== null) return true;
    if (datum.publishers.size > 0) {
      datum.history = null;
      return false;
    }
    if (datum.interests.length > 0 || restedMs < emptyDatumKeepMs) return true;
    this.dropDatum(slot, datum);
    return false;
  }

  #put(
    slot: SlotStore,
    datum: Datum,
    record: PublisherRecord,
    owner: Owner,
    held: StoredPublisher | undefined,
    version: number,
  ): void {
    const same = held?.sameContent(record) ?? false;
    const stored = this.#stored(record, owner, same ? (held as StoredPublisher) : null);
    this.#place(slot, datum, stored, held);
    if (held !== undefined && held.owner !== owner && version === OWN_VERSION)
      this.#context.superseded(held.owner, datum, stored);
    if (!same) this.#touch(slot, datum, record.registerId, version);
    this.#log(slot, datum, stored, record.registerId, 0, 0);
  }

  /** Puts a record in, in place of `held`: map, digests, totals. */
  #place(slot: SlotStore, datum: Datum, stored: StoredPublisher, held: StoredPublisher | undefined): void {
    if (datum.publishers.size === 0) slot.versions.add(datum.hash, '', datum.version, 0);
    datum.put(stored);
    datum.bytes += entryBytes(stored);
    slot.share(stored.owner).add(datum.hash, stored.registerId, stored.version, stored.stamp);
    slot.publishers++;
    stored.owner.publishers++;
    this.publishers++;
    this.payloadBytes += stored.bytes;
    if (held !== undefined) this.#untrack(slot, datum, held);
    else if (datum.history?.tombstones?.delete(stored.registerId)) {
      slot.tombstones--;
      this.tombstones--;
    }
  }

  /** Takes a record out: map, digests, totals. */
  #take(slot: SlotStore, datum: Datum, held: StoredPublisher): void {
    datum.remove(held.registerId);
    if (datum.publishers.size === 0) slot.versions.remove(datum.hash, '', datum.version, 0);
    this.#untrack(slot, datum, held);
  }

  #untrack(slot: SlotStore, datum: Datum, held: StoredPublisher): void {
    datum.bytes -= entryBytes(held);
    const share = slot.share(held.owner);
    share.remove(datum.hash, held.registerId, held.version, held.stamp);
    if (share.count === 0) slot.shares.delete(held.owner);
    slot.publishers--;
    held.owner.publishers--;
    this.publishers--;
    this.payloadBytes -= held.bytes;
  }

  #remove(
    slot: SlotStore,
    datum: Datum,
    held: StoredPublisher,
    version: number,
    stamp: number,
    datumVersion: number,
  ): void {
    this.#take(slot, datum, held);
    this.#grave(slot, datum, held.registerId, version, stamp);
    this.#touch(slot, datum, held.registerId, datumVersion);
    this.#log(slot, datum, null, held.registerId, version, stamp);
  }

  /** A removal of what is not here: remembered if newer than what is remembered. */
  #bury(slot: SlotStore, datum: Datum, registerId: string, version: number, stamp: number): Outcome {
    const grave = datum.tombstones?.get(registerId);
    if (grave !== undefined && compareRegisterVersion(version, stamp, grave.version, grave.stamp) <= 0)
      return Outcome.ignored;
    this.#grave(slot, datum, registerId, version, stamp);
    this.#log(slot, datum, null, registerId, version, stamp);
    return Outcome.applied;
  }

  #grave(slot: SlotStore, datum: Datum, registerId: string, version: number, stamp: number): void {
    const history = this.#changed(datum);
    const had = history.tombstones?.delete(registerId) ?? false;
    if (!had) {
      const { metrics, tunables } = this.#context;
      if (this.tombstones >= tunables.tombstonesMax) {
        metrics.limit('tombstones').value++;
        return;
      }
      slot.tombstones++;
      this.tombstones++;
    }
    history.tombstones ??= new Map();
    history.tombstones.set(registerId, { version, stamp, atMs: history.changedMs });
  }

  /** Moves the version, once per batch, and remembers the change. */
  #touch(slot: SlotStore, datum: Datum, registerId: string | null, version: number): void {
    const from = datum.version;
    const history = this.#changed(datum);
    if (version !== OWN_VERSION) {
      if (version > from) this.#setVersion(slot, datum, version);
    } else if (history.batch !== this.#batch) {
      history.batch = this.#batch;
      this.#setVersion(slot, datum, this.#above(from));
    }
    datum.remember(history, from, registerId, this.#context.tunables.deltaOpsMax);
    if (datum.version !== from) this.#context.changed(datum, from);
  }

  /** A stamp of the clock, above `version` even if the clock refused to follow it. */
  #above(version: number): number {
    const next = this.#context.clock.next();
    return next > version ? next : version + 1;
  }

  #setVersion(slot: SlotStore, datum: Datum, version: number): void {
    if (datum.publishers.size > 0) {
      slot.versions.remove(datum.hash, '', datum.version, 0);
      slot.versions.add(datum.hash, '', version, 0);
    }
    datum.version = version;
  }

  #log(
    slot: SlotStore,
    datum: Datum,
    record: StoredPublisher | null,
    registerId: string | null,
    version: number,
    stamp: number,
  ): void {
    slot.sequence++;
    if (slot.log === null) return;
    slot.log.push({ datum, datumVersion: datum.version, record, registerId, version, stamp });
    slot.logged?.(slot.id);
  }

  /** Notes that the datum changes now. What is remembered of it is for a sweep to forget. */
  #changed(datum: Datum): History {
    const nowMs = Math.floor(this.#context.nowMs());
    if (datum.history !== null) {
      datum.history.changedMs = nowMs;
      return datum.history;
    }
    datum.history = new History(nowMs);
    this.sweepQueue.push(datum);
    return datum.history;
  }

  #newDatum(slot: SlotStore, dataInfoId: string): Datum | Outcome {
    const { slotCount, tunables, metrics } = this.#context;
    const hash = crc32c(dataInfoId);
    if ((Math.abs(hash) & (slotCount - 1)) !== slot.id) return Outcome.foreign;
    if (this.data >= tunables.dataMax) {
      metrics.limit('data').value++;
      return Outcome.full;
    }
    const datum = new Datum(dataInfoId, hash, slot.id);
    slot.data.set(dataInfoId, datum);
    this.data++;
    this.#changed(datum);
    return datum;
  }

  #stale(version: number, stamp: number): Outcome {
    this.heldVersion = version;
    this.heldStamp = stamp;
    return Outcome.stale;
  }

  #overLimit(datum: Datum, record: PublisherRecord, held: StoredPublisher | undefined): boolean {
    const { tunables, metrics } = this.#context;
    const bytes = record.payload.length;
    const grown = bytes - (held === undefined ? 0 : held.bytes);
    let name: Parameters<DataMetrics['limit']>[0] | null = null;
    if (bytes > tunables.payloadBytesMax) name = 'payload_bytes';
    else if (grown > 0 && datum.bytes + grown > tunables.datumBytesMax) name = 'datum_bytes';
    else if (grown > 0 && this.payloadBytes + grown > tunables.payloadTotalBytesMax)
      name = 'payload_total_bytes';
    else if (held === undefined) {
      if (datum.publishers.size >= tunables.publishersPerDatumMax) name = 'publishers_per_datum';
      else if (this.publishers >= tunables.publishersMax) name = 'publishers';
    }
    if (name === null) return false;
    metrics.limit(name).value++;
    return true;
  }

  #stored(record: PublisherRecord, owner: Owner, same: StoredPublisher | null): StoredPublisher {
    if (same === null) this.#slabs.keep(record.payload);
    return new StoredPublisher(record, this.#origins.of(record, owner), same ?? this.#slabs);
  }
}
