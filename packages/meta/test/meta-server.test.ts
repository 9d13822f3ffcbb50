import type { SlotTable } from '@sofa-registry/model';
import { afterEach, describe, expect, it } from 'vitest';
import { type MetaServer, NotLeaderError } from '../src/index.ts';
import { settled, SLOTS, TestCluster, type TestNode } from './support/cluster.ts';

let cluster: TestCluster;
const metas: MetaServer[] = [];

/** An object whose methods work as before, but for some. */
function bound<T extends object>(target: T, other: Partial<T>): T {
  return new Proxy(target, {
    get: (_, key) => {
      const value = key in other ? other[key as keyof T] : target[key as keyof T];
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function start(tunables = {}, metaCount = 1): Promise<MetaServer> {
  cluster = new TestCluster(metaCount);
  return addMeta(1, tunables);
}

async function addMeta(index: number, tunables = {}): Promise<MetaServer> {
  const meta = await cluster.meta(index, tunables);
  metas.push(meta);
  return meta;
}

async function startSettled(
  dataCount: number,
  tunables = {},
): Promise<{ meta: MetaServer; data: TestNode[] }> {
  const meta = await start(tunables);
  const data = cluster.data(dataCount);
  await cluster.until(() => meta.members('data').length === dataCount && settled(meta), 10_000);
  return { meta, data };
}

afterEach(() => {
  for (const node of cluster.nodes) node.link.stop();
  for (const meta of metas.splice(0)) meta.kill();
});

const led = (table: SlotTable, address: string): number =>
  table.slots.filter((s) => s.leader === address).length;
const named = (table: SlotTable, address: string): number =>
  table.slots.filter((s) => s.leader === address || s.followers.includes(address)).length;

/** The first table after `before` leaves nothing to data-1 that another node has a copy of. */
function expectFailedOver(before: SlotTable, witness: TestNode): void {
  const next = witness.tables.find((table) => table.epoch > before.epoch);
  expect(led(before, 'data-1:9621')).toBeGreaterThan(0);
  for (const slot of before.slots) {
    if (slot.leader === 'data-1:9621') expect(next?.slots[slot.id].leader).toBe(slot.followers[0]);
  }
}

describe('meta: start and join', () => {
  it('places slots on the first data node within 0.2 s and tells everybody', async () => {
    const meta = await start();
    const data = cluster.node('data', 'data-1:9621');
    const session = cluster.node('session', 'session-1:9600', 'A');
    const tookMs = await cluster.until(
      () => session.link.view.table.epoch > 0 && data.copies.size === 16,
      1000,
    );
    expect(tookMs).toBeLessThanOrEqual(200);
    await session.link.ready();
    expect(meta.leader()).toMatchObject({ leader: 'meta-1:9610', isLeader: true, warm: true });
    await cluster.clock.advance(100);
    expect(session.link.view.members.map((m) => m.role).sort()).toEqual(['data', 'meta', 'session']);
    expect(meta.ready()).toEqual({ ready: true, waitingFor: '' });
  });

  it('waits for the data nodes it expects, and for at most a bounded time', async () => {
    const meta = await start({ expectedDataNodes: 3, expectWaitMs: 2000 });
    cluster.data(2);
    await cluster.clock.advance(1500);
    expect(meta.table().epoch).toBe(0);
    cluster.node('data', 'data-3:9621');
    await cluster.until(() => meta.table().epoch > 0, 300);
    expect([...new Set(meta.table().slots.map((s) => s.leader))]).toHaveLength(3);
  });

  it('spreads slots over nodes that join later, keeping every slot served', async () => {
    const { meta } = await startSettled(1);
    cluster.node('data', 'data-2:9621');
    cluster.node('data', 'data-3:9621');
    await cluster.until(() => meta.members('data').length === 3 && settled(meta), 15_000);
    for (const i of [1, 2, 3]) expect(led(meta.table(), `data-${i}:9621`)).toBeGreaterThanOrEqual(5);
  });

  it('refuses nodes with other slot settings or another data centre, and says why', async () => {
    const meta = await start();
    const other = cluster.node('data', 'data-1:9621', '', { ...SLOTS, slotCount: 32 });
    await cluster.clock.advance(500);
    expect(meta.members('data')).toEqual([]);
    expect(other.link.waitingFor).toContain('accept this node');
    expect(cluster.log()).toContain('32 slots, here 16');
  });

  it('takes nothing from a node with a broken message and keeps serving', async () => {
    const { meta, data } = await startSettled(1);
    let reason = '';
    void cluster.network.connect({ host: 'meta-1', port: 9610 }).then((connection) => {
      connection.attach({
        data: () => undefined,
        drained: () => undefined,
        closed: (why) => (reason = why),
      });
      connection.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    });
    await cluster.clock.advance(2000);
    expect(reason).not.toBe('');
    expect(meta.members('data')[0].processId).toBe(data[0].record.processId);
  });
});

describe('meta: nodes leave', () => {
  it('fails a killed data node over within 3 s, to nodes with a copy', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    data[0].kill();
    const tookMs = await cluster.until(() => led(meta.table(), 'data-1:9621') === 0, 5000);
    expect(tookMs).toBeLessThanOrEqual(3000);
    for (const slot of before.slots) {
      if (slot.leader !== 'data-1:9621') continue;
      expect(slot.followers).toContain(meta.table().slots[slot.id].leader);
    }
    await cluster.until(() => settled(meta), 10_000);
    expect(named(meta.table(), 'data-1:9621')).toBe(0);
    expect(data[1].link.view.members.some((m) => m.address === 'data-1:9621')).toBe(false);
  });

  it('evicts a paused data node after about 3 s and takes it back when it returns', async () => {
    const { meta, data } = await startSettled(3);
    data[0].pause();
    const tookMs = await cluster.until(() => led(meta.table(), 'data-1:9621') === 0, 6000);
    expect(tookMs).toBeGreaterThan(2000);
    expect(tookMs).toBeLessThanOrEqual(4000);
    await cluster.clock.advance(12_000);
    data[0].resume();
    await cluster.until(() => meta.members('data').length === 3 && settled(meta), 15_000);
    expect(led(meta.table(), 'data-1:9621')).toBeGreaterThanOrEqual(5);
  });

  it('keeps a node that peers still hear, up to its lease', async () => {
    const { meta, data } = await startSettled(3);
    data[0].link.stop();
    await cluster.clock.advance(15_000);
    expect(meta.members('data')).toHaveLength(3);
    await cluster.clock.advance(7000);
    expect(meta.members('data')).toHaveLength(2);
  });

  it('evicts a node whose peers hear nothing of it although it still runs', async () => {
    const { meta, data } = await startSettled(3);
    for (const other of ['data-2:9621', 'data-3:9621']) cluster.deaf.add(`${other} data-1:9621`);
    data[0].link.stop();
    const tookMs = await cluster.until(() => meta.members('data').length === 2, 5000);
    expect(tookMs).toBeLessThanOrEqual(2500);
  });

  it('forgets a node that says goodbye at once', async () => {
    const { meta, data } = await startSettled(3);
    const leave = data[2].link.leave();
    await cluster.clock.advance(50);
    await leave;
    expect(meta.members('data')).toHaveLength(2);
    expect(led(meta.table(), 'data-3:9621')).toBe(0);
  });

  it('replaces a restarted process at once and gives its slots to the live copies', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    data[0].kill();
    const again = cluster.node('data', 'data-1:9621');
    await cluster.clock.advance(100);
    expect(meta.members('data').map((m) => m.processId)).toContain(again.record.processId);
    expect(meta.members('data')).toHaveLength(3);
    expectFailedOver(before, data[1]);
    await cluster.until(() => settled(meta), 10_000);
    expect(led(meta.table(), 'data-1:9621')).toBeGreaterThanOrEqual(5);
  });

  it('holds back the eviction of more than half of the data nodes until an operator says so', async () => {
    const { meta, data } = await startSettled(4);
    cluster.node('session', 'session-1:9600');
    await cluster.clock.advance(500);
    for (const node of data.slice(0, 3)) node.kill();
    await cluster.clock.advance(6000);
    expect(meta.members('data')).toHaveLength(2);
    expect(meta.tableStatus().protectionMode).toBe(true);
    await meta.admin.putDoc('operator/protection', 'off');
    await cluster.clock.advance(1000);
    expect(meta.members('data')).toHaveLength(1);
    expect(meta.tableStatus().protectionMode).toBe(false);
    expect(led(meta.table(), 'data-4:9621')).toBe(16);
  });

  it('evicts the only data node, and each of two', async () => {
    const { meta, data } = await startSettled(2);
    data[0].kill();
    await cluster.until(() => meta.members('data').length === 1, 3000);
    expect(led(meta.table(), 'data-2:9621')).toBe(16);
  });

  it('drains a data node without a moment in which a slot has one copy only', async () => {
    const { meta, data } = await startSettled(3);
    const drained = data[0].link.drain(true);
    await cluster.clock.advance(50);
    await drained;
    let fewest = 2;
    await cluster.until(() => {
      for (const slot of meta.table().slots) {
        const copies = [slot.leader, ...slot.followers].filter(
          (a) => data.find((n) => n.record.address === a)?.copies.get(slot.id)?.complete === true,
        );
        fewest = Math.min(fewest, copies.length);
      }
      return named(meta.table(), 'data-1:9621') === 0;
    }, 10_000);
    expect(fewest).toBe(2);
    expect(meta.members('data').find((m) => m.address === 'data-1:9621')?.draining).toBe(true);
    await data[1].link.ready();
    expect(data[1].link.view.members.find((m) => m.address === 'data-1:9621')?.draining).toBe(true);
  });

  it('remembers over a restart of meta whom an operator drained, and undrains', async () => {
    const { meta } = await startSettled(3);
    await meta.admin.setDraining('data-2:9621', true);
    await cluster.until(() => named(meta.table(), 'data-2:9621') === 0, 10_000);
    cluster.kill(meta);
    const next = await addMeta(1);
    await cluster.until(() => next.leader().isLeader && next.leader().warm, 15_000);
    await cluster.clock.advance(3000);
    expect(named(next.table(), 'data-2:9621')).toBe(0);
    await next.admin.setDraining('data-2:9621', false);
    await cluster.until(() => settled(next) && named(next.table(), 'data-2:9621') > 0, 10_000);
    await expect(next.admin.setDraining('nobody:1', true)).rejects.toThrow('no node nobody:1');
  });
});

describe('meta: restart and change of leader', () => {
  it('continues the table after a restart, listens, and moves nothing', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    cluster.kill(meta);
    const next = await addMeta(1);
    await cluster.until(() => next.leader().isLeader, 10_000);
    expect(next.leader().warm).toBe(false);
    await cluster.until(() => next.leader().warm, 4000);
    await cluster.clock.advance(3000);
    expect(next.table()).toEqual(before);
    expect(next.members('data')).toHaveLength(3);
    for (const node of data) expect(node.link.view.table.epoch).toBe(before.epoch);
  });

  it('evicts a node that died with the old leader, within listening time plus an eviction', async () => {
    const { meta, data } = await startSettled(3);
    cluster.kill(meta);
    data[0].kill();
    const next = await addMeta(1);
    await cluster.until(() => next.leader().isLeader, 10_000);
    const tookMs = await cluster.until(() => led(next.table(), 'data-1:9621') === 0, 10_000);
    expect(tookMs).toBeLessThanOrEqual(4000);
  });

  it('gives slots of a node that restarted with meta to the live copies, once it has listened', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    cluster.kill(meta);
    data[0].kill();
    const next = await addMeta(1);
    cluster.node('data', 'data-1:9621');
    await cluster.until(() => next.leader().warm && next.leader().isLeader, 15_000);
    await cluster.clock.advance(100);
    expectFailedOver(before, data[1]);
  });

  it('keeps the placement when every process restarts', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    for (const node of data) node.kill();
    cluster.kill(meta);
    const next = await addMeta(1);
    const again = cluster.data(3);
    await cluster.until(
      () => next.leader().isLeader && again.every((n) => n.link.view.table.epoch > 0),
      10_000,
    );
    await cluster.clock.advance(5000);
    expect(next.table().slots.map((s) => s.leader)).toEqual(before.slots.map((s) => s.leader));
  });

  it('hands over to the second meta: nodes follow, the table goes on, terms rise', async () => {
    const first = await start({}, 2);
    const second = await addMeta(2);
    const data = cluster.data(3);
    await cluster.until(() => first.members('data').length === 3 && settled(first), 10_000);
    expect(second.leader()).toMatchObject({ leader: 'meta-1:9610', isLeader: false });
    expect(second.members('data')).toHaveLength(3);
    expect(second.table().epoch).toBe(first.table().epoch);
    const { term } = first.leader();
    const epochBefore = first.table().epoch;
    cluster.kill(first);
    const tookMs = await cluster.until(() => second.leader().isLeader, 10_000);
    expect(tookMs).toBeLessThanOrEqual(7000);
    expect(second.leader().term).toBeGreaterThan(term);
    await cluster.until(() => data.every((n) => n.link.view.leader === 'meta-2:9610'), 5000);
    await cluster.until(() => second.leader().warm, 5000);
    expect(second.members('data')).toHaveLength(3);
    data[0].kill();
    await cluster.until(() => led(second.table(), 'data-1:9621') === 0, 4000);
    expect(second.table().epoch).toBeGreaterThan(epochBefore);
    for (const node of data) expect(node.epochs).toEqual([...node.epochs].sort((a, b) => a - b));
  });

  it('hands over within a second on a clean stop', async () => {
    const first = await start({}, 2);
    const second = await addMeta(2);
    cluster.data(1);
    await cluster.until(() => settled(first), 5000);
    const stopped = first.stop();
    const tookMs = await cluster.until(() => second.leader().isLeader, 3000);
    await stopped;
    expect(tookMs).toBeLessThanOrEqual(1500);
  });

  it('a paused leader knows that it leads no more, and its late table is refused', async () => {
    const first = await start({}, 2);
    const second = await addMeta(2);
    const data = cluster.data(3);
    await cluster.until(() => first.members('data').length === 3 && settled(first), 10_000);
    const host = cluster.hosts.get(first);
    host?.pause();
    await cluster.until(() => second.leader().isLeader && second.leader().warm, 15_000);
    data[0].kill();
    await cluster.until(() => led(second.table(), 'data-1:9621') === 0, 4000);
    const { epoch } = second.table();
    expect(first.leader().isLeader).toBe(false);
    host?.resume();
    await cluster.clock.advance(3000);
    expect(first.leader()).toMatchObject({ leader: 'meta-2:9610', isLeader: false });
    for (const node of data.slice(1)) {
      expect(node.link.view.leader).toBe('meta-2:9610');
      expect(node.link.view.table.epoch).toBeGreaterThanOrEqual(epoch);
    }
    const stored = JSON.parse((await second.admin.getDoc('slot-table'))?.value ?? '{}') as { epoch: number };
    expect(stored.epoch).toBe(second.table().epoch);
  });

  it('takes the table over from the nodes when the store has lost it', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    cluster.kill(meta);
    await cluster.clock.advance(7000);
    const wiper = await cluster.store();
    const { term } = await wiper.lease.tryAcquire('wiper:1', 1000);
    await wiper.docs.remove('slot-table', { expect: 'any', fence: { term } });
    await wiper.lease.release(term);
    const next = await addMeta(1);
    await cluster.until(() => next.leader().isLeader && next.leader().warm && next.table().epoch > 0, 15_000);
    expect(next.table()).toEqual(before);
    expect(data[0].link.view.table).toEqual(before);
  });

  it('does not serve from a broken table document, says so, and goes on when it is mended', async () => {
    const { meta } = await startSettled(1);
    const good = (await meta.admin.getDoc('slot-table'))?.value ?? '';
    await meta.admin.putDoc('slot-table', '{"format":9}');
    cluster.kill(meta);
    const next = await addMeta(1);
    await cluster.clock.advance(8000);
    expect(next.leader().isLeader).toBe(false);
    expect(next.ready().waitingFor).toContain('format 9');
    const operator = await cluster.store();
    await operator.docs.put('slot-table', good, { expect: 'any' });
    await cluster.until(() => next.leader().isLeader, 2000);
  });

  it('does not lead a cluster that was created with another slot count', async () => {
    const { meta } = await startSettled(1);
    cluster.kill(meta);
    await cluster.clock.advance(7000);
    const other = await cluster.meta(1, {}, { ...SLOTS, slotCount: 64 });
    metas.push(other);
    await cluster.clock.advance(1000);
    expect(other.leader().isLeader).toBe(false);
    expect(other.ready().waitingFor).toContain('created with 16 slots');
  });
});

describe('meta: times with 256 slots', () => {
  const slots = { ...SLOTS, slotCount: 256 };

  it('a killed data node of three: failed over within 3 s; back: placement even again within 5 s', async () => {
    cluster = new TestCluster();
    const meta = await cluster.meta(1, {}, slots);
    metas.push(meta);
    const data = [1, 2, 3].map((i) => cluster.node('data', `data-${i}:9621`, '', slots));
    await cluster.until(() => meta.members('data').length === 3 && settled(meta), 20_000);
    data[0].kill();
    const goneMs = await cluster.until(() => led(meta.table(), 'data-1:9621') === 0, 5000);
    expect(goneMs).toBeLessThanOrEqual(3000);
    await cluster.until(() => settled(meta), 10_000);
    cluster.node('data', 'data-1:9621', '', slots);
    const evenMs = await cluster.until(() => led(meta.table(), 'data-1:9621') > 84 && settled(meta), 15_000);
    expect(evenMs).toBeLessThanOrEqual(5000);
  });
});

describe('meta: the leader stops in good order', () => {
  /** Three metas, three data nodes and a session that are settled; the leader and the others. */
  async function settledTrio(): Promise<{ leading: MetaServer; others: MetaServer[]; data: TestNode[] }> {
    const trio = [await start({}, 3), await addMeta(2), await addMeta(3)];
    const data = cluster.data(3);
    cluster.node('session', 'session-1:9600');
    const leader = (): MetaServer | undefined => trio.find((meta) => meta.leader().isLeader);
    await cluster.until(() => {
      const meta = leader();
      return meta !== undefined && meta.members('data').length === 3 && settled(meta);
    }, 15_000);
    await cluster.until(() => trio.every((meta) => meta.members('session').length === 1), 5000);
    const leading = leader()!;
    return { leading, others: trio.filter((meta) => meta !== leading), data };
  }
  const acting = (metas: readonly MetaServer[]): boolean =>
    metas.some((meta) => meta.leader().isLeader && meta.leader().warm);

  it('another acts within 2 s, and knows everybody from its first moment', async () => {
    const { leading, others, data } = await settledTrio();
    void leading.stop();
    await cluster.until(() => others.some((meta) => meta.leader().isLeader), 1000);
    const next = others.find((meta) => meta.leader().isLeader)!;
    expect(next.members('session')).toHaveLength(1);
    expect(next.members('data')).toHaveLength(3);
    expect(await cluster.until(() => acting(others), 5000)).toBeLessThan(1500);
    data[0].kill();
    await cluster.until(() => led(next.table(), 'data-1:9621') === 0, 3500);
  });

  it('listens as long as after a crash when somebody it was told of does not come', async () => {
    const { leading, others, data } = await settledTrio();
    data[2].pause();
    void leading.stop();
    expect(await cluster.until(() => acting(others), 8000)).toBeGreaterThanOrEqual(3000);
  });

  it('trusts the word of a leader only once: after a crash it listens', async () => {
    const { leading, others } = await settledTrio();
    void leading.stop();
    await cluster.until(() => acting(others), 5000);
    const second = others.find((meta) => meta.leader().isLeader)!;
    const third = others.filter((meta) => meta !== second);
    second.kill();
    await cluster.until(() => third[0].leader().isLeader, 8000);
    expect(await cluster.until(() => acting(third), 5000)).toBeGreaterThan(2500);
  });
});

describe('meta: the store is away', () => {
  it('keeps serving while the lease is valid, then leads no more; nothing is evicted; all goes on afterwards', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    cluster.backend.setAvailable(false);
    await cluster.clock.advance(1500);
    expect(meta.leader().isLeader).toBe(true);
    await cluster.clock.advance(4000);
    expect(meta.leader()).toMatchObject({ isLeader: false, leader: '' });
    expect(meta.ready().ready).toBe(false);
    expect(meta.storeInfo().available).toBe(false);
    data[2].kill();
    await cluster.clock.advance(30_000);
    for (const node of data.slice(0, 2)) {
      expect(node.link.view.table).toEqual(before);
      expect(node.link.view.heardMetaMsAgo).toBeGreaterThan(30_000);
      expect(node.link.waitingFor).not.toBe('');
    }
    cluster.backend.setAvailable(true);
    await cluster.until(() => meta.leader().isLeader, 3000);
    await cluster.until(() => led(meta.table(), 'data-3:9621') === 0, 8000);
    await cluster.until(() => meta.members('data').length === 2 && settled(meta), 10_000);
  });

  it('shows what was last known, and how old it is, on former leaders and others alike', async () => {
    const one = await start({}, 2);
    const two = await addMeta(2);
    const data = cluster.data(2);
    await cluster.until(() => one.members('data').length === 2 && settled(one), 10_000);
    const [leading, other] = one.leader().isLeader ? [one, two] : [two, one];
    await cluster.until(() => other.members('data').length === 2, 3000);
    expect(leading.seenMsAgo()).toBe(0);
    expect(other.seenMsAgo()).toBeLessThan(2000);
    const { epoch } = leading.table();
    cluster.backend.setAvailable(false);
    await cluster.clock.advance(20_000);
    for (const meta of [leading, other]) {
      expect(meta.leader()).toMatchObject({ isLeader: false, leader: '' });
      expect(meta.ready().waitingFor).toContain('the store');
      expect(meta.table().epoch).toBe(epoch);
      expect(meta.members('data').map(({ address }) => address)).toEqual(data.map((d) => d.record.address));
      expect(meta.seenMsAgo()).toBeGreaterThan(10_000);
    }
    cluster.backend.setAvailable(true);
    await cluster.until(() => [one, two].some((meta) => meta.leader().isLeader), 10_000);
    await cluster.until(() => [one, two].every((meta) => meta.seenMsAgo() < 2000), 10_000);
  });

  it('reads of documents are answered with what was last seen; writes are refused', async () => {
    const { meta } = await startSettled(1);
    await meta.admin.putDoc('switch/stop-push', 'true');
    await meta.admin.putDoc('persistent/a', '1');
    await meta.admin.putDoc('persistent/b', '2');
    await meta.admin.removeDoc('persistent/b');
    await cluster.clock.advance(2000);
    expect(await meta.admin.getDoc('persistent/a')).not.toHaveProperty('stale');
    cluster.backend.setAvailable(false);
    await cluster.clock.advance(20_000);
    expect(meta.leader().isLeader).toBe(false);
    expect(await meta.admin.getDoc('switch/stop-push')).toMatchObject({ value: 'true', stale: true });
    expect(await meta.admin.getDoc('persistent/a')).toMatchObject({ value: '1', stale: true });
    for (const gone of ['persistent/b', 'operator/protection'])
      expect(await meta.admin.getDoc(gone)).toBeNull();
    expect((await meta.admin.listDocs('persistent/')).map(({ key }) => key)).toEqual(['persistent/a']);
    await expect(meta.admin.getDoc('unfollowed')).rejects.toMatchObject({ code: 'SR_STORE_UNAVAILABLE' });
    await expect(meta.admin.listDocs('table')).rejects.toMatchObject({ code: 'SR_STORE_UNAVAILABLE' });
    await expect(meta.admin.putDoc('persistent/a', '3')).rejects.toThrow(NotLeaderError);
    cluster.backend.setAvailable(true);
    await cluster.until(() => meta.leader().isLeader, 5000);
    expect(await meta.admin.getDoc('persistent/a')).not.toHaveProperty('stale');
  });

  it('no node hears of a table that is not stored; it fails over as soon as the store answers', async () => {
    const { meta, data } = await startSettled(3, { leaseTtlMs: 20_000 });
    const before = meta.table();
    cluster.backend.setAvailable(false);
    data[0].kill();
    await cluster.clock.advance(5000);
    expect(meta.leader().isLeader).toBe(true);
    for (const node of data.slice(1)) expect(node.link.view.table).toEqual(before);
    cluster.backend.setAvailable(true);
    await cluster.until(() => led(data[1].link.view.table, 'data-1:9621') === 0, 2000);
    const stored = JSON.parse((await meta.admin.getDoc('slot-table'))?.value ?? '{}') as { epoch: number };
    expect(stored.epoch).toBe(meta.table().epoch);
  });

  it('goes on when another table was stored than it thinks', async () => {
    const { meta, data } = await startSettled(3);
    const store = await cluster.store();
    await store.docs.put('slot-table', 'written late', { expect: 'any' });
    data[0].kill();
    await cluster.until(() => led(meta.table(), 'data-1:9621') === 0, 6000);
    const stored = JSON.parse((await store.docs.get('slot-table'))?.value ?? '{}') as { epoch: number };
    expect(stored.epoch).toBe(meta.table().epoch);
  });

  it('a data node that restarted gets no table in which it leads while others have copies', async () => {
    const { meta, data } = await startSettled(3);
    const before = meta.table();
    cluster.backend.setDelayMs(1000);
    data[0].kill();
    const again = cluster.node('data', 'data-1:9621');
    await cluster.clock.advance(900);
    expect(meta.table().epoch).toBe(before.epoch);
    expect(meta.members('data').some(({ processId }) => processId === again.record.processId)).toBe(true);
    expect(again.link.view.table.epoch).toBe(0);
    await cluster.until(() => again.link.view.table.epoch > before.epoch, 3000);
    expect(led(again.link.view.table, 'data-1:9621')).toBe(0);
  });

  it('starts without a store and leads when it comes', async () => {
    cluster = new TestCluster();
    const store = await cluster.store();
    cluster.backend.setAvailable(false);
    const meta = await cluster.meta(1, {}, SLOTS, store);
    metas.push(meta);
    expect(meta.ready()).toMatchObject({ ready: false });
    expect(meta.ready().waitingFor).toContain('the store');
    cluster.node('data', 'data-1:9621');
    await cluster.clock.advance(3000);
    cluster.backend.setAvailable(true);
    await cluster.until(() => meta.table().epoch > 0, 4000);
  });
});

describe('meta: documents, weights, publishers', () => {
  it('brings operator documents to all nodes within 0.1 s, and their removal', async () => {
    const { meta, data } = await startSettled(2);
    const session = cluster.node('session', 'session-1:9600');
    await cluster.clock.advance(200);
    await meta.admin.putDoc('switch/stop-push', 'true');
    await cluster.clock.advance(100);
    for (const node of [session, ...data]) {
      expect(node.link.view.docs.get('switch/stop-push')?.value).toBe('true');
    }
    await meta.admin.putDoc('private/thing', 'x');
    await meta.admin.removeDoc('switch/stop-push');
    await cluster.clock.advance(100);
    expect([...session.link.view.docs.keys()]).toEqual([]);
  });

  it('documents are compared and set, and only by the leader', async () => {
    const meta = await start({}, 2);
    const second = await addMeta(2);
    const { version } = await meta.admin.putDoc('operator/x', '1', 0);
    await expect(meta.admin.putDoc('operator/x', '2', 0)).rejects.toThrow();
    await meta.admin.putDoc('operator/x', '2', version);
    expect((await meta.admin.getDoc('operator/x'))?.value).toBe('2');
    await cluster.clock.advance(2000);
    const refusal = await second.admin.putDoc('operator/x', '3').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(NotLeaderError);
    expect((refusal as NotLeaderError).leader).toBe('meta-1:9610');
  });

  it('changes of one document go through against each other, and reach every node', async () => {
    const { meta } = await startSettled(1);
    const session = cluster.node('session', 'session-1:9600');
    await cluster.clock.advance(200);
    const off = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => meta.admin.traffic.off([address]));
    await cluster.clock.advance(100);
    const versions = await Promise.all(off);
    expect(new Set(versions).size).toBe(3);
    const doc = session.link.view.docs.get('operator/client-off');
    expect(doc?.version).toBe(Math.max(...versions));
    expect([...(await meta.admin.traffic.state()).off.keys()].toSorted()).toEqual([
      '10.0.0.1',
      '10.0.0.2',
      '10.0.0.3',
    ]);
    expect(doc?.value).toContain('10.0.0.3');
  });

  it('a meta that begins to lead takes nothing back: it reads the documents first', async () => {
    const meta = await start({}, 2);
    const store = await cluster.store();
    // Its watch has told it of nothing since it started.
    const docs = bound(store.docs, {
      watch: async function* () {
        await new Promise<never>(() => {});
        yield { kind: 'reset' as const };
      },
    });
    const behind = await cluster.meta(2, {}, SLOTS, bound(store, { docs }));
    metas.push(behind);
    const session = cluster.node('session', 'session-1:9600');
    await cluster.clock.advance(500);
    await meta.admin.traffic.off(['10.0.0.1']);
    await cluster.clock.advance(500);
    meta.kill();
    await cluster.until(() => session.link.view.leader === 'meta-2:9610', 20_000);
    await cluster.clock.advance(2000);
    expect(session.link.view.docs.get('operator/client-off')?.value).toContain('10.0.0.1');
  });

  it('moves nothing while the slot table is frozen, but fails over', async () => {
    const { meta, data } = await startSettled(2);
    await meta.admin.setReconcile(false);
    expect(await meta.admin.reconcile()).toBe(false);
    const third = cluster.node('data', 'data-3:9621');
    await cluster.clock.advance(6000);
    expect(named(meta.table(), third.record.address)).toBe(0);
    data[0].kill();
    await cluster.until(() => led(meta.table(), 'data-2:9621') === 16, 4000);
    await meta.admin.setReconcile(true);
    await cluster.until(() => settled(meta), 10_000);
    expect(named(meta.table(), third.record.address)).toBe(16);
  });

  it('publishes session weights and their mean', async () => {
    await startSettled(1);
    const [a, b] = [cluster.node('session', 'session-1:9600'), cluster.node('session', 'session-2:9600')];
    await cluster.clock.advance(1500);
    a.weight = 100;
    b.weight = 50;
    await cluster.clock.advance(8000);
    expect(a.link.view.meanWeight).toBe(75);
    expect(a.link.view.members.find((m) => m.address === 'session-2:9600')?.weight).toBe(50);
  });

  it('counts only sessions of the same zone that take clients in the mean', async () => {
    const { meta } = await startSettled(1);
    const near = ['session-1:9600', 'session-2:9600', 'session-3:9600'].map((address) =>
      cluster.node('session', address),
    );
    const far = cluster.node('session', 'session-4:9600', 'FAR');
    near[0].weight = 100;
    near[1].weight = 50;
    near[2].weight = 900;
    far.weight = 7;
    await cluster.clock.advance(3000);
    await meta.admin.setDraining('session-3:9600', true);
    await cluster.clock.advance(2000);
    expect([near[0].link.view.meanWeight, far.link.view.meanWeight]).toEqual([75, 7]);
    await meta.admin.setDraining('session-3:9600', false);
    await cluster.clock.advance(2000);
    expect(near[0].link.view.meanWeight).toBe(350);
  });

  it('hands out the former number of publishers after all sessions restarted, until they are back', async () => {
    const { meta } = await startSettled(1);
    const [a, b] = [cluster.node('session', 'session-1:9600'), cluster.node('session', 'session-2:9600')];
    a.publishers = 600;
    b.publishers = 400;
    await cluster.clock.advance(8000);
    expect(a.link.view.expectedPublishers).toBe(0);
    for (const node of cluster.nodes) node.kill();
    cluster.kill(meta);
    const next = await addMeta(1);
    cluster.node('data', 'data-1:9621');
    const c = cluster.node('session', 'session-1:9600');
    await cluster.until(() => next.leader().isLeader && c.link.view.leader !== '', 15_000);
    expect(c.link.view.expectedPublishers).toBe(1000);
    expect(c.link.view.expectedForMs).toBeGreaterThan(10_000);
    c.publishers = 960;
    await cluster.clock.advance(1500);
    expect(c.link.view.expectedPublishers).toBe(0);
  });

  it('hands out nothing when one of the sessions lives on', async () => {
    await startSettled(1);
    const [a, b] = [cluster.node('session', 'session-1:9600'), cluster.node('session', 'session-2:9600')];
    a.publishers = 600;
    b.publishers = 400;
    await cluster.clock.advance(8000);
    b.kill();
    const c = cluster.node('session', 'session-2:9600');
    await cluster.clock.advance(3000);
    expect(c.link.view.expectedPublishers).toBe(0);
    expect(a.link.view.expectedPublishers).toBe(0);
  });
});
