import { describe, expect, it } from 'vitest';
import { isStoreError, memoryStore, MemoryStoreBackend, type MetaStore } from '../src/index.ts';
import { describeMetaStore, type StoreWorld } from './contract.ts';
import { codeOf } from './contract-lease.ts';
import { ManualClock, manualPorts, settle } from './manual-clock.ts';

async function memoryWorld(): Promise<StoreWorld> {
  const clock = new ManualClock();
  const backend = new MemoryStoreBackend({ clock });
  const opened: MetaStore[] = [];
  return {
    ttlMs: 10_000,
    ageStepMs: 1_000,
    monoMs: () => clock.monoMs(),
    pass: (ms) => clock.advance(ms),
    async open(cluster) {
      const store = memoryStore(backend, manualPorts(clock), { cluster });
      await store.open();
      opened.push(store);
      return store;
    },
    async backup() {
      const restore = backend.snapshot();
      return async () => restore();
    },
    async stop() {
      for (const store of opened) await store.close();
    },
  };
}

describeMetaStore('memory', true, memoryWorld);

describe('memory backend with faults', () => {
  async function setup() {
    const clock = new ManualClock();
    const backend = new MemoryStoreBackend({ clock });
    const handle = async (): Promise<MetaStore> => {
      const store = memoryStore(backend, manualPorts(clock));
      await store.open();
      return store;
    };
    return { clock, backend, store: await handle(), handle };
  }

  it('refuses everything while it is switched off, and nothing was done', async () => {
    const { backend, store, handle } = await setup();
    await store.docs.put('k', 'v', { expect: 'any' });
    backend.setAvailable(false);
    expect(await codeOf(store.docs.put('k', 'w', { expect: 'any' }))).toBe('SR_STORE_UNAVAILABLE');
    expect(await codeOf(store.docs.get('k'))).toBe('SR_STORE_UNAVAILABLE');
    expect(await codeOf(store.lease.tryAcquire('a:1', 1_000))).toBe('SR_STORE_UNAVAILABLE');
    expect(await codeOf(handle())).toBe('SR_STORE_UNAVAILABLE');
    backend.setAvailable(true);
    expect((await store.docs.get('k'))?.value).toBe('v');
  });

  it('lets a watch wait through an outage and go on without loss', async () => {
    const { clock, backend, store, handle } = await setup();
    const other = await handle();
    const seen: (string | null)[] = [];
    const reader = (async () => {
      for await (const event of store.docs.watch('', 0)) {
        if (event.kind === 'changes') seen.push(...event.changes.map((c) => c.value));
      }
    })();
    await other.docs.put('k', '1', { expect: 'any' });
    await settle();
    backend.setAvailable(false);
    await clock.advance(60_000);
    backend.setAvailable(true);
    await other.docs.put('k', '2', { expect: 'any' });
    await clock.advance(1_000);
    expect(seen).toEqual(['1', '2']);
    await store.close();
    await reader;
  });

  it('fences a write that was on its way when its leader was replaced', async () => {
    const { clock, backend, store, handle } = await setup();
    const next = await handle();
    const old = await store.lease.tryAcquire('a:1', 1_000);
    const release = backend.holdWrites();
    const late = codeOf(store.docs.put('slot-table', 'of the old leader', { expect: 'any', fence: old }));
    await settle();
    release();
    expect(await late).toBe('done');

    const releaseAgain = backend.holdWrites();
    const later = codeOf(store.docs.put('slot-table', 'too late', { expect: 'any', fence: old }));
    await clock.advance(1_001);
    const elected = next.lease.tryAcquire('b:1', 1_000);
    await settle();
    releaseAgain();
    // Writes take effect in the order they were held, so the late one came first, but its lease had run out.
    expect(await later).toBe('SR_STORE_FENCED');
    expect((await elected).term).toBeGreaterThan(old.term);
    expect((await store.docs.get('slot-table'))?.value).toBe('of the old leader');
  });

  it('fences a write held until after the successor was elected, though its caller has long given up', async () => {
    const { clock, backend, store, handle } = await setup();
    const next = await handle();
    const old = await store.lease.tryAcquire('a:1', 1_000);
    const release = backend.holdWrites();
    const late = store.docs.put('k', 'late', { expect: 'any', fence: old }).catch((e: unknown) => e);
    await clock.advance(1_500);
    expect(isStoreError(await late, 'SR_STORE_UNKNOWN')).toBe(true);
    backend.setAvailable(true);
    release();
    const fresh = await next.lease.tryAcquire('b:1', 1_000);
    await settle();
    expect(fresh.term).toBeGreaterThan(old.term);
    expect(await next.docs.get('k')).toBeNull();
  });

  it('says unknown when the answer of a write is lost, and the write may be there', async () => {
    const { clock, backend, store } = await setup();
    backend.setDropAnswers(true);
    const put = codeOf(store.docs.put('k', 'v', { expect: 'any' }));
    const get = codeOf(store.docs.get('k'));
    await clock.advance(1_499);
    backend.setDropAnswers(false);
    await clock.advance(1);
    expect(await put).toBe('SR_STORE_UNKNOWN');
    expect(await get).toBe('SR_STORE_UNAVAILABLE');
    expect((await store.docs.get('k'))?.value).toBe('v');
  });

  it('answers late by its delay, and a lease trusts only the time before the request', async () => {
    const { clock, backend, store } = await setup();
    backend.setDelayMs(400);
    const before = clock.monoMs();
    const asked = store.lease.tryAcquire('a:1', 10_000);
    await clock.advance(400);
    expect((await asked).leadUntilMonoMs).toBe(before + 5_000);
    const observed = store.lease.observe();
    await clock.advance(400);
    expect((await observed).leadUntilMonoMs).toBeLessThanOrEqual(before + 5_400);
  });

  it('ages and numbers do not go back with the wall clock', async () => {
    const { clock, store } = await setup();
    const { term } = await store.lease.tryAcquire('a:1', 600_000);
    const first = await store.docs.put('k', '1', { expect: 'any' });
    await store.clientAddresses.upsert([{ address: 'x', operation: 'clientOpen', pub: true, sub: true }]);
    clock.stepWall(-10_000);
    const second = await store.docs.put('k', '2', { expect: 'any' });
    expect(second.version).toBeGreaterThan(first.version);
    expect(await store.clientAddresses.expire(1_000, 10, { fence: { term } })).toEqual([]);
    await clock.advance(12_000);
    expect(await store.clientAddresses.expire(1_000, 10, { fence: { term } })).toEqual(['x']);
  });

  it('bounds the number of documents', async () => {
    const { store } = await setup();
    for (let i = 0; i < 10_000; i += 1) await store.docs.put(`k${i}`, '', { expect: 'any' });
    expect(await codeOf(store.docs.put('one more', '', { expect: 'any' }))).toBe('SR_STORE_TOO_LARGE');
    await store.docs.put('k5', 'replaced', { expect: 'any' });
    await store.docs.remove('k5', { expect: 'any' });
    await store.docs.put('one more', '', { expect: 'any' });
  });

  it('bounds the watches of a handle', async () => {
    const { store } = await setup();
    const started = Array.from({ length: 64 }, () => store.docs.watch('', 0)[Symbol.asyncIterator]());
    const pending = started.map((events) => events.next());
    await settle();
    expect(await codeOf(store.docs.watch('', 0)[Symbol.asyncIterator]().next())).toBe('SR_STORE_TOO_LARGE');
    await store.close();
    for (const next of pending) expect((await next).done).toBe(true);
  });
});
