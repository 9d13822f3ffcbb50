/**
 * Benchmarks of a whole registry over real sockets (`npm run bench`). Each scenario gets a fresh all-in-one server in a
 * process of its own, or the running one that `--target` names. CPU is the server's own, from /proc, so the figures mean
 * something on a noisy machine.
 *
 *   npm run bench -- [--only fanout,publish] [--json FILE] [--markdown FILE] [--set key=value]... [--node=--v8-option]...
 *                    [--cpu-prof DIR]
 *   npm run bench -- --target host:9600 --http host:9603 --pid 4711
 */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { formatMarkdown, formatReport, isReached, type Report } from './harness/report.ts';
import { Context, type Row, type Scenario, startTarget, type Target } from './harness/scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    markdown: { type: 'string' },
    target: { type: 'string' },
    http: { type: 'string' },
    pid: { type: 'string' },
    set: { type: 'string', multiple: true },
    node: { type: 'string', multiple: true },
    'cpu-prof': { type: 'string' },
    list: { type: 'boolean' },
  },
});

function chosen(): readonly Scenario[] {
  if (flags.only === undefined) return SCENARIOS;
  return flags.only.split(',').map((name) => {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name);
    if (scenario === undefined) {
      throw new Error(`no scenario ${name}; there are: ${SCENARIOS.map((each) => each.name).join(', ')}`);
    }
    return scenario;
  });
}

function runningTarget(): Target | null {
  if (flags.target === undefined) return null;
  const [host, port] = flags.target.split(':');
  const httpPort = Number((flags.http ?? `${host}:9603`).split(':')[1]);
  return { host, port: Number(port), httpPort, pid: Number(flags.pid ?? 0), process: null };
}

function withLimit(rows: Promise<Row[]>, limitMs: number): Promise<Row[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`given up after ${limitMs} ms`)), limitMs);
  });
  return Promise.race([rows, late]).finally(() => clearTimeout(timer));
}

async function runScenario(scenario: Scenario, running: Target | null): Promise<Report> {
  const { name, title } = scenario;
  const began = performance.now();
  const report = (rows: readonly Row[], problem?: string): Report => ({
    scenario: name,
    title,
    rows,
    elapsedMs: performance.now() - began,
    problem,
  });
  if (running !== null && scenario.ownServer) return report([], 'left out: it needs a server of its own');
  const profile = flags['cpu-prof'];
  const nodeOptions = [
    ...(scenario.nodeOptions ?? []),
    ...(flags.node ?? []),
    ...(profile === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}.cpuprofile`]),
  ];
  let target = running;
  try {
    target ??= await startTarget(nodeOptions, [...(scenario.sets ?? []), ...(flags.set ?? [])]);
    return report(await withLimit(scenario.run(new Context(target)), scenario.limitMs));
  } catch (error) {
    const exited =
      target?.process?.exited === true ? `\nserver ended:\n${target.process.output.slice(-2000)}` : '';
    return report([], `failed: ${String((error as Error).message)}${exited}`);
  } finally {
    if (running === null) await target?.process?.stop();
  }
}

async function main(): Promise<void> {
  if (flags.list === true) {
    for (const { name, title } of SCENARIOS) console.log(`${name.padEnd(20)} ${title}`);
    return;
  }
  const running = runningTarget();
  const machine = {
    date: new Date().toISOString(),
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    target: flags.target ?? 'a fresh all-in-one server per scenario, --memory',
  };
  console.log(
    `${machine.date}  ${machine.cpu}, ${machine.memoryGb} GB, Node ${machine.node}\n${machine.target}`,
  );
  const reports: Report[] = [];
  for (const scenario of chosen()) {
    const report = await runScenario(scenario, running);
    console.log(formatReport(report));
    reports.push(report);
  }
  if (flags.json !== undefined) {
    writeFileSync(flags.json, `${JSON.stringify({ machine, reports }, null, 2)}\n`);
  }
  if (flags.markdown !== undefined) writeFileSync(flags.markdown, `${formatMarkdown(reports)}\n`);
  const rows = reports.flatMap((report) => report.rows);
  const missed = rows.filter((row) => isReached(row) === false).length;
  const reached = rows.filter((row) => isReached(row) === true).length;
  console.log(
    `\n${reached} budgets reached, ${missed} missed, ${reports.filter((r) => r.problem).length} scenarios without figures`,
  );
  process.exit(reports.some((report) => report.problem?.startsWith('failed') === true) ? 1 : 0);
}

await main();
