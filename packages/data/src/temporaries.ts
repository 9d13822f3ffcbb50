/**
 * Temporary publications (F027): shown once to whoever follows the service now, never stored. They wait for the end of the turn, in
 * which the sessions are told of everything: then the datum's version rises with a step to spare. The version between is that of the
 * list with them, the newest is that of the list without: a version still has one content (I8), and who asks later sees none of them.
 */
import type { PublisherRecord } from '@sofa-registry/model';
import { keepPacked, type ListEntry, type OnceShown } from '@sofa-registry/wire';
import { type Datum, entryBytes } from './datum.ts';
import { Outcome } from './datum-store.ts';
import type { HeldSlot } from './held-slot.ts';
import type { NodeState } from './node-state.ts';

/** Nothing is shown once. */
export const NOTHING_SHOWN: ReadonlyMap<Datum, OnceShown> = new Map();

interface Waiting {
  readonly slot: HeldSlot;
  /** By registerId. */
  readonly entries: Map<string, ListEntry>;
  bytes: number;
}

/** Those of one node. */
export class Temporaries {
  readonly #state: NodeState;
  readonly #waiting = new Map<Datum, Waiting>();

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** Takes one; of one datum and turn no more than a change notice may carry. */
  add(slot: HeldSlot, dataInfoId: string, { registerId, zone, payload }: PublisherRecord): Outcome {
    const { store, tunables, metrics } = this.#state;
    // Who follows the service is not known yet.
    if (slot.store === null || !slot.readable) return Outcome.early;
    const datum = store.shell(slot.store, dataInfoId);
    if (typeof datum === 'number') return datum;
    const waiting = this.#waiting.get(datum) ?? { slot, entries: new Map<string, ListEntry>(), bytes: 0 };
    const bytes = waiting.bytes + entryBytes({ bytes: payload.length, registerId, zone });
    if (bytes > tunables.noticeDeltaBytesMax) {
      metrics.limit('temporary_bytes').value++;
      return Outcome.full;
    }
    waiting.bytes = bytes;
    waiting.entries.set(registerId, { registerId, zone, payload: keepPacked(payload, 0, payload.length) });
    this.#waiting.set(datum, waiting);
    return Outcome.applied;
  }

  /** What is to be shown at the end of this turn; the versions have risen. */
  settle(): ReadonlyMap<Datum, OnceShown> {
    if (this.#waiting.size === 0) return NOTHING_SHOWN;
    const { store, metrics } = this.#state;
    const shown = new Map<Datum, OnceShown>();
    for (const [datum, { slot, entries }] of this.#waiting) {
      if (slot.store?.data.get(datum.dataInfoId) !== datum || !slot.readable) continue;
      metrics.temporaries.value += entries.size;
      shown.set(datum, { version: store.raisePast(slot.store, datum), entries: [...entries.values()] });
    }
    this.#waiting.clear();
    return shown;
  }
}
