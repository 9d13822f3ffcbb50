/** `npm run sim`: replays a seed or runs a batch; `--help` says how. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { BatchSummary, levelOf, type RunSummary, runSeed } from './batch.ts';
import { readOptions, type SimOptions, USAGE } from './cli-options.ts';
import { type FaultLevel, faultText } from './faults.ts';
import { makePlan, type SimPlan, type SimSize } from './plan.ts';
import { runPlan, type SimResult } from './sim-run.ts';
import { shrink } from './shrink.ts';
import { traceText } from './trace.ts';

const BIG: Partial<SimSize> = {
  metas: 3,
  data: 5,
  sessions: 4,
  zones: 2,
  clients: 200,
  services: 40,
  slotCount: 256,
  replicas: 2,
  activeMs: 600_000,
  stepMs: 200,
};

/** Failed runs that a batch still goes on after. */
const FAILED_MAX = 10;
/** With `--tolerate`, so many failed runs are always let pass, unless they broke one of {@link NEVER}. */
const TOLERATED_MIN = 2;
/** Invariants that no open seed may break: epochs and leaders are unique, and no process fails. */
const NEVER: ReadonlySet<string> = new Set([
  'I1',
  'I2',
  'I17',
  'crash',
  'log',
  'protocol',
  'start',
  'refusal',
]);
/** Lines of a trace printed after a failure that was not asked to be traced. */
const TRACE_TAIL_LINES = 60;

const wallMs = (): number => performance.now();

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function planText(plan: SimPlan): string {
  const { metas, data, sessions, zones, clients, services, slotCount, replicas } = plan.size;
  return `seed ${plan.seed}, level ${plan.level}: ${metas} metas, ${data} data nodes, ${sessions} sessions, ${zones} zones, ${clients} clients, ${services} services, ${slotCount} slots x ${replicas}; ${plan.steps.length} steps, ${plan.faults.length} faults`;
}

function resultText(result: SimResult): string {
  const state =
    result.violations.length === 0
      ? `clean, converged in ${(result.convergedMs / 1000).toFixed(1)} s`
      : 'BROKEN';
  return `${state}; ${(result.simulatedMs / 1000).toFixed(0)} s simulated, ${result.judged} lists judged, hash ${result.hash}`;
}

async function one(plan: SimPlan, trace: boolean, shrinks: boolean): Promise<boolean> {
  say(planText(plan));
  if (trace) for (const fault of plan.faults) say(`  ${faultText(fault)}`);
  const startedMs = wallMs();
  const result = await runPlan(plan, { trace });
  const tookMs = wallMs() - startedMs;
  if (trace) for (const line of result.trace.lines) say(traceText(line));
  say(`${resultText(result)}; ${(result.simulatedMs / tookMs).toFixed(0)} simulated seconds per second`);
  if (result.violations.length === 0) return true;
  for (const { invariant, atMs, detail } of result.violations)
    say(`${invariant} at ${(atMs / 1000).toFixed(3)} s: ${detail}`);
  if (!shrinks) return false;
  const small = await shrink(plan, result);
  say(`\nshortest after ${small.runs} runs: ${planText(small.plan)}`);
  for (const fault of small.plan.faults) say(`  ${faultText(fault)}`);
  for (const step of small.plan.steps)
    say(`  ${(step.atMs / 1000).toFixed(3).padStart(9)} s  ${JSON.stringify({ ...step, atMs: undefined })}`);
  const again = await runPlan(small.plan, { trace: true });
  for (const line of again.trace.lines.slice(-TRACE_TAIL_LINES)) say(traceText(line));
  return false;
}

interface Ask {
  readonly seed: number;
  readonly level: FaultLevel | undefined;
  readonly size: Partial<SimSize>;
}

async function batch(options: SimOptions, runs: number): Promise<boolean> {
  const { from, minutes, workers, level, size, tolerate } = options;
  const summary = new BatchSummary();
  say(`seeds from ${from}`);
  const untilMs = wallMs() + minutes * 60_000;
  let next = from;
  const more = (): Ask | null =>
    next < from + runs && wallMs() < untilMs && summary.failed.length < FAILED_MAX
      ? { seed: next++, level, size }
      : null;
  const done = (run: RunSummary): void => {
    summary.add(run);
    const [first] = run.violations;
    if (first !== undefined) {
      const more = run.violations.length > 1 ? ` (and ${run.violations.length - 1} more)` : '';
      say(
        `seed ${run.seed} (${run.level}): ${first.invariant} at ${(first.atMs / 1000).toFixed(3)} s: ${first.detail}${more}`,
      );
    }
    if (summary.runs % 100 === 0) say(`... ${summary.runs} runs, ${summary.failed.length} failed`);
  };
  if (workers <= 1) {
    for (let ask = more(); ask !== null; ask = more())
      done(await runSeed(ask.seed, wallMs, ask.level, ask.size));
  } else {
    await Promise.all(Array.from({ length: workers }, () => work(more, done)));
  }
  say(summary.text());
  if (summary.failed.length === 0) return true;
  say(`open seeds: ${summary.failed.map((run) => `${run.seed} (${run.level})`).join(', ')}`);
  if (tolerate === 0) return false;
  const worst = summary.failed.filter((run) => NEVER.has(run.violations[0].invariant));
  return worst.length === 0 && summary.failed.length <= Math.max(TOLERATED_MIN, tolerate * summary.runs);
}

function work(more: () => Ask | null, done: (run: RunSummary) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    const go = (): void => {
      const ask = more();
      if (ask === null) void worker.terminate().then(() => resolve());
      else worker.postMessage(ask);
    };
    worker.on('message', (run: RunSummary) => {
      done(run);
      go();
    });
    worker.on('error', reject);
    go();
  });
}

async function main(): Promise<void> {
  let options: SimOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const { help, seed, runs, level, trace, shrinks, big, size } = options;
  if (help) return say(USAGE);
  let clean: boolean;
  if (big) clean = await one(makePlan(seed, level ?? 'combo', { ...BIG, ...size }), trace, false);
  else if (runs === undefined)
    clean = await one(makePlan(seed, level ?? levelOf(seed), size), trace, shrinks);
  else clean = await batch(options, runs);
  process.exitCode = clean ? 0 : 1;
}

if (isMainThread) await main();
else
  parentPort?.on(
    'message',
    (ask: Ask) =>
      void runSeed(ask.seed, wallMs, ask.level, ask.size).then((run) => parentPort?.postMessage(run)),
  );
