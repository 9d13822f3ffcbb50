/**
 * The demo: three provider processes and a consumer process that know nothing but the registry. One provider is killed, one
 * added, one republished; after each the demo tells how long it took until the consumer knew. About 20 s; exit code 1 if
 * anything was not as expected. Starts a registry if none answers.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  type FromConsumer,
  type FromProvider,
  nowMs,
  type Row,
  SERVER,
  type ToProvider,
} from './messages.ts';
import { endChild, registryAnswers, startExample, startRegistry } from './processes.ts';
import { endTable, say, showTable } from './screen.ts';

/** Time to look at the table after each step. */
const LOOK_MS = 3000;
/** Longest time for everybody to be there at the start. */
const START_MS = 8000;
/** Until the consumer knows of a publish or a republish. Generous: machines are busy; the figure is what counts. */
const CHANGE_MS_MAX = 1000;
/** Until the consumer knows of a kill: the registry's grace for closed connections (500 ms), and some. */
const KILL_MS_MAX = 2000;

type List = Extract<FromConsumer, { type: 'list' }>;

const group = `demo-${process.pid}`;
const children: ChildProcess[] = [];
const failures: string[] = [];
let stopped = false;

/** The consumer's lists, newest last, and who waits for one. */
const lists: List[] = [];
let rows: readonly Row[] = [];
let wake: () => void = () => undefined;

function expectThat(ok: boolean, text: string): void {
  if (!ok) failures.push(text);
  say(`${ok ? 'ok  ' : 'FAIL'} ${text}`);
}

/** Ends the play when the demo was interrupted meanwhile. */
function checkGoingOn(): void {
  if (stopped) throw new Error('interrupted');
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  checkGoingOn();
}

/** Waits until something holds; checked whenever the consumer tells something. */
async function until(holds: () => boolean, withinMs: number): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  while (!holds()) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return false;
    const timer = setTimeout(() => wake(), leftMs);
    await new Promise<void>((resolve) => (wake = resolve));
    clearTimeout(timer);
    checkGoingOn();
  }
  return true;
}

function startConsumer(): void {
  const child = startExample('consumer.ts', [group]);
  children.push(child);
  child.on('message', (message: FromConsumer) => {
    if (message.type === 'list') lists.push(message);
    else {
      rows = message.rows;
      showTable(rows, message.listAgeMs, message.state);
    }
    wake();
  });
}

async function startProvider(name: string): Promise<{ child: ChildProcess; url: string; atMs: number }> {
  checkGoingOn();
  const child = startExample('provider.ts', [name, group]);
  children.push(child);
  const exited = once(child, 'exit').then(() => {
    throw new Error(`provider ${name} ended`);
  });
  exited.catch(() => undefined);
  const [message] = (await Promise.race([once(child, 'message'), exited])) as [FromProvider];
  return { child, url: message.url, atMs: message.atMs };
}

/** Tells how long after `atMs` the consumer had a list that fits. */
async function reportDelay(
  what: string,
  atMs: number,
  maxMs: number,
  fits: (list: List) => boolean,
): Promise<void> {
  const find = (): List | undefined => lists.find((list) => list.atMs >= atMs && fits(list));
  await until(() => find() !== undefined, maxMs + 3000);
  const found = find();
  if (found === undefined) {
    expectThat(false, `${what}: the consumer never knew`);
    return;
  }
  const delayMs = found.atMs - atMs;
  expectThat(delayMs <= maxMs, `${what}: the consumer knew after ${delayMs.toFixed(1)} ms`);
}

async function play(): Promise<void> {
  startConsumer();
  const [, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map(startProvider));
  const all = await until(() => rows.length === 3 && rows.every((row) => row.answers > 0), START_MS);
  expectThat(all, 'three providers registered; the consumer found and called them');
  await pause(LOOK_MS);

  say('---- killing bob (SIGKILL)');
  const killedMs = nowMs();
  bob.child.kill('SIGKILL');
  await reportDelay('bob killed', killedMs, KILL_MS_MAX, (list) => !list.urls.includes(bob.url));
  await pause(LOOK_MS);

  say('---- adding dave');
  const dave = await startProvider('dave');
  await reportDelay('dave added', dave.atMs, CHANGE_MS_MAX, (list) => list.urls.includes(dave.url));
  await pause(LOOK_MS);

  say('---- carol publishes another weight');
  const message: ToProvider = { type: 'republish' };
  carol.child.send(message);
  const [again] = (await once(carol.child, 'message')) as [FromProvider];
  await reportDelay('carol republished', again.atMs, CHANGE_MS_MAX, (list) => list.urls.includes(again.url));
  await pause(LOOK_MS);

  const answering = rows.filter((row) => row.last !== 'no answer').map((row) => row.name);
  const names = answering.sort().join(', ');
  expectThat(names === 'alice, carol, dave', `at the end alice, carol and dave answer (${names})`);
}

async function main(): Promise<void> {
  let registry: ChildProcess | null = null;
  if (await registryAnswers()) say(`using the registry on ${SERVER}`);
  else {
    const startMs = performance.now();
    registry = await startRegistry();
    say(
      `no registry on ${SERVER}: started one (healthy after ${Math.round(performance.now() - startMs)} ms)`,
    );
  }
  try {
    await Promise.race([play(), interrupted]);
  } finally {
    stopped = true;
    wake();
    endTable();
    await Promise.all(children.map(endChild));
    if (registry !== null) {
      const code = await endChild(registry);
      expectThat(code === 0, `the registry stopped when asked to (exit ${code})`);
    }
  }
}

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)));
});
interrupted.catch(() => undefined);

try {
  await main();
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error));
}
for (const failure of failures) console.error(`demo failed: ${failure}`);
if (failures.length === 0) console.log('demo: everything as expected');
process.exitCode = failures.length === 0 ? 0 : 1;
