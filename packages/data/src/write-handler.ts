/** Hot path. sr.WriteBatch: registrations of a session (wire: write-batch; F087, F147). */
import {
  type Frame,
  type MessageOf,
  REJECT_FULL,
  REJECT_STALE,
  AccessCode,
  WRITE_ITEMS_MAX,
  EMPTY,
  WriteBatch,
  type WriteItem,
  WriteOp,
  WriteReply,
} from '@sofa-registry/wire';
import { ledSlot, noteEpoch, refusalCode } from './access.ts';
import { Outcome } from './datum-store.ts';
import type { HeldSlot } from './held-slot.ts';
import type { LateRemovals } from './late-removals.ts';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import type { Notifier } from './notifier.ts';
import type { Owner } from './owner.ts';
import type { ParkedRequests } from './parked.ts';
import type { AnswerTo, RelayPart, RequestRelay } from './relay.ts';
import type { SlotBoard } from './slot-board.ts';
import type { SlotStore } from './slot-store.ts';

type Rejection = MessageOf<typeof WriteReply>['rejected'][number];
const NO_REJECTIONS: readonly Rejection[] = Object.freeze([]);

type Batch = MessageOf<typeof WriteBatch>;

/** Applies batches. */
export class WriteHandler {
  readonly #state: NodeState;
  readonly #board: SlotBoard;
  readonly #notifier: Notifier;
  readonly #parked: ParkedRequests;
  readonly #relay: RequestRelay;
  readonly #late: LateRemovals;

  constructor(
    state: NodeState,
    board: SlotBoard,
    notifier: Notifier,
    parked: ParkedRequests,
    relay: RequestRelay,
    late: LateRemovals,
  ) {
    this.#state = state;
    this.#board = board;
    this.#notifier = notifier;
    this.#parked = parked;
    this.#relay = relay;
    this.#late = late;
  }

  handle(link: Link, owner: Owner, frame: Frame, to: AnswerTo = link.channel): void {
    const state = this.#state;
    const batch = WriteBatch.decode(frame.content);
    state.observe(batch.clock);
    noteEpoch(state, batch.tableEpoch);
    if (batch.tableEpoch > state.tableEpoch) {
      const awaiting = this.#awaitTable(batch);
      if (awaiting.length > 0 && this.#park(link, owner, frame, batch, awaiting, to)) return;
    }
    const rejected = this.#apply(link, owner, batch.items, batch.tableEpoch);
    if (rejected.length === 0 || !this.#passOn(link, frame, batch, rejected, to))
      this.#answer(frame, rejected, to);
  }

  #answer(frame: Frame, rejected: readonly Rejection[], to: AnswerTo): void {
    const { tableEpoch, hybrid, metrics } = this.#state;
    for (const { code } of rejected) if (code < REJECT_STALE) metrics.rejectedAccess.value++;
    to.respond(frame, WriteReply.className, WriteReply.encode({ tableEpoch, clock: hybrid.last, rejected }));
  }

  /** Positions of items whose slots the sender's newer table may give to this node, which does not know it yet. */
  #awaitTable({ items }: Batch): number[] {
    const awaiting: number[] = [];
    const { slots } = this.#state;
    for (let i = 0; i < items.length && i < WRITE_ITEMS_MAX; i++)
      if (items[i].slot < slots.length && !slots[items[i].slot].leads) awaiting.push(i);
    return awaiting;
  }

  /** These items wait for the table; what is led here is applied at once, or newer writes would overtake it. */
  #park(
    link: Link,
    owner: Owner,
    frame: Frame,
    { items, tableEpoch }: Batch,
    awaiting: readonly number[],
    to: AnswerTo,
  ): boolean {
    const { metrics, tunables } = this.#state;
    // Its own bytes: a view would keep the whole chunk it came in.
    const kept: Frame = { ...frame, header: EMPTY, content: Buffer.from(frame.content) };
    let rejected: readonly Rejection[] = NO_REJECTIONS;
    const parked = this.#parked.park({
      link,
      deadlineMs: this.#state.nowMs() + tunables.parkedReadMs,
      attempt: (final) => {
        const batch = WriteBatch.decode(kept.content);
        if (!final && tableEpoch > this.#state.tableEpoch) return false;
        const late = this.#applySome(link, owner, batch.items, awaiting, tableEpoch);
        this.#answer(kept, [...rejected, ...late], to);
        return true;
      },
    });
    if (!parked) {
      metrics.limit('parked_reads').value++;
      return false;
    }
    metrics.writesParked.value++;
    const waits = new Set(awaiting);
    const led = items.flatMap((_, index) => (waits.has(index) ? [] : [index]));
    rejected = this.#applySome(link, owner, items, led, tableEpoch);
    return true;
  }

  /** Applies the items at these positions. */
  #applySome(
    link: Link,
    owner: Owner,
    items: readonly WriteItem[],
    indices: readonly number[],
    tableEpoch: number,
  ): readonly Rejection[] {
    const part = indices.map((index) => items[index]);
    const rejected = this.#apply(link, owner, part, tableEpoch);
    return rejected.map((one) => ({ ...one, index: indices[one.index] }));
  }

  /** Passes refused items on to the nodes that lead their slots now; false if there are none. */
  #passOn(link: Link, frame: Frame, batch: Batch, rejected: readonly Rejection[], to: AnswerTo): boolean {
    // What another node passed on goes no further.
    if (to !== link.channel) return false;
    // Nor does what is shown once: an answer that is lost on the way would make the session send it again.
    const refused = rejected.filter(
      ({ code, index }) => code < REJECT_STALE && batch.items[index].op !== WriteOp.temporary,
    );
    const parts = this.#relay.parts(
      batch.items,
      refused.map(({ index }) => index),
    );
    if (parts.length === 0) return false;
    // Our own table, so that a new leader that has not got it yet lets the batch wait.
    const { tableEpoch } = this.#state;
    const passed = new Set(parts.flatMap(({ indices }) => indices));
    const all = rejected.filter(({ index }) => !passed.has(index));
    const head: Frame = { ...frame, header: EMPTY, content: EMPTY };
    let open = parts.length;
    const answered = ({ indices }: RelayPart, reply: Frame | null): void => {
      if (reply === null)
        for (const index of indices) all.push({ index, code: AccessCode.moved, version: 0, stamp: 0 });
      else {
        const { clock, rejected: there } = WriteReply.decode(reply.content);
        this.#state.observe(clock);
        for (const each of there)
          if (each.index < indices.length) all.push({ ...each, index: indices[each.index] });
      }
      if (--open === 0) this.#answer(head, all, to);
    };
    for (const part of parts) {
      const items = part.indices.map((index) => batch.items[index]);
      this.#relay.send(
        link,
        { part, answered },
        WriteBatch.className,
        WriteBatch.encode({ tableEpoch, clock: batch.clock, items }),
      );
    }
    return true;
  }

  /** Applies items in order; what was refused, by index. */
  #apply(link: Link, owner: Owner, items: readonly WriteItem[], tableEpoch: number): readonly Rejection[] {
    const { store, metrics } = this.#state;
    let rejected: Rejection[] | null = null;
    store.beginBatch();
    metrics.writes.value += items.length;
    if (items.length > WRITE_ITEMS_MAX) metrics.limit('write_items').value++;
    const awaiting = link.listings.size > 0;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      const slot = i < WRITE_ITEMS_MAX ? ledSlot(this.#state, item.slot) : null;
      if (slot === null) {
        const code =
          i < WRITE_ITEMS_MAX ? refusalCode(this.#state, item.slot, tableEpoch) : (REJECT_FULL as number);
        rejected ??= [];
        rejected.push({ index: i, code, version: 0, stamp: 0 });
        continue;
      }
      const outcome = this.#one(slot, item, owner);
      if (outcome > Outcome.ignored) {
        rejected ??= [];
        rejected.push(this.#rejection(i, outcome));
      } else if (outcome === Outcome.ignored) metrics.writesSilent.value++;
      if (awaiting && link.listings.arrived(item.slot, item.dataInfoId, item.registerId))
        this.#board.heard(slot, link.processId);
    }
    return rejected ?? NO_REJECTIONS;
  }

  #one(slot: HeldSlot, item: WriteItem, owner: Owner): Outcome {
    const { store } = this.#state;
    const held = slot.store as SlotStore;
    const { dataInfoId, registerId, version, stamp } = item;
    if (item.record !== null) {
      this.#state.observe(stamp);
      if (item.op === WriteOp.temporary) return this.#notifier.showOnce(slot, dataInfoId, item.record);
      return store.publish(held, dataInfoId, item.record, owner);
    }
    if (item.op === WriteOp.unpublish) return store.unpublish(held, dataInfoId, registerId, version, stamp);
    if (item.op !== WriteOp.clientOff) return Outcome.foreign;
    if (slot.decided) return store.clientOff(held, dataInfoId, registerId, version, stamp, owner);
    if (this.#late.add(slot.id, { dataInfoId, registerId, version, stamp, owner })) return Outcome.applied;
    this.#state.metrics.limit('late_removals').value++;
    return Outcome.early;
  }

  #rejection(index: number, outcome: Outcome): Rejection {
    const { store, metrics } = this.#state;
    if (outcome === Outcome.stale) {
      metrics.rejectedStale.value++;
      return { index, code: REJECT_STALE, version: store.heldVersion, stamp: store.heldStamp };
    }
    if (outcome === Outcome.full) {
      metrics.rejectedFull.value++;
      return { index, code: REJECT_FULL, version: 0, stamp: 0 };
    }
    if (outcome === Outcome.early) {
      return { index, code: AccessCode.migrating, version: 0, stamp: 0 };
    }
    return { index, code: AccessCode.unSupported, version: 0, stamp: 0 };
  }
}
