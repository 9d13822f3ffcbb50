/**
 * A session is stopped in good order, or killed, under official Java clients and our SDK: no list shrinks, and how long a client goes
 * without news is printed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Registry } from '@sofa-registry/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, type ClusterNode } from '../../../bench/src/cluster/cluster.ts';
import { eventually } from '../e2e/waiting.ts';
import { JavaDriver, valuesOf } from './driver.ts';
import { MISSING } from './java.ts';

const GROUP = 'DEFAULT_GROUP';
const SERVICE = 'stays-complete';
const CLIENTS = 20;
const TICK_MS = 50;
/** A list comes with each change, or a little later. */
const FRESH_MS = 1500;
/** Lists of official clients are at most this old: 30 s, and what a failed query before it took. */
const LISTS_MS = 40_000;
const WATCH_MS = 8_000;
/** An official client may sleep 5 s twice, and once more for each connect that a busy machine is late to answer. */
const BACK_LIMIT_MS = 40_000;

const staying = (values: readonly string[]): string[] => values.filter((value) => !value.startsWith('tick-'));
const WANTED = Array.from({ length: CLIENTS }, (_, i) => `java-${i}`)
  .concat(Array.from({ length: CLIENTS }, (_, i) => `sdk-${i}`))
  .sort();

/** When the lists of one subscriber came, and how many of them lacked somebody. */
interface Seen {
  readonly times: number[];
  short: number;
}

/** Longest waits for the next list, of all subscribers, sorted. */
function gaps(all: readonly Seen[], fromMs: number): number[] {
  return all
    .map(({ times }) => {
      const since = [fromMs, ...times.filter((atMs) => atMs >= fromMs)];
      return Math.max(...since.slice(1).map((atMs, i) => atMs - since[i]));
    })
    .sort((a, b) => a - b);
}

const text = (sorted: readonly number[]): string =>
  `p50 ${sorted[Math.floor(sorted.length / 2)].toFixed(0)} most ${sorted.at(-1)?.toFixed(0)} ms`;

describe.skipIf(MISSING !== null)('clients of a session that goes', () => {
  let dir = '';
  let cluster: Cluster;
  let java: JavaDriver;
  const sdks: Registry[] = [];
  const sdkSeen: Seen[] = [];
  const lines: string[] = [];
  let ticker: ReturnType<typeof setInterval>;

  const http = (node: ClusterNode): string => `127.0.0.1:${node.ports.httpPort}`;

  async function sdk(): Promise<Registry> {
    const registry = await connect({ servers: cluster.of('session').map(http), app: 'sdk' });
    sdks.push(registry);
    return registry;
  }

  function javaSeen(): Seen[] {
    return Array.from({ length: CLIENTS }, (_, i) => {
      const seen = java.data.get(`sub-${i}`) ?? [];
      const first = seen.findIndex((data) => staying(valuesOf(data)).length === WANTED.length);
      const lists = seen.slice(first);
      return {
        times: lists.map(({ atMs }) => atMs),
        short: lists.filter((data) => staying(valuesOf(data)).length < WANTED.length).length,
      };
    });
  }

  async function loads(): Promise<string> {
    const counts = await Promise.all(
      cluster
        .of('session')
        .filter(({ up }) => up)
        .map(async (node) => `${node.name} ${await cluster.get(node, '/api/servers/connectionNum')}`),
    );
    return counts.join(', ');
  }

  async function goes(title: string, act: () => Promise<void>): Promise<void> {
    const before = await loads();
    const fromMs = Date.now();
    const began = performance.now();
    await act();
    const took = performance.now() - began;
    await sleep(WATCH_MS);
    // Everybody gets news again.
    await eventually(
      'all clients are back',
      () => [...javaSeen(), ...sdkSeen].every((seen) => (seen.times.at(-1) ?? 0) > Date.now() - FRESH_MS),
      BACK_LIMIT_MS,
    );
    const official = javaSeen();
    lines.push(
      `${title} (${before}): took ${(took / 1000).toFixed(1)} s; longest wait for a list: Java ${text(gaps(official, fromMs))}, ` +
        `SDK ${text(gaps(sdkSeen, fromMs))}; now ${await loads()}`,
    );
    expect([...official, ...sdkSeen].map(({ short }) => short)).toEqual(Array<number>(2 * CLIENTS).fill(0));
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sofa-stop-'));
    cluster = await Cluster.start({ data: 1, sessions: 2, dir });
    java = await JavaDriver.start();
    const [first] = cluster.of('session');
    for (let i = 0; i < CLIENTS; i++) {
      await java.connect(`c-${i}`, { httpPort: first.ports.httpPort });
      await java.publish(`c-${i}`, `pub-${i}`, SERVICE, GROUP, [`java-${i}`]);
    }
    for (let i = 0; i < CLIENTS; i++) await java.registered(`pub-${i}`, 30_000);
    for (let i = 0; i < CLIENTS; i++) {
      const registry = await sdk();
      await registry.publish({ dataId: SERVICE, group: GROUP }, `sdk-${i}`);
    }
    const clock = await sdk();
    const tick = await clock.publish({ dataId: SERVICE, group: GROUP }, 'tick-0');
    for (let i = 0; i < CLIENTS; i++) {
      await java.subscribe(`c-${i}`, `sub-${i}`, SERVICE, GROUP, 'dataCenter');
      const seen: Seen = { times: [], short: 0 };
      sdkSeen.push(seen);
      sdks[i].subscribe({ dataId: SERVICE, group: GROUP }, (list) => {
        const complete = staying(list.all).length === WANTED.length;
        if (!complete && seen.times.length === 0) return;
        if (!complete) seen.short++;
        seen.times.push(Date.now());
      });
    }
    for (let i = 0; i < CLIENTS; i++)
      await java.sees(`sub-${i}`, (data) => staying(valuesOf(data)).length === WANTED.length);
    let ticks = 0;
    ticker = setInterval(() => void tick.update(`tick-${++ticks}`).catch(() => undefined), TICK_MS);
  });

  afterAll(async () => {
    console.log(`\n${lines.join('\n')}\n`);
    clearInterval(ticker);
    await Promise.all(sdks.map((registry) => registry.close().catch(() => undefined)));
    await java?.stop();
    await cluster?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('stopped in good order', async () => {
    await goes('session-2 is stopped', () => cluster.stopNodes('session-2'));
  });

  test('killed', { timeout: 180_000 }, async () => {
    cluster.revive('session-2');
    await cluster.healthy();
    await sleep(LISTS_MS);
    // Most official clients are at session-1 still.
    await goes('session-1 is killed', () => cluster.kill('session-1'));
  });
});
