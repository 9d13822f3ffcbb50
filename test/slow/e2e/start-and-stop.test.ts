/** Starting, stopping and being killed, as an operator sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@sofa-registry/client';
import { afterEach, expect, it } from 'vitest';
import { eventually } from './waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CLI = join(ROOT, 'packages/server/src/cli.js');
const dirs: string[] = [];
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function freshDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sofa-e2e-'));
  dirs.push(dir);
  return dir;
}

interface Run {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

function run(args: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, ['--conditions=development', CLI, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, out: () => out, err: () => err, ended };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

interface Started extends Run {
  readonly sessionHttp: number;
  readonly sets: readonly string[];
}

async function setsOf(): Promise<{ sessionHttp: number; sets: string[] }> {
  const [a, sessionHttp, c, d, e, f] = await freePorts(6);
  const ports = {
    'session.port': a,
    'session.httpPort': sessionHttp,
    'data.port': c,
    'data.httpPort': d,
    'meta.port': e,
    'meta.httpPort': f,
  };
  return { sessionHttp, sets: Object.entries(ports).flatMap(([key, port]) => ['--set', `${key}=${port}`]) };
}

async function healthy(port: number): Promise<void> {
  await eventually(
    'the registry is healthy',
    async () => (await fetch(`http://127.0.0.1:${port}/health/check`)).ok,
    15_000,
  );
}

async function start(dir: string, more: readonly string[] = []): Promise<Started> {
  const { sessionHttp, sets } = await setsOf();
  const started = run(['start', '--data-dir', dir, ...sets, ...more]);
  await healthy(sessionHttp);
  return { ...started, sessionHttp, sets };
}

/** One line, no stack. */
function oneLine(text: string): string {
  expect(text.trim().split('\n')).toHaveLength(1);
  expect(text).not.toMatch(/\n\s+at /);
  return text;
}

it('says what it is, listens on loopback, and ends with 0 on SIGTERM and on SIGINT', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, out, ended } = await start(freshDir());
    await eventually('the banner', () => out().includes('next:'));
    expect(out()).toMatch(/^sofa-registry \d+\.\d+\.\d+ {2}roles: meta, data, session/m);
    expect(out()).toContain('listening on loopback only; --bind 0.0.0.0 opens it');
    expect(out()).toMatch(/store +sqlite/);
    child.kill(signal);
    expect(await ended).toBe(0);
  }
});

it('exits at once on a second signal', async () => {
  const { child, sessionHttp, ended } = await start(freshDir());
  const client = await connect({ servers: [`127.0.0.1:${sessionHttp}`], app: 'holds-it' });
  child.kill('SIGTERM');
  child.kill('SIGTERM');
  expect([0, 143]).toContain(await ended);
  await client.close();
});

it('a second start on busy ports says which port and what to do', async () => {
  const { sets } = await start(freshDir());
  const second = run(['start', '--memory', ...sets]);
  expect(await second.ended).toBe(1);
  const line = oneLine(second.err());
  expect(line).toMatch(/port \d+ is in use/);
  expect(line).toMatch(/--set \w+\.\w+=<port>/);
});

it('a second start on the same data directory says so', async () => {
  const dir = freshDir();
  await start(dir);
  const { sets } = await setsOf();
  const second = run(['start', '--data-dir', dir, ...sets]);
  expect(await second.ended).toBe(1);
  expect(oneLine(second.err())).toContain('in use');
});

it.each([
  ['a file in the place of the data directory', (dir: string) => writeFileSync(join(dir, 'state'), 'x')],
  ['a damaged store', (dir: string) => damage(join(dir, 'state'))],
])('%s is said in one line', async (_name, prepare) => {
  const dir = freshDir();
  prepare(dir);
  const { sets } = await setsOf();
  const failed = run(['start', '--data-dir', join(dir, 'state'), ...sets]);
  expect(await failed.ended).toBe(1);
  expect(oneLine(failed.err())).toContain(join(dir, 'state'));
});

function damage(dir: string): void {
  mkdirSync(dir);
  writeFileSync(join(dir, 'registry.db'), Buffer.alloc(8192, 7));
}

it.each([
  [['--set', 'sesion.port=1'], 'unknown key sesion.port', 'session.port'],
  [['--set', 'session.port=http'], 'session.port = "http" (from --set)', 'a whole number from 0 to 65535'],
  [['--roles', 'meta,master'], 'roles = "meta,master" (from --roles)', 'one of meta, data, session'],
  [['--config', '/no/such/file.yaml'], '/no/such/file.yaml', 'ENOENT'],
])('refuses the configuration %j', async (args, first, second) => {
  const failed = run(['start', ...args]);
  expect(await failed.ended).toBe(1);
  const line = oneLine(failed.err());
  expect(line).toContain(first);
  expect(line).toContain(second);
});

it('killed and started again it keeps its switches and its clients come back', async () => {
  const dir = freshDir();
  const first = await start(dir);
  const meta = Number(/meta\.httpPort=(\d+)/.exec(first.sets.join(' '))?.[1]);
  await fetch(`http://127.0.0.1:${meta}/stopPushDataSwitch/open`);
  const client = await connect({ servers: [`127.0.0.1:${first.sessionHttp}`], app: 'e2e' });
  const publication = await client.publish({ dataId: 'e2e.kept' }, 'value');
  first.child.kill('SIGKILL');
  await first.ended;
  const second = run(['start', '--data-dir', dir, ...first.sets]);
  await healthy(first.sessionHttp);
  await eventually('the client is back', () => publication.acked);
  await eventually('the switch is kept', async () => {
    const answer = await fetch(`http://127.0.0.1:${first.sessionHttp}/digest/pushSwitch`);
    return (await answer.text()) === '{"pushSwitch":"closed"}';
  });
  await client.close();
  second.child.kill('SIGTERM');
  expect(await second.ended).toBe(0);
});

it('a role without a meta says what it waits for, goes on waiting, and can be stopped', async () => {
  const [port, http, nobody] = await freePorts(3);
  const { child, ended } = run([
    'start',
    '--roles',
    'session',
    '--port',
    String(port),
    '--http-port',
    String(http),
    '--metas',
    `127.0.0.1:${nobody}`,
  ]);
  const ready = await eventually('it answers what it waits for', async () => {
    const answer = await fetch(`http://127.0.0.1:${http}/health/ready`);
    const body = (await answer.json()) as { ready?: boolean; waitingFor?: string };
    return body.ready === false && { status: answer.status, ...body };
  });
  expect(ready).toMatchObject({
    status: 503,
    waitingFor: expect.stringMatching(/^a meta leader: no connection/),
  });
  expect((await fetch(`http://127.0.0.1:${http}/health/check`)).status).toBe(500);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});
