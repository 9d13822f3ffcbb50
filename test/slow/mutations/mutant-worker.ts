/** Runs trials against one mutated source file (or none) in a worker of its own: module state and code are fresh. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { FaultLevel, SimPlan, SimRunOptions } from '@sofa-registry/testing';
import type { Mutation } from './mutations.ts';
import type { Trial, TrialResult } from './trials.ts';

const { mutation } = workerData as { readonly mutation: Mutation | null };
let applied = false;

if (mutation !== null) {
  const suffix = `/packages/${mutation.file}`;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.endsWith(suffix)) return loaded;
      applied = true;
      const source = readFileSync(new URL(url), 'utf8').replace(mutation.find, () => mutation.replace);
      return { ...loaded, source };
    },
  });
}

const { levelOf, makePlan, runPlan } = await import('@sofa-registry/testing');
const { scenarioNamed } = await import('./scenarios.ts');

function planOf(trial: Trial): { readonly plan: SimPlan; readonly options?: SimRunOptions } {
  if (typeof trial === 'number') return { plan: makePlan(trial, levelOf(trial)) };
  const seed = /^(meta|operator) (\d+)$/.exec(trial);
  if (seed !== null) return { plan: makePlan(Number(seed[2]), seed[1] as FaultLevel) };
  const { plan, options } = scenarioNamed(trial);
  return { plan: plan(), options };
}

async function run(trial: Trial): Promise<TrialResult> {
  const { plan, options } = planOf(trial);
  const { violations } = await runPlan(plan, options);
  const [first] = violations;
  return { trial, applied, broken: first === undefined ? null : { ...first } };
}

parentPort?.on('message', (trial: Trial) => {
  void run(trial).then((result) => parentPort?.postMessage(result));
});
