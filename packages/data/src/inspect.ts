/** What operators and the HTTP port can see of a data node. Read only; copies, never live objects. */
import type { ClusterView } from '@sofa-registry/cluster';
import { type NodeRecord, type PublisherRecord, slotOf } from '@sofa-registry/model';
import type { DataNode } from './data-node.ts';
import type { Datum } from './datum.ts';
import type { StoredPublisher } from './stored-publisher.ts';
import type { HeldRole, HeldSlot } from './held-slot.ts';

/** A publisher with the process id of the session that owns it. */
export interface OwnedPublisher extends PublisherRecord {
  readonly dataInfoId: string;
  readonly owner: string;
}

/** Numbers of what is held. */
export interface DataCounts {
  /** dataInfoIds with publishers in the slots led. */
  readonly data: number;
  /** Publishers in the slots led. */
  readonly publishers: number;
  /** Publishers in the slots followed. */
  readonly followed: number;
}

/** One datum. */
export interface DatumView {
  readonly version: number;
  readonly publishers: readonly OwnedPublisher[];
  /** Latest versions, ascending, without repetition. */
  readonly recentVersions: readonly number[];
}

/** One slot held. */
export interface SlotView {
  readonly slot: number;
  readonly role: Exclude<HeldRole, 'none'>;
  readonly leader: string;
  readonly leaderEpoch: number;
  readonly sequence: number;
  /** Follower: has the leader's whole copy. Leader: answers reads and knows all sessions. */
  readonly complete: boolean;
  /** Leader that does not answer reads yet. */
  readonly migrating: boolean;
  /** Leader that answers although sessions are missing. */
  readonly partial: boolean;
  /** Process ids of the sessions it waits for. */
  readonly waitingFor: readonly string[];
  readonly data: number;
  readonly publishers: number;
}

/** The views. */
export class DataInspect {
  readonly #node: DataNode;

  constructor(node: DataNode) {
    this.#node = node;
  }

  counts(): DataCounts {
    let data = 0;
    let publishers = 0;
    let followed = 0;
    for (const { role, store } of this.#node.state.slots) {
      if (store === null) continue;
      if (role === 'leader') {
        publishers += store.publishers;
        data += store.versions.count;
      } else followed += store.publishers;
    }
    return { data, publishers, followed };
  }

  /** Every dataInfoId with publishers in the slots led, and how many. */
  dataInfoIds(): [string, number][] {
    const ids: [string, number][] = [];
    for (const datum of this.#led())
      if (datum.publishers.size > 0) ids.push([datum.dataInfoId, datum.publishers.size]);
    return ids;
  }

  /** Every dataInfoId of the slots led and its version. */
  versions(): [string, number][] {
    const ids: [string, number][] = [];
    for (const datum of this.#led()) ids.push([datum.dataInfoId, datum.version]);
    return ids;
  }

  /** A datum of a slot held, led or followed; null if there is none. */
  datum(dataInfoId: string): DatumView | null {
    const { slots } = this.#node.state;
    const datum = slots[slotOf(dataInfoId, slots.length)].store?.data.get(dataInfoId);
    if (datum === undefined) return null;
    return {
      version: datum.version,
      publishers: [...datum.publishers.values()].map((record) => owned(datum, record)),
      recentVersions: [...new Set([datum.recentFloor, ...(datum.recent?.versions ?? []), datum.version])],
    };
  }

  /** Publishers of one client connection (`ip:port`), in the slots led. */
  byConnection(clientAddress: string): OwnedPublisher[] {
    const found: OwnedPublisher[] = [];
    for (const datum of this.#led())
      for (const record of datum.publishers.values())
        if (record.clientAddress === clientAddress) found.push(owned(datum, record));
    return found;
  }

  /** Sessions with an open link. */
  sessions(): NodeRecord[] {
    return this.#connected('session');
  }

  /** Data nodes with an open link to this one. */
  peers(): NodeRecord[] {
    return this.#connected('data');
  }

  slots(): SlotView[] {
    const { board, state } = this.#node;
    const reports = new Map(board.reports().map((report) => [report.slot, report]));
    const views: SlotView[] = [];
    for (const slot of state.slots) {
      const { role, store } = slot;
      if (role === 'none' || store === null) continue;
      views.push({
        slot: slot.id,
        role,
        leader: slot.leader,
        leaderEpoch: slot.leaderEpoch,
        sequence: store.sequence,
        complete: reports.get(slot.id)?.complete ?? false,
        migrating: role === 'leader' && !slot.readable,
        partial: slot.partial,
        waitingFor: this.#waitingFor(slot),
        data: store.versions.count,
        publishers: store.publishers,
      });
    }
    return views;
  }

  /** The cluster as this node knows it. */
  view(): ClusterView {
    return this.#node.state.cluster.view;
  }

  /** Ready: there is a table, and every slot led answers or has no session that could ask. */
  ready(): { ready: boolean; waitingFor: string } {
    const { board, state } = this.#node;
    if (state.tableEpoch === 0)
      return { ready: false, waitingFor: state.cluster.waitingFor || 'a slot table from meta' };
    if (board.census.present.size === 0) return { ready: true, waitingFor: '' };
    const migrating = state.slots.filter((slot) => slot.role === 'leader' && !slot.readable);
    if (migrating.length === 0) return { ready: true, waitingFor: '' };
    const sessions = new Set(migrating.flatMap((slot) => this.#waitingFor(slot)));
    return { ready: false, waitingFor: `${migrating.length} slots wait for ${[...sessions].join(', ')}` };
  }

  #waitingFor(slot: HeldSlot): string[] {
    if (slot.role !== 'leader' || slot.settled) return [];
    return slot.missing(this.#node.board.census);
  }

  #connected(role: 'session' | 'data'): NodeRecord[] {
    const nodes: NodeRecord[] = [];
    for (const { node } of this.#node.state.links) if (node?.role === role) nodes.push(node);
    return nodes;
  }

  *#led(): Generator<Datum> {
    for (const { role, store } of this.#node.state.slots)
      if (role === 'leader' && store !== null) yield* store.data.values();
  }
}

function owned(datum: Datum, record: StoredPublisher): OwnedPublisher {
  const { registerId, version, stamp, zone, appName, clientAddress } = record;
  const { clientTimestamp, attributes, payload, owner } = record;
  return {
    dataInfoId: datum.dataInfoId,
    owner: owner.processId,
    registerId,
    version,
    stamp,
    zone,
    appName,
    clientAddress,
    clientTimestamp,
    attributes,
    payload,
  };
}
