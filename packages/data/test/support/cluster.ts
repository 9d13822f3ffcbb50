/** A hand-driven cluster: one view, data nodes and sessions of one in-memory network. */
import type { ClusterView } from '@sofa-registry/cluster';
import {
  NO_SLOT_TABLE,
  type NodeRecord,
  parseAddress,
  type Slot,
  type SlotTable,
} from '@sofa-registry/model';
import {
  BoltChannel,
  type Connection,
  ManualClock,
  memoryLogger,
  memoryNetwork,
  type Network,
  seededRandom,
} from '@sofa-registry/runtime';
import { DataNode, type DataTunables, dataTunables } from '../../src/index.ts';
import type { Link } from '../../src/link.ts';
import { SLOT_COUNT } from './records.ts';

export const DATA_CENTER = 'DC';

export function nodeRecord(role: 'session' | 'data', address: string, processId: string): NodeRecord {
  return {
    role,
    processId,
    address,
    httpAddress: '',
    zone: '',
    dataCenter: DATA_CENTER,
    startedMs: 0,
    weight: 0,
    draining: false,
  };
}

/** What meta would say. */
export class TestView implements ClusterView {
  leader = 'meta:1';
  term = 1;
  warm = true;
  table: SlotTable = NO_SLOT_TABLE;
  membersRevision = 0;
  members: readonly NodeRecord[] = [];
  docs = new Map();
  metas = [];
  expectedPublishers = 0;
  expectedForMs = 0;
  meanWeight = 0;
  appIndexVersion = 0;
  heardMetaMsAgo = 0;
}

export class TestCluster {
  readonly clock = new ManualClock();
  readonly logger = memoryLogger();
  readonly #streams = memoryNetwork({ clock: this.clock });
  /** Connections that were opened, newest last. */
  readonly opened: Connection[] = [];
  readonly network: Network = {
    listen: (address, accept) => this.#streams.listen(address, accept),
    connect: async (address, options) => {
      const connection = await this.#streams.connect(address, options);
      this.opened.push(connection);
      return connection;
    },
  };
  readonly view = new TestView();
  readonly nodes = new Map<string, DataNode>();
  readonly #listeners = new Map<string, { close(): Promise<void> }>();
  #starts = 0;
  #epoch = 0;

  get ports() {
    return {
      clock: this.clock,
      random: seededRandom(this.#starts),
      network: this.network,
      logger: this.logger,
    };
  }

  /** Starts a data node with its own copy of nothing. */
  async startData(address: string, tunables: Partial<DataTunables> = {}): Promise<DataNode> {
    const processId = `${address}/${++this.#starts}`;
    const identity = {
      processId,
      address,
      node: () => nodeRecord('data', address, processId),
      dataCenter: DATA_CENTER,
      slotConfig: { slotCount: SLOT_COUNT, replicas: 2, slotFunction: 'crc32c' },
    };
    const cluster = { view: this.view, beatSoon: () => undefined };
    const node = new DataNode(this.ports, identity, cluster, dataTunables(tunables));
    const listener = await this.network.listen(
      parseAddress(address) as { host: string; port: number },
      (connection) => {
        node.opened(
          new BoltChannel<Link>(connection, { clock: this.clock, handler: node, idleCloseMs: 45_000 }),
        );
      },
    );
    this.#listeners.set(address, listener);
    this.nodes.set(address, node);
    node.start();
    await this.clock.settle();
    return node;
  }

  /** Cuts the links of `follower` to `leader`; they come back by themselves. */
  cut(leader: string, follower: string): void {
    const links = this.nodes.get(leader)?.state.links ?? [];
    for (const link of links) if (link.node?.address === follower) link.channel.destroy('cut');
  }

  /** As if SIGKILL. */
  async killData(address: string): Promise<void> {
    await this.#listeners.get(address)?.close();
    this.nodes.get(address)?.stop('killed');
    this.nodes.delete(address);
    await this.clock.settle();
  }

  setMembers(members: readonly NodeRecord[]): void {
    this.view.members = members;
    this.changed();
  }

  /** A table in which `place` says who holds each slot: leader first. The leader epoch moves with the leader. */
  setTable(place: (slot: number) => readonly string[], changed = true): void {
    const before = this.view.table.slots;
    const epoch = ++this.#epoch;
    const slots: Slot[] = Array.from({ length: SLOT_COUNT }, (_, id) => {
      const [leader, ...followers] = place(id);
      const old = before[id];
      return { id, leader, leaderEpoch: old?.leader === leader ? old.leaderEpoch : epoch, followers };
    });
    this.view.table = { epoch, slots };
    if (changed) this.changed();
  }

  changed(only?: string): void {
    for (const [address, node] of this.nodes) if (only === undefined || only === address) node.viewChanged();
  }

  async stop(): Promise<void> {
    for (const address of this.nodes.keys()) await this.killData(address);
  }
}
