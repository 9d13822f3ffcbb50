/**
 * Benchmarks of a cluster of processes (`npm run bench:cluster`). Every scenario starts its own, with default settings.
 *
 *   npm run bench:cluster -- [--only failover,moves] [--list] [--results]
 *
 * `--results` puts the figures into bench/RESULTS.md, in place of those between its two marks; figures of scenarios that did not run stay.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { formatMarkdown, formatReport, isReached, type Report } from './harness/report.ts';
import { allData, failover, orphans } from './nodes/faults.ts';
import { moves } from './nodes/moves.ts';
import type { ClusterScenario } from './nodes/scenario.ts';
import { publishers500k, singles, table60 } from './nodes/sizes.ts';
import { lag, propagation, quiet } from './nodes/steady.ts';

const SCENARIOS: readonly ClusterScenario[] = [
  propagation,
  moves,
  failover,
  allData,
  orphans,
  lag,
  quiet,
  table60,
  singles,
  publishers500k,
];
const RESULTS = fileURLToPath(new URL('../RESULTS.md', import.meta.url));
const BEGIN = '<!-- figures of npm run bench:cluster, one block for each scenario -->';
const END = '<!-- end of them -->';

const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, list: { type: 'boolean' }, results: { type: 'boolean' } },
});

async function run({ name, title, limitMs, run: act }: ClusterScenario): Promise<Report> {
  const began = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`given up after ${limitMs} ms`)), limitMs);
  });
  try {
    const rows = await Promise.race([act(), late]);
    return { scenario: name, title, rows, elapsedMs: performance.now() - began };
  } catch (error) {
    const problem = `failed: ${error instanceof Error ? error.message : String(error)}`;
    return { scenario: name, title, rows: [], elapsedMs: performance.now() - began, problem };
  } finally {
    clearTimeout(timer);
  }
}

/** One table for each scenario, so that a single one can be measured again. */
function writeResults(reports: readonly Report[]): void {
  const text = readFileSync(RESULTS, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${RESULTS} has no marks for the figures`);
  const blocks = new Map<string, string>();
  for (const block of text.slice(from + BEGIN.length, to).split(/\n(?=### )/)) {
    const name = /\(`([\w-]+)`/.exec(block)?.[1];
    if (name !== undefined) blocks.set(name, block.trim());
  }
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  for (const report of reports) {
    const rows = formatMarkdown([report]).split('\n');
    const table = [rows[0], rows[1], ...rows.slice(3)].join('\n');
    const head = `### ${report.title} (\`${report.scenario}\`, ${date} UTC, load average ${loadavg()[1].toFixed(0)})`;
    blocks.set(report.scenario, `${head}\n\n${report.problem ?? table}`);
  }
  const ordered = SCENARIOS.map(({ name }) => blocks.get(name)).filter((block) => block !== undefined);
  writeFileSync(RESULTS, `${text.slice(0, from)}${BEGIN}\n\n${ordered.join('\n\n')}\n\n${text.slice(to)}`);
}

async function main(): Promise<void> {
  if (flags.list === true) {
    for (const { name, title } of SCENARIOS) console.log(`${name.padEnd(18)} ${title}`);
    return;
  }
  const only = flags.only?.split(',');
  const unknown = only?.find((name) => !SCENARIOS.some((each) => each.name === name));
  if (unknown !== undefined) throw new Error(`no scenario ${unknown}; --list names them`);
  const reports: Report[] = [];
  for (const scenario of SCENARIOS) {
    if (only !== undefined && !only.includes(scenario.name)) continue;
    const report = await run(scenario);
    console.log(formatReport(report));
    reports.push(report);
  }
  if (flags.results === true) writeResults(reports);
  const failed = reports.filter(({ problem }) => problem !== undefined).length;
  const missed = reports.flatMap(({ rows }) => rows).filter((row) => isReached(row) === false).length;
  console.log(`\n${missed} budgets missed, ${failed} scenarios without figures`);
  process.exit(failed > 0 ? 1 : 0);
}

await main();
