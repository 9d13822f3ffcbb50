/** docs/operations.md as written: the blocks marked "tried" run one after the other against the trial cluster it describes. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../e2e/waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
const fence = /```sh\n([\s\S]*?)```/;
const define = fence.exec(page)![1];
const trial = /^registry cluster --data 3 --session 2 .*$/m.exec(page)![0];
const tried = [...page.matchAll(/<!-- tried -->\n```sh\n([\s\S]*?)```/g)].map(([, block]) => block);
const dir = '/tmp/trial';

const bash = (script: string): { status: number | null; out: string } => {
  const { status, stdout, stderr } = spawnSync('bash', ['-euxc', `${define}\n${script}`], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, out: `${stdout}${stderr}` };
};

it('every block that is marked as tried does what it says', async () => {
  expect(tried.length).toBeGreaterThanOrEqual(3);
  rmSync(dir, { recursive: true, force: true });
  const cluster = spawn('bash', ['-euc', `${define}\n${trial}`], {
    cwd: ROOT,
    stdio: 'ignore',
    detached: true,
  });
  try {
    const ready = 'registry status --wait-ready --timeout 30 --server 127.0.0.1:17101';
    await eventually('the trial cluster is at rest', () => bash(ready).status === 0, 90_000);
    for (const block of tried) {
      // What is said to be refused must be.
      const { status, out } = bash(block.replace(/^! (.*?)\s*(#.*)?$/gm, 'if $1; then exit 1; fi'));
      expect(status, `${block}\n${out}`).toBe(0);
    }
    // Nothing of it is left behind.
    expect(bash(ready)).toMatchObject({ status: 0 });
  } finally {
    const pid = (JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { pid: number }).pid;
    process.kill(pid, 'SIGTERM');
    if (cluster.exitCode === null) await once(cluster, 'exit');
    rmSync(dir, { recursive: true, force: true });
  }
});
