/**
 * The processes of a development cluster: this command's children, and those somebody started again with the recorded command after a
 * kill. `cluster.json` always tells which run.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress } from '@sofa-registry/model';
import { startChild } from './child-node.ts';
import type { ClusterNode } from './cluster-plan.ts';
import { statusOf } from './http-client.ts';

const STOP_MS = 30_000;
/** How often nodes that ended are looked for, and those started again are looked after. */
const WATCH_MS = 200;
const STOP_POLL_MS = 20;

/** One node and the process that is it now. */
interface Running {
  readonly node: ClusterNode;
  /** The child that was it first. */
  readonly child: ChildProcess;
  /** Null while none runs. */
  pid: number | null;
}

/** See above. */
export class ClusterProcesses {
  readonly #dir: string;
  readonly #running: Running[];
  #stopping = false;
  #watching = false;

  /** Starts all nodes and writes `cluster.json`. */
  constructor(dir: string, nodes: readonly ClusterNode[]) {
    this.#dir = dir;
    this.#running = nodes.map((node) => this.#start(node));
    this.#write();
  }

  /** From now on nodes that end may be started again by anybody. Keeps this process alive until {@link stop}. */
  watch(): void {
    const timer = setInterval(() => {
      if (this.#stopping) clearInterval(timer);
      else if (!this.#watching) void this.#look();
    }, WATCH_MS);
  }

  /** True until the first child of this node ended. */
  lives(node: ClusterNode): boolean {
    const { child } = this.#of(node);
    return child.exitCode === null && child.signalCode === null;
  }

  /** Ends all: sessions first, metas last. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const role of ['session', 'data', 'meta']) {
      const group = this.#running.filter(({ node }) => node.role === role);
      for (const { pid } of group) signal(pid, 'SIGTERM');
      const until = performance.now() + STOP_MS;
      while (performance.now() < until && group.some(({ pid }) => isAlive(pid))) await sleep(STOP_POLL_MS);
      for (const { pid } of group) signal(pid, 'SIGKILL');
    }
  }

  /** Ends all at once. */
  kill(): void {
    for (const { pid } of this.#running) signal(pid, 'SIGKILL');
  }

  #of(node: ClusterNode): Running {
    return this.#running.find((running) => running.node === node) as Running;
  }

  #start(node: ClusterNode): Running {
    const log = openSync(this.#log(node), 'a');
    const child = startChild(node.command, log, log);
    closeSync(log);
    const running: Running = { node, child, pid: child.pid ?? null };
    child.once('error', (error) => say(`${node.name} did not start: ${error.message}`));
    child.once('exit', (code, signalName) => {
      running.pid = null;
      if (this.#stopping) return;
      say(`${node.name} ended (${signalName ?? `code ${code}`}); its log: ${this.#log(node)}`);
      say(`  start it again: ${shellCommand(node.command)}`);
      this.#write();
    });
    return running;
  }

  #log({ name }: ClusterNode): string {
    return join(this.#dir, 'logs', `${name}.log`);
  }

  /** Finds nodes that were started again, and those of them that have ended. */
  async #look(): Promise<void> {
    this.#watching = true;
    let changed = false;
    for (const running of this.#running) {
      const { node, pid } = running;
      if (isAlive(pid)) continue;
      running.pid = await pidOf(node);
      if (running.pid === pid) continue;
      changed = true;
      say(running.pid === null ? `${node.name} ended` : `${node.name} runs again, pid ${running.pid}`);
    }
    this.#watching = false;
    if (changed && !this.#stopping) this.#write();
  }

  /** What tests and people read: for every node its name, role, ports, pid, and the command that starts it again. */
  #write(): void {
    const nodes = this.#running.map(({ node, pid }) => ({
      name: node.name,
      role: node.role,
      host: node.host,
      port: node.port,
      clientPort: node.role === 'session' ? node.port : null,
      httpPort: node.httpPort,
      pid,
      log: this.#log(node),
      dataDir: node.dataDir,
      command: shellCommand(node.command),
      argv: node.command,
    }));
    const file = join(this.#dir, 'cluster.json');
    writeFileSync(`${file}.new`, `${JSON.stringify({ pid: process.pid, nodes }, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  }
}

/** Process id of the node that answers on these ports, or null. */
async function pidOf({ role, host, port, httpPort }: ClusterNode): Promise<number | null> {
  const status = await statusOf(formatAddress(host, httpPort));
  return status?.role === role && status.address === formatAddress(host, port) ? status.pid : null;
}

function isAlive(pid: number | null): boolean {
  return signal(pid, 0);
}

/** False if there is no such process any more. */
function signal(pid: number | null, name: NodeJS.Signals | 0): boolean {
  if (pid === null) return false;
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function shellCommand(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
