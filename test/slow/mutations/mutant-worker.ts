/** Runs seeds against one mutated source file, until an invariant breaks. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { Mutation } from './mutations.ts';

const { mutation, seeds } = workerData as { readonly mutation: Mutation; readonly seeds: readonly number[] };
const suffix = `/packages/${mutation.file}`;
let applied = false;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(suffix)) return loaded;
    applied = true;
    const source = readFileSync(new URL(url), 'utf8').replace(mutation.find, () => mutation.replace);
    return { ...loaded, source };
  },
});

const { levelOf, runSeed } = await import('@sofa-registry/testing');
let caught: { seed: number; invariant: string; detail: string; runs: number } | null = null;
let runs = 0;
for (const seed of seeds) {
  runs++;
  const { violations } = await runSeed(seed, () => performance.now(), levelOf(seed));
  if (violations.length === 0) continue;
  caught = { seed, invariant: violations[0].invariant, detail: violations[0].detail, runs };
  break;
}
parentPort?.postMessage({ applied, caught, runs });
