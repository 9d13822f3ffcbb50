/**
 * A planned hand-over refuses nothing, in whatever order the old leader, the new leader and the session hear of it (F139, F181): the
 * new leader lets what comes too early wait, the old one passes on what comes too late.
 */
import { AccessCode, Fetch, FetchReply, WriteBatch, WriteReply } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataNode, DataTunables } from '../src/index.ts';
import { nodeRecord, TestCluster } from './support/cluster.ts';
import { idOf, publish, record } from './support/records.ts';
import { TestSession } from './support/session.ts';

const OLD = 'data:1';
const NEW = 'data:2';
const SLOTS = 4;
const KNOWN = idOf(1);
let cluster: TestCluster;
let oldLeader: DataNode;
let newLeader: DataNode;
/** One session process with a link to each node. */
let atOld: TestSession;
let atNew: TestSession;

beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

async function start(tunables: Partial<DataTunables> = {}): Promise<void> {
  cluster.setTable(() => [OLD, NEW]);
  oldLeader = await cluster.startData(OLD, tunables);
  newLeader = await cluster.startData(NEW, tunables);
  atOld = new TestSession(cluster, 'S1');
  atNew = new TestSession(cluster, 'S1');
  cluster.setMembers([nodeRecord('data', OLD, 'd1'), nodeRecord('data', NEW, 'd2'), atOld.node]);
  await atOld.connect(OLD);
  await atNew.connect(NEW);
  await atOld.sync();
  await atOld.register(KNOWN, record('known', 1, 0));
  await cluster.clock.advance(1000);
}

/** A session that asks the leader of the table it has, and looks at the answers in the end. */
class Traffic {
  readonly #answers: (() => void)[] = [];
  readonly written: string[] = [];
  movedOn = false;
  #next = 0;

  /** One batch and one read with an item for each slot. */
  send(): void {
    const at = this.movedOn ? atNew : atOld;
    const tableEpoch = this.movedOn ? 2 : 1;
    const records = Array.from({ length: SLOTS }, (_, slot) => {
      const id = `w${this.#next++}`;
      this.written.push(id);
      return publish(idOf(slot), record(id, 1, at.hybrid.next()));
    });
    const writes = at.ask(WriteBatch, WriteReply, { tableEpoch, clock: at.hybrid.last, items: records });
    const items = records.map(({ slot, dataInfoId }) => ({ slot, dataInfoId, since: 0 }));
    const reads = at.ask(Fetch, FetchReply, { tableEpoch, items });
    const known = records.map(({ registerId }) => registerId);
    this.#answers.push(() => {
      expect(writes().rejected).toEqual([]);
      const answers = reads().items;
      expect(answers.map(({ code }) => code)).toEqual(records.map(() => AccessCode.accept));
      // What was written before the read is read.
      const seen = answers.flatMap(({ update }) => update?.entries ?? []).map(({ registerId }) => registerId);
      for (const id of known) expect(seen).toContain(id);
    });
  }

  check(): void {
    for (const answer of this.#answers) answer();
    const held: string[] = [];
    for (const { store } of newLeader.state.slots)
      for (const datum of store?.data.values() ?? []) held.push(...datum.publishers.keys());
    expect(held.toSorted()).toEqual([...this.written, 'known'].toSorted());
    for (const { metrics } of [oldLeader.state, newLeader.state]) {
      for (const code of Object.values(AccessCode)) expect(metrics.readsRefused(code).value).toBe(0);
      expect(metrics.rejectedAccess.value).toBe(0);
      expect(metrics.relaysFailed.value).toBe(0);
    }
  }
}

const HEARS = ['old leader', 'new leader', 'session'] as const;
const ORDERS = HEARS.flatMap((first) =>
  HEARS.filter((second) => second !== first).map((second) => [
    first,
    second,
    HEARS.find((third) => third !== first && third !== second) as (typeof HEARS)[number],
  ]),
);

describe('a planned hand-over', () => {
  it.each(ORDERS)(
    'refuses nothing when the table comes to the %s, then to the %s, then to the %s',
    async (...order) => {
      await start();
      const traffic = new Traffic();
      traffic.send();
      cluster.setTable(() => [NEW, OLD], false);
      for (const who of order) {
        if (who === 'session') traffic.movedOn = true;
        else cluster.changed(who === 'old leader' ? OLD : NEW);
        traffic.send();
        await cluster.clock.advance(20);
        traffic.send();
        await cluster.clock.advance(20);
      }
      await cluster.clock.advance(100);
      traffic.check();
      expect(newLeader.state.metrics.handOversFailed.value).toBe(0);
    },
  );

  it('makes the session of a late read known to the new leader', async () => {
    await start();
    cluster.setTable(() => [NEW, OLD]);
    await cluster.clock.settle();
    atOld.hasEpoch = 1;
    await atOld.fetch([KNOWN], 10);
    expect(atOld.ids(KNOWN)).toEqual(['known']);
    await atNew.register(KNOWN, record('later', 1, 0));
    await cluster.clock.settle();
    expect(atNew.notices.map(({ dataInfoId }) => dataInfoId)).toEqual([KNOWN]);
    expect(oldLeader.state.metrics.relayed.value).toBe(1);
  });

  it('refuses nothing of a read whose slots move one after the other', async () => {
    await start();
    cluster.setTable((slot) => (slot === 0 ? [NEW, OLD] : [OLD, NEW]));
    await cluster.clock.settle();
    const [link] = [...oldLeader.state.links].filter(({ node }) => node?.address === NEW);
    link.channel.pause();
    const items = [idOf(0), KNOWN].map((dataInfoId, slot) => ({ slot, dataInfoId, since: 0 }));
    const read = atOld.ask(Fetch, FetchReply, { tableEpoch: 1, items });
    await cluster.clock.settle();
    cluster.setTable(() => [NEW, OLD]);
    await cluster.clock.advance(10);
    link.channel.resume();
    await cluster.clock.advance(100);
    expect(read().items.map(({ code }) => code)).toEqual([AccessCode.accept, AccessCode.accept]);
    expect(oldLeader.state.metrics.relayed.value).toBe(2);
  });

  it('answers truthfully what the new leader refuses or leaves unanswered', async () => {
    await start({ relayMs: 300 });
    await atOld.register(KNOWN, record('a', 5, 0));
    cluster.setTable(() => [NEW, OLD]);
    await cluster.clock.settle();
    atOld.hasEpoch = 1;
    const older = publish(KNOWN, record('a', 4, 1));
    const answer = atOld.ask(WriteBatch, WriteReply, { tableEpoch: 1, clock: 0, items: [older] });
    await cluster.clock.advance(10);
    expect(answer().rejected).toMatchObject([{ index: 0, version: 5 }]);
    for (const link of oldLeader.state.links) if (link.node?.address === NEW) link.channel.pause();
    const item = { slot: 1, dataInfoId: KNOWN, since: 0 };
    const read = atOld.ask(Fetch, FetchReply, { tableEpoch: 1, items: [item] });
    await cluster.clock.advance(299);
    expect(oldLeader.state.metrics.relaysFailed.value).toBe(0);
    await cluster.clock.advance(1);
    expect(read().items).toEqual([{ code: AccessCode.moved, update: null }]);
    expect(oldLeader.state.metrics.relaysFailed.value).toBe(1);
    // Later the session must know by itself.
    expect((await atOld.write([publish(KNOWN, record('b', 1, 2))])).rejected).toMatchObject([
      { code: AccessCode.moved },
    ]);
  });

  it('lets a write wait for the table of its sender, but not for ever', async () => {
    await start({ parkedReadMs: 400 });
    const write = atNew.ask(WriteBatch, WriteReply, {
      tableEpoch: 9,
      clock: 0,
      items: [publish(KNOWN, record('early', 1, 1))],
    });
    await cluster.clock.advance(399);
    expect(write).toThrow('no answer');
    await cluster.clock.advance(1);
    expect(write().rejected).toMatchObject([{ code: AccessCode.misMatch }]);
    expect(newLeader.state.metrics.writesParked.value).toBe(1);
  });
});
