/** Hot path. sr.WriteBatch: registrations of a session (wire: write-batch; F087, F147). */
import {
  type Frame,
  type MessageOf,
  REJECT_FULL,
  REJECT_STALE,
  AccessCode,
  WRITE_ITEMS_MAX,
  WriteBatch,
  type WriteItem,
  WriteOp,
  WriteReply,
} from '@sofa-registry/wire';
import { ledSlot, noteEpoch, refusalCode } from './access.ts';
import { Outcome } from './datum-store.ts';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import type { Owner } from './owner.ts';
import type { SlotBoard } from './slot-board.ts';
import type { SlotStore } from './slot-store.ts';

type Rejection = MessageOf<typeof WriteReply>['rejected'][number];
const NO_REJECTIONS: readonly Rejection[] = Object.freeze([]);

/** Applies batches. */
export class WriteHandler {
  readonly #state: NodeState;
  readonly #board: SlotBoard;

  constructor(state: NodeState, board: SlotBoard) {
    this.#state = state;
    this.#board = board;
  }

  handle(link: Link, owner: Owner, frame: Frame): void {
    const state = this.#state;
    const batch = WriteBatch.decode(frame.content);
    state.observe(batch.clock);
    noteEpoch(state, batch.tableEpoch);
    const rejected = this.apply(link, owner, batch.items, batch.tableEpoch);
    const reply = WriteReply.encode({ tableEpoch: state.tableEpoch, clock: state.hybrid.last, rejected });
    link.channel.respond(frame, WriteReply.className, reply);
  }

  /** Applies items in order; what was refused, by index. */
  apply(link: Link, owner: Owner, items: readonly WriteItem[], tableEpoch: number): readonly Rejection[] {
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
        metrics.rejectedAccess.value++;
        continue;
      }
      const outcome = this.#one(slot.store as SlotStore, item, owner);
      if (outcome > Outcome.ignored) {
        rejected ??= [];
        rejected.push(this.#rejection(i, outcome));
      } else if (outcome === Outcome.ignored) metrics.writesSilent.value++;
      if (awaiting && link.listings.arrived(item.slot, item.dataInfoId, item.registerId))
        this.#board.heard(slot, link.processId);
    }
    return rejected ?? NO_REJECTIONS;
  }

  #one(slot: SlotStore, item: WriteItem, owner: Owner): Outcome {
    const { store } = this.#state;
    const { dataInfoId, registerId, version, stamp } = item;
    if (item.record !== null) {
      this.#state.observe(stamp);
      return store.publish(slot, dataInfoId, item.record, owner);
    }
    if (item.op === WriteOp.unpublish) return store.unpublish(slot, dataInfoId, registerId, version, stamp);
    if (item.op === WriteOp.clientOff)
      return store.clientOff(slot, dataInfoId, registerId, version, stamp, owner);
    return Outcome.foreign;
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
    metrics.rejectedAccess.value++;
    return { index, code: AccessCode.unSupported, version: 0, stamp: 0 };
  }
}
