/** What a session gets from a data node: writes, reads, notices, comparison. One node that leads everything. */
import { AccessCode, BoltStatus, REJECT_FULL, REJECT_STALE, UpdateKind, WriteOp } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataNode } from '../src/index.ts';
import { TestCluster } from './support/cluster.ts';
import { idOf, publish, record, removal } from './support/records.ts';
import { TestSession } from './support/session.ts';

const NODE = 'data:1';
const ID = idOf(1);
let cluster: TestCluster;
let node: DataNode;
let session: TestSession;

beforeEach(async () => {
  cluster = new TestCluster();
  cluster.setTable(() => [NODE]);
  node = await cluster.startData(NODE);
  session = new TestSession(cluster, 'S1');
  await session.connect(NODE);
  await session.sync();
});

afterEach(() => cluster.stop());

async function another(name: string): Promise<TestSession> {
  const other = new TestSession(cluster, name);
  await other.connect(NODE);
  await other.sync();
  return other;
}

describe('a registration that moves to another session', () => {
  it('is told to the session that had it, once, and only when the other is newer', async () => {
    const other = await another('S2');
    await session.register(ID, record('r', 1, 0));
    await session.register(ID, record('q', 1, 0));
    await session.register(ID, record('r', 2, 0));
    expect(session.superseded).toEqual([]);
    other.hybrid.observe(session.hybrid.last);
    await other.register(ID, record('r', 2, 0));
    expect(session.superseded).toEqual(['r']);
    const stamp = session.own.get(ID)?.get('r')?.stamp ?? 0;
    await session.write([publish(ID, record('r', 2, stamp))]);
    expect(other.superseded).toEqual([]);
  });
});

describe('a temporary publication', () => {
  const once = (id: string, text: string) => ({
    ...publish(ID, record(id, 1, 9, text)),
    op: WriteOp.temporary,
  });

  it('comes with one notice, between two versions, and is nowhere else', async () => {
    await session.fetch([ID]);
    await session.register(ID, record('r', 1, 0));
    const before = node.state.slots[1].store?.data.get(ID)?.version as number;
    const sequence = node.state.slots[1].store?.sequence as number;
    await session.write([once('t', 'x'), once('u', 'y'), publish(ID, record('q', 1, 9))]);
    const notice = session.notices.at(-1);
    expect(notice).toMatchObject({ kind: UpdateKind.delta, from: before, count: 2 });
    expect(notice?.once?.entries.map(({ registerId }) => registerId)).toEqual(['t', 'u']);
    expect(notice?.once?.version).toBeGreaterThan(before);
    expect(notice?.once?.version).toBeLessThan(notice?.to as number);
    expect(session.ids(ID)).toEqual(['q', 'r']);
    await session.register(ID, record('s', 1, 0));
    expect(session.notices.at(-1)?.once).toBeNull();
    const reader = await another('S2');
    const [answer] = await reader.fetch([ID]);
    expect([answer.update?.count, answer.update?.once]).toEqual([3, null]);
    expect(node.state.slots[1].store?.sequence).toBe(sequence + 3);
    expect(node.state.store.tombstones).toBe(0);
  });

  it('of more than a notice may carry is refused', async () => {
    const { noticeDeltaBytesMax } = node.state.tunables;
    const reply = await session.write([once('t', 'x'.repeat(noticeDeltaBytesMax))]);
    expect(reply.rejected).toEqual([{ index: 0, code: REJECT_FULL, version: 0, stamp: 0 }]);
  });
});

describe('writes and reads', () => {
  it('answers a datum nobody published with version 1 and tells of its first publisher', async () => {
    const [answer] = await session.fetch([ID]);
    expect(answer.update).toMatchObject({ kind: UpdateKind.full, to: 1, count: 0, entries: [] });
    await session.register(ID, record('r', 1, 0));
    expect(session.notices).toMatchObject([{ kind: UpdateKind.delta, from: 1, count: 1 }]);
    expect(session.ids(ID)).toEqual(['r']);
  });

  it('answers a reader that is up to date with an empty delta, one that lags with the delta, a foreign version with the list', async () => {
    const reader = await another('S2');
    for (let i = 0; i < 5; i++) await session.register(ID, record(`r${i}`, 1, 0));
    await reader.fetch([ID]);
    reader.forget(ID);
    await cluster.clock.settle();
    const { version } = { version: node.state.slots[1].store?.data.get(ID)?.version as number };
    const known = { version, list: new Map([0, 1, 2, 3, 4].map((i) => [`r${i}`, 'x'])) };
    reader.cache.set(ID, known);
    const [same] = await reader.fetch([ID]);
    expect(same.update).toMatchObject({ kind: UpdateKind.delta, from: version, to: version, entries: [] });
    reader.forget(ID);
    await session.register(ID, record('r9', 1, 0));
    await session.unregister(ID, 'r0');
    reader.cache.set(ID, known);
    const [step] = await reader.fetch([ID]);
    expect(step.update).toMatchObject({ kind: UpdateKind.delta, from: version, count: 5, removed: ['r0'] });
    expect(step.update?.changedMs).toBeLessThanOrEqual(cluster.clock.wallMs());
    expect(reader.ids(ID)).toEqual(['r1', 'r2', 'r3', 'r4', 'r9']);
    reader.cache.set(ID, { version: version - 1, list: new Map() });
    const [full] = await reader.fetch([ID]);
    expect(full.update?.kind).toBe(UpdateKind.full);
    expect(reader.ids(ID)).toEqual(['r1', 'r2', 'r3', 'r4', 'r9']);
  });

  it('moves each version once per batch and rejects only what it must, by index', async () => {
    await session.fetch([ID]);
    const { publish: _, unpublish } = WriteOp;
    const reply = await session.write([
      publish(ID, record('a', 1, 5)),
      publish(ID, record('b', 1, 5)),
      publish(ID, record('a', 1, 4)),
      removal(unpublish, ID, 'b', 2, 6),
      { ...publish(idOf(2), record('c', 1, 1)), slot: 3 },
      { ...publish(idOf(2), record('c', 1, 1)), slot: 99 },
    ]);
    expect(reply.rejected).toEqual([
      { index: 2, code: REJECT_STALE, version: 1, stamp: 5 },
      { index: 4, code: AccessCode.unSupported, version: 0, stamp: 0 },
      { index: 5, code: AccessCode.unSupported, version: 0, stamp: 0 },
    ]);
    expect(session.notices).toHaveLength(1);
    expect(session.ids(ID)).toEqual(['a']);
  });

  it('removes at a client-off only what is the session’s own and not newer', async () => {
    const other = await another('S2');
    const { clientOff } = WriteOp;
    await session.write([publish(ID, record('a', 1, 5)), publish(ID, record('b', 1, 5))]);
    await other.write([publish(ID, record('b', 1, 6))]);
    await session.write([removal(clientOff, ID, 'a', 1, 4), removal(clientOff, ID, 'b', 1, 9)]);
    await session.fetch([ID]);
    expect(session.ids(ID)).toEqual(['a', 'b']);
    await session.write([removal(clientOff, ID, 'a', 1, 5)]);
    expect(session.ids(ID)).toEqual(['b']);
    const { rejected } = await session.write([publish(ID, record('a', 1, 5))]);
    expect(rejected).toMatchObject([{ index: 0, code: REJECT_STALE, stamp: 5 }]);
  });

  it('is silent about a publisher that comes again with the same content, even from another session', async () => {
    const other = await another('S2');
    await session.register(ID, record('r', 1, 0));
    await session.fetch([ID]);
    await cluster.clock.advance(10);
    await other.write([publish(ID, record('r', 1, other.hybrid.next()))]);
    expect(session.notices).toEqual([]);
    await session.write([removal(WriteOp.clientOff, ID, 'r', 1, 9e15 / 4)]);
    expect(session.ids(ID)).toEqual(['r']);
  });

  it('raises its version above a reader that is ahead, and tells the others', async () => {
    const other = await another('S2');
    await session.register(ID, record('r', 1, 0));
    await other.fetch([ID]);
    const ahead = (other.cache.get(ID)?.version as number) + 1_000_000;
    session.cache.set(ID, { version: ahead, list: new Map() });
    const [answer] = await session.fetch([ID]);
    expect(answer.update?.kind).toBe(UpdateKind.full);
    expect(answer.update?.to).toBeGreaterThan(ahead);
    expect(other.notices).toMatchObject([{ kind: UpdateKind.delta, to: answer.update?.to, entries: [] }]);
  });

  it('splits an answer that would be too large: the rest is told by version', async () => {
    const ids = [0, 1, 2].map((n) => idOf(1, n));
    await cluster.killData(NODE);
    node = await cluster.startData(NODE, { fetchReplyBytesMax: 65_536, migratingCeilingMs: 100 });
    await session.connect(NODE);
    await session.sync();
    for (const id of ids) await session.write([publish(id, record('r', 1, 1, 'x'.repeat(40_000)))]);
    const answers = await session.fetch(ids);
    expect(answers.map(({ update }) => update?.kind)).toEqual([
      UpdateKind.full,
      UpdateKind.version,
      UpdateKind.version,
    ]);
    await session.fetch(ids.slice(1, 2));
    expect(session.ids(ids[1])).toEqual(['r']);
  });

  it('refuses foreign clusters, unknown messages and broken ones, and stays', async () => {
    const stranger = new TestSession(cluster, 'S9');
    await expect(stranger.connect(NODE, 512)).rejects.toMatchObject({ status: BoltStatus.error });
    const unknown = { className: 'sr.Nothing', encode: () => Buffer.from([1]), decode: () => 0 };
    await expect(session.call(unknown, unknown, 0)).rejects.toMatchObject({ status: BoltStatus.noProcessor });
    const broken = { className: 'sr.WriteBatch', encode: () => Buffer.from([1, 255]), decode: () => 0 };
    await expect(session.call(broken, broken, 0)).rejects.toMatchObject({
      status: BoltStatus.codecException,
    });
    expect((await session.fetch([ID]))[0].code).toBe(AccessCode.accept);
    expect(node.state.metrics.badMessages.value).toBe(2);
  });
});

describe('notices', () => {
  it('reach who is interested and nobody else, and end with the interest', async () => {
    const other = await another('S2');
    await other.fetch([ID]);
    await session.register(ID, record('r', 1, 0));
    expect([session.notices.length, other.notices.length]).toEqual([0, 1]);
    other.forget(ID);
    await session.register(ID, record('s', 1, 0));
    expect(other.notices).toHaveLength(1);
  });

  it('carry the version alone when the change is large', async () => {
    await session.fetch([ID]);
    await session.register(ID, record('r', 1, 0, 'x'.repeat(70_000)));
    expect(session.notices).toMatchObject([{ kind: UpdateKind.version, from: 1, count: 1 }]);
    expect(session.cache.get(ID)?.version).toBe(1);
    await session.fetch([ID]);
    expect(session.ids(ID)).toEqual(['r']);
  });

  it('wait for a slow link and then carry the newest once', async () => {
    await cluster.killData(NODE);
    node = await cluster.startData(NODE, { linkHighWaterBytes: 4096 });
    const watcher = new TestSession(cluster, 'S2');
    await session.connect(NODE);
    await watcher.connect(NODE);
    await session.sync();
    await watcher.sync();
    await watcher.fetch([ID]);
    watcher.channel?.pause();
    for (let i = 0; i < 200; i++) await session.register(ID, record('r', i, 0, `${i}`.padEnd(30_000, 'x')));
    expect(node.state.metrics.noticesHeldBack.value).toBeGreaterThan(0);
    const sent = node.state.metrics.noticesDelta.value;
    expect(sent).toBeLessThan(150);
    watcher.channel?.resume();
    await cluster.clock.advance(500);
    const { noticesDelta, noticesVersion } = node.state.metrics;
    expect(watcher.notices).toHaveLength(noticesDelta.value + noticesVersion.value);
    expect(watcher.notices.at(-1)?.to).toBe(node.state.slots[1].store?.data.get(ID)?.version);
    await watcher.refresh();
    expect(watcher.cache.get(ID)?.list.get('r')).toContain('199');
  });
});

describe('comparison', () => {
  it('finds nothing when nothing differs, whatever was written and watched', async () => {
    for (let i = 0; i < 20; i++) await session.register(idOf(i % 4, i), record(`r${i}`, 1, 0));
    await session.fetch([0, 1, 2, 3].map((slot) => idOf(slot, slot)));
    await session.unregister(idOf(0, 0), 'r0');
    expect(await session.compare([0, 1, 2, 3])).toEqual([]);
  });

  it('brings back what the node lost and removes what the session no longer has', async () => {
    const ids = Array.from({ length: 7 }, (_, n) => idOf(1, n));
    for (const id of ids) await session.register(id, record(`r-${id}`, 1, 0));
    const { slots, store } = node.state;
    const slot = slots[1].store;
    if (slot === null) throw new Error('no slot');
    for (const id of ids.slice(0, 3)) {
      const datum = slot.data.get(id);
      if (datum !== undefined) store.dropDatum(slot, datum);
    }
    session.own.delete(ids[3]);
    session.own.delete(ids[4]);
    await session.fetch([ids[3]]);
    expect(await session.compare([1])).toEqual([
      { slot: 1, code: AccessCode.accept, publishersDiffer: true, interestsDiffer: false },
    ]);
    await session.list(1);
    expect(session.listings).toEqual([3]);
    expect(session.ids(ids[3])).toEqual([]);
    expect(await session.compare([1])).toEqual([]);
    expect(store.publishers).toBe(5);
  });

  it('leaves records above the listing’s stamp alone', async () => {
    await session.register(ID, record('old', 1, 0));
    const asOf = session.hybrid.last;
    await session.write([publish(ID, record('new', 1, asOf + 1))]);
    await session.list(1, 1, false, asOf);
    await session.fetch([ID]);
    expect(session.ids(ID)).toEqual(['new', 'old']);
    await session.list(1, 1, false, asOf + 1);
    expect(session.ids(ID)).toEqual(['old']);
  });

  it('asks again for a record that only a tombstone remembers, so that a live client gets a new stamp', async () => {
    await session.register(ID, record('r', 1, 0));
    const held = session.own.get(ID)?.get('r');
    if (held === undefined) throw new Error('no record');
    await session.write([removal(WriteOp.clientOff, ID, 'r', held.version, held.stamp)]);
    expect(await session.list(1, 2, false)).toBe(1);
    const { rejected } = await session.write([publish(ID, held)]);
    expect(rejected).toMatchObject([{ code: REJECT_STALE, stamp: held.stamp }]);
  });

  it('neither misses nor removes what another session holds newer', async () => {
    const other = await another('S2');
    await session.register(ID, record('r', 1, 0));
    await cluster.clock.advance(5);
    await other.register(ID, record('r', 1, 0));
    expect(await session.list(1)).toBe(0);
    await other.fetch([ID]);
    expect(other.ids(ID)).toEqual(['r']);
    expect(await other.compare([1])).toEqual([]);
  });

  it('replaces interests and tells which data differ', async () => {
    await session.register(ID, record('r', 1, 0));
    session.cache.set(ID, { version: 1, list: new Map() });
    session.cache.set(idOf(1, 7), { version: 1, list: new Map() });
    expect((await session.compare([1]))[0]).toMatchObject({ publishersDiffer: false, interestsDiffer: true });
    const { differing } = await session.watch(1);
    expect(differing.map(({ dataInfoId }) => dataInfoId)).toEqual([ID]);
    await session.fetch([ID]);
    expect(await session.compare([1])).toEqual([]);
    session.cache.delete(idOf(1, 7));
    await session.watch(1);
    expect(await session.compare([1])).toEqual([]);
  });
});

describe('a set of interests that was sent before the answer to a read arrived', () => {
  it('does not end the interest of the read', async () => {
    const answers = session.askFetch([ID]);
    await session.watch(1);
    answers();
    await session.register(ID, record('r', 1, 0));
    expect(session.ids(ID)).toEqual(['r']);
    await cluster.clock.advance(3000);
    session.cache.delete(ID);
    await session.watch(1);
    session.notices.length = 0;
    await session.register(ID, record('s', 1, 0));
    expect(session.notices).toEqual([]);
  });
});

describe('links', () => {
  it('are one per process: a new one replaces the old one', async () => {
    const again = new TestSession(cluster, 'S1');
    await again.connect(NODE);
    await cluster.clock.settle();
    expect(session.closedReason).not.toBe('');
    expect(node.state.links.size).toBe(1);
  });
});
