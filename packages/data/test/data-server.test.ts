/** The whole role: port, beats to a meta that answers with a table, views, metrics, stop. */
import { parseAddress, type SlotTable, SLOT_FUNCTION } from '@sofa-registry/model';
import { BoltChannel } from '@sofa-registry/runtime';
import { Beat, BeatReply, Done, Drain, type Frame, Leave, type MessageOf } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DATA_DEFAULTS, DATA_SETTINGS, DataServer } from '../src/index.ts';
import { DATA_CENTER, TestCluster } from './support/cluster.ts';
import { idOf, record, SLOT_COUNT } from './support/records.ts';
import { TestSession } from './support/session.ts';

const META = 'meta:1';
const NODE = 'data:1';

/** Answers beats with one table and the members that beat. */
class TestMeta {
  readonly beats: MessageOf<typeof Beat>[] = [];
  readonly seen: string[] = [];
  table: SlotTable = {
    epoch: 7,
    slots: Array.from({ length: SLOT_COUNT }, (_, id) => ({
      id,
      leader: NODE,
      leaderEpoch: 7,
      followers: [],
    })),
  };

  async start(cluster: TestCluster): Promise<void> {
    const target = parseAddress(META) as { host: string; port: number };
    await cluster.network.listen(target, (connection) => {
      new BoltChannel(connection, {
        clock: cluster.clock,
        handler: { request: (channel, frame) => this.#request(channel, frame), closed: () => undefined },
      });
    });
  }

  #request(channel: BoltChannel, frame: Frame): void {
    this.seen.push(frame.className);
    if (frame.className === Leave.className || frame.className === Drain.className) {
      channel.respond(frame, Done.className, Done.encode({ ok: true }));
      return;
    }
    const beat = Beat.decode(frame.content);
    this.beats.push(beat);
    const reply = {
      leader: META,
      isLeader: true,
      term: 1,
      warm: true,
      table: beat.tableEpoch < this.table.epoch ? this.table : null,
      membersRevision: 1,
      members: [beat.node],
      docsRevision: 0,
      docs: null,
      metas: [META],
      expectedPublishers: 0,
      expectedForMs: 0,
      meanWeight: 0,
      appIndexVersion: 0,
    };
    channel.respond(frame, BeatReply.className, BeatReply.encode(reply));
  }
}

describe('data server', () => {
  let cluster: TestCluster;
  let meta: TestMeta;
  let server: DataServer;

  beforeEach(async () => {
    cluster = new TestCluster();
    meta = new TestMeta();
    await meta.start(cluster);
    server = new DataServer(cluster.ports, {
      listen: { host: 'data', port: 1 },
      advertise: '',
      httpAddress: 'data:80',
      metas: [META],
      zone: '',
      dataCenter: DATA_CENTER,
      slotConfig: { slotCount: SLOT_COUNT, replicas: 1, slotFunction: SLOT_FUNCTION },
    });
    const starting = server.start();
    await cluster.clock.advance(100);
    await starting;
    cluster.view.table = meta.table;
  });
  afterEach(() => server.kill());

  it('takes its slots from meta, serves a session, reports its slots and shows what it holds', async () => {
    expect(server.inspect.ready()).toEqual({ ready: true, waitingFor: '' });
    const session = new TestSession(cluster, 'S1');
    await session.connect(NODE);
    expect(server.inspect.ready().waitingFor).toContain('S1');
    await session.sync();
    expect(server.inspect.ready().ready).toBe(true);
    const id = idOf(1);
    await session.register(id, { ...record('r', 3, 0), clientAddress: '9.9.9.9:9' });
    expect(server.inspect.counts()).toEqual({ data: 1, publishers: 1, followed: 0 });
    expect(server.inspect.dataInfoIds()).toEqual([[id, 1]]);
    expect(server.inspect.datum(id)?.publishers).toMatchObject([
      { registerId: 'r', version: 3, owner: 'S1' },
    ]);
    expect(server.inspect.byConnection('9.9.9.9:9')).toHaveLength(1);
    expect(server.inspect.byConnection('9.9.9.9:8')).toEqual([]);
    expect(server.inspect.versions()).toEqual([[id, server.inspect.datum(id)?.version]]);
    expect(server.inspect.sessions().map(({ processId }) => processId)).toEqual(['S1']);
    await cluster.clock.advance(2000);
    expect(meta.beats.at(-1)?.slotReports[1]).toMatchObject({
      slot: 1,
      role: 2,
      leaderEpoch: 7,
      complete: true,
    });
    expect(server.inspect.slots()[1]).toMatchObject({ role: 'leader', migrating: false, publishers: 1 });
  });

  it('exposes metrics under one prefix', () => {
    const names = server.metrics.families().map(({ name }) => name);
    expect(names.every((name) => name.startsWith('sofa_registry_data_'))).toBe(true);
    expect(new Set(names).size).toBe(names.length);
    const led = server.metrics.families().find(({ name }) => name === 'sofa_registry_data_slots_led');
    expect(led?.samples()[0].value).toBe(SLOT_COUNT);
  });

  it('says goodbye to meta when it stops, and refuses connections afterwards', async () => {
    const stopping = server.stop();
    await cluster.clock.advance(100);
    await stopping;
    expect(meta.seen).toContain(Leave.className);
    const late = new TestSession(cluster, 'S1');
    await expect(late.connect(NODE)).rejects.toThrow();
  });
});

describe('settings', () => {
  it('have defaults within their bounds, and a meaning', () => {
    for (const [name, entry] of Object.entries(DATA_SETTINGS)) {
      expect(DATA_DEFAULTS[name as keyof typeof DATA_DEFAULTS]).toBe(entry.default);
      expect(entry.default).toBeGreaterThanOrEqual(entry.min ?? -Infinity);
      expect(entry.default).toBeLessThanOrEqual(entry.max ?? Infinity);
      expect(entry.doc.length).toBeGreaterThan(10);
    }
  });
});
