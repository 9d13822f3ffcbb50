/** Contract: the leader lock and the fence. */
import { describe, expect, it } from 'vitest';
import type { LeaseInfo, MetaStore } from '../src/index.ts';
import { type Suite, until } from './contract.ts';

const A = '10.0.0.1:9610';
const B = '10.0.0.2:9610';

/** Code a call is refused with; 'done' when it was not. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

export function describeLease(suite: Suite, shared: boolean): void {
  const acquired = (store: MetaStore, me: string): Promise<LeaseInfo> =>
    until(suite.world, async () => {
      const info = await store.lease.tryAcquire(me, suite.world.ttlMs);
      return info.mine && info.owner === me ? info : undefined;
    });

  describe('lease', () => {
    it('is free with term 0 before the first holder', async () => {
      const store = await suite.world.open();
      expect(await store.lease.observe()).toEqual({
        owner: null,
        term: 0,
        remainingMs: 0,
        mine: false,
        leadUntilMonoMs: 0,
      });
    });

    it('is granted to exactly one of 16 contenders', async () => {
      const count = 16;
      const first = await suite.world.open();
      const stores = [first];
      while (shared && stores.length < count) stores.push(await suite.world.open());
      const answers = await Promise.all(
        Array.from({ length: count }, (_, i) =>
          stores[i % stores.length].lease.tryAcquire(`10.0.0.${i}:9610`, 30_000),
        ),
      );
      expect(answers.filter((a, i) => a.owner === `10.0.0.${i}:9610`)).toHaveLength(1);
      expect(new Set(answers.map((a) => `${a.owner} ${a.term}`)).size).toBe(1);
      expect(answers[0].term).toBeGreaterThan(0);
      expect(Number.isSafeInteger(answers[0].term)).toBe(true);
    });

    it('tells others who holds it and for how long', async () => {
      const store = await suite.world.open();
      const { ttlMs } = suite.world;
      const mine = await store.lease.tryAcquire(A, ttlMs);
      const seen = await store.lease.tryAcquire(B, ttlMs);
      expect(seen).toMatchObject({ owner: A, term: mine.term });
      expect(seen.remainingMs).toBeGreaterThan(0);
      expect(seen.remainingMs).toBeLessThanOrEqual(ttlMs);
    });

    it('lets the holder lead until half the ttl after the time before the request', async () => {
      const store = await suite.world.open();
      const { ttlMs } = suite.world;
      const before = suite.world.monoMs();
      const got = await store.lease.tryAcquire(A, ttlMs);
      const after = suite.world.monoMs();
      expect(got.leadUntilMonoMs).toBeGreaterThanOrEqual(before + ttlMs / 2);
      expect(got.leadUntilMonoMs).toBeLessThanOrEqual(after + ttlMs / 2);
    });

    it('keeps its term when the holder asks again or renews', async () => {
      const store = await suite.world.open();
      const first = await store.lease.tryAcquire(A, suite.world.ttlMs);
      const again = await store.lease.tryAcquire(A, suite.world.ttlMs);
      const renewed = await store.lease.renew(first.term);
      expect([again.term, renewed.term]).toEqual([first.term, first.term]);
      expect([again.mine, renewed.mine]).toEqual([true, true]);
    });

    it('takes the ttl of the last request of its holder', async () => {
      const store = await suite.world.open();
      const { ttlMs } = suite.world;
      const first = await store.lease.tryAcquire(A, ttlMs);
      expect(await store.lease.tryAcquire(A, 60_000)).toMatchObject({
        owner: A,
        term: first.term,
        mine: true,
      });
      await suite.world.pass(ttlMs * 1.5);
      expect(await store.lease.renew(first.term)).toMatchObject({ owner: A, term: first.term });
      await store.lease.tryAcquire(A, ttlMs);
      const startMs = suite.world.monoMs();
      await until(suite.world, async () => ((await store.lease.observe()).owner === null ? true : undefined));
      expect(suite.world.monoMs() - startMs).toBeLessThan(ttlMs + 10_000);
    });

    it('outlives its ttl as long as it is renewed', async () => {
      const store = await suite.world.open();
      const { ttlMs } = suite.world;
      const { term } = await store.lease.tryAcquire(A, ttlMs);
      for (let i = 0; i < 8; i += 1) {
        await suite.world.pass(ttlMs / 5);
        expect(await store.lease.renew(term)).toMatchObject({ owner: A, term, mine: true });
      }
    });

    it('refuses to renew another term', async () => {
      const store = await suite.world.open();
      const { term } = await store.lease.tryAcquire(A, suite.world.ttlMs);
      expect(await codeOf(store.lease.renew(term + 1))).toBe('SR_STORE_LEASE_LOST');
      expect(await codeOf(store.lease.renew(term - 1))).toBe('SR_STORE_LEASE_LOST');
    });

    it('is handed on after the ttl, not before, with a higher term', async () => {
      const store = await suite.world.open();
      const { ttlMs } = suite.world;
      const startMs = suite.world.monoMs();
      const old = await store.lease.tryAcquire(A, ttlMs);
      const next = await acquired(store, B);
      expect(suite.world.monoMs() - startMs).toBeGreaterThanOrEqual(ttlMs);
      expect(next.term).toBeGreaterThan(old.term);
      expect(await codeOf(store.lease.renew(old.term))).toBe('SR_STORE_LEASE_LOST');
    });

    it('is lost after the ttl even if nobody took it, and then needs a new term', async () => {
      const store = await suite.world.open();
      const old = await store.lease.tryAcquire(A, suite.world.ttlMs);
      await until(suite.world, async () => ((await store.lease.observe()).owner === null ? true : undefined));
      expect(await codeOf(store.lease.renew(old.term))).toBe('SR_STORE_LEASE_LOST');
      expect(await store.lease.observe()).toMatchObject({
        owner: null,
        term: old.term,
        remainingMs: 0,
        mine: false,
      });
      expect((await store.lease.tryAcquire(A, suite.world.ttlMs)).term).toBeGreaterThan(old.term);
    });

    it('is free at once after a release, and the next term is higher', async () => {
      const store = await suite.world.open();
      const first = await store.lease.tryAcquire(A, 30_000);
      await store.lease.release(first.term);
      await store.lease.release(first.term);
      expect(await store.lease.observe()).toMatchObject({ owner: null, term: first.term });
      const second = await store.lease.tryAcquire(B, 30_000);
      expect(second).toMatchObject({ owner: B, mine: true });
      expect(second.term).toBeGreaterThan(first.term);
    });

    it('is not released by an old term', async () => {
      const store = await suite.world.open();
      const first = await store.lease.tryAcquire(A, 30_000);
      await store.lease.release(first.term);
      const second = await store.lease.tryAcquire(A, 30_000);
      await store.lease.release(first.term);
      expect(await store.lease.observe()).toMatchObject({ owner: A, term: second.term });
    });

    it('gives a restarted process with the same address a new term', async () => {
      const dying = await suite.world.open();
      const old = await dying.lease.tryAcquire(A, suite.world.ttlMs);
      await dying.close();
      const born = await suite.world.open();
      const fresh = await acquired(born, A);
      expect(fresh.term).toBeGreaterThan(old.term);
      expect(await codeOf(born.lease.renew(old.term))).toBe('SR_STORE_LEASE_LOST');
      expect(await born.lease.renew(fresh.term)).toMatchObject({ term: fresh.term, mine: true });
    });

    it('raises the term at each of many handovers', async () => {
      const store = await suite.world.open();
      let last = 0;
      for (let i = 0; i < 10; i += 1) {
        const info = await store.lease.tryAcquire(i % 2 === 0 ? A : B, 30_000);
        expect(info.term).toBeGreaterThan(last);
        last = info.term;
        await store.lease.release(info.term);
      }
      expect(last).toBeLessThan(2 ** 31);
    });

    it('refuses a ttl out of bounds and an empty address', async () => {
      const store = await suite.world.open();
      expect(await codeOf(store.lease.tryAcquire(A, 99))).toBe('SR_STORE_INVALID');
      expect(await codeOf(store.lease.tryAcquire(A, Number.NaN))).toBe('SR_STORE_INVALID');
      expect(await codeOf(store.lease.tryAcquire('', 30_000))).toBe('SR_STORE_INVALID');
    });

    if (shared) {
      it('belongs to the process, not to the address', async () => {
        const [one, two] = [await suite.world.open(), await suite.world.open()];
        const { term } = await one.lease.tryAcquire(A, 30_000);
        expect(await two.lease.tryAcquire(A, 30_000)).toMatchObject({ owner: A, term, mine: false });
        expect((await two.lease.observe()).mine).toBe(false);
        expect(await codeOf(two.lease.renew(term))).toBe('SR_STORE_LEASE_LOST');
        await two.lease.release(term);
        expect(await one.lease.renew(term)).toMatchObject({ term, mine: true });
      });
    }
  });

  describe('fence', () => {
    /** Every fenced write there is. */
    const writes = (store: MetaStore, term: number): Promise<string>[] => {
      const fence = { term };
      const row = { address: '10.9.9.9', operation: 'clientOff', pub: true, sub: false } as const;
      return [
        codeOf(store.docs.put('late', 'x', { expect: 'any', fence })),
        codeOf(store.docs.put('late-new', 'x', { expect: 'absent', fence })),
        codeOf(store.docs.remove('late', { expect: 'any', fence })),
        codeOf(store.clientAddresses.upsert([row], { fence })),
        codeOf(store.clientAddresses.touch(['10.9.9.9'], { fence })),
        codeOf(store.clientAddresses.expire(0, 10, { fence })),
      ];
    };
    const all = (code: string): string[] => Array.from({ length: 6 }, () => code);

    it('lets the live term write', async () => {
      const store = await suite.world.open();
      const { term } = await store.lease.tryAcquire(A, 30_000);
      for (const write of writes(store, term)) expect(await write).toBe('done');
    });

    it('refuses an old term after a successor was elected, also on the old connection', async () => {
      const leader = await suite.world.open();
      const old = await leader.lease.tryAcquire(A, suite.world.ttlMs);
      const other = shared ? await suite.world.open() : leader;
      const fresh = await acquired(other, B);
      expect(await Promise.all(writes(leader, old.term))).toEqual(all('SR_STORE_FENCED'));
      expect(await other.docs.get('late')).toBeNull();
      await other.docs.put('late', 'mine', { expect: 'absent', fence: { term: fresh.term } });
      expect(await Promise.all(writes(leader, old.term))).toEqual(all('SR_STORE_FENCED'));
      expect(await other.docs.get('late')).toMatchObject({ value: 'mine' });
    });

    it('refuses the last term after it ran out or was released, even if nobody took over', async () => {
      const store = await suite.world.open();
      const first = await store.lease.tryAcquire(A, suite.world.ttlMs);
      await until(suite.world, async () => ((await store.lease.observe()).owner === null ? true : undefined));
      expect(await Promise.all(writes(store, first.term))).toEqual(all('SR_STORE_FENCED'));
      const second = await store.lease.tryAcquire(A, 30_000);
      await store.lease.release(second.term);
      expect(await Promise.all(writes(store, second.term))).toEqual(all('SR_STORE_FENCED'));
    });

    if (shared) {
      it('lets no write of the old leader land behind the first of its successor', async () => {
        const [old, next] = [await suite.world.open(), await suite.world.open()];
        const first = await old.lease.tryAcquire(A, suite.world.ttlMs);
        let over = false;
        const writer = async (): Promise<void> => {
          while (!over) {
            await codeOf(old.docs.put('table', 'old', { expect: 'any', fence: first }));
            await suite.world.pass(1);
          }
        };
        const writers = [writer(), writer(), writer()];
        const second = await acquired(next, B);
        await next.docs.put('table', 'new', { expect: 'any', fence: second });
        await suite.world.pass(100);
        over = true;
        await Promise.all(writers);
        expect(await next.docs.get('table')).toMatchObject({ value: 'new' });
      });
    }

    it('refuses a term nobody has had yet', async () => {
      const store = await suite.world.open();
      const { term } = await store.lease.tryAcquire(A, 30_000);
      expect(await Promise.all(writes(store, term + 1))).toEqual(all('SR_STORE_FENCED'));
    });
  });
}
