/**
 * Removals of what a session has no more, on slots that are not decided: the client may be at a session that has not been heard yet,
 * and would be missing until it is (I6). They wait until every session was heard or given up. What a client takes back itself does
 * not wait.
 */
import type { DatumStore } from './datum-store.ts';
import type { HeldSlot } from './held-slot.ts';
import type { Owner } from './owner.ts';

/** Removals that wait on one node; more are left to the sessions, which repeat them. */
const LATE_REMOVALS_MAX = 100_000;

/** A record of `owner`, up to (version, stamp), is to leave. */
export interface LateRemoval {
  readonly dataInfoId: string;
  readonly registerId: string;
  readonly version: number;
  readonly stamp: number;
  readonly owner: Owner;
}

/** What waits, by slot. */
export class LateRemovals {
  readonly #slots = new Map<number, Map<string, LateRemoval>>();
  #size = 0;

  /** Removals that wait. */
  get size(): number {
    return this.#size;
  }

  /** Lets a removal wait. False if there is no room. */
  add(slotId: number, removal: LateRemoval): boolean {
    let waiting = this.#slots.get(slotId);
    if (waiting === undefined) this.#slots.set(slotId, (waiting = new Map()));
    const key = `${removal.owner.processId}\n${removal.dataInfoId}\n${removal.registerId}`;
    if (!waiting.has(key)) {
      if (this.#size >= LATE_REMOVALS_MAX) return false;
      this.#size++;
    }
    waiting.set(key, removal);
    return true;
  }

  /** The slot is decided: removes what is still as it was. */
  apply(slot: HeldSlot, store: DatumStore): void {
    const waiting = this.#slots.get(slot.id);
    if (waiting === undefined || slot.store === null) return;
    this.forget(slot.id);
    store.beginBatch();
    for (const { dataInfoId, registerId, version, stamp, owner } of waiting.values())
      store.clientOff(slot.store, dataInfoId, registerId, version, stamp, owner);
  }

  /** The slot is led no more, or anew: sessions tell again. */
  forget(slotId: number): void {
    this.#size -= this.#slots.get(slotId)?.size ?? 0;
    this.#slots.delete(slotId);
  }
}
