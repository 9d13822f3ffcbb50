/** Runs trials against one mutated source file (or none) in a worker of its own: module state and code are fresh. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
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

async function run(trial: Trial): Promise<TrialResult> {
  const scenario = typeof trial === 'string' ? scenarioNamed(trial) : null;
  const plan = scenario === null ? makePlan(trial as number, levelOf(trial as number)) : scenario.plan();
  const { violations } = await runPlan(plan, scenario?.options);
  const [first] = violations;
  return { trial, applied, broken: first === undefined ? null : { ...first } };
}

parentPort?.on('message', (trial: Trial) => {
  void run(trial).then((result) => parentPort?.postMessage(result));
});
