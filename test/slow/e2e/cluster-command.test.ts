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
const CLI = join(ROOT, 'packages/server/src/cli.js');

interface Node {
  readonly name: string;
  readonly role: string;
  readonly host: string;
  readonly port: number;
  readonly clientPort: number | null;
  readonly httpPort: number;
  /** Null while none runs. */
  readonly pid: number | null;
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
  if (existsSync(join(dir, 'cluster.json'))) {
    const pids = nodes().flatMap(({ pid }) => (pid !== null && alive(pid) ? [pid] : []));
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await eventually('all nodes have ended', () => !pids.some(alive));
  }
  rmSync(dir, { recursive: true, force: true });
});

const nodes = (): Node[] =>
  (JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { nodes: Node[] }).nodes;

function alive(pid: number | null): boolean {
  if (pid === null) return false;
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
  process.kill(doomed.pid!, 'SIGKILL');
  await eventually(
    'the node is gone from the list',
    async () => !(await cli('status', '--server', server)).out.includes(`${doomed.host}:${doomed.port}`),
    15_000,
  );
  const late = await client.publish({ dataId: ids[0] }, 'late');
  await eventually('writes go on', () => subscriptions[0].current?.all.length === 2);
  await late.close();

  running.push(spawn(`exec ${doomed.command}`, { shell: true, cwd: ROOT, stdio: 'ignore' }));
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

  const last = nodes();
  cluster.kill('SIGINT');
  const [code] = (await once(cluster, 'exit')) as [number];
  expect(code).toBe(0);
  expect([...all, ...last].filter(({ pid }) => alive(pid))).toEqual([]);
});

/** Kills nodes and starts them again with the commands of cluster.json, from another directory. @returns their new pids by name */
async function replace(doomed: readonly Node[]): Promise<Map<string, number>> {
  for (const { pid } of doomed) process.kill(pid!, 'SIGKILL');
  const gone = (): boolean =>
    nodes().every(({ name, pid }) => pid === null || !doomed.some((d) => d.name === name));
  await eventually('cluster.json names no dead process', gone);
  const pids = new Map<string, number>();
  for (const { name, command } of doomed) {
    const child = spawn(`exec ${command}`, { shell: true, cwd: dir, stdio: 'ignore' });
    running.push(child);
    pids.set(name, child.pid!);
  }
  return pids;
}

it('goes on when every node was killed and started again by its command, knows the new pids, and stops them too', async () => {
  const cluster = await startCluster();
  const before = nodes();
  const [meta, ...others] = before;
  const pids = new Map([...(await replace(others)), ...(await replace([meta]))]);
  await eventually(
    'cluster.json names the new processes',
    () => nodes().every(({ name, pid }) => pid === pids.get(name)),
    30_000,
  );
  expect(nodes()).toEqual(before.map((node) => ({ ...node, pid: pids.get(node.name) })));
  const server = `${meta.host}:${meta.httpPort}`;
  expect((await cli('status', '--wait-ready', '--timeout', '30', '--server', server)).code).toBe(0);

  // One that was started again may be killed again.
  const data = nodes().find(({ name }) => name === 'data-1')!;
  const [[, second]] = await replace([data]);
  await eventually(
    'cluster.json names the third process',
    () => nodes().find(({ name }) => name === 'data-1')!.pid === second,
    30_000,
  );

  expect(cluster.exitCode).toBe(null);
  const last = nodes();
  cluster.kill('SIGINT');
  const [code] = (await once(cluster, 'exit')) as [number];
  expect(code).toBe(0);
  expect(last.filter(({ pid }) => alive(pid))).toEqual([]);
});

it('status --wait-ready through a meta that has just started again waits for all nodes', async () => {
  await startCluster();
  const meta = nodes().find(({ role }) => role === 'meta')!;
  await replace([meta]);
  const server = `${meta.host}:${meta.httpPort}`;
  await eventually(
    'the meta answers',
    async () => (await fetch(`http://${server}/registry/v1/status`)).ok,
    20_000,
  );
  const { code, out } = await cli('status', '--wait-ready', '--timeout', '30', '--json', '--server', server);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ ready: true, waitingFor: '', nodes: { length: 6 } });
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
