/** A trial of the simulator: a seed (with the faults a batch would give it) or a named scenario; and workers that run them. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Mutation } from './mutations.ts';

/** A seed, `meta <seed>` or `operator <seed>` for a seed with faults of that level, or the name of a scenario. */
export type Trial = number | string;

/** What became of a trial. */
export interface TrialResult {
  readonly trial: Trial;
  /** True if the mutated file was loaded. */
  readonly applied: boolean;
  /** The first broken invariant; null if the run was clean. */
  readonly broken: { readonly invariant: string; readonly atMs: number; readonly detail: string } | null;
}

/** A worker that runs trials, one at a time. */
export class Trials implements AsyncDisposable {
  readonly #worker: Worker;

  /** @param mutation the bug in it; null for the code as it is */
  constructor(mutation: Mutation | null) {
    this.#worker = new Worker(new URL('./mutant-worker.ts', import.meta.url), {
      workerData: { mutation },
      execArgv: ['--conditions=development'],
    });
  }

  async run(trial: Trial): Promise<TrialResult> {
    const answer = once(this.#worker, 'message') as Promise<[TrialResult]>;
    this.#worker.postMessage(trial);
    return (await answer)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
