/** What the slot allocator is given and what it answers. */
import type { SlotConfig, SlotTable } from '@sofa-registry/model';

/** A live data node. */
export interface AllocatorNode {
  readonly address: string;
  /** Placement label, '' = none. */
  readonly zone: string;
  /** Keeps what it has until it is copied elsewhere; gets nothing new. */
  readonly draining: boolean;
  /** True when this process is younger than the table: the copies the table credits it with died with another process. */
  readonly fresh?: boolean;
}

/** State of one copy as its node reported it, not older than the moment the table gave the node that copy. */
export interface CopyReport {
  /** `SlotRole` of the wire package: 0 follower, 1 migrating leader, 2 leader, 3 partial leader. */
  readonly role: number;
  readonly leaderEpoch: number;
  /** Op-log sequence applied. */
  readonly sequence: number;
  readonly complete: boolean;
}

/** Looks up what the node at `address` last said about a slot; undefined when nothing is known. */
export type CopyReports = (address: string, slot: number) => CopyReport | undefined;

/** Most planned moves of one round (I16). Fail-over and refilling are not limited: they are repairs. */
export interface AllocatorLimits {
  /** Slots that have a surplus copy at the same time. */
  readonly copiesInFlightMax: number;
  /** Leaderships handed over in one table. */
  readonly leaderMovesMax: number;
  /** Surplus copies dropped in one table. */
  readonly dropsMax: number;
}

/** Everything a round depends on. */
export interface AllocatorInput {
  readonly table: SlotTable;
  readonly nodes: readonly AllocatorNode[];
  readonly reports: CopyReports;
  /** Term of the leader that asks. */
  readonly term: number;
  readonly config: SlotConfig;
  readonly limits: AllocatorLimits;
}

/** The one kind of change a round makes. */
export type MoveKind =
  /** First placement of all slots. */
  | 'place'
  /** Live followers promoted, dead nodes forgotten. */
  | 'fail-over'
  /** Copies added to slots that have too few. */
  | 'refill'
  /** Leadership moved to a complete follower; the old leader follows. */
  | 'hand-over'
  /** Surplus copies removed. */
  | 'drop'
  /** Copies added where they should end up. */
  | 'copy';

/** Answer of one round. */
export interface Arrangement {
  readonly kind: MoveKind;
  /** Slots that changed. */
  readonly moves: number;
  readonly table: SlotTable;
}
