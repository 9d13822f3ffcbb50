/**
 * Writes on their way to the data leaders. Pure core: one map of the latest wanted operation per (dataInfoId, registerId),
 * and per leader a line of those that are ready. A write is repeated until it is acknowledged or superseded, so nothing is
 * lost; memory is bounded by the publishers held plus `removalsMax` (session.md 16 "Simplify": write path). Hot path.
 */
import { compareRegisterVersion, type PublisherRecord } from '@sofa-registry/model';
import { REJECT_FULL, REJECT_STALE, type WriteItem, WriteOp } from '@sofa-registry/wire';

/** Bytes a write is taken to need beside its payload. */
const ITEM_OVERHEAD_BYTES = 128;

/** One wanted operation. Changed in place while it is waiting, replaced by another object once it is in flight. */
export class PendingWrite implements WriteItem {
  op: WriteOp;
  readonly slot: number;
  readonly dataInfoId: string;
  readonly registerId: string;
  version: number;
  stamp: number;
  record: PublisherRecord | null;
  inFlight = false;

  constructor(
    op: WriteOp,
    slot: number,
    dataInfoId: string,
    registerId: string,
    version: number,
    stamp: number,
    record: PublisherRecord | null,
  ) {
    this.op = op;
    this.slot = slot;
    this.dataInfoId = dataInfoId;
    this.registerId = registerId;
    this.version = version;
    this.stamp = stamp;
    this.record = record;
  }
}

/** One batch in flight. */
export interface WriteInFlight {
  readonly leader: string;
  readonly items: PendingWrite[];
}

/** Writes for one leader. */
interface Lane {
  readonly leader: string;
  /** Ready to be sent, first in first out; `from` is where it begins. */
  ready: PendingWrite[];
  from: number;
  readyBytes: number;
  /** Wait for {@link WriteQueue.release}. */
  delayed: PendingWrite[];
  /** Unanswered batches. */
  readonly inFlight: Set<WriteInFlight>;
}

/** What happened to a rejected write. */
export interface WriteRejection {
  readonly index: number;
  readonly code: number;
  readonly version: number;
  readonly stamp: number;
}

/** Told about rejections that need more than another attempt. */
export interface WriteQueueEvents {
  /** A newer record is held by the leader; the write is gone from the queue. */
  stale(write: PendingWrite, version: number, stamp: number): void;
  /** A limit of the data node refused the write; it is gone from the queue. */
  full(write: PendingWrite): void;
  /** A temporary publication may or may not have been shown: it is gone from the queue. */
  lost(write: PendingWrite): void;
  /** The oldest removal was dropped because `removalsMax` was reached. */
  removalDropped(write: PendingWrite): void;
}

/** Options of {@link WriteQueue}. */
export interface WriteQueueOptions {
  /** Leader of a slot; '' = none. */
  readonly leaderOf: (slot: number) => string;
  readonly itemsMax: number;
  readonly batchBytes: number;
  readonly inFlightMax: number;
  readonly removalsMax: number;
}

/** The queue. */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #events: WriteQueueEvents;
  readonly #wanted = new Map<string, Map<string, PendingWrite>>();
  readonly #lanes = new Map<string, Lane>();
  /** What waits and no publisher held stands for, oldest first: removals, temporary publications. */
  readonly #removals = new Set<PendingWrite>();
  #size = 0;

  constructor(options: WriteQueueOptions, events: WriteQueueEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Operations not yet acknowledged. */
  get size(): number {
    return this.#size;
  }

  /** Leaders with something to send. */
  leaders(): string[] {
    const out: string[] = [];
    for (const lane of this.#lanes.values()) if (lane.ready.length > lane.from) out.push(lane.leader);
    return out;
  }

  /** True if a full batch waits for the leader of `slot`: send now instead of at the end of the turn. */
  batchWaits(slot: number): boolean {
    const lane = this.#lanes.get(this.#options.leaderOf(slot));
    if (lane === undefined) return false;
    return (
      lane.ready.length - lane.from >= this.#options.itemsMax || lane.readyBytes >= this.#options.batchBytes
    );
  }

  /**
   * Wants an operation. False if a newer one for the same registration is wanted already (it stays).
   * @param record the record of a publish or of a temporary publication, null for removals
   */
  want(
    op: WriteOp,
    slot: number,
    dataInfoId: string,
    registerId: string,
    version: number,
    stamp: number,
    record: PublisherRecord | null,
  ): boolean {
    let byRegister = this.#wanted.get(dataInfoId);
    if (byRegister === undefined) {
      byRegister = new Map();
      this.#wanted.set(dataInfoId, byRegister);
    }
    const held = byRegister.get(registerId);
    if (held !== undefined) {
      // What is shown once does not take the place of what stays.
      if (op === WriteOp.temporary) return false;
      const order = compareRegisterVersion(held.version, held.stamp, version, stamp);
      if (order > 0) return false;
      // The same publish again (restored after a comparison) while it is on its way: one is enough.
      if (order === 0 && held.op === op) return true;
      if (!held.inFlight) {
        this.#change(held, op, version, stamp, record);
        return true;
      }
      this.#removals.delete(held);
      this.#size--;
    }
    const write = new PendingWrite(op, slot, dataInfoId, registerId, version, stamp, record);
    byRegister.set(registerId, write);
    this.#size++;
    this.#enqueue(write);
    if (op !== WriteOp.publish) this.#trackRemoval(write);
    return true;
  }

  /** The next batch for a leader, or null if there is none or enough are in flight. */
  take(leader: string): WriteInFlight | null {
    const lane = this.#lanes.get(leader);
    if (lane === undefined || lane.inFlight.size >= this.#options.inFlightMax) return null;
    const items: PendingWrite[] = [];
    let bytes = 0;
    const { itemsMax, batchBytes } = this.#options;
    while (
      lane.from < lane.ready.length &&
      items.length < itemsMax &&
      (bytes < batchBytes || items.length === 0)
    ) {
      const write = lane.ready[lane.from++];
      lane.readyBytes -= bytesOf(write);
      if (!this.#current(write)) continue;
      write.inFlight = true;
      bytes += bytesOf(write);
      items.push(write);
    }
    if (lane.from === lane.ready.length) {
      lane.ready = [];
      lane.from = 0;
      lane.readyBytes = 0;
    } else if (lane.from > 4096) {
      lane.ready = lane.ready.slice(lane.from);
      lane.from = 0;
    }
    if (items.length === 0) return null;
    const batch = { leader, items };
    lane.inFlight.add(batch);
    return batch;
  }

  /**
   * A batch was answered. Rejected writes wait for {@link release} unless they are stale or refused by a limit.
   * @returns true if something waits
   */
  answered(batch: WriteInFlight, rejected: readonly WriteRejection[]): boolean {
    this.#landed(batch);
    let waits = false;
    let next = 0;
    for (let i = 0; i < batch.items.length; i++) {
      const write = batch.items[i];
      const rejection = next < rejected.length && rejected[next].index === i ? rejected[next++] : null;
      write.inFlight = false;
      if (!this.#current(write)) continue;
      if (rejection === null) {
        this.#done(write);
      } else if (rejection.code === REJECT_STALE) {
        this.#done(write);
        this.#events.stale(write, rejection.version, rejection.stamp);
      } else if (rejection.code === REJECT_FULL) {
        this.#done(write);
        this.#events.full(write);
      } else {
        this.#delay(write);
        waits = true;
      }
    }
    return waits;
  }

  /** A batch got no answer: its writes wait for {@link release}, temporary ones are given up. @returns true if something waits */
  failed(batch: WriteInFlight): boolean {
    this.#landed(batch);
    let waits = false;
    for (const write of batch.items) {
      write.inFlight = false;
      if (!this.#current(write)) continue;
      if (write.op === WriteOp.temporary) {
        this.#done(write);
        this.#events.lost(write);
        continue;
      }
      this.#delay(write);
      waits = true;
    }
    return waits;
  }

  /** Everything that waits is ready again, in the line of its present leader. @returns how many */
  release(): number {
    let count = 0;
    for (const lane of Array.from(this.#lanes.values())) {
      const { delayed } = lane;
      lane.delayed = [];
      for (const write of delayed) {
        if (!this.#current(write) || write.inFlight) continue;
        count++;
        this.#enqueue(write);
      }
      this.#drop(lane);
    }
    return count;
  }

  /**
   * The slot table changed: puts every waiting write into the line of its present leader, and what is on its way to a node that leads
   * no more, once again: that one may never answer. Written twice is written once.
   */
  reroute(): void {
    for (const lane of Array.from(this.#lanes.values())) {
      const { ready, from } = lane;
      lane.ready = [];
      lane.from = 0;
      lane.readyBytes = 0;
      for (let i = from; i < ready.length; i++) if (this.#current(ready[i])) this.#enqueue(ready[i]);
      for (const batch of lane.inFlight) this.#sendAgain(batch);
    }
    this.release();
  }

  /** Other objects take the place of writes whose leader is another one now, so that a late answer to the old ones does not count. */
  #sendAgain({ leader, items }: WriteInFlight): void {
    for (const write of items) {
      const { op, slot, dataInfoId, registerId, version, stamp, record } = write;
      if (!this.#current(write) || op === WriteOp.temporary || this.#options.leaderOf(slot) === leader)
        continue;
      const again = new PendingWrite(op, slot, dataInfoId, registerId, version, stamp, record);
      this.#wanted.get(dataInfoId)?.set(registerId, again);
      if (this.#removals.delete(write)) this.#removals.add(again);
      this.#enqueue(again);
    }
  }

  #current(write: PendingWrite): boolean {
    return this.#wanted.get(write.dataInfoId)?.get(write.registerId) === write;
  }

  #landed(batch: WriteInFlight): void {
    const lane = this.#lanes.get(batch.leader);
    if (lane === undefined) return;
    lane.inFlight.delete(batch);
    this.#drop(lane);
  }

  #drop(lane: Lane): void {
    if (lane.inFlight.size === 0 && lane.ready.length === 0 && lane.delayed.length === 0)
      this.#lanes.delete(lane.leader);
  }

  #lane(slot: number): Lane {
    const leader = this.#options.leaderOf(slot);
    let lane = this.#lanes.get(leader);
    if (lane === undefined) {
      lane = { leader, ready: [], from: 0, readyBytes: 0, delayed: [], inFlight: new Set() };
      this.#lanes.set(leader, lane);
    }
    return lane;
  }

  #enqueue(write: PendingWrite): void {
    const lane = this.#lane(write.slot);
    lane.ready.push(write);
    lane.readyBytes += bytesOf(write);
  }

  #delay(write: PendingWrite): void {
    this.#lane(write.slot).delayed.push(write);
  }

  #change(
    write: PendingWrite,
    op: WriteOp,
    version: number,
    stamp: number,
    record: PublisherRecord | null,
  ): void {
    this.#removals.delete(write);
    write.op = op;
    write.version = version;
    write.stamp = stamp;
    write.record = record;
    if (op !== WriteOp.publish) this.#trackRemoval(write);
  }

  #trackRemoval(write: PendingWrite): void {
    this.#removals.add(write);
    if (this.#removals.size <= this.#options.removalsMax) return;
    for (const oldest of this.#removals) {
      this.#done(oldest);
      this.#events.removalDropped(oldest);
      return;
    }
  }

  #done(write: PendingWrite): void {
    this.#removals.delete(write);
    const byRegister = this.#wanted.get(write.dataInfoId);
    if (byRegister === undefined) return;
    byRegister.delete(write.registerId);
    this.#size--;
    if (byRegister.size === 0) this.#wanted.delete(write.dataInfoId);
  }
}

function bytesOf(write: PendingWrite): number {
  return ITEM_OVERHEAD_BYTES + (write.record === null ? 0 : write.record.payload.length);
}
