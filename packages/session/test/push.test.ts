import { versionFromWire, versionToWire } from '@sofa-registry/model';
import { gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ListPush, packBoxes, RECEIVED_DATA } from '@sofa-registry/wire';
import { afterEach, describe, expect, it } from 'vitest';
import { zlibCompressor } from '../src/push/compressor.ts';
import { idOf, TestCluster } from './support/test-cluster.ts';

let cluster: TestCluster;
afterEach(() => cluster.session.kill());

function elsewhere(registerId: string, value: string, zone = 'ZONEA') {
  return {
    registerId,
    version: 1,
    stamp: 1,
    zone,
    appName: '',
    clientAddress: '',
    clientTimestamp: 0,
    attributes: null,
    payload: packBoxes([value]),
  };
}

describe('first push', () => {
  it('is an empty list of version 1 for an id nobody publishes', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1', scope: 'zone' }));
    expect(client.pushes).toEqual([
      {
        className: RECEIVED_DATA,
        codec: 1,
        registerIds: ['s1'],
        version: 1,
        scope: 'zone',
        segment: 'DefaultDataCenter',
        localZone: 'ZONEA',
        values: [],
        zones: [],
        delta: false,
        encoding: '',
      },
    ]);
  });

  it('is not empty when the first publisher is still on its way to the data node', async () => {
    cluster = await TestCluster.start({ emptyDoubtMs: 50 });
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(30);
    expect(client.pushes).toHaveLength(0);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(1);
    expect(client.pushesTo('s1').map((push) => push.values)).toEqual([['x']]);
    await cluster.clock.advance(1000);
    expect(client.pushes).toHaveLength(1);
  });

  it('is empty after a moment of doubt, once, for all who subscribed meanwhile', async () => {
    cluster = await TestCluster.start({ emptyDoubtMs: 50 });
    const client = await cluster.client();
    const gone = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.run(gone.subscribe({ dataId: 't', registId: 't1' }));
    await cluster.clock.advance(20);
    await cluster.run(client.subscribe({ dataId: 's', registId: 's2' }));
    gone.channel.destroy('test');
    await cluster.clock.advance(20);
    expect(client.pushes).toHaveLength(0);
    await cluster.clock.advance(20);
    expect(client.pushes.map(({ values, registerIds }) => [values, registerIds.toSorted()])).toEqual([
      [[], ['s1', 's2']],
    ]);
    await cluster.run(client.subscribe({ dataId: 's', registId: 's3' }));
    expect(client.pushesTo('s3')).toHaveLength(1);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(1000);
    expect(client.list('s1')).toEqual(['x']);
  });

  it('follows every registration, also of the same registerId', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    for (let i = 0; i < 3; i++) await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    expect(client.pushesTo('s1').map((push) => push.values)).toEqual([['x'], ['x'], ['x']]);
    await cluster.run(client.subscribe({ dataId: 's', registId: 's2' }));
    expect(client.pushesTo('s2')).toHaveLength(1);
    expect(client.pushesTo('s2')[0].registerIds.toSorted()).toEqual(['s1', 's2']);
  });

  it('never makes two pushes at a time to one subscriber, however often it registers', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    client.answer = 'never';
    for (let i = 0; i < 5; i++) await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    expect(client.pushes).toHaveLength(1);
    for (const frame of client.unanswered.splice(0)) client.channel.respond(frame, '', Buffer.alloc(0));
    await cluster.clock.advance(0);
    expect(client.pushes).toHaveLength(2);
    expect(cluster.metric('push_in_flight')).toBe(1);
  });

  it('comes at once, also in the middle of a debounce', async () => {
    cluster = await TestCluster.start();
    const first = await cluster.client();
    await cluster.run(first.subscribe({ dataId: 's', registId: 's1' }));
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(1);
    const second = await cluster.client();
    await cluster.run(second.subscribe({ dataId: 's', registId: 's2' }));
    expect(second.list('s2')).toEqual(['x']);
  });
});

describe('changes', () => {
  it('right after the first push go at once: it was no change', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(0);
    expect(client.list('s1')).toEqual(['x']);
  });

  it('of a quiet list go at once, then wait at least 200 ms and carry the newest', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(1000);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p0', 'v0'));
    await cluster.clock.advance(0);
    expect(client.list('s1')).toEqual(['v0']);
    for (let i = 1; i < 19; i++) {
      await cluster.clock.advance(10);
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${i}`, `v${i}`));
    }
    await cluster.clock.advance(10);
    expect(client.pushesTo('s1')).toHaveLength(2);
    await cluster.clock.advance(10);
    expect(client.pushesTo('s1')).toHaveLength(3);
    expect(client.list('s1')).toHaveLength(19);
  });

  it('during a push in flight make exactly one more push, with the newest', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    client.answer = 'never';
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    for (let i = 0; i < 5; i++) {
      await cluster.clock.advance(250);
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${i}`, `v${i}`));
    }
    await cluster.clock.advance(0);
    expect(client.pushesTo('s1')).toHaveLength(1);
    for (const frame of client.unanswered.splice(0)) client.channel.respond(frame, '', Buffer.alloc(0));
    await cluster.clock.advance(0);
    expect(client.pushesTo('s1')).toHaveLength(2);
    expect(client.list('s1')).toHaveLength(5);
  });

  it('have rising versions, in the wire form of the datum version', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    for (let i = 0; i < 5; i++) {
      await cluster.clock.advance(300);
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', `v${i}`));
      await cluster.clock.advance(300);
    }
    const versions = client.pushesTo('s1').map((push) => Number(push.version));
    expect(versions).toHaveLength(6);
    for (let i = 1; i < versions.length; i++) expect(versions[i]).toBeGreaterThan(versions[i - 1]);
    const current = cluster.data[0].data.get(idOf('s'))?.version as number;
    expect(versionFromWire(versionToWire(current))).toBe(current);
    expect(client.pushes.at(-1)?.version).toEqual(versionToWire(current));
  });

  it('reach subscribers of scope zone only when their zone changed; the version moves on silently otherwise', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'old', 'ZONEB'));
    await cluster.run(client.subscribe({ dataId: 's', registId: 'zone', scope: 'zone' }));
    await cluster.run(client.subscribe({ dataId: 's', registId: 'all', scope: 'dataCenter' }));
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'b', 'ZONEB'));
    await cluster.clock.advance(300);
    expect([client.list('zone'), client.list('all')]).toEqual([[], ['b']]);
    expect(client.pushesTo('zone')).toHaveLength(1);
    const views = cluster.session.inspect.subscribers(idOf('s'));
    expect(new Set(views.map((view) => view.pushedVersion)).size).toBe(1);
    expect(cluster.metric('push_skipped_total', 'unchangedView')).toBeGreaterThan(0);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('q', 'a', 'ZONEA'));
    await cluster.clock.advance(300);
    expect([client.list('zone'), client.list('all')]).toEqual([['a'], ['a', 'b']]);
  });

  it('that change nothing reach once who got the list that was here: it may have had a newer one elsewhere, and ignored this', async () => {
    cluster = await TestCluster.start();
    const [first, later] = [await cluster.client(), await cluster.client()];
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'a', 'ZONEA'));
    await cluster.run(first.subscribe({ dataId: 's', registId: 'first' }));
    await cluster.run(later.subscribe({ dataId: 's', registId: 'later' }));
    const pushes = () => [first.pushesTo('first').length, later.pushesTo('later').length];
    expect(pushes()).toEqual([1, 1]);
    for (let i = 0; i < 2; i++) {
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'a', 'ZONEA'));
      await cluster.clock.advance(4000);
      expect(pushes()).toEqual([1, 2]);
    }
    const [{ version }] = later.pushesTo('later').slice(-1);
    expect(version).toBeGreaterThan(first.pushesTo('first')[0].version as bigint);
  });

  it('without payload in the notice are fetched', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].tellVersionsOnly = true;
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(300);
    expect(client.list('s1')).toEqual(['x']);
  });

  it('are encoded once for all connections', async () => {
    cluster = await TestCluster.start();
    const clients = [];
    for (let i = 0; i < 20; i++) clients.push(await cluster.client());
    for (const [i, client] of clients.entries())
      await cluster.run(client.subscribe({ dataId: 's', registId: `s${i}` }));
    const before = cluster.metric('push_encoded_total');
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(300);
    expect(clients.every((client, i) => client.list(`s${i}`)?.[0] === 'x')).toBe(true);
    expect(cluster.metric('push_encoded_total') - before).toBe(1);
    expect(cluster.metric('push_in_flight')).toBe(0);
    expect(cluster.metric('push_in_flight_bytes')).toBe(0);
  });
});

describe('clients that do not behave', () => {
  it('one that never acknowledges gets three retries, then the scan, then a pause', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    client.answer = 'never';
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(2000 + 1000 + 2000 + 1500 + 2000 + 2000 + 2300);
    expect(client.pushesTo('s1')).toHaveLength(4);
    expect(cluster.metric('push_retry_total', 'timeout')).toBe(4);
    expect(cluster.metric('push_given_up_total')).toBe(1);
    const beat = setBeat(client.channel);
    await cluster.clock.advance(60_000);
    beat.stop();
    expect(cluster.metric('push_breaker_total')).toBe(1);
    expect(client.pushesTo('s1')).toHaveLength(10);
    client.answer = 'ack';
    const again = setBeat(client.channel);
    await cluster.clock.advance(60_000);
    again.stop();
    expect(cluster.session.inspect.subscribers(idOf('s'))[0].pushedVersion).toBeGreaterThan(1);
    expect(cluster.metric('push_in_flight')).toBe(0);
    expect(cluster.metric('push_lagging')).toBe(0);
  });

  it('an acknowledgement after the time-out, or a second one, changes nothing', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    client.answer = 'never';
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.clock.advance(2300);
    for (const frame of client.unanswered) {
      client.channel.respond(frame, '', Buffer.alloc(0));
      client.channel.respond(frame, '', Buffer.alloc(0));
    }
    await cluster.clock.advance(0);
    expect(cluster.metric('push_acked_total')).toBe(0);
    client.answer = 'ack';
    await cluster.clock.advance(1500);
    expect(cluster.metric('push_acked_total')).toBe(1);
    expect(cluster.metric('push_in_flight')).toBe(0);
  });

  it('an error status is a failed push and is retried', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    client.answer = 'error';
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    client.answer = 'ack';
    await cluster.clock.advance(1000);
    expect(cluster.metric('push_retry_total', 'status')).toBe(1);
    expect(cluster.session.inspect.subscribers(idOf('s'))[0].pushedVersion).toBe(1);
  });

  it('one that never reads is parked with the newest and served when it reads again; others do not wait', async () => {
    cluster = await TestCluster.start({ slowSocketBytes: 100_000, pushTimeoutMs: 60_000 });
    const slow = await cluster.client();
    const fine = await cluster.client();
    const ids = Array.from({ length: 10 }, (_, i) => `s${i}`);
    for (const id of ids) {
      cluster.data[0].publishElsewhere(idOf(id), elsewhere('p', 'x'.repeat(40_000)));
      await cluster.run(slow.subscribe({ dataId: id, registId: id }));
      await cluster.run(fine.subscribe({ dataId: id, registId: `fine-${id}` }));
    }
    slow.channel.pause();
    for (let round = 1; round <= 5; round++) {
      for (const id of ids)
        cluster.data[0].publishElsewhere(idOf(id), elsewhere('p', `${round}`.repeat(40_000)));
      await cluster.clock.advance(300);
    }
    expect(cluster.metric('slow_connections')).toBe(1);
    expect(cluster.metric('push_in_flight_bytes')).toBeLessThan(200_000);
    for (const id of ids) expect(fine.list(`fine-${id}`)?.[0][0]).toBe('5');
    const before = slow.pushes.length;
    slow.channel.resume();
    await cluster.clock.advance(6000);
    for (const id of ids) expect(slow.list(id)?.[0][0]).toBe('5');
    expect(slow.pushes.length - before).toBeLessThan(20);
    expect(cluster.metric('slow_connections')).toBe(0);
  });

  it('one that drops while pushes are in flight leaves nothing behind', async () => {
    cluster = await TestCluster.start({ lingerMs: 1000 });
    const client = await cluster.client();
    client.answer = 'never';
    for (let i = 0; i < 50; i++) await cluster.run(client.subscribe({ dataId: `s${i}`, registId: `s${i}` }));
    expect(cluster.metric('push_in_flight')).toBe(50);
    client.channel.destroy('gone');
    await cluster.clock.advance(10);
    expect(cluster.metric('push_in_flight')).toBe(0);
    expect(cluster.session.inspect.counts().subscribers).toBe(0);
    await cluster.clock.advance(3000);
    expect(cluster.metric('watched_lists')).toBe(0);
    expect(cluster.data[0].seen).toContain('sr.Forget');
  });

  it('a list that does not fit a frame is counted, and pushed once it fits again', async () => {
    cluster = await TestCluster.start({ slowSocketBytes: 100_000_000, pushBytesMax: 5_000_000 });
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    const big = 'x'.repeat(1_000_000);
    for (let i = 0; i < 12; i++) {
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${i}`, big));
      await cluster.clock.advance(300);
    }
    expect(client.closedReason).toBeNull();
    expect(cluster.metric('push_unsendable_total')).toBeGreaterThan(0);
    for (let i = 2; i < 12; i++) cluster.data[0].removeElsewhere(idOf('s'), `p${i}`);
    await cluster.clock.advance(3500);
    expect(client.list('s1')).toHaveLength(2);
  });
});

describe('SDK connections', () => {
  it('get the step from what they acknowledged, and the whole list when they ask for it', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.hello(30_000));
    for (let i = 0; i < 50; i++) cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${i}`, `v${i}`));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }, true));
    expect(client.pushes.map((push) => [push.className, push.delta])).toEqual([[ListPush.className, false]]);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p3', 'changed'));
    await cluster.clock.advance(300);
    cluster.data[0].removeElsewhere(idOf('s'), 'p4');
    await cluster.clock.advance(300);
    expect(client.pushes.map((push) => push.delta)).toEqual([false, true, true]);
    expect(client.list('s1')).toHaveLength(49);
    expect(client.list('s1')).toContain('changed');
    client.answer = 'resync';
    cluster.data[0].removeElsewhere(idOf('s'), 'p5');
    await cluster.clock.advance(0);
    expect(client.pushes.slice(3).map((push) => push.delta)).toEqual([true, false]);
    client.answer = 'ack';
    await cluster.clock.advance(1000);
    expect(client.pushes.at(-1)?.delta).toBe(false);
    expect(client.list('s1')).toHaveLength(48);
    expect(cluster.metric('push_resync_total')).toBeGreaterThan(0);
  });

  it('see only their zone in steps, and an entry that moves away leaves', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.hello(30_000));
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x', 'ZONEA'));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1', scope: 'zone' }, true));
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('q', 'y', 'ZONEB'));
    await cluster.clock.advance(300);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('r', 'z', 'ZONEA'));
    await cluster.clock.advance(300);
    expect(client.list('s1')).toEqual(['x', 'z']);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x', 'ZONEB'));
    await cluster.clock.advance(300);
    expect(client.list('s1')).toEqual(['z']);
    expect(client.pushes.slice(1).every((push) => push.delta)).toBe(true);
  });

  it('get a full list when they are further behind than the history goes', async () => {
    cluster = await TestCluster.start({ historySteps: 2 });
    const client = await cluster.client();
    await cluster.run(client.hello(30_000));
    for (let i = 0; i < 20; i++) cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${i}`, `v${i}`));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }, true));
    for (let i = 0; i < 6; i++) {
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${i}`, 'new'));
      await cluster.clock.advance(20);
    }
    await cluster.clock.advance(300);
    expect(client.pushes.at(-1)?.delta).toBe(false);
    expect(client.list('s1')?.filter((value) => value === 'new')).toHaveLength(6);
  });
});

describe('push switch', () => {
  it('stops pushes, spares the gray list, and catches everybody up when it opens', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    cluster.meta.docs = [{ key: 'switch/stop-push', value: 'true', version: 1 }];
    cluster.meta.push();
    await cluster.clock.advance(0);
    expect(cluster.session.inspect.pushAllowed()).toBe(false);
    for (let i = 0; i < 5; i++) {
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', `v${i}`));
      await cluster.clock.advance(500);
    }
    const newcomer = await cluster.client();
    await cluster.run(newcomer.subscribe({ dataId: 's', registId: 's2' }));
    await cluster.clock.advance(10_000);
    expect([client.pushes.length, newcomer.pushes.length]).toEqual([1, 0]);
    cluster.meta.docs = [{ key: 'switch/stop-push', value: 'false', version: 2 }];
    cluster.meta.push();
    await cluster.clock.advance(0);
    expect([client.list('s1'), newcomer.list('s2')]).toEqual([['v4'], ['v4']]);
    expect(client.pushes).toHaveLength(2);
  });

  it('lets hosts on the gray list through', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    const [address] = cluster.session.inspect.connections();
    cluster.meta.docs = [
      { key: 'switch/stop-push', value: 'true', version: 1 },
      {
        key: 'switch/push-gray',
        value: JSON.stringify([address.slice(0, address.lastIndexOf(':'))]),
        version: 1,
      },
    ];
    cluster.meta.push();
    await cluster.clock.advance(0);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'));
    await cluster.clock.advance(300);
    expect(client.list('s1')).toEqual(['x']);
  });
});

describe('compression', () => {
  const compressor = (log: string[]) => ({
    knows: (encoding: string) => encoding === 'gzip' || encoding === 'broken',
    compress: async (encoding: string, bytes: Buffer) => {
      log.push(encoding);
      if (encoding === 'broken') throw new Error('no');
      return gzipSync(bytes);
    },
  });

  it('is made once per version for the protobuf clients that accept it, from 4096 units', async () => {
    const log: string[] = [];
    cluster = await TestCluster.start({ compressPush: true }, { compressor: compressor(log) });
    const clients = [];
    for (let i = 0; i < 4; i++) {
      const client = await cluster.client();
      const acceptEncoding = i === 3 ? '' : 'zstd,gzip';
      await cluster.run(client.subscribe({ dataId: 's', registId: `s${i}`, acceptEncoding }, true));
      clients.push(client);
    }
    expect(clients.map((client) => client.pushes[0].encoding)).toEqual(['', '', '', '']);
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'.repeat(5000)));
    await cluster.clock.advance(300);
    expect(clients.map((client) => client.pushes[1].encoding)).toEqual(['gzip', 'gzip', 'gzip', '']);
    expect(clients.every((client, i) => client.list(`s${i}`)?.[0].length === 5000)).toBe(true);
    expect(log).toEqual(['gzip']);
    expect(cluster.metric('push_compressed_total')).toBe(1);
  });

  it('that fails leaves the plain list', async () => {
    cluster = await TestCluster.start({ compressPush: true }, { compressor: compressor([]) });
    const client = await cluster.client();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'.repeat(5000)));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1', acceptEncoding: 'broken' }, true));
    await cluster.clock.advance(10);
    expect([client.pushes[0].encoding, client.list('s1')?.[0].length]).toEqual(['', 5000]);
    expect(cluster.metric('push_compress_failed_total')).toBe(1);
  });

  it('is switched by operators, for some sessions and clients, encodings and sizes', async () => {
    const both = {
      knows: (encoding: string) => encoding === 'zstd' || encoding === 'gzip',
      compress: async (encoding: string, bytes: Buffer) =>
        encoding === 'zstd' ? zstdCompressSync(bytes) : gzipSync(bytes),
    };
    cluster = await TestCluster.start({}, { compressor: both });
    const client = await cluster.client();
    const [host] = cluster.session.inspect.connections()[0].split(':');
    await cluster.run(
      client.subscribe({ dataId: 's', registId: 's1', acceptEncoding: 'br, gzip,zstd,gzip' }, true),
    );
    let version = 0;
    const pushedWith = async (value: object | null, units = 5000): Promise<string> => {
      version++;
      cluster.meta.docs =
        value === null ? [] : [{ key: 'switch/compress-push', value: JSON.stringify(value), version }];
      cluster.meta.push();
      await cluster.clock.advance(0);
      cluster.data[0].publishElsewhere(idOf('s'), elsewhere(`p${version}`, 'x'.repeat(units)));
      await cluster.clock.advance(5000);
      return client.pushes.at(-1)?.encoding ?? '';
    };
    expect(await pushedWith(null)).toBe('');
    expect(await pushedWith({ enabled: true })).toBe('zstd');
    expect(cluster.session.inspect.compressPush()).toMatchObject({ enabled: true, compressMinSize: 4096 });
    expect(await pushedWith({ enabled: true, forbidEncodes: ['zstd'] })).toBe('gzip');
    expect(await pushedWith({ enabled: true, forbidEncodes: ['zstd', 'gzip'] })).toBe('');
    expect(await pushedWith({ enabled: true, enabledClients: ['192.0.2.1'] })).toBe('');
    expect(await pushedWith({ enabled: true, enabledClients: ['192.0.2.1', host] })).toBe('zstd');
    expect(await pushedWith({ enabled: true, enabledSessions: ['192.0.2.1'] })).toBe('');
    expect(await pushedWith({ enabled: true, enabledSessions: ['session'] })).toBe('zstd');
    expect(await pushedWith({ enabled: true, compressMinSize: 1_000_000 })).toBe('');
    expect(await pushedWith({ enabled: false })).toBe('');
    expect(await pushedWith(null)).toBe('');
  });

  it('is off by default, and the adapter knows zstd and gzip', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].publishElsewhere(idOf('s'), elsewhere('p', 'x'.repeat(5000)));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1', acceptEncoding: 'gzip' }, true));
    expect(client.pushes[0].encoding).toBe('');
    const adapter = zlibCompressor();
    const bytes = Buffer.from('x'.repeat(1000));
    expect(zstdDecompressSync(await adapter.compress('zstd', bytes))).toEqual(bytes);
    await expect(adapter.compress('br', bytes)).rejects.toThrow('unknown encoding');
  });
});

/** Heartbeats are traffic: without any the session closes the connection after 45 s. */
function setBeat(channel: { oneway(className: string, codec: number, content: Buffer): void }): {
  stop(): void;
} {
  let timer = cluster.clock.setTimer(10_000, tick);
  function tick(): void {
    channel.oneway('beat', 1, Buffer.alloc(0));
    timer = cluster.clock.setTimer(10_000, tick);
  }
  return { stop: () => timer.cancel() };
}
