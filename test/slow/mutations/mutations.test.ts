/**
 * The simulator must be able to fail: each deliberate bug is caught by the trial that is recorded for it, and the same trial is
 * clean without the bug. When code has moved on so that a recorded trial finds nothing any more, seeds from 1 are tried; the output
 * names what to record then. `MUTATIONS=<name,...>` runs some; `MUTATION_SEEDS=<n>` tries so many seeds.
 */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { type Mutation, MUTATIONS } from './mutations.ts';
import { SCENARIOS } from './scenarios.ts';
import { type Trial, type TrialResult, Trials } from './trials.ts';

/** Seeds tried when the recorded trial finds nothing. */
const SEEDS_MAX = Number(process.env.MUTATION_SEEDS ?? 60);
const ONLY = (process.env.MUTATIONS ?? '').split(',').filter((name) => name !== '');
const PACKAGES = new URL('../../../packages/', import.meta.url);

/** What only faults of metas and their store will find. */
const META_FILE = /^(meta|store)\//;

const sound = new Trials(null);
const verdicts = new Map<Trial, TrialResult>();
let line: Promise<unknown> = Promise.resolve();

afterAll(() => sound[Symbol.asyncDispose]());

/** Runs a trial of the code as it is, once. */
function withoutBug(trial: Trial): Promise<TrialResult> {
  const next = line.then(async () => {
    const known = verdicts.get(trial) ?? (await sound.run(trial));
    verdicts.set(trial, known);
    return known;
  });
  line = next;
  return next;
}

interface Catch {
  readonly trial: Trial;
  readonly result: TrialResult;
  readonly tried: number;
}

async function catchIt(mutation: Mutation): Promise<Catch | null> {
  await using trials = new Trials(mutation);
  const ofMeta = META_FILE.test(mutation.file);
  const seeds = Array.from({ length: SEEDS_MAX }, (_, i): Trial => (ofMeta ? `meta ${i + 1}` : i + 1));
  let tried = 0;
  for (const trial of [mutation.caughtBy, ...seeds]) {
    tried++;
    const result = await trials.run(trial);
    expect(result.applied, 'the mutated file is loaded').toBe(true);
    if (result.broken === null) continue;
    // A trial that fails by itself proves nothing.
    if ((await withoutBug(trial)).broken === null) return { trial, result, tried };
  }
  return null;
}

describe('scenarios', () => {
  test.each(SCENARIOS.map(({ name }) => name))(
    '%s is clean without a bug',
    { timeout: 60_000 },
    async (name) => {
      expect((await withoutBug(name)).broken).toBe(null);
    },
  );
});

describe('deliberate bugs', () => {
  test('there are at least 15 of data and sessions and 8 of metas, with different names', () => {
    const meta = MUTATIONS.filter(({ file }) => META_FILE.test(file));
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
    expect(meta.length).toBeGreaterThanOrEqual(8);
    expect(MUTATIONS.length - meta.length).toBeGreaterThanOrEqual(15);
  });

  test('the chosen ones exist', () => {
    expect(ONLY.filter((only) => MUTATIONS.every(({ name }) => name !== only))).toEqual([]);
  });

  const chosen = MUTATIONS.filter(({ name }) => ONLY.length === 0 || ONLY.includes(name));
  test.each(chosen)('$name: $what', { timeout: 240_000 }, async (mutation) => {
    const source = readFileSync(new URL(mutation.file, PACKAGES), 'utf8');
    expect(source.split(mutation.find).length - 1, 'the text to replace occurs once').toBe(1);
    const caught = await catchIt(mutation);
    expect(caught, `survived ${mutation.caughtBy} and ${SEEDS_MAX} seeds`).not.toBe(null);
    if (caught === null) return;
    // A seed may find another consequence first when code has moved on; a scenario is made for one.
    if (SCENARIOS.some(({ name }) => name === caught.trial))
      expect(caught.result.broken?.invariant).toBe(mutation.breaks);
    const moved =
      caught.trial === mutation.caughtBy ? '' : ` (not by ${mutation.caughtBy} any more: record this one)`;
    process.stdout.write(
      `| ${mutation.name} | ${caught.result.broken?.invariant} | ${caught.trial} |${moved}\n`,
    );
  });
});
