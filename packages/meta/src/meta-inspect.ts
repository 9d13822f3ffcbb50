/** What a meta knows, for HTTP and metrics. On a meta that does not lead: as the leader last told it. */
import type { NodeRecord, NodeRole, SlotTable } from '@sofa-registry/model';

/** Who leads. */
export interface LeaderInfo {
  /** Address of the leader, '' when none is known. */
  readonly leader: string;
  readonly term: number;
  readonly isLeader: boolean;
  /** False while the leader listens before it acts. */
  readonly warm: boolean;
}

/** Reports of one slot copy, for people. */
export interface SlotReportRow {
  readonly slot: number;
  readonly role: 'follower' | 'migrating' | 'leader' | 'partial';
  readonly leaderEpoch: number;
  readonly sequence: number;
  readonly complete: boolean;
}

/** How the table stands. */
export interface TableStatus {
  readonly epoch: number;
  readonly leaderCount: Readonly<Record<string, number>>;
  readonly followerCount: Readonly<Record<string, number>>;
  readonly leaderBalanced: boolean;
  readonly followerBalanced: boolean;
  /** Every slot is served, every copy complete, nothing moves. */
  readonly stable: boolean;
  /** True while the guard holds evictions back (document operator/protection is an operator's word). */
  readonly protectionMode: boolean;
}

/** The store, without credentials. */
export interface StoreInfo {
  readonly kind: string;
  readonly address: string;
  readonly shared: boolean;
  /** False: it does not answer; what is shown may be stale. */
  readonly available: boolean;
  readonly error: string;
}

/** Read-only view of a meta. */
export interface MetaInspect {
  leader(): LeaderInfo;
  /** Members of a role, draining ones included. */
  members(role: NodeRole): readonly NodeRecord[];
  table(): SlotTable;
  /** Slots as each data node reported them, by address; empty on a meta that does not lead. */
  slotReports(): Readonly<Record<string, readonly SlotReportRow[]>>;
  tableStatus(): TableStatus;
  /** Ms since what is shown here was true: 0 while this meta leads, Infinity when it never heard of a leader. */
  seenMsAgo(): number;
  /** Ready: it leads, or knows who does. */
  ready(): { readonly ready: boolean; readonly waitingFor: string };
  /** Addresses and process ids an operator drained, whether such a node is there or not. */
  drained(): readonly string[];
  storeInfo(): StoreInfo;
}

/** Counts as a plain object; addresses come from the network, so it has no prototype. */
export function countsOf(counts: ReadonlyMap<string, number>): Record<string, number> {
  const out = Object.create(null) as Record<string, number>;
  for (const [address, count] of counts) out[address] = count;
  return out;
}
