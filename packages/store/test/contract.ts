/**
 * The contract of the MetaStore port, one test a sentence. Every backend passes the same tests (`contract-*.ts` by part);
 * a world gives handles on one store and lets time pass.
 */
import { afterEach, beforeEach, describe } from 'vitest';
import type { MetaStore } from '../src/index.ts';
import { describeDocs } from './contract-docs.ts';
import { describeLease } from './contract-lease.ts';
import { describeLife } from './contract-life.ts';
import { describeRecords } from './contract-records.ts';
import { describeWatch } from './contract-watch.ts';

/** One store, empty at the start of a test. */
export interface StoreWorld {
  /** A handle as a new process would open it. Closed by `stop` when the test did not. */
  open(cluster?: string): Promise<MetaStore>;
  /** Lets time pass: the manual clock, or real time. */
  pass(ms: number): Promise<void>;
  /** The monotonic clock of the handles. */
  monoMs(): number;
  /** A lease the store keeps exactly, ms. */
  readonly ttlMs: number;
  /** Steps in which the store measures the age of records, ms. */
  readonly ageStepMs: number;
  /** Makes a backup; the returned function puts it back and all open handles are gone. */
  backup?(): Promise<() => Promise<void>>;
  /** Closes what is open. */
  stop(): Promise<void>;
}

/** The world of the running test. */
export interface Suite {
  world: StoreWorld;
}

/** Polls `probe` while time passes, until it gives something other than undefined or 20 s have passed. */
export async function until<T>(
  world: StoreWorld,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const startMs = world.monoMs();
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (world.monoMs() - startMs > 20_000) throw new Error('waited 20 s in vain');
    await world.pass(20);
  }
}

/**
 * Runs the contract.
 * @param name of the backend
 * @param shared true when several handles may be open at once
 * @param factory an empty world for each test
 */
export function describeMetaStore(name: string, shared: boolean, factory: () => Promise<StoreWorld>): void {
  describe(`MetaStore contract: ${name}`, () => {
    const suite = {} as Suite;
    beforeEach(async () => {
      suite.world = await factory();
    });
    afterEach(async () => {
      await suite.world.stop();
    });
    describeLease(suite, shared);
    describeDocs(suite, shared);
    describeWatch(suite, shared);
    describeRecords(suite, shared);
    describeLife(suite, shared);
  });
}
