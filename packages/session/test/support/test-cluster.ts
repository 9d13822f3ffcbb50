/** One session with a fake meta and fake data nodes on the memory network, under a manual clock. */
import { SLOT_FUNCTION, type SlotTable, slotOf, toDataInfoId } from '@sofa-registry/model';
import {
  ManualClock,
  memoryLogger,
  memoryNetwork,
  type MemoryLogger,
  type Network,
  seededRandom,
} from '@sofa-registry/runtime';
import { SessionServer } from '../../src/index.ts';
import type { Compressor, SessionConfig } from '../../src/index.ts';
import { FakeDataNode } from './fake-data-node.ts';
import { FakeMeta } from './fake-meta.ts';
import { TestClient } from './test-client.ts';

export const SLOT_COUNT = 16;

export function tableOf(epoch: number, leaders: readonly string[]): SlotTable {
  return {
    epoch,
    slots: Array.from({ length: SLOT_COUNT }, (_, id) => ({
      id,
      leader: leaders[id % leaders.length],
      leaderEpoch: epoch,
      followers: [],
    })),
  };
}

export function idOf(dataId: string, group = 'DEFAULT_GROUP'): string {
  return toDataInfoId(dataId, 'DEFAULT_INSTANCE_ID', group);
}

export function slotOfId(dataId: string): number {
  return slotOf(idOf(dataId), SLOT_COUNT);
}

function configOf(config: Partial<SessionConfig>): SessionConfig {
  return {
    listen: { host: 'session', port: 9600 },
    advertise: '',
    httpAddress: 'session:9603',
    metas: ['meta:9610'],
    zone: 'zoneA',
    dataCenter: 'DefaultDataCenter',
    slotConfig: { slotCount: SLOT_COUNT, replicas: 1, slotFunction: SLOT_FUNCTION },
    // Only its own tests want to wait before a first empty list.
    emptyDoubtMs: 0,
    ...config,
  };
}

export class TestCluster {
  readonly clock: ManualClock;
  readonly network: Network;
  readonly logger: MemoryLogger;
  readonly meta: FakeMeta;
  readonly data: FakeDataNode[];
  readonly session: SessionServer;

  private constructor(
    clock: ManualClock,
    network: Network,
    logger: MemoryLogger,
    meta: FakeMeta,
    data: FakeDataNode[],
    session: SessionServer,
  ) {
    this.clock = clock;
    this.network = network;
    this.logger = logger;
    this.meta = meta;
    this.data = data;
    this.session = session;
  }

  static async start(
    config: Partial<SessionConfig> = {},
    options: {
      dataNodes?: number;
      expectedPublishers?: number;
      docs?: FakeMeta['docs'];
      clock?: ManualClock;
      compressor?: Compressor;
    } = {},
  ): Promise<TestCluster> {
    const clock = options.clock ?? new ManualClock();
    const network = memoryNetwork({ clock });
    const logger = memoryLogger();
    const data = Array.from(
      { length: options.dataNodes ?? 1 },
      (_, i) => new FakeDataNode(clock, network, `data:${9620 + i}`, SLOT_COUNT),
    );
    const meta = new FakeMeta(
      clock,
      network,
      'meta:9610',
      tableOf(
        1,
        data.map((node) => node.address),
      ),
    );
    meta.expectedPublishers = options.expectedPublishers ?? 0;
    meta.docs = options.docs ?? [];
    await meta.start();
    for (const node of data) await node.start();
    const ports = {
      clock,
      network,
      clientNetwork: network,
      logger,
      random: seededRandom(1),
      compressor: options.compressor,
    };
    const session = new SessionServer(ports, configOf(config));
    const cluster = new TestCluster(clock, network, logger, meta, data, session);
    const started = session.start();
    await clock.advance(200);
    await started;
    return cluster;
  }

  /** A second session of this cluster; not started. */
  another(config: Partial<SessionConfig>): SessionServer {
    const { clock, network, logger } = this;
    const ports = { clock, network, clientNetwork: network, logger, random: seededRandom(2) };
    return new SessionServer(ports, configOf(config));
  }

  /** Runs `action` while the clock settles, so that request and answer happen in the same instant. */
  async run<T>(action: Promise<T>, ms = 0): Promise<T> {
    let outcome: { value: T } | { error: unknown } | null = null;
    action.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.clock.advance(ms);
    for (let i = 0; i < 100 && outcome === null; i++) await this.clock.advance(100);
    const settled = outcome as { value: T } | { error: unknown } | null;
    if (settled === null) throw new Error('no outcome within 10 s of simulated time');
    if ('error' in settled) throw settled.error;
    return settled.value;
  }

  client(proto: 1 | 2 = 1): Promise<TestClient> {
    return this.run(TestClient.connect(this.clock, this.network, this.session.address, proto));
  }

  /** Value of an unlabelled metric, or of one child. */
  metric(name: string, ...labels: string[]): number {
    const family = this.session.metrics
      .families()
      .find((each) => each.name === `sofa_registry_session_${name}`);
    if (family === undefined) throw new Error(`no metric ${name}`);
    return family.samples().find((sample) => sample.labelValues.join() === labels.join())?.value ?? 0;
  }
}
