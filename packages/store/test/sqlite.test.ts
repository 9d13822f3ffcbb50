import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MetaStore, openStore } from '../src/index.ts';
import { SQLITE_MIGRATIONS } from '../src/sqlite-schema.ts';
import { survivesMigration } from './contract-migration.ts';
import { describeMetaStore, type StoreWorld } from './contract.ts';
import { codeOf } from './contract-lease.ts';
import { ManualClock, manualPorts } from './manual-clock.ts';

function tempDir(): string {
  return mkdtempSync(join(tmpdir(), 'sofa-store-'));
}

async function sqliteWorld(): Promise<StoreWorld> {
  const clock = new ManualClock();
  const dir = tempDir();
  let opened: MetaStore[] = [];
  const closeAll = async (): Promise<void> => {
    for (const store of opened) await store.close();
    opened = [];
  };
  return {
    ttlMs: 10_000,
    ageStepMs: 1_000,
    monoMs: () => clock.monoMs(),
    pass: (ms) => clock.advance(ms),
    async open(cluster) {
      const store = await openStore({ url: `sqlite:${dir}`, cluster }, manualPorts(clock));
      opened.push(store);
      return store;
    },
    async backup() {
      await closeAll();
      const saved = tempDir();
      cpSync(dir, saved, { recursive: true });
      return async () => {
        await closeAll();
        rmSync(dir, { recursive: true });
        cpSync(saved, dir, { recursive: true });
        rmSync(saved, { recursive: true });
      };
    },
    async stop() {
      await closeAll();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

describeMetaStore('sqlite', false, sqliteWorld);

describe('sqlite file', () => {
  let dir = '';
  const clock = new ManualClock();
  const open = (): Promise<MetaStore> => openStore(`sqlite:${dir}`, manualPorts(clock));
  const refusal = async (): Promise<{ code: string; message: string }> =>
    (await open().catch((e: unknown) => e)) as { code: string; message: string };

  beforeEach(() => {
    dir = tempDir();
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('is created with its directory, readable by its owner only', async () => {
    dir = join(dir, 'a', 'b');
    const store = await open();
    expect(statSync(join(dir, 'registry.db')).mode & 0o777).toBe(0o600);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    await store.close();
  });

  it('is refused to a second handle with words that say what to do', async () => {
    const store = await open();
    const refused = await refusal();
    expect(refused.code).toBe('SR_STORE_IN_USE');
    expect(refused.message).toContain(join(dir, 'registry.db'));
    expect(refused.message).toMatch(/another process/);
    await store.close();
    await (await open()).close();
  });

  it('is free again, with a higher term and all writes, when its process was killed', async () => {
    const child = fork(join(import.meta.dirname, 'sqlite-holder.ts'), [dir], {
      execArgv: ['--conditions=development'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [held] = (await once(child, 'message')) as [{ term: number; version: number }];
    expect((await refusal()).code).toBe('SR_STORE_IN_USE');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = await open();
    expect(await store.docs.get('k')).toEqual({ key: 'k', value: 'written', version: held.version });
    expect((await store.lease.tryAcquire('127.0.0.1:9610', 60_000)).term).toBeGreaterThan(held.term);
    await store.close();
  });

  it('names a damaged file and what to do', async () => {
    writeFileSync(join(dir, 'registry.db'), 'this is not a database at all '.repeat(100));
    const refused = await refusal();
    expect(refused.code).toBe('SR_STORE_CORRUPT');
    expect(refused.message).toContain(join(dir, 'registry.db'));
    expect(refused.message).toMatch(/backup|move/);
    expect(refused.message).not.toContain('\n');
  });

  it('notices a file that was cut off or scribbled over', async () => {
    const store = await open();
    for (let i = 0; i < 50; i += 1) await store.docs.put(`k${i}`, 'v'.repeat(2_000), { expect: 'any' });
    await store.close();
    const file = join(dir, 'registry.db');
    truncateSync(file, Math.floor(statSync(file).size / 2 / 4096) * 4096);
    expect((await refusal()).code).toBe('SR_STORE_CORRUPT');
  });

  it('refuses the database of another program and leaves it alone', async () => {
    const foreign = new DatabaseSync(join(dir, 'registry.db'));
    foreign.exec('CREATE TABLE customers (name TEXT)');
    foreign.close();
    expect((await refusal()).code).toBe('SR_STORE_CORRUPT');
    const again = new DatabaseSync(join(dir, 'registry.db'));
    expect(again.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'customers' }]);
    again.close();
  });

  it('refuses a schema from a newer release and one that was changed', async () => {
    await (await open()).close();
    const edit = (sql: string): void => {
      const db = new DatabaseSync(join(dir, 'registry.db'));
      db.exec(sql);
      db.close();
    };
    edit(`INSERT INTO sr_schema (version, name, checksum) VALUES (2, 'later', 'x')`);
    const newer = await refusal();
    expect(newer.code).toBe('SR_STORE_SCHEMA');
    expect(newer.message).toMatch(/version 2.*update/);
    edit(`DELETE FROM sr_schema WHERE version = 2; UPDATE sr_schema SET checksum = 'x'`);
    expect((await refusal()).code).toBe('SR_STORE_SCHEMA');
  });

  it('keeps everything through a change of the schema, and through one that fails', () =>
    survivesMigration({
      known: SQLITE_MIGRATIONS,
      statements: [
        'CREATE TABLE IF NOT EXISTS sr_later (cluster TEXT PRIMARY KEY)',
        'DROP INDEX IF EXISTS sr_record_touched',
        'CREATE INDEX sr_record_touched ON sr_record (cluster, log, touched, keep)',
      ],
      open,
      shared: false,
    }));

  it('says which directory cannot be used', async () => {
    writeFileSync(join(dir, 'file'), '');
    dir = join(dir, 'file', 'data');
    const refused = await refusal();
    expect(refused.code).toBe('SR_STORE_PATH');
    expect(refused.message).toContain(dir);
    dir = join(dir, '..', '..');
  });

  it('says so when the file itself cannot be opened', async () => {
    rmSync(dir, { recursive: true });
    dir = tempDir();
    const { mkdirSync } = await import('node:fs');
    mkdirSync(join(dir, 'registry.db'));
    expect((await refusal()).code).toBe('SR_STORE_PATH');
  });

  it('keeps ages right when the wall clock stepped back while it was closed', async () => {
    const first = await open();
    await first.clientAddresses.upsert([{ address: 'x', operation: 'clientOpen', pub: true, sub: true }]);
    const { version } = await first.docs.put('k', 'v', { expect: 'any' });
    await first.close();
    clock.stepWall(-3_600_000);
    const store = await open();
    const { term } = await store.lease.tryAcquire('a:1', 600_000);
    expect((await store.docs.put('k', 'w', { expect: version })).version).toBeGreaterThan(version);
    expect(await codeOf(store.clientAddresses.expire(1_000, 10, { fence: { term } }))).toBe('done');
    expect(await store.clientAddresses.get('x')).not.toBeNull();
    await store.close();
  });

  it('does not touch the disk to renew', async () => {
    const store = await open();
    const { term } = await store.lease.tryAcquire('a:1', 10_000);
    const size = (): number => statSync(join(dir, 'registry.db-wal')).size;
    const before = size();
    for (let i = 0; i < 100; i += 1) await store.lease.renew(term);
    expect(size()).toBe(before);
    await store.close();
  });
});
