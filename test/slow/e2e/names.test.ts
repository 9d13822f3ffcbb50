/** One DNS name for all metas: not there at first, then with an address that does not answer, then somewhere else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePorts } from '../../../bench/src/harness/registry-process.ts';
import { eventually } from './waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CLI = join(ROOT, 'packages/server/src/cli.js');
const dir = mkdtempSync(join(tmpdir(), 'sofa-names-'));
const zone = join(dir, 'zone.json');
const running: ChildProcess[] = [];

/** Answers for `metas.test` come from a file, as they would from a name server. */
const RESOLVER = `
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const real = dns.lookup;
dns.lookup = (host, options, done) => {
  if (host !== 'metas.test') return real(host, options, done);
  const addresses = JSON.parse(readFileSync(${JSON.stringify(zone)}, 'utf8'));
  const missing = Object.assign(new Error('getaddrinfo ENOTFOUND metas.test'), { code: 'ENOTFOUND' });
  process.nextTick(() =>
    addresses.length === 0 ? done(missing) : done(null, addresses.map((address) => ({ address, family: 4 }))));
};
syncBuiltinESMExports();
`;

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(dir, { recursive: true, force: true });
});

function start(...args: string[]): void {
  const preload = join(dir, 'resolver.mjs');
  const options = ['--import', preload, '--conditions=development'];
  running.push(
    spawn(process.execPath, [...options, CLI, 'start', '--memory', ...args], { cwd: ROOT, stdio: 'ignore' }),
  );
}

it('is waited for, names what it waits for, and is asked again at each attempt', async () => {
  writeFileSync(join(dir, 'resolver.mjs'), RESOLVER);
  const answers = (...addresses: string[]): void => writeFileSync(zone, JSON.stringify(addresses));
  answers();
  const [meta, metaHttp, data, dataHttp, session, sessionHttp] = (await freePorts(6)).map(String);
  const metas = `metas.test:${meta}`;
  start('--roles', 'data', '--metas', metas, '--port', data, '--http-port', dataHttp);
  start('--roles', 'session', '--metas', metas, '--port', session, '--http-port', sessionHttp);
  const waits = async (http: string): Promise<string> => {
    const state = (await (await fetch(`http://127.0.0.1:${http}/health/ready`)).json()) as {
      waitingFor: string;
    };
    return state.waitingFor;
  };
  for (const http of [dataHttp, sessionHttp])
    await eventually(
      'it says what it waits for',
      async () => (await waits(http)).includes(`${metas}: the name does not resolve (ENOTFOUND)`),
      20_000,
    );

  // The meta is at the second of two addresses.
  const startMeta = (host: string): void =>
    start('--roles', 'meta', '--metas', metas, '--bind', host, '--port', meta, '--http-port', metaHttp);
  startMeta('127.0.0.3');
  answers('127.0.0.2', '127.0.0.3');
  const ready = async (http: string): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${http}/health/ready`)).ok;
  for (const http of [dataHttp, sessionHttp]) await eventually('it is ready', () => ready(http), 30_000);

  // It moves to another address under the same name; nobody is restarted for it.
  running.at(-1)!.kill('SIGKILL');
  answers('127.0.0.2', '127.0.0.4');
  startMeta('127.0.0.4');
  for (const http of [dataHttp, sessionHttp])
    await eventually(
      'it follows the meta',
      async () => {
        const state = (await (await fetch(`http://127.0.0.1:${http}/registry/v1/status`)).json()) as {
          leader: string;
        };
        return state.leader === `127.0.0.4:${meta}`;
      },
      30_000,
    );
  expect(await ready(sessionHttp)).toBe(true);
});
