/** Fixed sets of seeds that must be clean. Fresh batches: `npm run sim -- --runs N`; `npm run sim -- --seed N --trace` replays one. */
import { expect, test } from 'vitest';
import { BatchSummary, levelOf, runSeed } from '@sofa-registry/testing';

const FIXED_SEEDS = 30;
/** Seeds of level `operator` that broke something once. */
const OPERATOR_REGRESSIONS = [
  24, 57, 1019, 701_204, 701_260, 4_001_036, 4_003_028, 4_120_156, 6_010_196, 6_200_484,
];
/** The same of level `single`, where that is not the level the seed draws. */
const SINGLE_REGRESSIONS = [2_000_589];
/** Seeds that broke something once, by what they found. */
const REGRESSIONS = [
  4, 5, 10, 13, 21, 24, 29, 48, 97, 102, 112, 126, 133, 150, 162, 188, 197, 205, 273, 1007, 1081, 1223, 1266,
  1349, 109, 2169, 2441, 2945, 5245, 5324, 10_085, 20_057, 22_135, 22_250, 22_431, 30_037, 30_055, 30_395,
  30_433, 30_483, 30_553, 30_609, 30_655, 50_034, 50_083, 50_185, 50_321, 60_023, 110_233, 190_231, 220_021,
  1_795_567_815, 1_795_567_895, 700_355, 700_549, 700_642, 701_491, 3_000_309, 4_000_127, 4_001_545,
  2_000_123, 2_000_510, 4_003_546, 4_010_441, 5_000_294, 5_000_929, 5_000_991, 4_110_289, 6_000_585,
  6_101_219, 6_200_407,
];

const wallMs = (): number => performance.now();

function finish(summary: BatchSummary, title: string): void {
  process.stdout.write(`${title}\n${summary.text()}\n`);
  const broken = summary.failed.map(
    ({ seed, level, violations }) =>
      `seed ${seed} (${level}): ${violations[0].invariant} ${violations[0].detail}`,
  );
  expect(broken).toEqual([]);
}

test('fixed seeds', { timeout: 300_000 }, async () => {
  const summary = new BatchSummary();
  for (const seed of REGRESSIONS) {
    // Some are older than the levels of today.
    const levels = seed % 4 === 0 ? (['single', 'combo'] as const) : [levelOf(seed)];
    for (const level of levels) summary.add(await runSeed(seed, wallMs, level));
  }
  for (const seed of SINGLE_REGRESSIONS) summary.add(await runSeed(seed, wallMs, 'single'));
  for (const seed of OPERATOR_REGRESSIONS) summary.add(await runSeed(seed, wallMs, 'operator'));
  for (let seed = 10_001; seed <= 10_000 + FIXED_SEEDS; seed++) summary.add(await runSeed(seed, wallMs));
  finish(summary, 'fixed seeds');
});
