/**
 * Official Java clients of all generations on 3 data nodes and 2 sessions that are killed, paused, cut and restarted under changes: no
 * list shrinks, none is empty, none goes back, all are right in the end. `INTEROP_LONG=1` runs every scenario, `INTEROP_METAS=3` with so
 * many metas on PostgreSQL.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { Cluster } from '../../../bench/src/cluster/cluster.ts';
import { expectClean } from '../cluster/arena.ts';
import { eventually } from '../e2e/waiting.ts';
import { type SharedStore, startStore } from '../meta/stores.ts';
import { JavaFleet } from './java-fleet.ts';
import { CLIENT_VERSIONS, MISSING } from './java.ts';

const LONG = process.env['INTEROP_LONG'] === '1';
const METAS = Number(process.env['INTEROP_METAS'] ?? 1);
const CHANGES_PER_SECOND = 50;
const PAUSE_MS = 15_000;
const CUT_MS = 8_000;
const LIMIT_MS = 60_000;
/** Official clients ask for the list of sessions every 30 s. */
const LISTS_MS = 31_000;
const DATA = ['data-1', 'data-2', 'data-3'];
const SESSIONS = ['session-1', 'session-2'];
const METAS_ALL = Array.from({ length: METAS }, (_, i) => `meta-${i + 1}`);
const ALL = [...METAS_ALL, ...DATA, ...SESSIONS];
const OUTPUT_CHARS = 6_000;

describe.skipIf(MISSING !== null)('official Java clients on a cluster that is hurt', () => {
  let dir = '';
  let cluster: Cluster;
  let store: SharedStore | undefined;
  const fleet = new JavaFleet({ versions: CLIENT_VERSIONS, clients: 4, services: 60, each: 20 });
  const lines: string[] = [];

  /** Runs a fault under changes and judges what the clients were told. */
  function scenario(name: string, where: 'ci' | 'long', act: () => Promise<string>): void {
    if (where === 'long' && !LONG) return;
    test(name, async () => {
      fleet.oracle.reset();
      fleet.churn(CHANGES_PER_SECOND);
      let problem = '';
      let outcome = '';
      try {
        outcome = await act();
        await fleet.equal(LIMIT_MS);
        await copies();
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
      const errors = cluster.errorLines;
      const findings = fleet.oracle.reset();
      const { pushes, slowestMs, examples } = findings;
      lines.push(
        `${name}: ${outcome}${problem}; ${pushes} lists, slowest ${(slowestMs / 1000).toFixed(2)} s`,
      );
      if (problem !== '' || examples.length > 0 || slowestMs > 5000)
        console.error(cluster.output(OUTPUT_CHARS));
      expectClean(problem, errors, findings);
    });
  }

  async function propagates(): Promise<string> {
    return `propagates after ${(await fleet.propagates(LIMIT_MS)).toFixed(2)} s`;
  }

  /** Leaders and followers hold exactly what is published. */
  async function copies(): Promise<void> {
    await eventually(
      'every publication has two copies',
      async () => {
        const sums = await cluster.metric('data', 'sofa_registry_data_publishers');
        const held = [...sums.values()].reduce((total, count) => total + count, 0);
        if (held !== 2 * fleet.published) throw new Error(`${held} of ${2 * fleet.published}`);
        return true;
      },
      LIMIT_MS,
    );
  }

  async function cutOff(client: string, targets: readonly string[]): Promise<void> {
    const where = cluster.linksOf(cluster.node(client));
    const faults = targets.map((target) => cluster.node(target).proxy?.inject({ drop: true, where }));
    await sleep(CUT_MS);
    for (const fault of faults) fault?.heal();
  }

  /** Kills, and starts again. */
  async function crash(...names: string[]): Promise<void> {
    await cluster.kill(...names);
    cluster.revive(...names);
    await cluster.running(...names);
  }

  async function pause(name: string): Promise<string> {
    cluster.pause(name);
    await sleep(PAUSE_MS);
    cluster.resume(name);
    return propagates();
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sofa-java-'));
    if (METAS > 1) store = await startStore('postgres');
    const shape = { metas: METAS, data: 3, sessions: 2, dir, sets: ['data.leaseMs=10000'] };
    cluster = await Cluster.start(store === undefined ? shape : { ...shape, store: store.url });
    await cluster.even(LIMIT_MS);
    await fleet.start(cluster);
    await fleet.equal(LIMIT_MS);
  }, 180_000);

  afterAll(async () => {
    console.log(`\n${lines.join('\n')}\n`);
    await fleet.stop();
    await cluster?.stop();
    await store?.stop();
    if (dir !== '') rmSync(dir, { recursive: true, force: true });
  });

  scenario('a data node is killed', 'ci', async () => {
    await cluster.kill('data-2');
    const outcome = await propagates();
    cluster.revive('data-2');
    await cluster.even(LIMIT_MS);
    return outcome;
  });

  scenario('two data nodes and meta are killed at once', 'ci', async () => {
    await crash('data-1', 'data-3', 'meta-1');
    const outcome = await propagates();
    await cluster.even(LIMIT_MS);
    return outcome;
  });

  scenario('all data nodes are killed', 'ci', async () => {
    await crash(...DATA);
    return propagates();
  });

  scenario('a data node is paused', 'long', () => pause('data-1'));
  scenario('a session is paused', 'long', () => pause('session-1'));
  scenario('meta is paused', 'long', () => pause('meta-1'));

  scenario('packets between a session and all data nodes are lost', 'long', async () => {
    await cutOff('session-1', DATA);
    return propagates();
  });

  scenario('packets between two data nodes are lost', 'long', async () => {
    await Promise.all([cutOff('data-1', ['data-2']), cutOff('data-2', ['data-1'])]);
    return propagates();
  });

  scenario('a session is cut from meta', 'long', async () => {
    await cutOff('session-2', METAS_ALL);
    return propagates();
  });

  scenario('a data node and a session are killed at once', 'long', async () => {
    await crash('data-1', 'session-1');
    const outcome = await propagates();
    await cluster.even(LIMIT_MS);
    await sleep(LISTS_MS);
    return outcome;
  });

  scenario('data nodes are stopped and started one after the other', 'long', async () => {
    for (const name of DATA) {
      await cluster.restart(name);
      await cluster.running(name);
      await cluster.even(LIMIT_MS);
    }
    return propagates();
  });

  scenario('sessions are stopped and started one after the other', 'long', async () => {
    for (const name of SESSIONS) {
      await cluster.restart(name);
      await cluster.healthy();
      await sleep(LISTS_MS);
    }
    return propagates();
  });

  scenario('both sessions are killed', 'long', async () => {
    await crash(...SESSIONS);
    return propagates();
  });

  scenario('a session is killed', 'ci', async () => {
    await cluster.kill('session-1');
    const outcome = await propagates();
    cluster.revive('session-1');
    await cluster.healthy();
    return outcome;
  });

  scenario('everything is killed', 'long', async () => {
    await crash(...ALL);
    return propagates();
  });

  scenario('everything is stopped and started', 'long', async () => {
    await cluster.stopNodes(...ALL);
    cluster.revive(...ALL);
    await cluster.running(...ALL);
    return propagates();
  });

  scenario('all clients of one generation are killed', 'ci', async () => {
    return `gone after ${(await fleet.kill(CLIENT_VERSIONS[0], LIMIT_MS)).toFixed(2)} s`;
  });
});
