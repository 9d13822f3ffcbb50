/**
 * Faults of metas and of their store, on each store, under 200 changes a second of 200 clients: 3 metas, 3 data nodes, 3 sessions.
 * No list shrinks, none is empty or old; times are printed. `META_LONG=1` runs everything on every store, with the full times;
 * `META_STORES=etcd` chooses.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterNode } from '../../../bench/src/cluster/cluster.ts';
import { Arena, type Outcome } from '../cluster/arena.ts';
import { eventually } from '../e2e/waiting.ts';
import { LeaderWatch, type Reign } from './leader-watch.ts';
import { missingStore, SHARED_STORES, type SharedStore, type SharedStoreKind, startStore } from './stores.ts';

const LONG = process.env['META_LONG'] === '1';
const CHOSEN = process.env['META_STORES']?.split(',') ?? SHARED_STORES;
const LEADER_LIMIT_MS = 40_000;
const PAUSE_MS = LONG ? 20_000 : 10_000;
const STORE_AWAY_MS = LONG ? 60_000 : 12_000;
const STORE_PAUSE_MS = LONG ? 20_000 : 8_000;
const METAS_AWAY_MS = LONG ? 300_000 : 45_000;
const TEST_LIMIT_MS = 120_000 + METAS_AWAY_MS;
const METAS = ['meta-1', 'meta-2', 'meta-3'];
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const CLOCKED = ['meta-1', 'meta-2', 'meta-3', 'data-1', 'session-1'];

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

describe.each(CHOSEN as readonly SharedStoreKind[])('metas on %s', (kind) => {
  const missing = missingStore(kind);
  if (missing !== null) {
    console.warn(`*** meta: ${missing}`);
    it(missing, () => expect(missingStore(kind)).toBe(missing));
    return;
  }
  let store: SharedStore;
  let arena: Arena;
  let watch: LeaderWatch;
  const clocks = mkdtempSync(join(tmpdir(), 'sofa-clocks-'));

  /** Runs a scenario with an eye on who leads. */
  function scenario(name: string, where: 'ci' | 'long', act: () => Promise<Outcome>): void {
    if (where === 'long' && !LONG) return;
    it(
      name,
      async () => {
        await arena.ready();
        watch = new LeaderWatch(arena.cluster);
        try {
          await watch.warm(LEADER_LIMIT_MS);
          await arena.run(`${kind}: ${name}`, async () => {
            watch.idleMs = 0;
            const outcome = await act();
            const idle = `nobody acted for ${seconds(watch.idleMs)}`;
            return { ...outcome, note: outcome.note === undefined ? idle : `${outcome.note}; ${idle}` };
          });
          expect(watch.late).toEqual([]);
        } finally {
          await watch.stop();
        }
      },
      TEST_LIMIT_MS,
    );
  }

  const ci = (...kinds: SharedStoreKind[]): 'ci' | 'long' => (kinds.includes(kind) ? 'ci' : 'long');
  const leader = (): Reign => {
    if (watch.last === undefined) throw new Error('nobody leads');
    return watch.last;
  };
  const epochs = async (): Promise<string> => {
    const all = arena.cluster
      .of('data')
      .map((node) => arena.cluster.get(node, '/openapi/v1/slot/table/epoch'));
    return (await Promise.all(all)).join();
  };

  /** Time from now until another meta leads and acts. */
  async function succession(term: number, fromMs: number): Promise<{ leads: number; acts: number }> {
    const next = await watch.after(term, LEADER_LIMIT_MS);
    const warm = await watch.warm(LEADER_LIMIT_MS);
    return { leads: (next.sinceMs - fromMs) / 1000, acts: (warm.warmMs - fromMs) / 1000 };
  }

  /** Every meta shows the whole cluster as it last was, and says so; none believes that it leads. */
  async function metasSayStale(): Promise<void> {
    for (const node of arena.cluster.of('meta')) {
      const status = JSON.parse(await arena.cluster.get(node, '/registry/v1/status')) as {
        ready: boolean;
        waitingFor: string;
        stale: boolean;
        slotTableEpoch: number;
        members: readonly unknown[];
        detail: { isLeader: boolean; store: { available: boolean } };
      };
      const { ready, stale, members, detail } = status;
      expect({ ready, stale, members: members.length, ...detail }, node.name).toMatchObject({
        ready: false,
        stale: true,
        members: arena.cluster.nodes.length,
        isLeader: false,
        store: { available: false },
      });
      expect(status.waitingFor).toContain('the store');
      expect(status.slotTableEpoch).toBeGreaterThan(0);
      expect(await document(node)).toMatchObject({ status: 200, body: { value: 'kept', stale: true } });
      expect(await document(node, 'PUT')).toMatchObject({ status: 503 });
    }
  }

  /** Reads or writes an operator document through a meta. */
  async function document(
    { ports }: ClusterNode,
    method = 'GET',
  ): Promise<{ status: number; body: unknown }> {
    const url = `http://127.0.0.1:${ports.httpPort}/registry/v1/doc?key=persistent/probe`;
    const headers = { 'content-type': 'text/plain' };
    const answer = await fetch(url, method === 'GET' ? {} : { method, body: 'kept', headers });
    return { status: answer.status, body: await answer.json() };
  }

  /** Half of the clients of a session have to register again. */
  function loseSockets(session: string): void {
    const clients = arena.fleet.living(arena.cluster.node(session).address);
    for (const client of clients.slice(0, clients.length / 2)) client.cut();
  }

  async function back(...nodes: readonly ClusterNode[]): Promise<void> {
    arena.cluster.revive(...nodes.map(({ name }) => name));
    await arena.cluster.running(...nodes.map(({ name }) => name));
    await arena.cluster.healthy();
  }

  beforeAll(async () => {
    store = await startStore(kind);
    const env = Object.fromEntries(
      CLOCKED.map((name) => {
        writeFileSync(join(clocks, name), '+0\n');
        return [
          name,
          {
            LD_PRELOAD: FAKETIME,
            FAKETIME_TIMESTAMP_FILE: join(clocks, name),
            FAKETIME_CACHE_DURATION: '1',
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
          },
        ];
      }),
    );
    arena = new Arena({
      metas: 3,
      data: 3,
      sessions: 3,
      store: store.url,
      env: existsSync(FAKETIME) ? env : {},
      sets: ['meta.expectedDataNodes=3'],
    });
    await arena.ready();
  });
  afterAll(async () => {
    console.log(`\n${arena.table()}\n`);
    await arena.close();
    await store.stop();
    rmSync(clocks, { recursive: true, force: true });
  });

  scenario('the leader is stopped', ci('etcd'), async () => {
    const { node, term } = leader();
    const began = performance.now();
    const stopping = arena.cluster.stopNodes(node.name);
    const { leads, acts } = await succession(term, began);
    await stopping;
    await back(node);
    return { what: 'another leads', seconds: leads, budget: 2, note: `acts after ${acts.toFixed(1)} s` };
  });

  scenario('the leader is killed', ci('postgres', 'mariadb'), async () => {
    const { node, term } = leader();
    const began = performance.now();
    await arena.cluster.kill(node.name);
    const { leads, acts } = await succession(term, began);
    await back(node);
    return { what: 'another acts', seconds: acts, budget: 10, note: `leads after ${leads.toFixed(1)} s` };
  });

  scenario('the leader is killed together with a data node', ci('etcd'), async () => {
    const { node, term } = leader();
    const began = performance.now();
    await arena.cluster.kill(node.name, 'data-2');
    const { acts } = await succession(term, began);
    await arena.propagates();
    const took = (performance.now() - began) / 1000;
    await back(node, arena.cluster.node('data-2'));
    const note = `another acts after ${acts.toFixed(1)} s; back: ${await arena.evenAgain()}`;
    return { what: 'all slots propagate', seconds: took, budget: 13, note };
  });

  scenario('a data node is killed', ci('postgres', 'etcd'), async () => {
    await arena.cluster.kill('data-3');
    const took = await arena.propagates();
    await back(arena.cluster.node('data-3'));
    return {
      what: 'all slots propagate',
      seconds: took,
      budget: 3,
      note: `back: ${await arena.evenAgain()}`,
    };
  });

  scenario('two of three data nodes are killed: the guard, then a word', ci(), async () => {
    const { cluster } = arena;
    await cluster.kill('data-2', 'data-3');
    const began = performance.now();
    while (!(await cluster.tableStatus()).protectionMode) {
      if (performance.now() - began > LEADER_LIMIT_MS) throw new Error('the guard holds nothing back');
      await sleep(50);
    }
    const guarded = performance.now() - began;
    await cluster.change('/registry/v1/doc?key=operator/protection', 'off');
    const spoken = performance.now();
    await arena.propagates();
    const took = (performance.now() - spoken) / 1000;
    await back(cluster.node('data-2'), cluster.node('data-3'));
    await cluster.change('/registry/v1/doc?key=operator/protection', '0.5');
    const note = `the guard held one back after ${seconds(guarded)}; back: ${await arena.evenAgain()}`;
    return { what: 'all slots propagate after the word', seconds: took, note };
  });

  scenario(`the leader is paused for ${seconds(PAUSE_MS)}`, ci('etcd'), async () => {
    const { node, term } = leader();
    const began = performance.now();
    arena.cluster.pause(node.name);
    const { acts } = await succession(term, began);
    const meanwhile = await arena.propagates();
    await sleep(Math.max(0, PAUSE_MS - (performance.now() - began)));
    arena.cluster.resume(node.name);
    const after = await arena.propagates();
    const note = `all slots propagate ${meanwhile.toFixed(2)} s, after its return ${after.toFixed(2)} s`;
    return { what: 'another acts', seconds: acts, budget: 10, note };
  });

  scenario('two metas are killed, the leader among them', ci('postgres'), async () => {
    const { node, term } = leader();
    const other = arena.cluster.of('meta').find((each) => each !== node);
    if (other === undefined) throw new Error('there is one meta only');
    const began = performance.now();
    await arena.cluster.kill(node.name, other.name);
    const { leads, acts } = await succession(term, began);
    await back(node, other);
    return { what: 'the third acts', seconds: acts, budget: 10, note: `leads after ${leads.toFixed(1)} s` };
  });

  scenario(`the store is away for ${seconds(STORE_AWAY_MS)}`, ci('postgres', 'mariadb'), async () => {
    const { term } = leader();
    const before = await epochs();
    expect(await document(leader().node, 'PUT')).toMatchObject({ status: 200 });
    // The other metas hear of it by their watch: on MySQL that asks once a second.
    await sleep(3_000);
    for (const member of store.members) await member.kill();
    const began = performance.now();
    await sleep(STORE_AWAY_MS / 2);
    loseSockets('session-1');
    const meanwhile = await arena.propagates();
    // The last leader gives up with its lease, and is silent for a while before it calls what it knows stale.
    await eventually('all metas say that what they know is stale', () => metasSayStale().then(() => true));
    // A meta that is restarted now waits for the store too.
    await arena.cluster.kill('meta-3');
    arena.cluster.revive('meta-3');
    await sleep(Math.max(0, STORE_AWAY_MS - (performance.now() - began)));
    const untouched = (await epochs()) === before;
    const from = performance.now();
    await Promise.all(store.members.map((member) => member.restart()));
    const { acts } = await succession(term, from);
    await arena.cluster.running('meta-3');
    await arena.cluster.healthy();
    expect(untouched).toBe(true);
    const note = `all slots propagate meanwhile ${meanwhile.toFixed(2)} s; no slot moved`;
    return { what: 'a meta acts after its return', seconds: acts, note };
  });

  scenario("the store's leader is killed and started again", ci('etcd'), async () => {
    const hurt = await store.leader();
    const { term } = leader();
    const from = performance.now();
    await hurt.kill();
    const meanwhile = await arena.propagates();
    await hurt.restart();
    const took = (performance.now() - from) / 1000;
    await watch.acting(LEADER_LIMIT_MS);
    const same = leader().term === term ? 'the same meta leads' : 'another term';
    return {
      what: 'the store was hurt for',
      seconds: took,
      note: `${same}; all slots propagate ${meanwhile.toFixed(2)} s`,
    };
  });

  scenario(`the store's leader is paused for ${seconds(STORE_PAUSE_MS)}`, ci('etcd'), async () => {
    const hurt = await store.leader();
    const { term } = leader();
    await hurt.freeze();
    const meanwhile = await arena.propagates();
    await sleep(STORE_PAUSE_MS);
    hurt.thaw();
    const from = performance.now();
    const reign = await watch.acting(LEADER_LIMIT_MS);
    const took = (performance.now() - from) / 1000;
    const note = `${reign.term === term ? 'the same meta leads' : 'another term'}; all slots propagate ${meanwhile.toFixed(2)} s`;
    return { what: 'a meta acts after its return', seconds: took, note };
  });

  if (existsSync(FAKETIME)) {
    scenario(
      'the clocks of the leader, a data node and a session are an hour off',
      ci('postgres'),
      async () => {
        const { node, term } = leader();
        const set = (name: string, offset: string): void => writeFileSync(join(clocks, name), `${offset}\n`);
        set(node.name, '+3600');
        set('data-1', '-3600');
        set('session-1', '+3600');
        await sleep(3_000);
        const ahead = await arena.propagates();
        set(node.name, '-3600');
        set('data-1', '+3600');
        set('session-1', '-3600');
        await sleep(3_000);
        const behind = await arena.propagates();
        for (const name of CLOCKED) set(name, '+0');
        await sleep(2_000);
        const same = leader().term === term;
        return {
          what: 'all slots propagate',
          seconds: Math.max(ahead, behind),
          note: same ? 'the same meta leads' : 'another term',
        };
      },
    );
  } else {
    const leftOut = `clocks left out: ${FAKETIME} is not installed (test/slow/install-stores.sh)`;
    console.warn(`*** meta: ${leftOut}`);
    it(leftOut, () => expect(existsSync(FAKETIME)).toBe(false));
  }

  scenario(`all metas are down for ${seconds(METAS_AWAY_MS)}`, ci('postgres'), async () => {
    const { term } = leader();
    const before = await epochs();
    await arena.cluster.kill(...METAS);
    const began = performance.now();
    let worst = 0;
    for (let round = 1; performance.now() - began < METAS_AWAY_MS; round++) {
      loseSockets(`session-${1 + (round % 3)}`);
      await sleep(Math.min(METAS_AWAY_MS / 3, 30_000));
      worst = Math.max(worst, await arena.propagates());
    }
    const untouched = (await epochs()) === before;
    arena.cluster.revive(...METAS);
    const from = performance.now();
    const { acts } = await succession(term, from);
    await arena.cluster.healthy();
    expect(untouched).toBe(true);
    const note = `a meta acts ${acts.toFixed(1)} s after their start; no slot moved`;
    return { what: 'all slots propagate meanwhile', seconds: worst, note };
  });
});
