/** Followers, promotion, demotion, hand-over (F137, F138, F152). */
import { AccessCode, UpdateKind, WriteOp } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataNode, DataTunables } from '../src/index.ts';
import { nodeRecord, TestCluster } from './support/cluster.ts';
import { idOf, publish, record, removal } from './support/records.ts';
import { TestSession } from './support/session.ts';

const ONE = 'data:1';
const TWO = 'data:2';
const SLOTS = [0, 1, 2, 3];
const ID = idOf(1);
let cluster: TestCluster;
let one: DataNode;
let two: DataNode;
let session: TestSession;

beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

async function start(tunables: Partial<DataTunables> = {}): Promise<void> {
  cluster.setTable(() => [ONE, TWO]);
  one = await cluster.startData(ONE, tunables);
  two = await cluster.startData(TWO, tunables);
  session = new TestSession(cluster, 'S1');
  cluster.setMembers([nodeRecord('data', ONE, 'd1'), nodeRecord('data', TWO, 'd2'), session.node]);
  await session.connect(ONE);
  await session.sync();
  await cluster.clock.advance(1000);
}

function store(node: DataNode, slot = 1) {
  const held = node.state.slots[slot].store;
  if (held === null) throw new Error('slot not held');
  return held;
}

function expectEqualCopies(leader: DataNode, follower: DataNode): void {
  for (const slot of SLOTS) {
    const [a, b] = [store(leader, slot), store(follower, slot)];
    expect(Buffer.from(b.digest().words.buffer)).toEqual(Buffer.from(a.digest().words.buffer));
    expect(b.publishers).toBe(a.publishers);
    for (const datum of a.data.values()) {
      if (datum.publishers.size === 0) continue;
      const copy = b.data.get(datum.dataInfoId);
      expect(copy?.version).toBe(datum.version);
      for (const held of datum.publishers.values()) {
        const copied = copy?.publishers.get(held.registerId);
        expect(copied?.owner.processId).toBe(held.owner.processId);
        expect(copied?.payload.equals(held.payload)).toBe(true);
      }
    }
  }
}

describe('a follower', () => {
  it('streams everything at once: records, silent ones, removals with tombstones, versions', async () => {
    await start();
    for (let i = 0; i < 40; i++) await session.register(idOf(i % 4, i % 6), record(`r${i}`, 1, 0));
    await session.unregister(idOf(0, 0), 'r0');
    await session.register(ID, record('silent', 1, 0));
    await session.register(ID, record('silent', 2, 0));
    const held = session.own.get(ID)?.get('silent');
    await session.write([removal(WriteOp.clientOff, ID, 'silent', 2, held?.stamp ?? 0)]);
    expectEqualCopies(one, two);
    expect(two.state.store.tombstones).toBe(2);
    expect(store(two).sequence).toBe(store(one).sequence);
    expect(two.reports().every(({ role, complete }) => role === 0 && complete)).toBe(true);
    await cluster.clock.advance(10_500);
    expect(two.state.metrics.replicaChecks.value).toBe(4);
    expect(two.state.metrics.replicaChecksFailed.value).toBe(0);
  });

  it('copies what was there before it came, in as many frames as it takes', async () => {
    cluster.setTable(() => [ONE]);
    one = await cluster.startData(ONE, { replicaFrameBytesMax: 5000 });
    session = new TestSession(cluster, 'S1');
    await session.connect(ONE);
    await session.sync();
    for (let i = 0; i < 60; i++)
      await session.register(idOf(1, i % 20), record(`r${i}`, 1, 0, 'x'.repeat(900)));
    await session.unregister(idOf(1, 0), 'r0');
    cluster.setTable(() => [ONE, TWO], false);
    two = await cluster.startData(TWO);
    cluster.changed();
    expect(two.reports()[1].complete).toBe(false);
    await cluster.clock.advance(1000);
    expectEqualCopies(one, two);
    expect(two.state.store.tombstones).toBe(1);
    expect(two.reports().every(({ complete }) => complete)).toBe(true);
    expect(one.state.metrics.dataCopied.value).toBe(20);
  });

  it('goes on where it was after a short cut, and repairs by digests when the log has moved on', async () => {
    await start({ opLogOpsMax: 5 });
    await session.register(ID, record('a', 1, 0));
    cluster.cut(ONE, TWO);
    await session.register(ID, record('b', 1, 0));
    await cluster.clock.advance(1000);
    expectEqualCopies(one, two);
    expect(one.state.metrics.followDiffers.value).toBe(0);
    cluster.cut(ONE, TWO);
    for (let i = 0; i < 20; i++) await session.register(idOf(1, i % 3), record(`r${i}`, 1, 0));
    await session.unregister(ID, 'a');
    await cluster.clock.advance(1000);
    expectEqualCopies(one, two);
    expect(one.state.metrics.followDiffers.value).toBe(1);
  });

  it('is told when it is too slow for the log, and catches up', async () => {
    await start({ opLogOpsMax: 5, linkHighWaterBytes: 4096 });
    const link = cluster.opened[0];
    link.pause();
    for (let i = 0; i < 60; i++) await session.register(ID, record(`r${i}`, 1, 0, 'x'.repeat(5000)));
    expect(store(two).publishers).toBeLessThan(60);
    link.resume();
    await cluster.clock.advance(1000);
    expect(one.state.metrics.followBehind.value).toBeGreaterThan(0);
    expectEqualCopies(one, two);
  });

  it('finds a copy that is wrong in the next check and repairs it', async () => {
    await start();
    for (let i = 0; i < 8; i++) await session.register(idOf(1, i), record(`r${i}`, 1, 0));
    const datum = store(two).data.get(ID);
    if (datum === undefined) throw new Error('no copy');
    two.state.store.dropDatum(store(two), datum);
    await cluster.clock.advance(11_000);
    expect(two.state.metrics.replicaChecksFailed.value).toBe(1);
    expectEqualCopies(one, two);
    expect(one.state.metrics.dataCopied.value).toBe(1);
  });

  it('stops a repair with its link and starts over: half a copy never counts as complete', async () => {
    cluster.setTable(() => [ONE]);
    one = await cluster.startData(ONE, { replicaFrameBytesMax: 5000 });
    session = new TestSession(cluster, 'S1');
    await session.connect(ONE);
    await session.sync();
    for (let i = 0; i < 60; i++)
      await session.register(idOf(1, i % 20), record(`r${i}`, 1, 0, 'x'.repeat(900)));
    cluster.setTable(() => [ONE, TWO], false);
    two = await cluster.startData(TWO);
    cluster.changed();
    // Cut the link in the middle: after the first data have been copied.
    const { replace } = two.state.store;
    let copied = 0;
    two.state.store.replace = function (...args) {
      if (++copied === 5) cluster.cut(ONE, TWO);
      return replace.apply(this, args);
    };
    for (let ms = 0; ms < 1000 && copied < 5; ms++) await cluster.clock.advance(1);
    expect(store(two).publishers).toBeGreaterThan(0);
    expect(store(two).publishers).toBeLessThan(60);
    expect(two.reports()[1].complete).toBe(false);
    await cluster.clock.advance(1000);
    expectEqualCopies(one, two);
    expect(two.reports()[1].complete).toBe(true);
  });
});

describe('promotion after a crash', () => {
  async function crash(): Promise<void> {
    await cluster.killData(ONE);
    cluster.setMembers([nodeRecord('data', TWO, 'd2'), session.node]);
    cluster.setTable(() => [TWO]);
    await session.connect(TWO);
  }

  it('serves from the copy at once, to readers it knows and to new ones', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    await session.fetch([ID]);
    const known = session.cache.get(ID)?.version;
    await crash();
    const [answer] = await session.fetch([ID]);
    expect(answer.update).toMatchObject({ kind: UpdateKind.delta, from: known, to: known, entries: [] });
    const fresh = new TestSession(cluster, 'S2');
    await fresh.connect(TWO);
    await fresh.fetch([ID]);
    expect(fresh.ids(ID)).toEqual(['a']);
    expect(two.reports()[1]).toMatchObject({ role: 2, complete: true });
  });

  it('never shortens a list by what the copy lacks: the reader waits for the sessions', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    await session.fetch([ID]);
    cluster.cut(ONE, TWO);
    await session.register(ID, record('b', 1, 0));
    expect(session.ids(ID)).toEqual(['a', 'b']);
    const lost = session.cache.get(ID)?.version as number;
    expect(store(two).publishers).toBe(1);
    await crash();
    const read = session.askFetch([ID]);
    await cluster.clock.settle();
    expect(read).toThrow();
    await session.watch(1);
    expect(session.ids(ID)).toEqual(['a', 'b']);
    await session.sync();
    await cluster.clock.settle();
    expect(read()[0].update?.count).toBe(2);
    expect(session.ids(ID)).toEqual(['a', 'b']);
    expect(session.cache.get(ID)?.version).toBeGreaterThan(lost);
    expect(session.notices.every(({ count, from }) => count >= 2 || from < lost)).toBe(true);
  });

  it('waits for the sessions when the copy is not complete', async () => {
    await start({ copyStaleMs: 1000 });
    await session.register(ID, record('a', 1, 0));
    await cluster.killData(ONE);
    await cluster.clock.advance(5000);
    expect(two.reports()[1].complete).toBe(false);
    await crash();
    expect(two.state.slots[1].readable).toBe(false);
    await session.sync();
    expect(two.state.slots[1]).toMatchObject({ readable: true, settled: true });
  });

  it('keeps owners and tombstones: leases and late writes work as before', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    await session.register(ID, record('b', 1, 0));
    const late = session.own.get(ID)?.get('b');
    await session.unregister(ID, 'b');
    await crash();
    if (late === undefined) throw new Error('no record');
    expect((await session.write([publish(ID, late)])).rejected).toHaveLength(1);
    session.channel?.destroy('crash');
    cluster.setMembers([]);
    await cluster.clock.advance(32_000);
    expect(two.state.store.publishers).toBe(0);
  });
});

describe('planned hand-over', () => {
  it('takes the last changes from the old leader, refuses nothing, and keeps the old copy', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    await session.fetch([ID]);
    // What is written now is on its way to the follower when the slots change hands.
    const stream = cluster.opened[0];
    stream.pause();
    await session.register(ID, record('b', 1, 0));
    const before = session.cache.get(ID)?.version;
    expect(store(two).publishers).toBe(1);
    cluster.setTable(() => [TWO, ONE]);
    expect(two.state.slots[1].readable).toBe(false);
    await session.connect(TWO);
    const read = session.askFetch([ID]);
    await cluster.clock.advance(50);
    stream.resume();
    await cluster.clock.advance(100);
    expect(read()[0]).toMatchObject({ code: AccessCode.accept });
    expect(session.ids(ID)).toEqual(['a', 'b']);
    expect(session.cache.get(ID)?.version).toBe(before);
    expect(two.state.metrics.handOversFailed.value).toBe(0);
    await session.sync();
    await cluster.clock.advance(1000);
    await session.register(ID, record('c', 1, 0));
    expectEqualCopies(two, one);
    expect(one.reports().every(({ role, complete }) => role === 0 && complete)).toBe(true);
    expect(two.state.metrics.dataCopied.value).toBe(0);
  });

  it('gives a new version to what the last changes add to a write that came first', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    const stream = cluster.opened[0];
    stream.pause();
    await session.register(ID, record('b', 1, 0));
    cluster.setTable(() => [TWO, ONE]);
    await session.connect(TWO);
    await session.register(ID, record('c', 1, 0));
    const before = store(two).data.get(ID);
    const known = before?.version as number;
    expect([...(before?.publishers.keys() ?? [])]).toEqual(['a', 'c']);
    stream.resume();
    await cluster.clock.settle();
    const after = store(two).data.get(ID);
    expect([...(after?.publishers.keys() ?? [])].sort()).toEqual(['a', 'b', 'c']);
    expect(after?.version).toBeGreaterThan(known);
  });

  it('makes the old leader stop at once, even before it has the table', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    await session.fetch([ID]);
    cluster.setTable(() => [TWO, ONE], false);
    cluster.changed(TWO);
    await cluster.clock.settle();
    expect(one.state.slots[1]).toMatchObject({ role: 'leader', leads: false });
    cluster.view.table = { ...cluster.view.table, epoch: 1 };
    expect((await session.write([publish(ID, record('x', 1, 1))])).rejected).toMatchObject([
      { code: AccessCode.moved },
    ]);
    expect(two.state.slots[1].readable).toBe(true);
  });

  it('does without the old leader when it does not answer in time', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    for (const connection of cluster.opened) if (connection.remote.port === 1) connection.pause();
    cluster.setTable(() => [TWO, ONE]);
    await cluster.clock.advance(400);
    expect(two.state.slots[1].readable).toBe(false);
    await cluster.clock.advance(300);
    expect(two.state.slots[1].readable).toBe(true);
    expect(two.state.metrics.handOversFailed.value).toBe(4);
  });

  it('drops the data of a slot that is taken away, after its state', async () => {
    await start();
    await session.register(ID, record('a', 1, 0));
    cluster.setTable(() => [ONE]);
    expect(two.state.slots[1]).toMatchObject({ role: 'none', store: null });
    expect(two.state.store.publishers).toBe(0);
    expect(two.state.store.data).toBe(0);
  });
});
