/** Shared parts of internal messages. */
import type { NodeRecord, NodeRole, Slot, SlotTable } from '@sofa-registry/model';
import { bool, type Codec, list, str, struct, uint, word } from './codec.ts';

/** NodeRecord, field by field. */
export const nodeRecord: Codec<NodeRecord> = struct({
  role: word as Codec<NodeRole>,
  processId: word,
  address: word,
  httpAddress: word,
  zone: word,
  dataCenter: word,
  startedMs: uint,
  weight: uint,
  draining: bool,
});

const slot: Codec<Slot> = struct({ id: uint, leader: word, leaderEpoch: uint, followers: list(word) });

/** SlotTable: epoch, then the slots in order. */
export const slotTable: Codec<SlotTable> = struct({ epoch: uint, slots: list(slot) });

/** A document of meta's store that nodes watch: key, value, version. */
export const watchedDoc = struct({ key: str, value: str, version: uint });

/** Answer of a data node about one slot (reference/data-and-slots.md 3.3). */
export const AccessCode = {
  /** Served. */
  accept: 0,
  /** This node leads the slot but has not heard every session yet: writes are taken, reads are not. */
  migrating: 1,
  /** This node does not lead the slot (by a table at least as new as the caller's). */
  moved: 2,
  /** The caller's table is newer than this node's: ask again in a moment. */
  misMatch: 3,
  /** The request cannot be served here at all (foreign slot number, unknown data centre). */
  unSupported: 4,
} as const;
/** One of the values of {@link AccessCode}. */
export type AccessCode = (typeof AccessCode)[keyof typeof AccessCode];
