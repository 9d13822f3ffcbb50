/** A session whose process stood still: what it reads in its first moment is stamped as of before (design section 4). */
import { HybridClock, type PublisherRecord } from '@sofa-registry/model';
import { Compare } from '@sofa-registry/wire';
import { beforeEach, describe, expect, it } from 'vitest';
import { idOf, TestCluster } from './support/test-cluster.ts';

/** A suspended machine: the wall clock alone goes on. */
const STOOD_MS = 25_000;

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.start({ scanMs: 500 });
  await cluster.clock.advance(5000);
});

function elsewhere(registerId: string, stamp: number): PublisherRecord {
  return {
    registerId,
    version: 1,
    stamp,
    zone: 'zoneA',
    appName: 'app',
    clientAddress: '10.0.0.1:1',
    clientTimestamp: 1,
    attributes: null,
    payload: Buffer.from('old'),
  };
}

const ahead = (ms: number): number => new HybridClock(() => cluster.clock.wallMs() + ms).next();
const owner = (registerId: string): string | undefined =>
  cluster.data[0].data.get(idOf('s'))?.records.get(registerId)?.owner;

describe('a session that stood still', () => {
  it('obeys a client that unregisters what was stamped anew just before', async () => {
    const client = await cluster.client();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', ahead(60_000)));
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['v']));
    await cluster.clock.advance(20);
    expect(cluster.metric('write_restamped_total')).toBe(1);
    cluster.clock.stepWall(STOOD_MS);
    await cluster.run(client.unpublish({ dataId: 's', registId: 'p', version: 1 }));
    await cluster.clock.advance(2000);
    expect(cluster.session.inspect.publishers(idOf('s'))).toEqual([]);
    expect(cluster.data[0].live(idOf('s'))).toEqual([]);
  });

  it('loses nothing that is registered while it lists what it holds', async () => {
    const [node] = cluster.data;
    const client = await cluster.client();
    // More than one page.
    for (let i = 0; i < 4100; i++) void client.publish({ dataId: 's', registId: `p${i}` }, ['v']);
    await cluster.clock.advance(6000);
    expect(node.live(idOf('s')).length).toBe(4100);
    // Only a difference is listed.
    node.data.get(idOf('s'))?.records.delete('p7');
    cluster.clock.stepWall(STOOD_MS);
    await cluster.run(client.publish({ dataId: 's', registId: 'first' }, ['v']));
    node.onRequest = (className) => {
      if (className !== Compare.className) return;
      node.onRequest = null;
      for (const channel of node.channels) channel.pause();
    };
    for (let i = 0; node.onRequest !== null && i < 100; i++) await cluster.clock.advance(10);
    // The first page is on its way.
    const ids = Array.from({ length: 20 }, (_, i) => `q${i}`);
    for (const registId of ids) {
      await cluster.run(client.publish({ dataId: 's', registId }, ['v']));
      await cluster.clock.advance(10);
    }
    for (const channel of node.channels) channel.resume();
    await cluster.clock.advance(50);
    expect(node.live(idOf('s'))).toEqual(expect.arrayContaining(ids));
  });

  it('takes no byte that may have waited for a proof that a client is here, and asks it again', async () => {
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['v']));
    await cluster.clock.advance(1000);
    client.channel.pause();
    cluster.data[0].takeOver(idOf('s'), elsewhere('p', ahead(0)));
    await cluster.clock.advance(600);
    expect(owner('p')).toBe('elsewhere');
    cluster.clock.stepWall(STOOD_MS);
    client.channel.resume();
    await cluster.clock.advance(600);
    expect(owner('p')).toBe('elsewhere');
    await cluster.clock.advance(1000);
    expect(owner('p')).toBe(cluster.session.processId);
  });
});
