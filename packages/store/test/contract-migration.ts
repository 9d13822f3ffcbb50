/** Contract: whatever meta stores survives a change of the schema, made once under the lock by whoever comes first. */
import { expect } from 'vitest';
import type { MetaStore } from '../src/index.ts';
import type { Migration } from '../src/migrations.ts';
import { codeOf } from './contract-lease.ts';

/** A backend and a change it does not know yet. */
export interface MigrationWorld {
  /** The backend's own list: the test adds to it what a next release would. */
  readonly known: readonly Migration[];
  /** SQL of a next release; it can be repeated. */
  readonly statements: readonly string[];
  /** Another handle, as a process of the program with the list as it is now. */
  open(): Promise<MetaStore>;
  /** False: one handle at a time. */
  readonly shared: boolean;
}

/** Fills a store with one of everything. */
async function fill(store: MetaStore): Promise<void> {
  const { term } = await store.lease.tryAcquire('10.0.0.1:9610', 60_000);
  const fence = { term };
  for (const [key, value] of [
    ['slot-table', '{"epoch":7}'],
    ['publisher-count', '{"count":42}'],
    ['operator/draining', '["10.0.0.9:9620"]'],
    ['persistent/gr\u00fc\u00dfe#@#x', '\u{1f600}'.repeat(1000)],
    ['switch/stop-push', 'true'],
    ['removed', 'x'],
  ]) {
    await store.docs.put(key, value, { expect: 'any', fence });
  }
  await store.docs.remove('removed', { expect: 'any', fence });
  await store.interfaces.upsert(
    ['a', 'b', 'c'].map((appName) => ({ interfaceName: 'com.x.S#@#D#@#S', appName })),
  );
  await store.clientAddresses.upsert([
    { address: '10.0.0.1', operation: 'clientOff', pub: true, sub: false },
    { address: '10.0.0.2', operation: 'clientOpen', pub: true, sub: true },
  ]);
  await store.revisions.upsert([
    {
      revision: 'r1',
      appName: 'orders',
      clientVersion: '1.2',
      baseParams: new Map([['zone', ['A', 'B']]]),
      interfaces: new Map([['com.x.S', { id: '1', params: new Map([['weight', ['y'.repeat(5000)]]]) }]]),
    },
  ]);
}

/** Everything a reader can see. */
async function contents(store: MetaStore) {
  const { docs } = await store.docs.list('');
  return {
    docs,
    term: (await store.lease.observe()).term,
    revisions: await store.revisions.scan(0, 100),
    interfaces: await store.interfaces.scan(0, 100),
    clientAddresses: await store.clientAddresses.scan(0, 100),
  };
}

/** The test. */
export async function survivesMigration(world: MigrationWorld): Promise<void> {
  const known = world.known as Migration[];
  const released = known.length;
  const next = (statements: readonly string[]): number =>
    known.push({ version: released + 1, name: 'of a next release', statements });
  let old = await world.open();
  const opened = [old];
  try {
    await fill(old);
    const before = await contents(old);
    if (!world.shared) await old.close();

    next([...world.statements, 'THIS IS NOT SQL']);
    expect(await codeOf(world.open())).toMatch(/^SR_STORE_/);
    known.length = released;
    if (!world.shared) opened.push((old = await world.open()));
    expect(await contents(old)).toEqual(before);
    if (!world.shared) await old.close();

    next(world.statements);
    const upgraded = await Promise.all(Array.from({ length: world.shared ? 4 : 1 }, () => world.open()));
    opened.push(...upgraded);
    for (const store of upgraded) expect(await contents(store)).toEqual(before);

    // Versions, sequences and terms go on rising; a process of the release before works on beside the new ones.
    const newest = Math.max(...before.docs.map(({ version }) => version));
    const writer = world.shared ? old : upgraded[0];
    const { version } = await writer.docs.put('switch/stop-push', 'false', { expect: 'any' });
    expect(version).toBeGreaterThan(newest);
    expect(await upgraded[0].docs.get('switch/stop-push')).toMatchObject({ value: 'false', version });
    const { seq } = await upgraded[0].interfaces.upsert([{ interfaceName: 'com.x.S#@#D#@#S', appName: 'd' }]);
    expect(seq).toBeGreaterThan(before.interfaces.next);
    if (world.shared) await old.lease.release(before.term);
    const { term, mine } = await upgraded[0].lease.tryAcquire('10.0.0.2:9610', 10_000);
    expect(mine).toBe(true);
    expect(term).toBeGreaterThan(before.term);

    if (!world.shared) await upgraded[0].close();
    known.length = released;
    expect(await codeOf(world.open())).toBe('SR_STORE_SCHEMA');
  } finally {
    known.length = released;
    for (const store of opened) await store.close();
  }
}
