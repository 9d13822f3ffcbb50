/** `sofa-registry cluster`: several processes on this machine, for development and tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerError } from '../errors.ts';
import { type ClusterFlags, type ClusterNode, planCluster } from './cluster-plan.ts';
import { table } from './table.ts';

const READY_MS = 60_000;
const POLL_MS = 50;
const STOP_MS = 30_000;

interface Running {
  readonly node: ClusterNode;
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
}

/** Starts the processes, writes `cluster.json`, and stops everything on one Ctrl-C. */
export async function cluster(flags: ClusterFlags): Promise<void> {
  const dir = resolve(flags.dataDir ?? join(tmpdir(), `sofa-registry-cluster-${process.pid}`));
  mkdirSync(join(dir, 'logs'), { recursive: true });
  const nodes = await planCluster(flags, dir);
  const running: Running[] = [];
  const stopped = stopOnSignal(running);
  for (const node of nodes) running.push(run(node, dir));
  writeClusterFile(dir, running);
  try {
    await Promise.race([allReady(running), stopped]);
  } catch (error) {
    stopping = true;
    await stopInOrder(running);
    throw error;
  }
  report(flags, dir, nodes);
  await stopped;
}

function run(node: ClusterNode, dir: string): Running {
  const log = openSync(join(dir, 'logs', `${node.name}.log`), 'a');
  const [program, ...args] = node.command;
  // Its own process group: a Ctrl-C reaches the parent alone, which stops the nodes in order. The pipe ends with the parent.
  const child = spawn(program, [...args, '--until-stdin-ends'], {
    stdio: ['pipe', log, log],
    detached: true,
  });
  closeSync(log);
  const exited = new Promise<void>((done) => {
    child.once('error', (error) => {
      process.stderr.write(`${node.name} did not start: ${error.message}\n`);
      done();
    });
    child.once('exit', (code, signal) => {
      if (!stopping) {
        const how = signal ?? `code ${code}`;
        process.stderr.write(
          `${node.name} ended (${how}); its log: ${join(dir, 'logs', `${node.name}.log`)}\n`,
        );
        process.stderr.write(`  start it again: ${shellCommand(node.command)}\n`);
      }
      done();
    });
  });
  return { node, child, exited };
}

let stopping = false;

/** Sessions leave first, metas last. A second signal kills. */
function stopOnSignal(running: readonly Running[]): Promise<void> {
  return new Promise((done) => {
    const onSignal = (): void => {
      if (stopping) {
        for (const { child } of running) child.kill('SIGKILL');
        process.exit(130);
      }
      stopping = true;
      process.stderr.write('\nstopping the cluster; once more kills it\n');
      void stopInOrder(running).then(() => {
        done();
        process.exit(0);
      });
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

async function stopInOrder(running: readonly Running[]): Promise<void> {
  for (const role of ['session', 'data', 'meta']) {
    const group = running.filter(({ node }) => node.role === role);
    for (const { child } of group) child.kill('SIGTERM');
    const late = sleep(STOP_MS, undefined, { ref: false });
    await Promise.race([Promise.all(group.map(({ exited }) => exited)), late]);
    for (const { child } of group)
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}

/** What tests and people read: for every node its name, role, ports, pid, and the command that starts it again. */
function writeClusterFile(dir: string, running: readonly Running[]): void {
  const nodes = running.map(({ node, child }) => ({
    name: node.name,
    role: node.role,
    host: node.host,
    port: node.port,
    clientPort: node.role === 'session' ? node.port : null,
    httpPort: node.httpPort,
    pid: child.pid ?? null,
    log: join(dir, 'logs', `${node.name}.log`),
    dataDir: node.dataDir,
    command: shellCommand(node.command),
    argv: node.command,
  }));
  const file = join(dir, 'cluster.json');
  writeFileSync(`${file}.new`, `${JSON.stringify({ pid: process.pid, nodes }, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

async function allReady(running: readonly Running[]): Promise<void> {
  const until = performance.now() + READY_MS;
  for (const { node, child } of running) {
    while (!(await isReady(node))) {
      if (stopping) return;
      if (child.exitCode !== null)
        throw new ServerError('SR_START_FAILED', `${node.name} ended while it started; see its log`);
      if (performance.now() > until)
        throw new ServerError(
          'SR_START_FAILED',
          `${node.name} is not ready after ${READY_MS} ms; see its log`,
        );
      await sleep(POLL_MS);
    }
  }
}

async function isReady(node: ClusterNode): Promise<boolean> {
  try {
    const answer = await fetch(`http://${node.host}:${node.httpPort}/health/ready`, {
      signal: AbortSignal.timeout(1000),
    });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

function report(flags: ClusterFlags, dir: string, nodes: readonly ClusterNode[]): void {
  if (stopping) return;
  const file = join(dir, 'cluster.json');
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ file, nodes })}\n`);
    return;
  }
  const rows = nodes.map(({ name, host, port, httpPort }) => [
    name,
    `${host}:${port}`,
    `http://${host}:${httpPort}`,
  ]);
  process.stdout.write(table(['node', 'address', 'http'], rows));
  const session = nodes.find(({ role }) => role === 'session');
  process.stdout.write(`\npids and restart commands: ${file}\nlogs: ${join(dir, 'logs')}\n`);
  if (session !== undefined) {
    process.stdout.write(
      `next: npm run sofa-registry -- status --server ${session.host}:${session.httpPort}\nCtrl-C stops all\n`,
    );
  }
}

function shellCommand(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
