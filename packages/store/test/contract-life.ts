/** Contract: opening, closing, clusters, backups. */
import { describe, expect, it } from 'vitest';
import { isStoreError } from '../src/index.ts';
import { codeOf } from './contract-lease.ts';
import { type Suite, until } from './contract.ts';

const ME = '10.0.0.1:9610';
const client = { address: '10.0.0.9', operation: 'clientOff', pub: true, sub: false } as const;

export function describeLife(suite: Suite, shared: boolean): void {
  describe('life', () => {
    it('answers a ping while open, and everything with UNAVAILABLE once closed', async () => {
      const store = await suite.world.open();
      await store.ping();
      await store.close();
      await store.close();
      for (const call of [
        store.ping(),
        store.lease.tryAcquire(ME, 30_000),
        store.lease.renew(1),
        store.lease.release(1),
        store.lease.observe(),
        store.docs.get('k'),
        store.docs.list(''),
        store.docs.put('k', 'v', { expect: 'any' }),
        store.docs.remove('k', { expect: 'any' }),
        store.docs.watch('', 0)[Symbol.asyncIterator]().next(),
        store.revisions.get('r'),
        store.interfaces.scan(0, 1),
        store.clientAddresses.upsert([client]),
        store.clientAddresses.touch(['x']),
        store.clientAddresses.expire(1, 1, { fence: { term: 1 } }),
      ]) {
        expect(await codeOf(call)).toBe('SR_STORE_UNAVAILABLE');
      }
    });

    it('is opened once', async () => {
      const store = await suite.world.open();
      expect(await codeOf(store.open())).toBe('SR_STORE_INVALID');
      await store.ping();
    });

    it('keeps everything but the lock for the next process', async () => {
      const first = await suite.world.open();
      const { version } = await first.docs.put('k', 'v', { expect: 'any' });
      const { seq } = await first.clientAddresses.upsert([client]);
      await first.close();
      const second = await suite.world.open();
      expect(await second.docs.get('k')).toEqual({ key: 'k', value: 'v', version });
      expect(await second.clientAddresses.get(client.address)).toEqual({
        key: client.address,
        value: client,
        seq,
      });
      expect((await second.docs.put('k', 'w', { expect: version })).version).toBeGreaterThan(version);
    });

    it('separates clusters that share a store', async () => {
      const one = await suite.world.open();
      await one.docs.put('k', 'of one', { expect: 'absent' });
      await one.clientAddresses.upsert([client]);
      const { term } = await one.lease.tryAcquire(ME, 30_000);
      if (!shared) await one.close();
      const two = await suite.world.open('another');
      expect(await two.docs.get('k')).toBeNull();
      expect((await two.docs.list('')).docs).toEqual([]);
      expect((await two.clientAddresses.scan(0, 10)).rows).toEqual([]);
      expect((await two.lease.tryAcquire(ME, 30_000)).mine).toBe(true);
      await two.docs.put('k', 'of two', { expect: 'absent' });
      if (!shared) await two.close();
      const again = shared ? one : await suite.world.open();
      expect((await again.docs.get('k'))?.value).toBe('of one');
      if (shared) expect((await again.lease.observe()).term).toBe(term);
    });

    it('tells people which store it is without a secret', async () => {
      const store = await suite.world.open();
      expect(store.address).toContain(
        store.kind === 'postgres' || store.kind === 'mysql' ? '127.0.0.1' : ':',
      );
      expect(store.address).not.toMatch(/secret|pass/);
      expect(store.shared).toBe(shared);
    });

    it('throws nothing but StoreErrors', async () => {
      const store = await suite.world.open();
      await store.docs.put('k', 'v', { expect: 'any' });
      const error = await store.docs.put('k', 'w', { expect: 'absent' }).catch((e: unknown) => e);
      expect(isStoreError(error, 'SR_STORE_CONFLICT')).toBe(true);
      expect(error).toMatchObject({ outcome: 'refused', name: 'StoreError' });
      expect((error as Error).message).not.toContain('\n');
    });

    it('goes on above every number it ever gave out when a backup was put back', async () => {
      const { world } = suite;
      if (world.backup === undefined) return;
      const before = await world.open();
      const first = await before.lease.tryAcquire(ME, world.ttlMs);
      await before.docs.put('k', 'saved', { expect: 'any' });
      await before.lease.release(first.term);
      const restore = await world.backup();
      const lost = await world.open();
      const lostLease = await lost.lease.tryAcquire(ME, world.ttlMs);
      await lost.lease.release(lostLease.term);
      const lostDoc = await lost.docs.put('k', 'lost', { expect: 'any' });
      const lostRow = await lost.clientAddresses.upsert([client]);
      await world.pass(2_000);
      await restore();
      const store = await world.open();
      expect((await store.docs.get('k'))?.value).toBe('saved');
      const events = store.docs.watch('', lostDoc.version)[Symbol.asyncIterator]();
      expect((await events.next()).value).toEqual({ kind: 'reset' });
      expect((await store.lease.tryAcquire(ME, world.ttlMs)).term).toBeGreaterThan(lostLease.term);
      expect((await store.docs.put('k', 'new', { expect: 'any' })).version).toBeGreaterThan(lostDoc.version);
      expect((await store.clientAddresses.upsert([client])).seq).toBeGreaterThan(lostRow.seq);
    });

    it('runs every kind of call at once without mixing answers', async () => {
      const store = await suite.world.open();
      const calls = Array.from({ length: 40 }, async (_, i) => {
        await store.docs.put(`k${i}`, `v${i}`, { expect: 'absent' });
        await store.clientAddresses.upsert([{ ...client, address: `10.0.1.${i}` }]);
        const doc = await store.docs.get(`k${i}`);
        const row = await store.clientAddresses.get(`10.0.1.${i}`);
        return `${doc?.value} ${row?.value.address}`;
      });
      expect(await Promise.all(calls)).toEqual(calls.map((_, i) => `v${i} 10.0.1.${i}`));
      await until(suite.world, async () =>
        (await store.docs.list('k')).docs.length === 40 ? true : undefined,
      );
    });
  });
}
