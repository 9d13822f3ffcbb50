/** The simulator must be able to fail: each deliberate bug is caught within a bounded number of seeds. */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { type Mutation, MUTATIONS } from './mutations.ts';

/** Seeds tried per bug. */
const SEEDS_MAX = 200;
const PACKAGES = new URL('../../../packages/', import.meta.url);

interface Outcome {
  readonly applied: boolean;
  readonly caught: { readonly seed: number; readonly invariant: string; readonly runs: number } | null;
}

function run(mutation: Mutation): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const seeds = Array.from({ length: SEEDS_MAX }, (_, i) => i + 1);
  const worker = new Worker(new URL('./mutant-worker.ts', import.meta.url), {
    workerData: { mutation, seeds },
    execArgv: ['--conditions=development'],
  });
  worker.on('message', (outcome: Outcome) => {
    resolve(outcome);
    void worker.terminate();
  });
  worker.on('error', reject);
  return promise;
}

describe('deliberate bugs', () => {
  test('there are at least 15, with different names', () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBeGreaterThanOrEqual(15);
  });

  test.each(MUTATIONS)('$name: $what', { timeout: 180_000 }, async (mutation) => {
    const source = readFileSync(new URL(mutation.file, PACKAGES), 'utf8');
    expect(source.split(mutation.find).length - 1, 'the text to replace occurs once').toBe(1);
    const { applied, caught } = await run(mutation);
    expect(applied).toBe(true);
    expect(caught, `survived ${SEEDS_MAX} seeds`).not.toBe(null);
    process.stdout.write(`${mutation.name}: ${caught?.invariant} by seed ${caught?.seed}\n`);
  });
});
