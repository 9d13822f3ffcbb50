/** Contract: record logs. */
import { describe, expect, it } from 'vitest';
import {
  type AppRevisionRecord,
  type ClientAddressRecord,
  type InterfaceAppRecord,
  type MetaStore,
  STORE_LIMITS,
} from '../src/index.ts';
import { codeOf } from './contract-lease.ts';
import { type Suite, until } from './contract.ts';

const off = (address: string): ClientAddressRecord => ({
  address,
  operation: 'clientOff',
  pub: true,
  sub: false,
});
const open = (address: string): ClientAddressRecord => ({
  address,
  operation: 'clientOpen',
  pub: true,
  sub: true,
});
const app = (appName: string, interfaceName = 'com.x.Service#@#DEFAULT#@#SOFA'): InterfaceAppRecord => ({
  interfaceName,
  appName,
});

function revision(id: string, size = 1): AppRevisionRecord {
  return {
    revision: id,
    appName: 'orders',
    clientVersion: '1.2',
    baseParams: new Map([
      ['zone', ['A', 'B']],
      ['__proto__', ['x']],
    ]),
    interfaces: new Map([['com.x.Service', { id: '1', params: new Map([['weight', ['y'.repeat(size)]]]) }]]),
  };
}

/** All rows of a log after `after`, page by page. */
async function scanAll(store: MetaStore, after = 0, limit = 3): Promise<{ keys: string[]; next: number }> {
  const keys: string[] = [];
  let next = after;
  for (;;) {
    const page = await store.interfaces.scan(next, limit);
    keys.push(...page.rows.map((r) => r.value.appName));
    next = page.next;
    if (!page.more) return { keys, next };
  }
}

export function describeRecords(suite: Suite, shared: boolean): void {
  describe('records', () => {
    it('gives a revision back as it was', async () => {
      const store = await suite.world.open();
      const record = revision('r1');
      const { seq } = await store.revisions.upsert([record]);
      expect(await store.revisions.get('r1')).toEqual({ key: 'r1', value: record, seq });
      expect(await store.revisions.get('r2')).toBeNull();
      expect(store.revisions.keyOf(record)).toBe('r1');
    });

    it('keeps the seq of an equal row and raises it for a changed one', async () => {
      const store = await suite.world.open();
      const first = await store.clientAddresses.upsert([off('10.0.0.1')]);
      await store.clientAddresses.upsert([off('10.0.0.2')]);
      const same = await store.clientAddresses.upsert([off('10.0.0.1')]);
      expect(same.seq).toBe(first.seq);
      const changed = await store.clientAddresses.upsert([open('10.0.0.1')]);
      expect(changed.seq).toBeGreaterThan(first.seq);
      const page = await store.clientAddresses.scan(0, 10);
      expect(page.rows.map((r) => [r.key, r.value.operation])).toEqual([
        ['10.0.0.2', 'clientOff'],
        ['10.0.0.1', 'clientOpen'],
      ]);
      expect(page.next).toBe(changed.seq);
    });

    it('takes many rows at once, of rows with one key the last', async () => {
      const store = await suite.world.open();
      const rows = Array.from({ length: STORE_LIMITS.recordBatchMax }, (_, i) => app(`app-${i}`));
      const { seq } = await store.interfaces.upsert(rows);
      const { keys, next } = await scanAll(store, 0, 100);
      expect(keys).toEqual(rows.map((r) => r.appName));
      expect(next).toBe(seq);
      await store.clientAddresses.upsert([off('10.0.0.1'), open('10.0.0.1')]);
      expect((await store.clientAddresses.get('10.0.0.1'))?.value.operation).toBe('clientOpen');
      expect(await store.interfaces.upsert([])).toEqual({ seq: 0 });
    });

    it('scans page by page in order of change', async () => {
      const store = await suite.world.open();
      for (let i = 0; i < 8; i += 1) await store.interfaces.upsert([app(`app-${i}`)]);
      const first = await store.interfaces.scan(0, 3);
      expect(first.rows.map((r) => r.value.appName)).toEqual(['app-0', 'app-1', 'app-2']);
      expect(first.more).toBe(true);
      expect(first.next).toBe(first.rows[2].seq);
      const rest = await scanAll(store, first.next);
      expect(rest.keys).toEqual(['app-3', 'app-4', 'app-5', 'app-6', 'app-7']);
      expect(await store.interfaces.scan(rest.next, 3)).toEqual({ rows: [], next: rest.next, more: false });
    });

    it('shows a follower every row of concurrent writers', async () => {
      const reader = await suite.world.open();
      const stores = shared ? [await suite.world.open(), await suite.world.open()] : [reader];
      let writing = true;
      const writer = async (id: number): Promise<void> => {
        for (let i = 0; i < 15; i += 1) {
          await stores[id % stores.length].interfaces.upsert([app(`w${id}-${i}`), app(`v${id}-${i}`)]);
        }
      };
      const done = Promise.all([0, 1, 2].map(writer)).then(() => {
        writing = false;
      });
      const seen: string[] = [];
      let next = 0;
      for (let last = false; !last; ) {
        last = !writing;
        const page = await scanAll(reader, next, 7);
        seen.push(...page.keys);
        next = page.next;
        await suite.world.pass(1);
      }
      await done;
      expect(seen).toHaveLength(90);
      expect(new Set(seen).size).toBe(90);
    });

    it('ends a page early when its bytes are many, but never without a row', async () => {
      const store = await suite.world.open();
      for (let i = 0; i < 6; i += 1) await store.revisions.upsert([revision(`r${i}`, 1_000_000)]);
      const page = await store.revisions.scan(0, 100);
      expect(page.rows.map((r) => r.key)).toEqual(['r0', 'r1', 'r2', 'r3']);
      expect(page.more).toBe(true);
      const rest = await store.revisions.scan(page.next, 100);
      expect(rest.rows.map((r) => r.key)).toEqual(['r4', 'r5']);
      expect(rest.more).toBe(false);
    });

    it('refuses rows and batches that are too large, and keys no store can hold', async () => {
      const store = await suite.world.open();
      expect(await codeOf(store.revisions.upsert([revision('big', 1_048_576)]))).toBe('SR_STORE_TOO_LARGE');
      const many = Array.from({ length: STORE_LIMITS.recordBatchMax + 1 }, (_, i) => app(`app-${i}`));
      expect(await codeOf(store.interfaces.upsert(many))).toBe('SR_STORE_TOO_LARGE');
      const heavy = Array.from({ length: 5 }, (_, i) => revision(`r${i}`, 1_000_000));
      expect(await codeOf(store.revisions.upsert(heavy))).toBe('SR_STORE_TOO_LARGE');
      expect(await codeOf(store.clientAddresses.upsert([off('')]))).toBe('SR_STORE_INVALID');
      expect((await store.revisions.scan(0, 10)).rows).toEqual([]);
    });

    it('keeps the logs apart', async () => {
      const store = await suite.world.open();
      await store.clientAddresses.upsert([off('same')]);
      await store.revisions.upsert([revision('same')]);
      expect((await store.clientAddresses.scan(0, 10)).rows).toHaveLength(1);
      expect((await store.revisions.scan(0, 10)).rows).toHaveLength(1);
      expect((await store.interfaces.scan(0, 10)).rows).toHaveLength(0);
    });

    it('expires what was not written or touched for so long, oldest first, and keeps what must be kept', async () => {
      const store = await suite.world.open();
      const { term } = await store.lease.tryAcquire('10.0.0.1:9610', 60_000);
      const opt = { fence: { term } };
      const { ageStepMs } = suite.world;
      await store.clientAddresses.upsert([off('kept'), open('touched')]);
      await store.clientAddresses.upsert([open('old-1')]);
      await suite.world.pass(ageStepMs);
      await store.clientAddresses.upsert([open('old-2'), open('rewritten')]);
      await suite.world.pass(ageStepMs * 2);
      const before = await store.clientAddresses.get('touched');
      expect(await store.clientAddresses.touch(['touched', 'missing'])).toBe(1);
      await store.clientAddresses.upsert([open('rewritten')]);
      expect(await store.clientAddresses.get('touched')).toEqual(before);
      await suite.world.pass(ageStepMs);
      expect(await store.clientAddresses.expire(60_000, 10, opt)).toEqual([]);
      expect(await store.clientAddresses.expire(ageStepMs * 2, 1, opt)).toEqual(['old-1']);
      expect(await store.clientAddresses.expire(ageStepMs * 2, 10, opt)).toEqual(['old-2']);
      const left = (await store.clientAddresses.scan(0, 10)).rows.map((r) => r.key);
      expect(left.sort()).toEqual(['kept', 'rewritten', 'touched']);
      await store.clientAddresses.upsert([open('kept')]);
      await suite.world.pass(ageStepMs * 2);
      const last = await until(suite.world, async () => {
        const keys = await store.clientAddresses.expire(ageStepMs, 10, opt);
        return keys.length > 0 ? keys : undefined;
      });
      expect(last).toContain('touched');
      expect(await store.clientAddresses.get('touched')).toBeNull();
    });

    it('gives a row that comes back after its expiry a higher seq', async () => {
      const store = await suite.world.open();
      const { term } = await store.lease.tryAcquire('10.0.0.1:9610', 60_000);
      const first = await store.clientAddresses.upsert([open('x')]);
      await until(suite.world, async () => {
        const keys = await store.clientAddresses.expire(1, 10, { fence: { term } });
        return keys.length > 0 ? true : undefined;
      });
      const again = await store.clientAddresses.upsert([open('x')]);
      expect(again.seq).toBeGreaterThan(first.seq);
      expect((await store.clientAddresses.scan(first.seq, 10)).rows.map((r) => r.key)).toEqual(['x']);
    });
  });
}
