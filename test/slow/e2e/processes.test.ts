/** `start --processes N`: several processes of a role on one host, as an operator and the cluster see them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from '@sofa-registry/client';
import { afterEach, expect, it } from 'vitest';
import { freePorts } from '../../../bench/src/harness/registry-process.ts';
import { eventually } from './waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CLI = join(ROOT, 'packages/server/src/cli.js');
const STEP = 10;
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

interface Run {
  readonly child: ChildProcess;
  /** Complete lines of both streams. */
  readonly lines: () => string[];
  readonly ended: Promise<number | string>;
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, ['--conditions=development', CLI, 'start', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, lines: () => out.split('\n').filter((line) => line !== ''), ended };
}

interface Status {
  readonly role: string;
  readonly address: string;
  readonly pid: number;
  readonly ready: boolean;
  readonly members: readonly { readonly role: string; readonly address: string }[];
}

async function statusOf(httpPort: number): Promise<Status | null> {
  try {
    return (await (await fetch(`http://127.0.0.1:${httpPort}/registry/v1/status`)).json()) as Status;
  } catch {
    return null;
  }
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A port from which `count` ports in steps of {@link STEP} are free, with those right above them; below those of outgoing connections. */
async function freeRow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = 20_000 + Math.floor(Math.random() * 10_000);
    const wanted = Array.from({ length: count }, (_, i) => [base + i * STEP, base + i * STEP + 1]).flat();
    const servers = wanted.map((port) => createServer().listen(port, '127.0.0.1'));
    const free = await Promise.all(
      servers.map((server) =>
        Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]),
      ),
    );
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no row of free ports');
}

async function startMeta(): Promise<{ metas: string; http: number }> {
  const [port, http] = await freePorts(2);
  run('--roles', 'meta', '--memory', '--port', String(port), '--http-port', String(http));
  await eventually('meta leads', async () => (await statusOf(http))?.ready === true, 20_000);
  return { metas: `127.0.0.1:${port}`, http };
}

async function startRole(
  role: 'data' | 'session',
  metas: string,
  processes: number,
): Promise<Run & { https: number[]; addresses: string[] }> {
  const base = await freeRow(processes);
  const flags = ['--port', String(base), '--http-port', String(base + 1), '--metas', metas];
  const started = run(
    '--roles',
    role,
    '--processes',
    String(processes),
    '--set',
    `processPortStep=${STEP}`,
    ...flags,
  );
  const https = Array.from({ length: processes }, (_, i) => base + 1 + i * STEP);
  const addresses = https.map((http) => `127.0.0.1:${http - 1}`);
  return { ...started, https, addresses };
}

const ready = (https: readonly number[]): Promise<unknown> =>
  eventually(
    'all are ready',
    async () => (await Promise.all(https.map(statusOf))).every((s) => s?.ready === true),
    30_000,
  );

it('each process is a member of its own, comes back when it is killed, and all end on one signal with 0', async () => {
  const meta = await startMeta();
  const data = await startRole('data', meta.metas, 2);
  const sessions = await startRole('session', meta.metas, 2);
  await ready([...data.https, ...sessions.https]);
  const members = (await statusOf(meta.http))!.members;
  const of = (role: string): string[] => members.filter((m) => m.role === role).map((m) => m.address);
  expect(new Set(of('session'))).toEqual(new Set(sessions.addresses));
  expect(new Set(of('data'))).toEqual(new Set(data.addresses));

  const client = await connect({
    servers: sessions.https.map((http) => `127.0.0.1:${http}`),
    app: 'processes',
  });
  await client.publish({ dataId: 'p:1' }, 'http://10.0.0.1:1');
  const list = client.subscribe({ dataId: 'p:1' });
  await eventually('the list is there', () => list.current?.all.length === 1);

  for (const { https, lines } of [data, sessions]) {
    const { pid } = (await statusOf(https[1]))!;
    process.kill(pid, 'SIGKILL');
    await eventually(
      'another process has its ports',
      async () => {
        const again = await statusOf(https[1]);
        return again?.ready === true && again.pid !== pid;
      },
      30_000,
    );
    const said = lines().find((line) => line.includes('a process ended and starts again'));
    expect(JSON.parse(said!)).toMatchObject({ process: 'supervisor', how: 'SIGKILL' });
  }
  await eventually('the list is whole', () => list.current?.all.length === 1);
  const pids = await Promise.all(
    [...sessions.https, ...data.https].map(async (http) => (await statusOf(http))!.pid),
  );
  await client.close();

  for (const { child, ended } of [sessions, data]) {
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }
  expect(pids.filter(alive)).toEqual([]);
  for (const line of sessions.lines()) {
    const named = line.startsWith('{')
      ? (JSON.parse(line) as { process?: string }).process
      : line.split(': ')[0];
    expect(['session-1', 'session-2', 'supervisor'], line).toContain(named);
  }
  const left = async (): Promise<boolean> =>
    (await statusOf(meta.http))!.members.every(({ role }) => role === 'meta');
  await eventually('all have left', left);
});

it('a host of two sessions that stops hands its clients to another, and no list shrinks', async () => {
  const meta = await startMeta();
  const data = await startRole('data', meta.metas, 2);
  const stays = await startRole('session', meta.metas, 2);
  const goes = await startRole('session', meta.metas, 2);
  const https = [...stays.https, ...goes.https];
  await ready([...data.https, ...https]);
  const servers = https.map((http) => `127.0.0.1:${http}`);
  const clients = await Promise.all(
    Array.from({ length: 24 }, (_, i) => connect({ servers, app: `app-${i}` })),
  );
  await Promise.all(
    clients.map((client, i) => client.publish({ dataId: 'moves:1' }, `http://10.0.0.1:${i}`)),
  );
  const lists = clients.map((client) => client.subscribe({ dataId: 'moves:1' }));
  await eventually(
    'all lists are whole',
    () => lists.every((list) => list.current?.all.length === 24),
    20_000,
  );
  const connections = async (http: number): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${http}/registry/v1/status`);
    return ((await answer.json()) as { detail: { connections: number } }).detail.connections;
  };
  expect(await connections(goes.https[0])).toBeGreaterThan(0);
  expect(await connections(goes.https[1])).toBeGreaterThan(0);

  let least = 24;
  const look = setInterval(() => {
    for (const list of lists) least = Math.min(least, list.current?.all.length ?? 0);
  }, 2);
  goes.child.kill('SIGTERM');
  expect(await goes.ended).toBe(0);
  const all = async (): Promise<boolean> =>
    (await connections(stays.https[0])) + (await connections(stays.https[1])) === 24;
  await eventually('all are with those that stay', all);
  clearInterval(look);
  expect(least).toBe(24);
  await Promise.all(clients.map((client) => client.close()));
});

it('a process that cannot start ends all of them, with its reason and code 1', async () => {
  const meta = await startMeta();
  const base = await freeRow(2);
  const taken = createServer().listen(base + STEP, '127.0.0.1');
  await once(taken, 'listening');
  const flags = ['--port', String(base), '--http-port', String(base + 1), '--metas', meta.metas];
  const started = run('--roles', 'data', '--processes', '2', '--set', `processPortStep=${STEP}`, ...flags);
  expect(await started.ended).toBe(1);
  taken.close();
  expect(started.lines().find((line) => line.startsWith('data-2: '))).toMatch(
    new RegExp(`port ${base + STEP} .*in use`),
  );
  expect(await statusOf(base + 1)).toBe(null);
});

it('children of a killed supervisor end by themselves', async () => {
  const meta = await startMeta();
  const sessions = await startRole('session', meta.metas, 2);
  await eventually(
    'both answer',
    async () => (await Promise.all(sessions.https.map(statusOf))).every((s) => s !== null),
    20_000,
  );
  const pids = await Promise.all(sessions.https.map(async (http) => (await statusOf(http))!.pid));
  sessions.child.kill('SIGKILL');
  await eventually('nobody is left', () => !pids.some(alive), 20_000);
});
