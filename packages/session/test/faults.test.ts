import { HybridClock } from '@sofa-registry/model';
import { AccessCode, Compare, packBoxes, WriteOp } from '@sofa-registry/wire';
import { ManualClock } from '@sofa-registry/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { idOf, slotOfId, tableOf, TestCluster } from './support/test-cluster.ts';
import type { TestClient } from './support/test-client.ts';

let cluster: TestCluster;
afterEach(() => cluster.session.kill());

function elsewhere(registerId: string, value: string, stamp = 1, version = 1) {
  return {
    registerId,
    version,
    stamp,
    zone: 'ZONEA',
    appName: '',
    clientAddress: '',
    clientTimestamp: 0,
    attributes: null,
    payload: packBoxes([value]),
  };
}

async function providers(count: number): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: `p${i}` }, [`v${i}`]));
    clients.push(client);
  }
  return clients;
}

describe('a client goes away', () => {
  it('alone: its publishers leave after the grace, not before', async () => {
    cluster = await TestCluster.start();
    const [provider] = await providers(1);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(1000);
    provider.channel.destroy('killed');
    await cluster.clock.advance(499);
    expect(consumer.list('s1')).toEqual(['v0']);
    await cluster.clock.advance(2);
    expect(consumer.list('s1')).toEqual([]);
    expect(cluster.metric('client_off_total')).toBe(1);
    expect(cluster.session.inspect.counts().publishers).toBe(0);
  });

  it('and is back within the grace: nobody notices', async () => {
    cluster = await TestCluster.start();
    const [provider] = await providers(1);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    provider.channel.destroy('blip');
    await cluster.clock.advance(100);
    const back = await cluster.client();
    await cluster.run(back.publish({ dataId: 's', registId: 'p0' }, ['v0']));
    await cluster.clock.advance(5000);
    expect(consumer.pushesTo('s1')).toHaveLength(1);
    expect(cluster.metric('held_returned_total')).toBe(1);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p0']);
  });

  it('a registration on another session is not removed by our late close', async () => {
    cluster = await TestCluster.start();
    const [provider] = await providers(1);
    provider.channel.destroy('moved');
    await cluster.clock.advance(10);
    const stamp = new HybridClock(() => cluster.clock.wallMs()).next();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p0', 'v0', stamp));
    await cluster.clock.advance(5000);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p0']);
  });

  it('with many others: all stay listed until they are back; no list shrinks', async () => {
    cluster = await TestCluster.start();
    const clients = await providers(30);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    const before = consumer.pushes.length;
    for (const client of clients) {
      client.channel.destroy('socket lost');
      await cluster.clock.advance(5);
    }
    await cluster.clock.advance(4000);
    expect(cluster.metric('mass_close_total')).toBe(1);
    expect(cluster.session.inspect.held().map((held) => held.dataInfoId)).toContain(idOf('s'));
    for (let i = 0; i < 30; i++) {
      const back = await cluster.client();
      await cluster.run(back.publish({ dataId: 's', registId: `p${i}` }, [`v${i}`]));
    }
    await cluster.clock.advance(15_000);
    expect(consumer.pushes.length).toBe(before);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(30);
    expect(cluster.session.inspect.held()).toEqual([]);
  });

  it('right after many that had taken back all they had: those were no lost sockets, and it leaves after the grace', async () => {
    cluster = await TestCluster.start();
    const clients = await providers(21);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    for (let i = 1; i < clients.length; i++) {
      const registration = { dataId: 's', registId: `p${i}`, eventType: 'UNREGISTER', version: 2 };
      await cluster.run(clients[i].publish(registration, []));
    }
    await cluster.clock.advance(5000);
    expect(consumer.list('s1')).toEqual(['v0']);
    for (let i = 1; i < clients.length; i++) clients[i].channel.destroy('closed');
    clients[0].channel.destroy('killed');
    await cluster.clock.advance(550);
    expect(consumer.list('s1')).toEqual([]);
    expect(cluster.metric('mass_close_total')).toBe(0);
  });

  it('with many others before anything was registered there: sockets are being lost, and it stays listed', async () => {
    cluster = await TestCluster.start();
    const [provider] = await providers(1);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(1000);
    for (let i = 0; i < 20; i++) {
      const client = await cluster.client();
      client.channel.sendHeartbeat();
      await cluster.clock.advance(1);
      client.channel.destroy('lost');
    }
    provider.channel.destroy('lost');
    await cluster.clock.advance(5000);
    expect(consumer.list('s1')).toEqual(['v0']);
  });

  it('right after many connections that never said anything: those were health checks, and it leaves after the grace', async () => {
    cluster = await TestCluster.start();
    const [provider] = await providers(1);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    for (let i = 0; i < 20; i++) (await cluster.client()).channel.destroy('checked');
    provider.channel.destroy('killed');
    await cluster.clock.advance(550);
    expect(consumer.list('s1')).toEqual([]);
    expect(cluster.metric('mass_close_total')).toBe(0);
  });

  it('with all others, while silent connections stay open: sockets are being lost, and it stays listed', async () => {
    cluster = await TestCluster.start();
    const clients = await providers(3);
    for (let i = 0; i < 20; i++) await cluster.client();
    for (const client of clients) client.channel.destroy('lost');
    await cluster.clock.advance(5000);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(3);
    expect(cluster.metric('mass_close_total')).toBe(1);
  });

  it('with many others for good: subscribers are told within the hold', async () => {
    cluster = await TestCluster.start();
    const clients = await providers(30);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    for (const client of clients.slice(0, 20)) client.channel.destroy('killed');
    await cluster.clock.advance(9990);
    expect(consumer.list('s1')).toHaveLength(30);
    await cluster.clock.advance(50);
    expect(consumer.list('s1')).toHaveLength(10);
  });

  it('an operator can end the hold of a group', async () => {
    cluster = await TestCluster.start();
    const clients = await providers(20);
    for (const client of clients) client.channel.destroy('killed');
    await cluster.clock.advance(2000);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(20);
    cluster.meta.docs = [{ key: 'operator/release-hold', value: 'DEFAULT_GROUP', version: 1 }];
    cluster.meta.push();
    await cluster.clock.advance(300);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(0);
  });
});

describe('everything restarts', () => {
  it('first pushes wait until nearly all publishers are back', async () => {
    cluster = await TestCluster.start({}, { expectedPublishers: 10 });
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    await providers(9);
    await cluster.clock.advance(1000);
    expect(consumer.pushes).toHaveLength(0);
    const last = await cluster.client();
    await cluster.run(last.publish({ dataId: 's', registId: 'p9' }, ['v9']));
    await cluster.clock.advance(300);
    expect(consumer.pushes).toHaveLength(1);
    expect(consumer.list('s1')).toHaveLength(10);
  });

  it('and when they do not come back, until the hold ends', async () => {
    cluster = await TestCluster.start({ idleCloseMs: 600_000 }, { expectedPublishers: 10 });
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    await providers(3);
    await cluster.clock.advance(14_000);
    expect(consumer.pushes).toHaveLength(0);
    await cluster.clock.advance(1300);
    expect(consumer.list('s1')).toHaveLength(3);
  });

  it('a new cluster never waits', async () => {
    cluster = await TestCluster.start();
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    expect(consumer.pushes).toHaveLength(1);
  });
});

describe('a data leader fails', () => {
  it('and comes back empty: everything is restored from the session, nobody is pushed a smaller list', async () => {
    cluster = await TestCluster.start();
    await providers(20);
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    const before = consumer.pushes.length;
    await cluster.run(cluster.data[0].kill());
    await cluster.clock.advance(500);
    expect(cluster.session.inspect.held()[0].reason).toContain('no link');
    cluster.data[0].refuse = AccessCode.migrating;
    await cluster.data[0].start();
    await cluster.clock.advance(1500);
    cluster.data[0].refuse = null;
    await cluster.clock.advance(8000);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(20);
    expect(consumer.pushes.length).toBe(before);
    expect(cluster.metric('compare_resent_total')).toBeGreaterThanOrEqual(20);
    const provider = await cluster.client();
    await cluster.run(provider.publish({ dataId: 's', registId: 'new' }, ['new']));
    await cluster.clock.advance(300);
    expect(consumer.list('s1')).toHaveLength(21);
    expect(cluster.session.inspect.held()).toEqual([]);
  });

  it('writes wait, are coalesced, and arrive when it is back', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(cluster.data[0].kill());
    for (let i = 1; i <= 20; i++) {
      const answer = await cluster.run(client.publish({ dataId: 's', registId: 'p', version: i }, [`v${i}`]));
      expect(answer.success).toBe(true);
    }
    expect(cluster.metric('write_pending')).toBe(1);
    await cluster.data[0].start();
    await cluster.clock.advance(3000);
    expect(
      cluster.data[0].writes.filter((write) => write.op === WriteOp.publish).map((write) => write.version),
    ).toEqual([20]);
    expect(cluster.metric('write_pending')).toBe(0);
  });

  it('answers nothing: writes and fetches time out and are repeated until answered', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].deaf.add('sr.WriteBatch');
    cluster.data[0].deaf.add('sr.Fetch');
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['x']));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(12_000);
    expect(client.pushes).toHaveLength(0);
    expect(cluster.session.inspect.held()).toMatchObject([{ dataInfoId: idOf('s') }]);
    cluster.data[0].deaf.clear();
    await cluster.clock.advance(8000);
    expect(client.list('s1')).toEqual(['x']);
  });

  it('a slot moves: writes and lists follow the new table at once', async () => {
    cluster = await TestCluster.start({}, { dataNodes: 2 });
    const dataId = ['a', 'b', 'c', 'd', 'e', 'f'].find((name) => slotOfId(name) % 2 === 0) as string;
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId, registId: 'p' }, ['x']));
    await cluster.run(client.subscribe({ dataId, registId: 's1' }));
    expect(cluster.data[0].live(idOf(dataId))).toEqual(['p']);
    cluster.data[0].refuse = AccessCode.moved;
    cluster.meta.table = tableOf(2, [cluster.data[1].address]);
    await cluster.run(client.publish({ dataId, registId: 'q' }, ['y']));
    await cluster.clock.advance(300);
    expect(cluster.data[1].live(idOf(dataId)).toSorted()).toEqual(['p', 'q']);
    await cluster.clock.advance(1000);
    expect(client.list('s1')).toEqual(['x', 'y']);
    const versions = client.pushesTo('s1').map((push) => Number(push.version));
    for (let i = 1; i < versions.length; i++) expect(versions[i]).toBeGreaterThan(versions[i - 1]);
  });

  it('a leader falls silent and its slot moves: what it was asked and told goes to the new one at once', async () => {
    cluster = await TestCluster.start({}, { dataNodes: 2 });
    const [before, after] = cluster.data;
    const dataId = ['a', 'b', 'c', 'd', 'e', 'f'].find((name) => slotOfId(name) % 2 === 0) as string;
    const client = await cluster.client();
    for (const channel of before.channels) channel.pause();
    await cluster.run(client.publish({ dataId, registId: 'own' }, ['o']));
    await cluster.run(client.subscribe({ dataId, registId: 's1' }));
    after.silent = true;
    after.publishElsewhere(idOf(dataId), elsewhere('p', 'x'));
    cluster.meta.table = tableOf(2, [after.address, before.address]);
    cluster.meta.push();
    await cluster.clock.settle();
    await cluster.clock.advance(10);
    expect(after.live(idOf(dataId)).toSorted()).toEqual(['own', 'p']);
    expect(client.list('s1')).toEqual(['o', 'x']);
    // What it says when it wakes up is no news.
    for (const channel of before.channels) channel.resume();
    await cluster.clock.advance(1000);
    expect(before.seen).toContain('sr.Fetch');
    expect(client.list('s1')).toEqual(['o', 'x']);
    expect(after.live(idOf(dataId)).toSorted()).toEqual(['own', 'p']);
  });

  it('loses a change notice: the comparison finds it', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    cluster.data[0].silent = true;
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(1000);
    expect(client.list('s1')).toEqual([]);
    await cluster.clock.advance(5000);
    expect(client.list('s1')).toEqual(['x']);
  });

  it('loses a removal: the comparison finds it', async () => {
    cluster = await TestCluster.start({ removalsPendingMax: 1000 });
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['x']));
    const owner = cluster.session.processId;
    const stamp = cluster.session.inspect.publishers(idOf('s'))[0].stamp;
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('ghost', 'boo', stamp - 1), owner);
    await cluster.clock.advance(6000);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p']);
  });
});

describe('an id nobody publishes any more', () => {
  it('gets a real version after the hold, so that what a client had before everything restarted is replaced', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(9000);
    expect(client.pushes.map((push) => push.version)).toEqual([1]);
    await cluster.clock.advance(3000);
    expect(client.pushes).toHaveLength(2);
    expect(client.pushes[1].values).toEqual([]);
    expect(Number(client.pushes[1].version)).toBeGreaterThan(2 ** 40);
    await cluster.clock.advance(30_000);
    expect(client.pushes).toHaveLength(2);
  });

  it('that was published meanwhile, unheard, is fetched, though nothing else moves the newest stamp', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    // The notice is lost, and the comparison, until the id is to be confirmed.
    cluster.data[0].silent = true;
    cluster.data[0].deaf.add(Compare.className);
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['v']));
    await cluster.clock.advance(30_000);
    expect(client.list('s1')).toEqual(['v']);
  });
});

describe('a registration that another session took over', () => {
  const owner = () => cluster.data[0].data.get(idOf('s'))?.records.get('p')?.owner;

  it('counts no more when the client has moved, and is not taken back by what is half open', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['v']));
    await cluster.clock.advance(1000);
    client.channel.pause();
    cluster.data[0].takeOver(
      idOf('s'),
      elsewhere('p', 'v', cluster.session.inspect.publishers(idOf('s'))[0].stamp + 1),
    );
    await cluster.clock.advance(0);
    expect(cluster.session.inspect.publishers(idOf('s'))).toEqual([]);
    await cluster.clock.advance(20_000);
    expect(owner()).toBe('elsewhere');
    expect(cluster.metric('compare_differ_total')).toBe(0);
    client.channel.destroy('gone');
    await cluster.clock.advance(20_000);
    expect(owner()).toBe('elsewhere');
  });

  it('is back within the grace when the client is here all the same; two connections do not take it from each other for ever', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['v']));
    for (let i = 0; i < 20; i++) {
      await cluster.clock.advance(500);
      if (owner() !== cluster.session.processId) continue;
      const stamp = cluster.data[0].data.get(idOf('s'))?.records.get('p')?.stamp ?? 0;
      cluster.data[0].takeOver(idOf('s'), elsewhere('p', 'v', stamp + 1));
      if (i === 0) {
        await cluster.clock.advance(300);
        expect(owner()).toBe(cluster.session.processId);
      }
    }
    const restamped = cluster.metric('write_restamped_total');
    expect(restamped).toBeGreaterThanOrEqual(3);
    expect(restamped).toBeLessThanOrEqual(7);
  });
});

describe('a leader that restarted', () => {
  it('and has no table yet is compared with again soon: no new table comes here to make us', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['v']));
    await cluster.run(cluster.data[0].kill());
    cluster.data[0].refuse = AccessCode.moved;
    await cluster.data[0].start();
    await cluster.clock.advance(2000);
    cluster.data[0].refuse = null;
    await cluster.clock.advance(300);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p']);
  });
});

describe('clocks', () => {
  it('a record that another session stamped ahead of us cannot hide a live publisher', async () => {
    cluster = await TestCluster.start();
    const ahead = new HybridClock(() => cluster.clock.wallMs() + 60_000).next();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'old', ahead));
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['new']));
    await cluster.clock.advance(100);
    expect(cluster.data[0].data.get(idOf('s'))?.records.get('p')?.owner).toBe(cluster.session.processId);
    expect(cluster.metric('write_restamped_total')).toBe(1);
    await cluster.clock.advance(6000);
    expect(cluster.metric('compare_differ_total')).toBe(0);
  });

  it('a record of a newer client version stays; ours leaves the comparison and is not sent for ever', async () => {
    cluster = await TestCluster.start();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'newer', 1, 9));
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p', version: 3 }, ['older']));
    await cluster.clock.advance(20_000);
    expect(cluster.metric('write_stale_total')).toBe(1);
    expect(cluster.metric('compare_differ_total')).toBe(0);
    const again = await cluster.client();
    await cluster.run(again.publish({ dataId: 's', registId: 'p', version: 10 }, ['newest']));
    await cluster.clock.advance(100);
    expect(cluster.data[0].data.get(idOf('s'))?.records.get('p')?.version).toBe(10);
  });

  it('a record that was older than the leader knew is not offered again: its client has moved on', async () => {
    cluster = await TestCluster.start();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'newer', 1, 9));
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p', version: 3 }, ['older']));
    await cluster.clock.advance(1000);
    await cluster.run(cluster.data[0].kill());
    await cluster.data[0].start();
    await cluster.clock.advance(10_000);
    expect(cluster.data[0].data.get(idOf('s'))?.records.get('p')).toBeUndefined();
    expect(cluster.metric('compare_differ_total')).toBe(0);
  });

  it('a newer stamp from elsewhere is outdone only when a client that was silent shows that it is here', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].refuse = AccessCode.moved;
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['here']));
    await cluster.clock.advance(1000);
    client.channel.pause();
    const ahead = new HybridClock(() => cluster.clock.wallMs() + 10_000).next();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'there', ahead));
    cluster.data[0].refuse = null;
    await cluster.clock.advance(4000);
    const owner = () => cluster.data[0].data.get(idOf('s'))?.records.get('p')?.owner;
    expect(cluster.metric('write_stale_total')).toBe(1);
    expect(owner()).toBe('elsewhere');
    expect(cluster.metric('write_restamped_total')).toBe(0);
    client.channel.resume();
    await cluster.clock.advance(300);
    expect(owner()).toBe(cluster.session.processId);
    await cluster.clock.advance(6000);
    expect(cluster.metric('write_restamped_total')).toBe(1);
  });

  it('a clock that steps back ten seconds changes nothing for anybody', async () => {
    const clock = new ManualClock();
    cluster = await TestCluster.start({}, { clock });
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p', version: 1 }, ['a']));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    clock.stepWall(-10_000);
    await cluster.run(client.publish({ dataId: 's', registId: 'p', version: 1 }, ['b']));
    await cluster.clock.advance(1000);
    expect(client.list('s1')).toEqual(['b']);
    const versions = client.pushesTo('s1').map((push) => Number(push.version));
    expect(versions[1]).toBeGreaterThan(versions[0]);
  });
});

describe('start and stop', () => {
  it('opens the client port only when meta answered and the leaders are linked', async () => {
    cluster = await TestCluster.start();
    const { inspect } = cluster.session;
    expect(inspect.ready()).toEqual({ ready: false, waitingFor: 'its place in the list of sessions' });
    const beats = cluster.meta.beats;
    // Listed, but not as one that takes clients.
    cluster.meta.members = [beats[0].node];
    cluster.meta.push();
    await cluster.clock.settle();
    expect(inspect.listed()).toBe(false);
    cluster.meta.members = beats.slice(-1).map(({ node }) => node);
    cluster.meta.push();
    await cluster.clock.settle();
    expect(inspect.ready()).toEqual({ ready: true, waitingFor: '' });
    // Whoever is out of the list for a moment still is what it was.
    cluster.meta.members = [];
    cluster.meta.push();
    await cluster.clock.settle();
    expect(inspect.listed()).toBe(true);
    expect(beats[0].node.draining).toBe(true);
    expect(beats.at(-1)?.node).toMatchObject({
      draining: false,
      role: 'session',
      address: 'session:9600',
      zone: 'ZONEA',
    });
    expect(cluster.session.inspect.slot(idOf('s')).leader).toBe('data:9620');
  });

  it('can be stopped while it waits for meta', async () => {
    cluster = await TestCluster.start();
    const lonely = cluster.another({ metas: ['nobody:1'], listen: { host: 'other', port: 9600 } });
    let started = false;
    void lonely.start().then(() => (started = true));
    await cluster.clock.advance(3000);
    expect([started, lonely.inspect.ready().ready]).toEqual([false, false]);
    expect(lonely.inspect.ready().waitingFor).not.toBe('');
    const stopped = lonely.stop();
    await cluster.clock.advance(2000);
    await stopped;
    expect(started).toBe(true);
  });

  it('stops: tells SDKs to go, takes no close for a death, leaves meta, flushes writes', async () => {
    cluster = await TestCluster.start({ drainMs: 2000 });
    const other = {
      ...cluster.meta.beats[0].node,
      processId: 'other/1/1',
      address: 'other:9600',
      draining: false,
    };
    cluster.meta.members = [other];
    cluster.meta.push();
    const clients = await providers(4);
    const sdk = await cluster.client();
    await cluster.run(sdk.hello(30_000));
    const stopped = cluster.session.stop();
    await cluster.clock.advance(100);
    expect(sdk.reconnects).toMatchObject([{ sessions: ['other:9600'], withinMs: 1200 }]);
    expect(clients.filter((client) => client.closedReason !== null).length).toBeLessThan(4);
    // The list of a client may still name us: closed at once it tries the next session, refused it would sleep.
    const late = await cluster.client();
    await cluster.clock.advance(60);
    expect(late.closedReason).toBe('peer closed');
    await cluster.clock.advance(6000);
    await stopped;
    expect(clients.every((client) => client.closedReason !== null)).toBe(true);
    expect(cluster.meta.seen).toEqual(['sr.Drain', 'sr.Leave']);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(4);
    expect(cluster.session.inspect.ready().ready).toBe(false);
  });

  it('stops at once when it is the only session', async () => {
    cluster = await TestCluster.start();
    const [client] = await providers(1);
    const stopped = cluster.session.stop();
    await cluster.clock.advance(50);
    await stopped;
    expect(client.closedReason).not.toBeNull();
  });

  it('leaves no timer behind when killed', async () => {
    cluster = await TestCluster.start();
    await providers(3);
    cluster.session.kill();
    await cluster.meta.stop();
    await cluster.data[0].kill();
    await cluster.clock.advance(60_000);
    expect(cluster.clock.nextTimerMs()).toBe(Infinity);
  });

  it('shows what a connection registered', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['x']));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    const [address] = cluster.session.inspect.connections();
    const view = cluster.session.inspect.byConnection(address);
    expect(view.publishers.map((each) => each.registerId)).toEqual(['p']);
    expect(view.subscribers[0]).toMatchObject({ registerId: 's1', scope: 'dataCenter', pushedCount: 1 });
  });
});
