import { openStore } from '@sofa-registry/store';
import { afterEach, describe, expect, it } from 'vitest';
import { codeOf } from '../../../packages/store/test/contract-lease.ts';
import { realPorts } from './real-time.ts';
import { missingServer, startServer } from './servers.ts';
import { describeRealStore } from './suite.ts';

// etcd counts leases in seconds and grants at least two; its clock shows whole seconds.
describeRealStore('etcd', { ttlMs: 2_000, ageStepMs: 2_200 });

describe.runIf(missingServer('etcd') === null)('etcd with a slow network', () => {
  const realFetch = globalThis.fetch;
  afterEach(() => {
    globalThis.fetch = realFetch;
  });

  /** Holds the next transaction that writes back, as a network would. */
  function holdNextWrite(): { readonly held: Promise<void>; release(): void } {
    const held = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    globalThis.fetch = async (input, init) => {
      const body = String(init?.body);
      if (body.includes('request_put') && !body.includes('"compare":[]')) {
        globalThis.fetch = realFetch;
        held.resolve();
        await gate.promise;
      }
      return realFetch(input, init);
    };
    return { held: held.promise, release: () => gate.resolve() };
  }

  it('fences in the writing transaction itself, not only before it', async () => {
    const server = await startServer('etcd');
    const open = () => openStore({ url: server.url, opTimeoutMs: 10_000 }, realPorts());
    const [old, next] = [await open(), await open()];
    try {
      const row = { address: 'x', operation: 'clientOff', pub: true, sub: true } as const;
      for (const write of [
        (term: number) => old.docs.put('table', 'old', { expect: 'any', fence: { term } }),
        (term: number) => old.clientAddresses.upsert([row], { fence: { term } }),
      ]) {
        const { term } = await old.lease.tryAcquire('10.0.0.1:9610', 30_000);
        const network = holdNextWrite();
        const late = codeOf(write(term));
        await network.held;
        await old.lease.release(term);
        const fresh = await next.lease.tryAcquire('10.0.0.2:9610', 30_000);
        expect(fresh.mine).toBe(true);
        network.release();
        expect(await late).toBe('SR_STORE_FENCED');
        await next.lease.release(fresh.term);
      }
      expect(await old.docs.get('table')).toBeNull();
      expect(await old.clientAddresses.get('x')).toBeNull();
    } finally {
      await old.close();
      await next.close();
      await server.stop();
    }
  });

  it('does not overwrite what another process wrote between its read and its write', async () => {
    const server = await startServer('etcd');
    const open = () => openStore({ url: server.url, opTimeoutMs: 10_000 }, realPorts());
    const [one, two] = [await open(), await open()];
    try {
      const { version } = await one.docs.put('k', '0', { expect: 'any' });
      const network = holdNextWrite();
      const late = codeOf(one.docs.put('k', 'one', { expect: version }));
      await network.held;
      await two.docs.put('k', 'two', { expect: version });
      network.release();
      expect(await late).toBe('SR_STORE_CONFLICT');
      expect((await one.docs.get('k'))?.value).toBe('two');
    } finally {
      await one.close();
      await two.close();
      await server.stop();
    }
  });
});
