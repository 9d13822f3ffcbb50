/** Makes a failing plan smaller: drops faults, then steps, as long as the same invariant still breaks. */
import type { SimPlan } from './plan.ts';
import { runPlan, type SimResult, type SimRunOptions } from './sim-run.ts';

/** What shrinking came to. */
export interface Shrunk {
  readonly plan: SimPlan;
  readonly result: SimResult;
  /** Runs it took. */
  readonly runs: number;
}

/** Runs after which shrinking ends with what it has. */
export const SHRINK_RUNS_MAX = 120;

/** Shrinks a plan whose run broke `invariant`. */
export async function shrink(
  plan: SimPlan,
  first: SimResult,
  options: SimRunOptions = {},
  runsMax = SHRINK_RUNS_MAX,
): Promise<Shrunk> {
  const invariant = first.violations[0]?.invariant;
  const shrinker = new Shrinker(plan, first, invariant ?? '', options, runsMax);
  await shrinker.cutTail();
  await shrinker.drop('faults');
  await shrinker.drop('steps');
  await shrinker.drop('faults');
  return { plan: shrinker.plan, result: shrinker.result, runs: shrinker.runs };
}

class Shrinker {
  plan: SimPlan;
  result: SimResult;
  runs = 0;
  readonly #invariant: string;
  readonly #options: SimRunOptions;
  readonly #runsMax: number;

  constructor(plan: SimPlan, result: SimResult, invariant: string, options: SimRunOptions, runsMax: number) {
    this.plan = plan;
    this.result = result;
    this.#invariant = invariant;
    this.#options = options;
    this.#runsMax = runsMax;
  }

  /** What was planned for after the violation cannot have caused it. */
  async cutTail(): Promise<void> {
    const atMs = this.result.violations[0]?.atMs ?? Infinity;
    await this.#try({
      ...this.plan,
      faults: this.plan.faults.filter((fault) => fault.atMs <= atMs),
      steps: this.plan.steps.filter((step) => step.atMs <= atMs),
    });
  }

  /** Drops halves, quarters, ... single ones. */
  async drop(what: 'faults' | 'steps'): Promise<void> {
    for (
      let size = Math.ceil(this.plan[what].length / 2);
      size >= 1;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let at = 0; at < this.plan[what].length; ) {
        const items = this.plan[what];
        const rest = [...items.slice(0, at), ...items.slice(at + size)];
        if (!(await this.#try({ ...this.plan, [what]: rest }))) at += size;
        if (this.runs >= this.#runsMax) return;
      }
    }
  }

  async #try(plan: SimPlan): Promise<boolean> {
    if (plan.faults.length === this.plan.faults.length && plan.steps.length === this.plan.steps.length)
      return false;
    this.runs++;
    const result = await runPlan(plan, this.#options);
    if (!result.violations.some((violation) => violation.invariant === this.#invariant)) return false;
    this.plan = plan;
    this.result = result;
    return true;
  }
}
