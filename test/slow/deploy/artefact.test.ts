/** What the image and the units run: laid out by deploy/build.sh, started as another user, probed, drained, stopped as process 1. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePorts } from '../../../bench/src/harness/registry-process.ts';
import { eventually } from '../e2e/waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const NOBODY = 65_534;
const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
const base = mkdtempSync(join(tmpdir(), 'sofa-artefact-'));
const opt = join(base, 'opt');
const program = join(opt, 'bin/sofa-registry');
const running = new Set<ChildProcess>();

beforeAll(() => {
  chmodSync(base, 0o755);
  mkdirSync(join(base, 'state'));
  chmodSync(join(base, 'state'), 0o777);
  // Its own copy of Node.js: the other user may not reach this directory.
  mkdirSync(join(base, 'node'));
  copyFileSync(process.execPath, join(base, 'node/node'));
  chmodSync(join(base, 'node/node'), 0o755);
  const built = spawnSync(join(ROOT, 'deploy/build.sh'), [opt], { encoding: 'utf8', env: process.env });
  expect(built.status, built.stdout + built.stderr).toBe(0);
  spawnSync('chmod', ['-R', 'a+rX', base]);
}, 240_000);
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  running.clear();
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

type Environment = Readonly<Record<string, string>>;

const environment = (more: Environment): Record<string, string> => ({
  PATH: `${join(base, 'node')}:/usr/bin:/bin`,
  SOFA_REGISTRY_DATA_DIR: join(base, 'state'),
  ...more,
});

function start(more: Environment, before: readonly string[] = []): ChildProcess {
  const [command, ...args] = [...before, program, 'start'];
  const child = spawn(command, args, {
    cwd: '/',
    env: environment(more),
    stdio: 'ignore',
    ...(before.length === 0 ? user : {}),
  });
  running.add(child);
  return child;
}

function cli(more: Environment, ...args: string[]): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: '/',
    env: environment(more),
    encoding: 'utf8',
    ...user,
  });
  return { code: status, out: stdout + stderr };
}

async function ports(...roles: string[]): Promise<Record<string, string>> {
  const free = await freePorts(roles.length * 2);
  return Object.fromEntries(
    roles.flatMap((role, i) => [
      [`SOFA_REGISTRY_${role}_PORT`, String(free[2 * i])],
      [`SOFA_REGISTRY_${role}_HTTP_PORT`, String(free[2 * i + 1])],
    ]),
  );
}

it('holds programs only: no sources, tests, declarations or development packages', () => {
  const files = spawnSync('find', [join(opt, 'packages'), '-type', 'f'], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n');
  expect(files.filter((file) => !/(\/dist\/.*\.js|\/package\.json)$/.test(file))).toEqual([]);
  for (const name of ['vitest', 'typescript', 'node'])
    expect(existsSync(join(opt, 'node_modules', name))).toBe(false);
});

it('runs as another user, answers its probe, and ends with 0 on SIGTERM', async () => {
  const own = await ports('META', 'DATA', 'SESSION');
  expect(cli(own, 'health').code).toBe(1);
  const child = start(own);
  await eventually('healthy', () => cli(own, 'health', '--ready').code === 0, 30_000);
  expect(cli(own, 'health').out.trim().split('\n')).toHaveLength(3);
  child.kill('SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
  expect(cli(own, 'health').code).toBe(1);
});

it('as process 1, without an init, it drains on SIGTERM and leaves nobody behind', async () => {
  const namespace = spawnSync('unshare', ['--fork', '--pid', 'true']).status === 0;
  // Without the right to make a namespace the same is said of an ordinary process.
  const own = { ...(await ports('META', 'DATA', 'SESSION')), SOFA_REGISTRY_STORE: 'memory:' };
  const child = start(own, namespace ? ['unshare', '--fork', '--pid', '--kill-child'] : ['/usr/bin/env']);
  await eventually('healthy', () => cli(own, 'health', '--ready').code === 0, 30_000);
  const inner = namespace
    ? Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim())
    : child.pid!;
  process.kill(inner, 'SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
});

it('takes itself out before it is stopped, and is no longer drained when its address is back', async () => {
  const meta = { ...(await ports('META')), SOFA_REGISTRY_ROLES: 'meta' };
  const metas = { SOFA_REGISTRY_METAS: `127.0.0.1:${meta['SOFA_REGISTRY_META_PORT' as keyof typeof meta]}` };
  const server = `127.0.0.1:${meta['SOFA_REGISTRY_META_HTTP_PORT' as keyof typeof meta]}`;
  const node = async (role: string): Promise<Environment> => ({
    ...(await ports(role.toUpperCase())),
    ...metas,
    SOFA_REGISTRY_ROLES: role,
  });
  const [first, second, session] = [await node('data'), await node('data'), await node('session')];
  start(meta);
  const [, doomed] = [start(first), start(second), start(session)];
  const ready = (): boolean =>
    cli({}, 'status', '--wait-ready', '--timeout', '1', '--server', server).code === 0;
  await eventually('the cluster is at rest', ready, 60_000);
  const draining = async (): Promise<string[]> => {
    const { members } = (await (await fetch(`http://${server}/registry/v1/status`)).json()) as {
      members: { address: string; draining: boolean }[];
    };
    return members.filter((member) => member.draining).map(({ address }) => address);
  };
  const address = `127.0.0.1:${second['SOFA_REGISTRY_DATA_PORT']}`;

  const said = cli(second, 'drain', '--self');
  expect(said).toMatchObject({ code: 0, out: expect.stringContaining(`data ${address}/`) });
  await eventually('it drains', async () => (await draining()).includes(address));
  // The only session is left alone.
  expect(cli(session, 'drain', '--self')).toEqual({ code: 0, out: '' });
  doomed.kill('SIGTERM');
  expect((await once(doomed, 'exit'))[0]).toBe(0);
  start(second);
  await eventually('the cluster is at rest again', ready, 60_000);
  expect(await draining()).toEqual([]);
});
