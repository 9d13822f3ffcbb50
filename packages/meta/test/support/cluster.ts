/** Metas on one store, and nodes that speak to them through real links, on a manual clock. */
import { MetaLink, type SlotReport } from '@sofa-registry/cluster';
import {
  type NodeRecord,
  type NodeRole,
  type SlotConfig,
  type SlotTable,
  toProcessId,
} from '@sofa-registry/model';
import { ManualClock, memoryLogger, memoryNetwork, type Network, seededRandom } from '@sofa-registry/runtime';
import { MemoryStoreBackend, type MetaStore, memoryStore } from '@sofa-registry/store';
import { MetaServer, type MetaTunables } from '../../src/index.ts';
import { PausableHost } from './pausable.ts';

export const SLOTS: SlotConfig = { slotCount: 16, replicas: 2, slotFunction: 'crc32c' };

interface HeldCopy {
  leaderEpoch: number;
  leads: boolean;
  complete: boolean;
}

/** A session or data node as far as meta can see it. A data node completes a copy 50 ms after it was given it. */
export class TestNode {
  readonly record: NodeRecord;
  readonly link: MetaLink;
  readonly host: PausableHost;
  weight = 0;
  publishers = 0;
  /** Where its process stands; 'gone' = killed. */
  state: 'live' | 'paused' | 'gone' = 'live';
  silentSinceMs = 0;
  readonly copies = new Map<number, HeldCopy>();
  readonly epochs: number[] = [];
  readonly tables: SlotTable[] = [];
  readonly #cluster: TestCluster;

  constructor(
    cluster: TestCluster,
    role: NodeRole,
    address: string,
    zone: string,
    metas: readonly string[],
    slots: SlotConfig,
  ) {
    this.#cluster = cluster;
    const startedMs = cluster.clock.wallMs();
    this.record = {
      role,
      processId: toProcessId(address, startedMs, 0, cluster.random.uint32()),
      address,
      httpAddress: address,
      zone,
      dataCenter: 'DefaultDataCenter',
      startedMs,
      weight: 0,
      draining: false,
    };
    this.host = new PausableHost(cluster.clock, cluster.network);
    this.link = new MetaLink(
      { clock: this.host.clock, random: cluster.random, network: this.host.network, logger: cluster.logger },
      {
        metas,
        slotConfig: slots,
        node: () => ({ ...this.record, weight: this.weight }),
        publishers: () => this.publishers,
        slotReports: () => this.#reports(),
        heardMsAgo: (processId) => cluster.heardMsAgo(this, processId),
      },
    );
    this.link.onChange(({ table }) => {
      if (table) this.#apply();
    });
  }

  pause(): void {
    this.state = 'paused';
    this.silentSinceMs = this.#cluster.clock.monoMs();
    this.host.pause();
  }

  resume(): void {
    this.state = 'live';
    this.host.resume();
  }

  kill(): void {
    this.state = 'gone';
    this.silentSinceMs = this.#cluster.clock.monoMs();
    this.host.kill();
  }

  #apply(): void {
    const { table } = this.link.view;
    this.epochs.push(table.epoch);
    this.tables.push(table);
    if (this.record.role !== 'data') return;
    for (const slot of table.slots) {
      const leads = slot.leader === this.record.address;
      if (!leads && !slot.followers.includes(this.record.address)) {
        this.copies.delete(slot.id);
        continue;
      }
      const copy = this.copies.get(slot.id) ?? { leaderEpoch: 0, leads: false, complete: false };
      if (copy.leaderEpoch !== slot.leaderEpoch && !copy.leads && !leads) copy.complete = false;
      Object.assign(copy, { leads, leaderEpoch: slot.leaderEpoch });
      this.copies.set(slot.id, copy);
    }
    this.host.clock.setTimer(50, () => {
      for (const copy of this.copies.values()) copy.complete = true;
      this.link.beatSoon();
    });
  }

  #reports(): SlotReport[] {
    return [...this.copies].map(([slot, { leads, complete, leaderEpoch }]) => ({
      slot,
      role: leads ? (complete ? 2 : 1) : 0,
      leaderEpoch,
      sequence: 1,
      complete,
    }));
  }
}

export class TestCluster {
  readonly clock = new ManualClock();
  readonly random = seededRandom(7);
  readonly logger = memoryLogger();
  readonly network: Network = memoryNetwork({ clock: this.clock });
  readonly backend = new MemoryStoreBackend({ clock: this.clock });
  readonly nodes: TestNode[] = [];
  readonly hosts = new Map<MetaServer, PausableHost>();
  readonly metas: readonly string[];
  /** Pairs that cannot hear one another although both live. */
  readonly deaf = new Set<string>();

  constructor(metaCount = 1) {
    this.metas = Array.from({ length: metaCount }, (_, i) => `meta-${i + 1}:9610`);
  }

  async store(clock = this.clock as ConstructorParameters<typeof PausableHost>[0]): Promise<MetaStore> {
    const store = memoryStore(this.backend, { random: this.random, clock });
    await store.open();
    return store;
  }

  async meta(
    index = 1,
    tunables: Partial<MetaTunables> = {},
    slots = SLOTS,
    store?: MetaStore,
  ): Promise<MetaServer> {
    const host = new PausableHost(this.clock, this.network);
    const server = new MetaServer(
      {
        clock: host.clock,
        random: this.random,
        network: host.network,
        logger: this.logger,
        store: store ?? (await this.store(host.clock)),
      },
      {
        listen: { host: `meta-${index}`, port: 9610 },
        advertise: '',
        httpAddress: `meta-${index}:9615`,
        metas: this.metas,
        zone: '',
        dataCenter: 'DefaultDataCenter',
        slotConfig: slots,
        ...tunables,
      },
    );
    this.hosts.set(server, host);
    await server.start();
    return server;
  }

  kill(server: MetaServer): void {
    server.kill();
    this.hosts.get(server)?.kill();
  }

  node(role: NodeRole, address: string, zone = '', slots = SLOTS): TestNode {
    const node = new TestNode(this, role, address, zone, this.metas, slots);
    this.nodes.push(node);
    node.link.start();
    return node;
  }

  data(count: number): TestNode[] {
    return Array.from({ length: count }, (_, i) => this.node('data', `data-${i + 1}:9621`));
  }

  heardMsAgo(asked: TestNode, processId: string): number {
    const other = this.nodes.find((node) => node.record.processId === processId);
    if (other === undefined || this.deaf.has(`${asked.record.address} ${other.record.address}`))
      return Infinity;
    return other.state === 'live' ? 0 : this.clock.monoMs() - other.silentSinceMs;
  }

  /** Advances in small steps until `done`; returns the ms it took. */
  async until(done: () => boolean, maxMs: number, stepMs = 20): Promise<number> {
    const startMs = this.clock.monoMs();
    while (!done()) {
      if (this.clock.monoMs() - startMs > maxMs) throw new Error(`not within ${maxMs} ms\n${this.log()}`);
      await this.clock.advance(stepMs);
    }
    return this.clock.monoMs() - startMs;
  }

  log(): string {
    return this.logger.lines
      .slice(-40)
      .map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`)
      .join('\n');
  }
}

export const settled = (meta: MetaServer): boolean => {
  const { stable, leaderBalanced, followerBalanced } = meta.tableStatus();
  return stable && leaderBalanced && followerBalanced;
};
