/** Slots: the unit of sharding (F132-F134, reference/data-and-slots.md 5). */
import { crc32c } from './crc32c.ts';

/** Slots of a cluster unless configured otherwise at its creation. */
export const SLOT_COUNT_DEFAULT = 256;
/** Most slots a cluster may be created with. */
export const SLOT_COUNT_MAX = 16_384;
/** Name of the only slot function; a node with another one is refused. */
export const SLOT_FUNCTION = 'crc32c';
/** Copies of a slot, leader included, unless configured otherwise. */
export const SLOT_REPLICAS_DEFAULT = 2;

/** What all nodes of a cluster must agree on. Fixed for the life of a cluster (F133). */
export interface SlotConfig {
  /** A power of two, 1 to {@link SLOT_COUNT_MAX}. */
  readonly slotCount: number;
  /** Copies wanted, leader included, 1 to 7. */
  readonly replicas: number;
  readonly slotFunction: string;
}

/** Slot of a dataInfoId: `abs(crc32c) & (slotCount - 1)`; `slotCount` is a power of two. */
export function slotOf(dataInfoId: string, slotCount: number): number {
  return Math.abs(crc32c(dataInfoId)) & (slotCount - 1);
}

/** One slot's placement. Nodes are named by their internal `host:port`. */
export interface Slot {
  readonly id: number;
  /** Address of the leading data node; '' while no data node exists. */
  readonly leader: string;
  /** Changes if and only if the leader changes, and only upwards (I2, I3). */
  readonly leaderEpoch: number;
  /** Addresses of the other copies, never the leader's. */
  readonly followers: readonly string[];
}

/** Placement of all slots. */
export interface SlotTable {
  /** Epoch of this table: {@link epochOf}(meta term, counter). A receiver ignores a lower one. 0 = no table yet. */
  readonly epoch: number;
  /** Indexed by slot id; empty while there is no table. */
  readonly slots: readonly Slot[];
}

/** The table before any table. */
export const NO_SLOT_TABLE: SlotTable = Object.freeze({ epoch: 0, slots: Object.freeze([]) });

const EPOCH_COUNTERS = 2 ** 20;

/** Epoch of a (meta term, counter) pair as one safe integer that orders like the pair. Terms stay below 2^32, counters below 2^20. */
export function epochOf(term: number, counter: number): number {
  return term * EPOCH_COUNTERS + counter;
}

/** Meta term of an epoch. */
export function epochTerm(epoch: number): number {
  return Math.floor(epoch / EPOCH_COUNTERS);
}

/** Counter of an epoch within its term. */
export function epochCounter(epoch: number): number {
  return epoch % EPOCH_COUNTERS;
}
