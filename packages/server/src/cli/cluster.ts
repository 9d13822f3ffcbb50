/** `sofa-registry cluster`: several processes on this machine, for development and tests. */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress } from '@sofa-registry/model';
import { ServerError } from '../errors.ts';
import { type ClusterFlags, type ClusterNode, planCluster } from './cluster-plan.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import { tlsPeer, useCredentials } from './credentials.ts';
import { ask } from './http-client.ts';
import { table } from './table.ts';

const READY_MS = 60_000;
const POLL_MS = 50;

/**
 * Starts the processes, writes `cluster.json`, and stops everything on one Ctrl-C: also nodes that were started again with their
 * recorded command. It starts nothing again itself, and runs on when all nodes have ended.
 */
export async function cluster(flags: ClusterFlags): Promise<void> {
  const dir = resolve(flags.dataDir ?? join(tmpdir(), `sofa-registry-cluster-${process.pid}`));
  mkdirSync(join(dir, 'logs'), { recursive: true });
  const nodes = await planCluster(flags, dir);
  const processes = new ClusterProcesses(dir, nodes);
  useCredentials({ tlsCa: setOf(flags, 'tls.caFile'), tlsName: setOf(flags, 'tls.peerName') }, '');
  const stopping = stopOnSignal(processes);
  try {
    await allReady(processes, nodes, stopping);
  } catch (error) {
    await processes.stop();
    throw error;
  }
  if (stopping.aborted) return;
  await report(flags, dir, nodes);
  processes.watch();
}

/** The first signal stops, a second one kills. */
function stopOnSignal(processes: ClusterProcesses): AbortSignal {
  const stopping = new AbortController();
  const onSignal = (): void => {
    if (stopping.signal.aborted) {
      processes.kill();
      process.exit(130);
    }
    stopping.abort();
    process.stderr.write('\nstopping the cluster; once more kills it\n');
    void processes.stop().then(() => process.exit(0));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stopping.signal;
}

/** Value of a `--set`; undefined if there is none. */
function setOf(flags: ClusterFlags, key: string): string | undefined {
  return flags.set.findLast((set) => set.startsWith(`${key}=`))?.slice(key.length + 1);
}

async function allReady(
  processes: ClusterProcesses,
  nodes: readonly ClusterNode[],
  stopping: AbortSignal,
): Promise<void> {
  const until = performance.now() + READY_MS;
  for (const node of nodes) {
    while (!(await isReady(node))) {
      if (stopping.aborted) return;
      if (!processes.lives(node))
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

async function isReady({ host, httpPort }: ClusterNode): Promise<boolean> {
  try {
    await ask(formatAddress(host, httpPort), '/health/ready');
    return true;
  } catch {
    return false;
  }
}

async function report(flags: ClusterFlags, dir: string, nodes: readonly ClusterNode[]): Promise<void> {
  const file = join(dir, 'cluster.json');
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ file, nodes })}\n`);
    return;
  }
  const scheme = (await tlsPeer()) === null ? 'http' : 'https';
  const rows = nodes.map(({ name, host, port, httpPort }) => [
    name,
    `${host}:${port}`,
    `${scheme}://${host}:${httpPort}`,
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
