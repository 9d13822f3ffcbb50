/** Many runs: what they add up to. */
import type { FaultLevel } from './faults.ts';
import { makePlan, type SimSize } from './plan.ts';
import { runPlan, type SimResult, type SimRunOptions } from './sim-run.ts';

/** A run as its batch remembers it: plain data, so that it can cross threads. */
export interface RunSummary {
  readonly seed: number;
  readonly level: FaultLevel;
  readonly hash: string;
  readonly simulatedMs: number;
  readonly tookMs: number;
  readonly convergedMs: number;
  readonly violations: SimResult['violations'];
  readonly faults: readonly (readonly [string, number])[];
  readonly judged: number;
  readonly pushes: number;
  readonly checks: readonly (readonly [string, number])[];
}

/** The faults that a seed gets in a mixed batch: none, of metas and their store, of operators, single, combined. */
export function levelOf(seed: number): FaultLevel {
  if (seed % 8 === 0) return seed % 24 === 0 ? 'none' : 'meta';
  if (seed % 8 === 4) return 'operator';
  return seed % 2 === 0 ? 'single' : 'combo';
}

/** Runs a seed. `wallMs` tells real time, for the ratio. */
export async function runSeed(
  seed: number,
  wallMs: () => number,
  level: FaultLevel = levelOf(seed),
  size: Partial<SimSize> = {},
  options: SimRunOptions = {},
): Promise<RunSummary> {
  const startedMs = wallMs();
  const result = await runPlan(makePlan(seed, level, size), options);
  return {
    seed,
    level,
    hash: result.hash,
    simulatedMs: result.simulatedMs,
    tookMs: wallMs() - startedMs,
    convergedMs: result.convergedMs,
    violations: result.violations,
    faults: [...result.faults],
    judged: result.judged,
    pushes: result.pushes,
    checks: [...result.checks],
  };
}

/** Sums of a batch. */
export class BatchSummary {
  runs = 0;
  failed: RunSummary[] = [];
  simulatedMs = 0;
  tookMs = 0;
  judged = 0;
  convergedMsMax = 0;
  readonly faults = new Map<string, number>();
  readonly checks = new Map<string, number>();

  add(run: RunSummary): void {
    this.runs++;
    if (run.violations.length > 0) this.failed.push(run);
    this.simulatedMs += run.simulatedMs;
    this.tookMs += run.tookMs;
    this.judged += run.judged;
    this.convergedMsMax = Math.max(this.convergedMsMax, run.convergedMs);
    for (const [kind, count] of run.faults) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
    for (const [kind, count] of run.checks) this.checks.set(kind, (this.checks.get(kind) ?? 0) + count);
  }

  /** The batch in a few lines. */
  text(): string {
    const sum = (map: ReadonlyMap<string, number>): number => [...map.values()].reduce((a, b) => a + b, 0);
    const list = (map: ReadonlyMap<string, number>): string =>
      [...map]
        .sort((a, b) => b[1] - a[1])
        .map(([key, count]) => `${key} ${count}`)
        .join(', ');
    const ratio = this.tookMs === 0 ? 0 : this.simulatedMs / this.tookMs;
    return [
      `runs ${this.runs}, failed ${this.failed.length}, simulated ${(this.simulatedMs / 3_600_000).toFixed(2)} h (${ratio.toFixed(0)} simulated seconds per second and core), slowest convergence ${(this.convergedMsMax / 1000).toFixed(1)} s`,
      `faults ${sum(this.faults)}: ${list(this.faults)}`,
      `lists judged ${this.judged}; cluster checks ${sum(this.checks)}: ${list(this.checks)}`,
    ].join('\n');
  }
}
