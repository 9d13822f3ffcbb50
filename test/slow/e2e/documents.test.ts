/** Operator documents through the command line: typed, compared and set, watched, obeyed, and there after everything restarted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePorts } from '../../../bench/src/harness/registry-process.ts';
import { eventually, throughout } from './waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CLI = join(ROOT, 'packages/server/src/cli.js');
const dir = mkdtempSync(join(tmpdir(), 'sofa-docs-'));
const running = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of running) await end(child, 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, ['--conditions=development', CLI, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return { child, out: () => out, err: () => err };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const command = run(...args);
  const [code] = (await once(command.child, 'close')) as [number];
  running.delete(command.child);
  return { code, out: command.out().trim(), err: command.err().trim() };
}

it('is refused when wrong, seen by a watch across a restart of meta, and obeyed before and after it', async () => {
  const [metaPort, metaHttp, sessionPort, sessionHttp, ...dataPorts] = await freePorts(10);
  const metas = `127.0.0.1:${metaPort}`;
  const server = `127.0.0.1:${metaHttp}`;
  const startMeta = (): Run =>
    run(
      'start',
      '--roles',
      'meta',
      '--data-dir',
      dir,
      '--port',
      String(metaPort),
      '--http-port',
      String(metaHttp),
    );
  const startData = (i: number): Run =>
    run(
      'start',
      '--roles',
      'data',
      '--metas',
      metas,
      '--port',
      String(dataPorts[2 * i]),
      '--http-port',
      String(dataPorts[2 * i + 1]),
    );
  const ready = async (): Promise<void> => {
    expect((await cli('status', '--wait-ready', '--timeout', '60', '--server', server)).code).toBe(0);
  };
  /** Slots of which a data node has a copy. */
  const held = async (i: number): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${dataPorts[2 * i + 1]}/registry/v1/status`);
    return ((await answer.json()) as { detail: { slots: number } }).detail.slots;
  };

  let meta = startMeta();
  const nodes = [startData(0), startData(1)];
  const session = ['--port', String(sessionPort), '--http-port', String(sessionHttp)];
  run('start', '--roles', 'session', '--metas', metas, ...session);
  await eventually('meta answers', async () => (await fetch(`http://${server}/health/live`)).ok, 20_000);
  await ready();
  const watch = run('doc', 'watch', '--json', '--server', server);

  const wrong = await cli('doc', 'put', 'operator/protection', '50%', '--server', server);
  expect(wrong).toMatchObject({ code: 1 });
  expect(wrong.err).toContain('operator/protection = 50%: it must be off, or a share from 0 to 1');
  const unknown = await cli('doc', 'put', 'operator/protecton', '0.5', '--server', server);
  expect(unknown.err).toContain('no document operator/protecton: there are');

  // Compare and set.
  expect(
    (await cli('doc', 'put', 'operator/protection', '0', '--if-version', '0', '--server', server)).code,
  ).toBe(0);
  const { out } = await cli('doc', 'get', 'operator/protection', '--json', '--server', server);
  const { version } = JSON.parse(out) as { version: number };
  const late = await cli(
    'doc',
    'put',
    'operator/protection',
    '1',
    '--if-version',
    String(version + 1),
    '--server',
    server,
  );
  expect(late.code).toBe(1);
  expect(late.err).toContain('409');
  expect((await cli('doc', 'put', 'operator/slot-reconcile', 'false', '--server', server)).code).toBe(0);

  // Frozen: a third data node gets nothing, also from the meta that starts on the store again.
  nodes.push(startData(2));
  await eventually('the third node takes part', async () =>
    (await cli('status', '--json', '--server', server)).out.includes(`127.0.0.1:${dataPorts[4]}`),
  );
  const seen = (text: string): Promise<unknown> =>
    eventually(`the watch shows ${text}`, () => watch.out().includes(text));
  await seen('"key":"operator/slot-reconcile"');
  expect(await held(2)).toBe(0);
  await end(meta.child, 'SIGTERM');
  await eventually('the watch says that it waits', () => watch.err().includes('waiting for a meta'));
  meta = startMeta();
  await eventually('meta leads again', async () => (await fetch(`http://${server}/health/ready`)).ok, 30_000);
  let frozen = 0;
  const look = setInterval(() => void held(2).then((slots) => (frozen = Math.max(frozen, slots))), 100);
  await throughout('no slot moves', () => frozen === 0, 6000);
  clearInterval(look);

  // One of three nodes is killed: with a share of 0 only one may go within a lease; the second stays listed.
  expect((await cli('doc', 'put', 'operator/slot-reconcile', 'true', '--server', server)).code).toBe(0);
  await seen('"value":"true"');
  await eventually('slots move to the third node', async () => (await held(2)) > 0, 20_000);
  await ready();
  await Promise.all([end(nodes[0].child, 'SIGKILL'), end(nodes[1].child, 'SIGKILL')]);
  const members = async (): Promise<number> => {
    const { members: all } = (await (await fetch(`http://${server}/registry/v1/status`)).json()) as {
      members: { role: string }[];
    };
    return all.filter(({ role }) => role === 'data').length;
  };
  await eventually('one is evicted', async () => (await members()) === 2, 15_000);
  let least = 2;
  const count = setInterval(() => void members().then((now) => (least = Math.min(least, now))), 100);
  await throughout('the guard holds the other', () => least === 2, 4000);
  clearInterval(count);
  expect((await cli('doc', 'put', 'operator/protection', 'off', '--server', server)).code).toBe(0);
  await eventually('the word of the operator lets it go', async () => (await members()) === 1, 5000);

  expect((await cli('doc', 'remove', 'operator/protection', '--server', server)).code).toBe(0);
  await seen('"key":"operator/protection","version"');
  await eventually('the watch shows the removal', () =>
    /operator\/protection.*"value":null/.test(watch.out()),
  );
});
