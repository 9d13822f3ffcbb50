/** `sofa-registry cluster`: several processes, cluster.json, a killed node started again by its command, one signal for all. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@sofa-registry/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from './waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CLI = join(ROOT, 'packages/server/src/cli.ts');

interface Node {
  readonly name: string;
  readonly role: string;
  readonly host: string;
  readonly port: number;
  readonly clientPort: number | null;
  readonly httpPort: number;
  readonly pid: number;
  readonly command: string;
}

let dir: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sofa-cluster-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  // Nodes end when the pipe to their parent ends; those started by hand are in `running`.
  if (existsSync(join(dir, 'cluster.json')))
    await eventually('all nodes have ended', () => nodes().every(({ pid }) => !alive(pid)));
  rmSync(dir, { recursive: true, force: true });
});

const nodes = (): Node[] =>
  (JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { nodes: Node[] }).nodes;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function cli(...args: string[]): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, ['--conditions=development', CLI, ...args], { cwd: ROOT });
  running.push(child);
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, out };
}

/** Start of twelve free ports in a row, below the range from which the system takes ports of outgoing connections. */
async function freeBase(): Promise<number> {
  for (let base = 20_000 + (process.pid % 500) * 20; ; base += 12) {
    const ports = Array.from({ length: 12 }, (_, i) => base + i);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function startCluster(): Promise<ChildProcess> {
  const base = await freeBase();
  const args = [
    'cluster',
    '--meta',
    '1',
    '--data',
    '3',
    '--session',
    '2',
    '--data-dir',
    dir,
    '--base-port',
    String(base),
    '--json',
  ];
  const child = spawn(process.execPath, ['--conditions=development', CLI, ...args], { cwd: ROOT });
  running.push(child);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  let ready = false;
  child.stdout.once('data', () => (ready = true));
  await eventually(
    'the cluster runs',
    () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${errors}`);
      return ready;
    },
    60_000,
  );
  return child;
}

it('runs, is described, survives a killed data node, and ends on one signal', async () => {
  const cluster = await startCluster();
  const all = nodes();
  expect(all.map(({ name }) => name)).toEqual([
    'meta-1',
    'data-1',
    'data-2',
    'data-3',
    'session-1',
    'session-2',
  ]);
  for (const node of all) {
    expect(alive(node.pid)).toBe(true);
    expect(node.clientPort).toBe(node.role === 'session' ? node.port : null);
    expect(node.command).toContain(`${node.role}.port=${node.port}`);
  }
  const session = all.find(({ role }) => role === 'session')!;
  const server = `${session.host}:${session.httpPort}`;
  const ready = await cli('status', '--wait-ready', '--timeout', '20', '--json', '--server', server);
  expect(ready.code).toBe(0);
  expect(JSON.parse(ready.out)).toMatchObject({ ready: true, nodes: { length: 6 } });

  const client = await connect({ servers: [server], app: 'e2e' });
  const ids = Array.from({ length: 40 }, (_, i) => `cluster.service.${i}`);
  await Promise.all(ids.map((dataId) => client.publish({ dataId }, dataId)));
  const fewest = new Map<string, number>();
  const subscriptions = ids.map((dataId) =>
    client.subscribe({ dataId, scope: 'global' }, (list) => {
      if (list.all.length > 0 || fewest.has(dataId))
        fewest.set(dataId, Math.min(fewest.get(dataId) ?? 1, list.all.length));
    }),
  );
  await eventually('all lists are complete', () =>
    subscriptions.every(({ current }) => current?.all.length === 1),
  );

  const doomed = all.find(({ name }) => name === 'data-2')!;
  process.kill(doomed.pid, 'SIGKILL');
  await eventually(
    'the node is gone from the list',
    async () => !(await cli('status', '--server', server)).out.includes(`${doomed.host}:${doomed.port}`),
    15_000,
  );
  const late = await client.publish({ dataId: ids[0] }, 'late');
  await eventually('writes go on', () => subscriptions[0].current?.all.length === 2);
  await late.close();

  const again = spawn(doomed.command, { shell: true, cwd: ROOT, stdio: 'ignore', detached: true });
  running.push(again);
  await eventually(
    'it takes part again',
    async () => {
      const { out } = await cli('status', '--json', '--server', server);
      return (JSON.parse(out) as { nodes: { address: string; ready: boolean }[] }).nodes.some(
        ({ address, ready: is }) => is && address === `${doomed.host}:${doomed.port}`,
      );
    },
    20_000,
  );
  expect([...fewest.values()].every((count) => count >= 1)).toBe(true);
  await client.close();

  cluster.kill('SIGINT');
  const [code] = (await once(cluster, 'exit')) as [number];
  expect(code).toBe(0);
  expect(all.filter(({ pid, name }) => name !== 'data-2' && alive(pid))).toEqual([]);
  process.kill(-again.pid!, 'SIGKILL');
});

it('a node that cannot start ends the whole cluster with its reason', async () => {
  const base = await freeBase();
  const taken = createServer().listen(base + 3, '127.0.0.1');
  await once(taken, 'listening');
  const { code, out } = await cli(
    'cluster',
    '--data',
    '2',
    '--session',
    '1',
    '--data-dir',
    dir,
    '--base-port',
    String(base),
  );
  taken.close();
  expect(code).toBe(1);
  expect(out).toContain('data-1 ended while it started');
  expect(readFileSync(join(dir, 'logs', 'data-1.log'), 'utf8')).toContain(`port ${base + 3} is in use`);
});

it('nodes do not outlive a killed parent', async () => {
  const cluster = await startCluster();
  const pids = nodes().map(({ pid }) => pid);
  cluster.kill('SIGKILL');
  await eventually('all nodes have ended', () => pids.every((pid) => !alive(pid)), 30_000);
});
