/** Clients and services taken out of the traffic by operators, and let in again (F192, F193, F219-F224). */
import { afterEach, describe, expect, it } from 'vitest';
import { TestClient } from './support/test-client.ts';
import { idOf, TestCluster } from './support/test-cluster.ts';

const OFF = '10.0.0.7';
const CLIENT_OFF = 'operator/client-off';
const BLACKLIST = 'operator/blacklist';
const BANNED = 'operator/datainfoid-blacklist';

let cluster: TestCluster;
let version = 0;
afterEach(() => cluster?.session.kill());

async function start(): Promise<void> {
  // Any address leads to it, and is the one a client comes from.
  cluster = await TestCluster.start({ listen: { host: '0.0.0.0', port: 9600 }, advertise: 'session:9600' });
}

function client(host: string): Promise<TestClient> {
  return cluster.run(TestClient.connect(cluster.clock, cluster.network, `${host}:9600`));
}

/** The documents of meta from now on. */
async function say(docs: Readonly<Record<string, unknown>>): Promise<void> {
  version++;
  cluster.meta.docs = Object.entries(docs).map(([key, value]) => ({
    key,
    value: JSON.stringify(value),
    version,
  }));
  cluster.meta.push();
  await cluster.clock.advance(0);
}

const off = (mark: object = { pub: true }) => ({ [CLIENT_OFF]: { off: { [OFF]: mark }, reduced: [] } });
const nobody = (reduced: readonly string[] = []) => ({ [CLIENT_OFF]: { off: {}, reduced } });
const live = (dataId = 's'): string[] => cluster.data[0].live(idOf(dataId)).toSorted();

describe('a client that is off', () => {
  it('leaves the lists at once, stays connected and goes on subscribing', async () => {
    await start();
    const taken = await client(OFF);
    const other = await client('10.0.0.8');
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    await cluster.run(other.publish({ dataId: 's', registId: 'p8' }, ['8']));
    await cluster.run(taken.subscribe({ dataId: 's', registId: 's7' }));
    await cluster.run(other.subscribe({ dataId: 's', registId: 's8' }));
    expect(other.list('s8')).toEqual(['7', '8']);
    await say(off());
    await cluster.clock.advance(1);
    expect(live()).toEqual(['p8']);
    expect([taken.list('s7'), other.list('s8')]).toEqual([['8'], ['8']]);
    expect(cluster.session.inspect.counts()).toMatchObject({ publishers: 1, subscribers: 2, connections: 2 });
    await cluster.run(other.publish({ dataId: 's', registId: 'p9' }, ['9']));
    await cluster.clock.advance(1000);
    expect(taken.list('s7')).toEqual(['8', '9']);
    expect([taken.closedReason, other.closedReason]).toEqual([null, null]);
  });

  it('is told success for what it registers, which is withheld; no comparison brings it back', async () => {
    await start();
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    await say(off());
    expect(
      await cluster.run(taken.publish({ dataId: 's', registId: 'p7', version: 2 }, ['7'])),
    ).toMatchObject({
      success: true,
      refused: false,
    });
    await cluster.run(taken.publish({ dataId: 's', registId: 'new' }, ['7']));
    await cluster.clock.advance(30_000);
    expect(live()).toEqual([]);
    expect(cluster.metric('withheld_total', 'publisher')).toBe(3);
    expect(cluster.metric('compare_resent_total')).toBe(0);
  });

  it('is taken out where another session has listed it', async () => {
    await start();
    await say(off());
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    const [held] = cluster.data[0].writes.slice(-1);
    expect(held).toMatchObject({ op: 1, registerId: 'p7' });
    expect(cluster.session.inspect.counts().publishers).toBe(0);
  });

  it('shows nothing for a moment either', async () => {
    await start();
    await say(off());
    const taken = await client(OFF);
    const other = await client('10.0.0.8');
    const once = { dataId: 's', registId: 't', eventType: 'TEMPORARY' };
    expect(await cluster.run(taken.publish(once, ['7']))).toMatchObject({ success: true, refused: false });
    expect(cluster.metric('temporary_total')).toBe(0);
    await cluster.run(other.publish(once, ['8']));
    expect(cluster.metric('temporary_total')).toBe(1);
  });

  it('is known before clients are let in', async () => {
    const docs = [{ key: CLIENT_OFF, value: JSON.stringify(off()[CLIENT_OFF]), version: 1 }];
    cluster = await TestCluster.start(
      { listen: { host: '0.0.0.0', port: 9600 }, advertise: 'session:9600' },
      { docs },
    );
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    expect(cluster.session.inspect.counts().publishers).toBe(0);
    expect(cluster.session.traffic.state()).toEqual({ version: 1, off: [OFF] });
  });

  it('goes also when its connection has just closed', async () => {
    await start();
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    taken.channel.destroy('gone');
    await cluster.clock.advance(10);
    expect(live()).toEqual(['p7']);
    await say(off());
    await cluster.clock.advance(1);
    expect(live()).toEqual([]);
  });

  it('is disconnected when it is opened, and what it registers then is listed', async () => {
    await start();
    const other = await client('10.0.0.8');
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    await say(off());
    await say(nobody());
    await cluster.clock.advance(10);
    expect(taken.closedReason).not.toBeNull();
    expect(other.closedReason).toBeNull();
    const back = await client(OFF);
    await cluster.run(back.publish({ dataId: 's', registId: 'p7' }, ['7']));
    expect(live()).toEqual(['p7']);
  });

  it('is let go without a word by reduce', async () => {
    await start();
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    await say(off());
    await say(nobody([OFF]));
    await say({ ...nobody([OFF]), [BANNED]: ['other'] });
    await cluster.clock.advance(1000);
    expect(taken.closedReason).toBeNull();
    expect(live()).toEqual([]);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7', version: 2 }, ['7']));
    expect(live()).toEqual(['p7']);
  });

  it('keeps the list it has and gets no other when its subscriptions are off as well', async () => {
    await start();
    const taken = await client(OFF);
    const other = await client('10.0.0.8');
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    await cluster.run(taken.subscribe({ dataId: 's', registId: 's7' }));
    await say(off({ pub: false, sub: true }));
    await cluster.run(other.publish({ dataId: 's', registId: 'p8' }, ['8']));
    await cluster.run(taken.subscribe({ dataId: 's', registId: 's7', version: 2 }));
    await cluster.clock.advance(10_000);
    expect(live()).toEqual(['p7', 'p8']);
    expect(taken.list('s7')).toEqual(['7']);
    expect(cluster.session.inspect.counts().subscribers).toBe(0);
    // What it publishes stays listed while it is away.
    await say(nobody());
    await cluster.clock.advance(2000);
    expect(taken.closedReason).not.toBeNull();
    expect(live()).toEqual(['p7', 'p8']);
  });
});

describe('the blacklist', () => {
  it('forbids clients to publish, and to subscribe to services by the start of their dataId', async () => {
    await start();
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 'secret.a', registId: 'p7' }, ['7']));
    await cluster.run(taken.subscribe({ dataId: 'secret.a', registId: 's1' }));
    await cluster.run(taken.subscribe({ dataId: 'open', registId: 's2' }));
    await say({
      [BLACKLIST]: {
        FORBIDDEN_PUB: { IP_FULL: [OFF] },
        FORBIDDEN_SUB_BY_PREFIX: { DATA_ID_PREFIX: ['secret.'] },
      },
    });
    await cluster.run(taken.publish({ dataId: 'open', registId: 'p8' }, ['8']));
    await cluster.run(taken.subscribe({ dataId: 'secret.b', registId: 's3' }));
    await cluster.clock.advance(1);
    expect([live('secret.a'), live('open')]).toEqual([[], []]);
    expect(cluster.session.inspect.counts()).toMatchObject({ publishers: 0, subscribers: 1 });
    expect(cluster.metric('withheld_total', 'subscriber')).toBe(2);
    await say({});
    await cluster.clock.advance(10);
    expect(taken.closedReason).not.toBeNull();
  });

  it('of services: nobody may publish one, and who lacks it comes back when it is allowed again', async () => {
    await start();
    const one = await client('10.0.0.1');
    const two = await client('10.0.0.2');
    await cluster.run(one.publish({ dataId: 's', registId: 'p1' }, ['1']));
    await cluster.run(two.publish({ dataId: 'other', registId: 'p2' }, ['2']));
    await say({ [BANNED]: [idOf('s'), idOf('never')] });
    await cluster.clock.advance(1);
    expect([live('s'), live('other')]).toEqual([[], ['p2']]);
    // Another ban is lifted: nobody lacks anything.
    await say({ [BANNED]: [idOf('s')] });
    await cluster.clock.advance(1000);
    expect([one.closedReason, two.closedReason]).toEqual([null, null]);
    await say({ [BANNED]: [] });
    await cluster.clock.advance(10);
    expect(one.closedReason).not.toBeNull();
    expect(two.closedReason).toBeNull();
  });
});

describe('once, at this session alone', () => {
  it('publishers of a client leave, and come back with its next connection', async () => {
    await start();
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    cluster.session.traffic.clientsOff(new Set([OFF]));
    await cluster.clock.advance(1);
    expect(live()).toEqual([]);
    await say({ [BANNED]: ['other'] });
    expect(taken.closedReason).toBeNull();
    cluster.session.traffic.clientsOpen(new Set([OFF]));
    await cluster.clock.advance(10);
    expect(taken.closedReason).not.toBeNull();
  });

  it('a connection loses all it registered, and stays open', async () => {
    await start();
    const taken = await client(OFF);
    await cluster.run(taken.publish({ dataId: 's', registId: 'p7' }, ['7']));
    await cluster.run(taken.subscribe({ dataId: 's', registId: 's7' }));
    cluster.session.traffic.connectionsOff([...cluster.session.inspect.connections(), '192.0.2.1:1']);
    await cluster.clock.advance(1);
    expect(live()).toEqual([]);
    expect(cluster.session.inspect.counts()).toEqual({
      publishers: 0,
      subscribers: 0,
      watchers: 0,
      connections: 1,
    });
    expect(taken.closedReason).toBeNull();
  });
});
