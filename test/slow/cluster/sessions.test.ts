/**
 * Sessions that come, leave and die under 300 official-like clients (lists of 30 s, their way of choosing): the load evens out, and no
 * list shrinks or is empty meanwhile. Counts are asserted, times are printed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../../bench/src/cluster/cluster.ts';
import { Fleet } from '../../../bench/src/cluster/fleet.ts';
import { eventually } from '../e2e/waiting.ts';

const CLIENTS = 300;
const CHANGES_PER_SECOND = 200;
const EQUAL_LIMIT_MS = 30_000;
/** From the join of an empty session to its share: 31 s until lists name it, then 100 clients, 10 per second, of which a third come back. */
const SHARE_LIMIT_MS = 90_000;
/** Twice the refresh period of server lists in official clients. */
const LISTS_LIMIT_MS = 60_000;
/** Less than the defaults, so that the suite does not wait for minutes. */
const SETS = ['session.shedQuietMs=5000', 'meta.weightPublishMs=1000'];

let dir = '';
let cluster: Cluster;
let fleet: Fleet;
const lines: string[] = [];

/** Connections of each session. */
function loads(): Record<string, number> {
  return Object.fromEntries(
    cluster.of('session').map(({ name, address }) => [name, fleet.living(address).length]),
  );
}

/** Runs a scenario under load: no bad push, and every list right in the end. */
async function scenario(name: string, act: () => Promise<string>): Promise<void> {
  fleet.oracle.reset();
  fleet.churn(CHANGES_PER_SECOND);
  let note = '';
  let problem = '';
  try {
    note = await act();
    await fleet.equal(EQUAL_LIMIT_MS);
  } catch (error) {
    problem = String(error);
  }
  const { shrunken, empty, older, revived, pushes, examples } = fleet.oracle.reset();
  lines.push(
    `${name}: ${note || problem}; ${pushes} pushes, ${shrunken} shrunken, ${empty} empty; ${JSON.stringify(loads())}`,
  );
  const output = problem === '' ? '' : cluster.output(4000);
  expect({ problem, shrunken, empty, older, revived }, `${examples.join('\n')}\n${output}`).toEqual({
    problem: '',
    shrunken: 0,
    empty: 0,
    older: 0,
    revived: 0,
  });
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sofa-sessions-'));
  cluster = await Cluster.start({ data: 2, sessions: 2, dir, sets: SETS });
  await cluster.even(20_000);
  const sizes = { clients: CLIENTS, services: 1_000, publishers: 3, subscribers: 2 };
  fleet = new Fleet({ ...sizes, query: () => cluster.queryWithWeight() });
  fleet.start();
  await fleet.equal(EQUAL_LIMIT_MS);
});

afterAll(async () => {
  console.log(`\n${lines.join('\n')}\n`);
  fleet?.stop();
  await cluster?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('sessions that come and go', () => {
  it('a third session takes its share', () =>
    scenario('a third session joins', async () => {
      const before = fleet.clients.reduce((sum, { connects }) => sum + connects, 0);
      const began = performance.now();
      await cluster.add('session-3', 'session');
      const { address } = cluster.node('session-3');
      await eventually(
        'the third session has its share',
        () => fleet.living(address).length >= (CLIENTS / 3) * 0.85,
        SHARE_LIMIT_MS,
      );
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const moved = fleet.clients.reduce((sum, { connects }) => sum + connects, 0) - before;
      return `85 % of its share after ${seconds} s with ${moved} reconnects`;
    }));

  it('a session is stopped', () =>
    scenario('a session is stopped', async () => {
      await fleet.informed(
        cluster.of('session').map(({ address }) => address),
        LISTS_LIMIT_MS,
      );
      for (const client of fleet.clients) client.longestAwayMs = 0;
      const began = performance.now();
      await cluster.stopNodes('session-3');
      const stopped = ((performance.now() - began) / 1000).toFixed(1);
      await fleet.seen(fleet.probe(), EQUAL_LIMIT_MS);
      const away = fleet.clients
        .map(({ longestAwayMs }) => longestAwayMs)
        .filter((ms) => ms > 0)
        .sort((a, b) => a - b);
      await cluster.remove('session-3');
      const at = (share: number): string => (away[Math.floor((away.length - 1) * share)] ?? 0).toFixed(0);
      return `stopped after ${stopped} s; ${away.length} clients were away, p50 ${at(0.5)} p99 ${at(0.99)} most ${at(1)} ms`;
    }));

  it('the lighter of two sessions is killed, its clients live on', () =>
    scenario('the lighter of two is killed', async () => {
      await fleet.informed(
        cluster.of('session').map(({ address }) => address),
        LISTS_LIMIT_MS,
      );
      await sleep(2_000);
      const [lighter] = Object.entries(loads()).sort((a, b) => a[1] - b[1])[0];
      const { address } = cluster.node(lighter);
      const lost = fleet.living(address).length;
      for (const client of fleet.clients) client.longestAwayMs = 0;
      await cluster.kill(lighter);
      const began = performance.now();
      await eventually(
        'the dead session is off the list',
        async () => !(await cluster.queryWithWeight()).includes(address),
        10_000,
      );
      const listed = ((performance.now() - began) / 1000).toFixed(1);
      await fleet.back(1, EQUAL_LIMIT_MS);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      await fleet.seen(fleet.probe(), EQUAL_LIMIT_MS);
      return `${lost} clients, all back after ${seconds} s, off the list after ${listed} s`;
    }));
});
