/** What the simulated store has, at the instant of each change: the slot table and the lock. */
import type { Slot, SlotTable } from '@sofa-registry/model';
import type { MemoryStoreBackend } from '@sofa-registry/store';
import type { SimCluster } from './sim-cluster.ts';

const DOC = 'slot-table';
/** What a leader that stops in good order leaves. */
const HANDOVER = 'handover';
/** Cluster id of a store that was opened without one. */
const CLUSTER = 'default';

/** A stored table and the data nodes that were members when it was made. */
export interface StoredTableView extends SlotTable {
  readonly nodes: readonly { readonly address: string; readonly processId: string }[];
}

/** Calls `written` with each table that is written, and `handedOver` with the term of a leader that was told who belongs. */
export function watchStoredTable(
  backend: MemoryStoreBackend,
  written: (table: StoredTableView) => void,
  handedOver: (term: number) => void,
): void {
  let version = 0;
  let left = false;
  backend.listen(() => {
    const { docs, lease } = backend.cluster(CLUSTER);
    if (left && !docs.has(HANDOVER) && lease !== null) handedOver(lease.term);
    left = docs.has(HANDOVER);
    const doc = docs.get(DOC);
    if (doc === undefined || doc.version === version) return;
    version = doc.version;
    written(parse(Buffer.from(doc.value).toString()));
  });
}

/**
 * Calls `wrong` when a meta extends or takes the lock that another one holds, or a term does not rise. The store tells which machine
 * asks ({@link SimCluster.storeCalled}).
 */
export function watchLock(
  cluster: SimCluster,
  wrong: (what: string) => void,
): { readonly restored: () => void } {
  const { backend } = cluster;
  let before: { readonly owner: string; readonly term: number; readonly untilMs: number } | null = null;
  cluster.storeCalled = (address) => {
    const { lease } = backend.cluster(CLUSTER);
    const after = lease === null ? null : { owner: lease.owner, term: lease.term, untilMs: lease.untilMs };
    const held = before !== null && before.untilMs > backend.clock.monoMs() ? before : null;
    if (held !== null && held.owner !== address && after !== null && after.untilMs !== held.untilMs)
      wrong(`${address} extends or takes the lock that ${held.owner} holds in term ${held.term}`);
    if (before !== null && after !== null && after.owner !== before.owner && after.term <= before.term)
      wrong(`${after.owner} leads in term ${after.term}, ${before.owner} did in ${before.term}`);
    // A lock that was given back is nobody's; its term is not used again.
    if (after !== null) before = after;
    else if (before !== null) before = { ...before, untilMs: -Infinity };
  };
  return {
    // Whoever held the lock is dead; the terms go on from the highest that was handed out.
    restored: () => {
      const { lease } = backend.cluster(CLUSTER);
      if (before !== null) before = { ...before, owner: lease?.owner ?? '', untilMs: -Infinity };
    },
  };
}

/** Address of the meta that has the lock now; '' if none has. */
export function lockHolder({ backend }: SimCluster): string {
  return backend.cluster(CLUSTER).liveLease(backend.clock.monoMs())?.owner ?? '';
}

/** The slot table that is stored; null if there is none. */
export function storedTable({ backend }: SimCluster): StoredTableView | null {
  const doc = backend.cluster(CLUSTER).docs.get(DOC);
  return doc === undefined ? null : parse(Buffer.from(doc.value).toString());
}

function parse(text: string): StoredTableView {
  const form = JSON.parse(text) as {
    readonly epoch: number;
    readonly addresses: readonly string[];
    readonly slots: readonly (readonly number[])[];
    readonly nodes: StoredTableView['nodes'];
  };
  const slots = form.slots.map(([leader, leaderEpoch, ...followers], id): Slot => {
    return {
      id,
      leader: form.addresses[leader],
      leaderEpoch,
      followers: followers.map((number) => form.addresses[number]),
    };
  });
  return { epoch: form.epoch, slots, nodes: form.nodes };
}
