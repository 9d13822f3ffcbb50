/**
 * Rolling restart of every process of a cluster of nine under 500 changes a second, by the shell loop of docs/operations.md as it
 * stands there: no list shrinks, none is empty or old, no call of a client fails.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Arena } from '../cluster/arena.ts';
import { openControl } from './control.ts';
import { missingStore, startStore, type SharedStoreKind } from './stores.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const KIND = (process.env['META_STORE'] ?? 'postgres') as SharedStoreKind;
const LIMIT_MS = 240_000;

/** The loop in the document. */
function documentedLoop(): string {
  const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const found = /<!-- rolling restart: [^\n]* -->\n```sh\n([\s\S]*?)```/.exec(page);
  if (found === null) throw new Error('docs/operations.md has no rolling restart');
  return found[1];
}

/** Runs a script in bash. @returns what it printed @throws when it fails */
async function shell(script: string): Promise<string> {
  const child = spawn('bash', ['-c', script], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`exit code ${code}:\n${out}`);
  return out;
}

describe(`rolling restart, store ${KIND}`, () => {
  const missing = missingStore(KIND);
  if (missing !== null) {
    console.warn(`*** meta: ${missing}`);
    it(missing, () => expect(missingStore(KIND)).toBe(missing));
    return;
  }
  let arena: Arena | null = null;
  let stopStore = async (): Promise<void> => undefined;
  afterAll(async () => {
    if (arena !== null) console.log(`\n${arena.table()}\n`);
    await arena?.close();
    await stopStore();
  });

  it(
    'of 3 metas, 3 data nodes and 3 sessions',
    async () => {
      const store = await startStore(KIND);
      stopStore = () => store.stop();
      arena = new Arena({ metas: 3, data: 3, sessions: 3, store: store.url, sets: [] });
      await arena.ready();
      const { cluster, fleet } = arena;
      const pids = new Map(cluster.nodes.map(({ name, process: child }) => [name, child.pid]));
      const control = await openControl(cluster);
      let failed = NaN;
      await arena.run(`rolling restart, ${KIND}`, async () => {
        const before = { repeated: fleet.repeated, cutShort: fleet.cutShort };
        fleet.churn(500);
        const began = performance.now();
        const out = await shell(
          [
            'set -u',
            `registry() { ${process.execPath} --conditions=development packages/server/src/cli.js "$@"; }`,
            control.shell,
            `export SOFA_REGISTRY_SERVER=127.0.0.1:${cluster.node('session-1').ports.httpPort}`,
            documentedLoop(),
            'registry status --wait-ready',
          ].join('\n'),
        );
        const seconds = (performance.now() - began) / 1000;
        if (process.env['META_VERBOSE'] !== undefined) console.log(out);
        failed = fleet.repeated - before.repeated;
        const note = `${failed} client calls failed, ${fleet.cutShort - before.cutShort} repeated after a session closed`;
        return { what: 'the loop took', seconds, note };
      });
      control.close();
      expect(failed).toBe(0);
      for (const { name, process: child } of cluster.nodes) expect(child.pid, name).not.toBe(pids.get(name));
    },
    LIMIT_MS,
  );
});
