/** docs/security.md as written: certificates by openssl, a cluster that trusts nobody else, what operators see, and a stranger. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../e2e/waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const FENCE = /```sh\n([\s\S]*?)```/g;
const blocksOf = (page: string): string[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(FENCE)].map(([, block]) => block);

const [define] = blocksOf('docs/operations.md');
const [certificates, start, operate, stranger] = blocksOf('docs/security.md');
const environment = start.replace(/^registry .*$/gm, '');
const cluster = /^registry cluster .*$/m.exec(start)?.[0] ?? '';

/** Runs a block in the documented environment and ends what it left in the background. */
function bash(block: string): string {
  const tidy = 'for job in $(jobs -p); do kill -- -$job; done; wait';
  const script = `set -m\n${define}\n${environment}\n${block}\n${tidy}`;
  const { stdout, stderr } = spawnSync('bash', ['-uc', script], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return `${stdout}${stderr}`;
}

it('every block does what it says', async () => {
  for (const dir of ['/tmp/pki', '/tmp/trial-secure']) rmSync(dir, { recursive: true, force: true });
  expect(spawnSync('bash', ['-euc', certificates], { cwd: ROOT }).status).toBe(0);
  expect(bash('registry config')).toMatch(/clusterTokenFile +\/tmp\/pki\/cluster\.token/);
  const running = spawn('bash', ['-euc', `${define}\n${environment}\n${cluster}`], {
    cwd: ROOT,
    stdio: 'ignore',
    detached: true,
  });
  try {
    await eventually(
      'the cluster is ready',
      () => /slots stable/.test(bash('registry status --wait-ready --timeout 30 --server 127.0.0.1:17501')),
      90_000,
    );
    const seen = bash(operate);
    for (const part of [
      'published my.service',
      '10.0.0.1:12200',
      'data 127.0.0.1:17502 drains',
      'data 127.0.0.1:17502 takes part again',
      '127.0.0.1:17501 answered 401',
      /alice .* done .* PUT \/registry\/v1\/drain .*\{"drained":\[\]\} -> \{"drained":\["127\.0\.0\.1:17502"\]\}/,
      /refused 401 +PUT \/registry\/v1\/drain/,
      /127\.0\.0\.1:1750[68];127\.0\.0\.1:1750[68]/,
      '"outcome":"refused","status":401',
    ])
      expect(seen).toMatch(part);
    const kept = bash(stranger);
    expect(kept).toContain(
      '"waitingFor":"a cluster token: meta at 127.0.0.1:17500 asks for one (clusterTokenFile)"',
    );
    expect(kept).toMatch(/token_refused_total\{reason="none"\} [1-9]/);
    const token = readFileSync('/tmp/pki/operators', 'utf8').trim().split(' ')[1];
    expect(token).toHaveLength(64);
    expect(seen + kept).not.toContain(token);
  } finally {
    const { pid } = JSON.parse(readFileSync('/tmp/trial-secure/cluster.json', 'utf8')) as { pid: number };
    process.kill(pid, 'SIGTERM');
    if (running.exitCode === null) await once(running, 'exit');
    for (const dir of ['/tmp/pki', '/tmp/trial-secure']) rmSync(dir, { recursive: true, force: true });
  }
});
