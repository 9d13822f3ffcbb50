/** When a gained slot answers: cold starts, restarts, missing sessions (law 3: no lie by fault). */
import { AccessCode } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { idOf, record } from './support/records.ts';
import { TestSession } from './support/session.ts';

const NODE = 'data:1';
const SLOTS = [0, 1, 2, 3];
const ID = idOf(1);
let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
  cluster.setTable(() => [NODE]);
});
afterEach(() => cluster.stop());

async function connected(name: string): Promise<TestSession> {
  const session = new TestSession(cluster, name);
  await session.connect(NODE);
  return session;
}

describe('a gained slot', () => {
  it('answers as soon as the only session was heard', async () => {
    await cluster.startData(NODE);
    const session = await connected('S1');
    expect(await session.compare(SLOTS)).toEqual([]);
    expect((await session.fetch([ID]))[0].code).toBe(AccessCode.accept);
  });

  it('holds reads back until the session was heard, then answers them', async () => {
    await cluster.startData(NODE);
    const session = await connected('S1');
    const read = session.askFetch([ID]);
    await cluster.clock.advance(100);
    expect(read).toThrow();
    await session.compare([1]);
    expect(read()[0].code).toBe(AccessCode.accept);
  });

  it('refuses a read that waited too long', async () => {
    const node = await cluster.startData(NODE);
    const session = await connected('S1');
    expect((await session.fetch([ID], 1500))[0]).toEqual({ code: AccessCode.migrating, update: null });
    expect(node.parkedReads).toBe(0);
  });

  it('refuses at once when too many reads wait', async () => {
    const node = await cluster.startData(NODE, { parkedReadsMax: 1 });
    const session = await connected('S1');
    const first = session.askFetch([ID]);
    expect((await session.fetch([ID]))[0].code).toBe(AccessCode.migrating);
    await session.compare([1]);
    expect(first()[0].code).toBe(AccessCode.accept);
    expect(node.state.metrics.limit('parked_reads').value).toBe(1);
  });

  it('waits for a session that meta lists and that has not connected yet', async () => {
    const late = new TestSession(cluster, 'S2');
    cluster.setMembers([late.node]);
    await cluster.startData(NODE);
    const session = await connected('S1');
    await session.sync();
    expect((await session.compare([1]))[0].code).toBe(AccessCode.migrating);
    await late.connect(NODE);
    await late.sync();
    expect(await session.compare(SLOTS)).toEqual([]);
  });

  it('opens as partial when a listed session does not come, and stops being partial a lease after meta gave it up', async () => {
    const dead = new TestSession(cluster, 'S2');
    cluster.setMembers([dead.node]);
    const node = await cluster.startData(NODE, { leaseMs: 5000 });
    const session = await connected('S1');
    await session.sync();
    await cluster.clock.advance(1900);
    expect(node.state.slots[1].readable).toBe(false);
    await cluster.clock.advance(200);
    expect(node.state.slots[1]).toMatchObject({ readable: true, partial: true, settled: false });
    expect(node.reports()[1]).toMatchObject({ role: 3, complete: false });
    expect(node.state.metrics.slotsPassedPartial.value).toBe(4);
    cluster.setMembers([]);
    await cluster.clock.advance(4900);
    expect(node.state.slots[1].settled).toBe(false);
    await cluster.clock.advance(200);
    expect(node.state.slots[1]).toMatchObject({ readable: true, partial: false, settled: true });
  });

  it('does not wait for a session because its half-open link is still there', async () => {
    const session = new TestSession(cluster, 'S1');
    cluster.setMembers([session.node]);
    const node = await cluster.startData(NODE, { leaseMs: 5000, linkSilentMs: 3000 });
    await session.connect(NODE);
    const dead = new TestSession(cluster, 'S2');
    dead.heartbeatMs = 0;
    await dead.connect(NODE);
    await session.sync();
    await cluster.clock.advance(2900);
    expect([...node.board.census.present]).toHaveLength(2);
    await cluster.clock.advance(200);
    expect([...node.board.census.present]).toEqual([session.node.processId]);
    expect(node.state.slots[1].settled).toBe(false);
    await cluster.clock.advance(5200);
    expect(node.state.slots[1]).toMatchObject({ partial: false, settled: true });
    // It only stood still: its word counts again.
    await dead.compare([1]);
    await cluster.clock.advance(100);
    expect([...node.board.census.present]).toHaveLength(2);
  });

  it('that is partial answers who has nothing; who holds a list keeps it until the last ceiling', async () => {
    const dead = new TestSession(cluster, 'S2');
    cluster.setMembers([dead.node]);
    const node = await cluster.startData(NODE);
    const session = await connected('S1');
    session.keep(ID, record('mine', 1, session.hybrid.next()));
    const held = {
      version: session.hybrid.next(),
      list: new Map([
        ['mine', ''],
        ['of the dead', ''],
      ]),
    };
    session.cache.set(ID, held);
    await session.sync();
    await cluster.clock.advance(2100);
    const fresh = await connected('S3');
    await fresh.sync();
    expect((await fresh.fetch([ID]))[0].code).toBe(AccessCode.accept);
    expect(fresh.ids(ID)).toEqual(['mine']);
    expect((await session.fetch([ID], 1500))[0].code).toBe(AccessCode.migrating);
    expect(session.ids(ID)).toEqual(['mine', 'of the dead']);
    // Who was answered hears of changes.
    await fresh.register(ID, record('more', 1, 0));
    expect(fresh.ids(ID)).toEqual(['mine', 'more']);
    expect(session.ids(ID)).toEqual(['mine', 'of the dead']);
    await cluster.clock.advance(30_000);
    await session.refresh();
    expect(session.ids(ID)).toEqual(['mine', 'more']);
    expect(node.state.metrics.slotsGivenUp.value).toBe(4);
  });

  it('waits the whole ceiling while a restarted meta may not know all sessions', async () => {
    cluster.view.warm = false;
    cluster.view.expectedPublishers = 1000;
    const node = await cluster.startData(NODE);
    const session = await connected('S1');
    await session.sync();
    expect(node.state.slots[1].readable).toBe(false);
    await cluster.clock.advance(2100);
    expect(node.state.slots[1]).toMatchObject({ readable: true, settled: true, partial: false });
  });

  it('takes writes while it migrates', async () => {
    await cluster.startData(NODE);
    const session = await connected('S1');
    const { rejected } = await session.write([]);
    expect(rejected).toEqual([]);
    await session.register(ID, record('r', 1, 0));
    await session.compare(SLOTS);
    await session.fetch([ID]);
    expect(session.ids(ID)).toEqual(['r']);
  });
});

describe('a node that is killed and started empty', () => {
  it('never shows an empty or shorter list: everything is back first', async () => {
    await cluster.startData(NODE);
    const sessions = [await connected('S1'), await connected('S2')];
    cluster.setMembers(sessions.map(({ node }) => node));
    for (const session of sessions) await session.sync();
    for (let i = 0; i < 30; i++) await sessions[i % 2].register(idOf(i % 4, i % 8), record(`r${i}`, 1, 0));
    const watched = Array.from({ length: 8 }, (_, i) => idOf(i % 4, i));
    await sessions[0].fetch(watched);
    const before = watched.map((id) => sessions[0].ids(id));
    const versions = watched.map((id) => sessions[0].cache.get(id)?.version as number);

    await cluster.killData(NODE);
    await cluster.clock.advance(1000);
    const node = await cluster.startData(NODE);
    for (const session of sessions) {
      session.notices.length = 0;
      await session.connect(NODE);
    }
    const read = sessions[0].askFetch(watched);
    await sessions[0].sync();
    expect(node.state.slots.map(({ readable }) => readable)).toEqual([false, false, false, false]);
    await sessions[1].sync();
    // The last record asked for opened the slot: no second comparison was needed.
    expect(node.state.slots.map(({ settled }) => settled)).toEqual([true, true, true, true]);
    await cluster.clock.settle();
    expect(read().every(({ code }) => code === AccessCode.accept)).toBe(true);
    expect(watched.map((id) => sessions[0].ids(id))).toEqual(before);
    watched.forEach((id, i) => expect(sessions[0].cache.get(id)?.version).toBeGreaterThan(versions[i]));
    for (const { count, dataInfoId } of sessions[0].notices)
      expect(count).toBeGreaterThanOrEqual(before[watched.indexOf(dataInfoId)].length);
    for (const session of sessions) expect(await session.compare(SLOTS)).toEqual([]);
    expect(node.state.store.publishers).toBe(30);
  });
});

describe('tables', () => {
  it('answer moved, and wait for the table of a caller that has a newer one', async () => {
    const node = await cluster.startData(NODE);
    const session = await connected('S1');
    await session.sync();
    await session.register(ID, record('r', 1, 0));
    cluster.setTable((slot) => (slot === 1 ? ['data:2'] : [NODE]), false);
    const read = session.askFetch([ID]);
    const compared = session.compare([1], 300);
    await cluster.clock.advance(50);
    cluster.changed();
    await cluster.clock.advance(300);
    expect(read()[0].code).toBe(AccessCode.moved);
    expect((await compared)[0].code).toBe(AccessCode.moved);
    expect(node.state.slots[1].store).toBeNull();
    expect(node.state.store.publishers).toBe(0);
    const { rejected } = await session.write([]);
    expect(rejected).toEqual([]);
  });

  it('answers misMatch when the newer table does not arrive in time', async () => {
    await cluster.startData(NODE);
    const session = await connected('S1');
    await session.sync();
    cluster.setTable(() => [NODE], false);
    expect((await session.fetch([ID], 1500))[0].code).toBe(AccessCode.misMatch);
  });

  it('of a lower epoch are ignored, and a leader that lost the slot in between starts over', async () => {
    const node = await cluster.startData(NODE);
    const session = await connected('S1');
    await session.sync();
    const old = cluster.view.table;
    cluster.setTable(() => ['data:2'], false);
    cluster.setTable(() => [NODE]);
    expect(node.state.slots[1]).toMatchObject({ role: 'leader', readable: false });
    cluster.view.table = old;
    cluster.changed();
    expect(node.state.slots[1].leaderEpoch).toBeGreaterThan(old.slots[1].leaderEpoch);
  });
});
