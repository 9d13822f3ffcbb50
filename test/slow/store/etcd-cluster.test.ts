/** Three etcd members: the store survives the loss of one, and says so when the majority is gone. */
import { type MetaStore, openStore } from '@sofa-registry/store';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { codeOf } from '../../../packages/store/test/contract-lease.ts';
import { eventually, realPorts, sleep } from './real-time.ts';
import { etcdLeader, etcdUrl, missingServer, type RealServer, startEtcdCluster } from './servers.ts';

const missing = missingServer('etcd');
if (missing !== null) console.warn(`*** cluster: ${missing}`);

describe('etcd cluster of three', () => {
  if (missing !== null) {
    it(missing, () => expect(missingServer('etcd')).toBe(missing));
    return;
  }
  let servers: RealServer[] = [];
  let store: MetaStore;
  let clusters = 0;
  const open = (): Promise<MetaStore> =>
    openStore({ url: etcdUrl(servers), cluster: `c${clusters}`, pollMs: 100 }, realPorts());
  const writes = (s: MetaStore): Promise<true> =>
    eventually('a write', 20_000, async () =>
      (await codeOf(s.docs.put('probe', 'x', { expect: 'any' }))) === 'done' ? true : undefined,
    );

  beforeAll(async () => {
    servers = await startEtcdCluster();
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });
  afterEach(async () => {
    await store.close();
    clusters += 1;
  });

  it('keeps lock, documents and watch when its own leader is killed', async () => {
    store = await open();
    const other = await open();
    const lease = await store.lease.tryAcquire('10.0.0.1:9610', 10_000);
    const seen: (string | null)[] = [];
    const reading = (async () => {
      for await (const event of other.docs.watch('k', 0)) {
        if (event.kind === 'changes') seen.push(...event.changes.map((c) => c.value));
        else seen.push('reset');
      }
    })();
    await store.docs.put('k', '1', { expect: 'any', fence: lease });
    const leader = await etcdLeader(servers);
    const start = performance.now();
    await leader.kill();
    await writes(store);
    console.log(`etcd leader killed: first write after ${Math.round(performance.now() - start)} ms`);
    expect((await store.lease.renew(lease.term)).term).toBe(lease.term);
    await store.docs.put('k', '2', { expect: 'any', fence: lease });
    await eventually('the watch', 10_000, () => (seen.length === 2 ? true : undefined));
    expect(seen).toEqual(['1', '2']);
    await leader.restart();
    await other.close();
    await reading;
  });

  it('goes round a frozen member', async () => {
    store = await open();
    await store.docs.put('k', 'v', { expect: 'any' });
    for (const server of servers) {
      await server.freeze();
      await writes(store);
      const start = performance.now();
      expect((await store.docs.get('k'))?.value).toBe('v');
      expect(performance.now() - start).toBeLessThan(2_500);
      server.thaw();
      await writes(store);
    }
  });

  it('is unavailable without a majority, answers nothing stale, and comes back', async () => {
    store = await open();
    const { version } = await store.docs.put('k', 'v', { expect: 'any' });
    await servers[1].kill();
    await servers[2].kill();
    for (let i = 0; i < 2; i += 1) {
      const start = performance.now();
      expect(await codeOf(store.docs.get('k'))).toBe('SR_STORE_UNAVAILABLE');
      expect(await codeOf(store.docs.put('k', 'w', { expect: version }))).toMatch(/UNAVAILABLE|UNKNOWN/);
      expect(performance.now() - start).toBeLessThan(5_000);
      await sleep(100);
    }
    await Promise.all([servers[1].restart(), servers[2].restart()]);
    await writes(store);
    const doc = await store.docs.get('k');
    expect(doc?.value === 'w' ? doc.version > version : doc?.version === version).toBe(true);
  });
});
