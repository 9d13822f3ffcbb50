/**
 * A cluster of real processes under 200 clients and 2,000 services: whatever is killed, paused, cut, added or drained, no list
 * shrinks, none is empty, none goes back, and all are right in the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Arena, FIRST, type Outcome } from './arena.ts';

const arena = new Arena({ data: 3, sessions: 2 });
const DATA = ['data-1', 'data-2', 'data-3'];
const ALL = ['meta-1', ...DATA, 'session-1', 'session-2'];
const EVEN_LIMIT_MS = 30_000;
const SEEN_LIMIT_MS = 30_000;
const PAUSE_MS = 15_000;
const CUT_MS = 8_000;
const AWAY_MS = 4_500;
/** Twice the refresh period of server lists in official clients. */
const LISTS_LIMIT_MS = 60_000;

function scenario(name: string, act: () => Promise<Outcome>): void {
  it(name, () => arena.run(name, act));
}

const propagates = (): Promise<number> => arena.propagates();
const evenAgain = (without?: readonly string[]): Promise<string> => arena.evenAgain(without);

/** What data nodes refused and clients repeated so far, by reason. */
async function refusals(): Promise<Map<string, number>> {
  const all = new Map([['client repeats', arena.fleet.repeated]]);
  for (const what of ['reads_refused', 'writes_rejected']) {
    for (const [labels, count] of await arena.cluster.metric('data', `sofa_registry_data_${what}_total`)) {
      all.set(`${what} ${labels}`.trim(), count);
    }
  }
  return all;
}

/** Runs a planned move under 500 changes a second. */
async function underLoad(act: () => Promise<number>): Promise<{ seconds: number; note: string }> {
  const before = await refusals();
  arena.fleet.churn(500);
  const seconds = await act();
  const more: string[] = [];
  for (const [what, count] of await refusals()) {
    const grown = count - (before.get(what) ?? 0);
    if (grown > 0) more.push(`${what} ${grown}`);
  }
  return { seconds, note: more.length === 0 ? 'nothing refused' : more.join(', ') };
}

/** An official client keeps its server list for 30 s: after a session came or went, wait for all to know before the next fault. */
async function allKnowBothSessions(): Promise<void> {
  await arena.fleet.informed(
    arena.cluster.of('session').map(({ address }) => address),
    LISTS_LIMIT_MS,
  );
}

/** Everything runs again; its clients find it by themselves, each with random waits of up to 15 s. */
async function restarted(): Promise<Outcome> {
  const back = arena.fleet.back(0.9, SEEN_LIMIT_MS);
  const [seconds, ms] = await Promise.all([propagates(), back]);
  const note = `90 % of the clients registered after ${(ms / 1000).toFixed(2)} s; ${await evenAgain()}`;
  return { what: 'all slots propagate after they run', seconds, note };
}

/** Loses all packets of a node's connections to proxied ones for a while. */
async function cutOff(client: string, targets: readonly string[]): Promise<void> {
  const { cluster } = arena;
  const where = cluster.linksOf(cluster.node(client));
  const faults = targets.map((target) => cluster.node(target).proxy?.inject({ drop: true, where }));
  await sleep(CUT_MS);
  for (const fault of faults) fault?.heal();
}

beforeAll(() => arena.ready());
afterAll(async () => {
  console.log(`\n${arena.table()}\n`);
  await arena.close();
});

describe('cluster of processes', () => {
  scenario(FIRST, async () => ({
    what: 'registered and all lists right',
    seconds: await arena.registerAll(),
  }));

  scenario('one client dies', async () => {
    const client = arena.fleet.living()[0];
    const publications = [...client.publications];
    client.die();
    const ms = await arena.fleet.gone(publications, SEEN_LIMIT_MS);
    return { what: 'gone from all lists', seconds: ms / 1000, budget: 0.55 };
  });

  scenario('a data node is killed', async () => {
    await arena.cluster.kill('data-2');
    const seconds = await propagates();
    arena.cluster.revive('data-2');
    await arena.cluster.running('data-2');
    return { what: 'all slots propagate', seconds, budget: 3, note: `back: ${await evenAgain()}` };
  });

  scenario('all data nodes are killed and started again', async () => {
    await arena.cluster.kill(...DATA);
    arena.cluster.revive(...DATA);
    await arena.cluster.running(...DATA);
    const seconds = await propagates();
    return { what: 'all slots propagate after they run', seconds, budget: 5, note: await evenAgain() };
  });

  scenario('a session loses all its sockets; back within 5 s', async () => {
    const session = arena.cluster.node('session-1').address;
    for (const client of arena.fleet.living(session)) client.cut(Math.random() * AWAY_MS);
    return { what: 'all slots propagate', seconds: await propagates() };
  });

  scenario('a data node is paused for 15 s', async () => {
    arena.cluster.pause('data-1');
    const began = performance.now();
    const seconds = await propagates();
    await sleep(Math.max(0, PAUSE_MS - (performance.now() - began)));
    arena.cluster.resume('data-1');
    return { what: 'all slots propagate', seconds, note: `resumed: ${await evenAgain()}` };
  });

  scenario('a session is paused for 15 s', async () => {
    const { cluster, fleet } = arena;
    const other = new Set(fleet.living(cluster.node('session-1').address).map(({ name }) => name));
    cluster.pause('session-2');
    const began = performance.now();
    const probes = fleet.probe(({ name }) => other.has(name));
    const ms = await fleet.seen(probes, SEEN_LIMIT_MS, ({ owner }) => other.has(owner));
    await sleep(Math.max(0, PAUSE_MS - (performance.now() - began)));
    cluster.resume('session-2');
    const back = (await propagates()).toFixed(2);
    return {
      what: 'clients of the other session',
      seconds: ms / 1000,
      note: `everybody ${back} s after it returned`,
    };
  });

  scenario('packets between a session and a data node are lost', async () => {
    await cutOff('session-1', ['data-1']);
    return { what: 'all slots propagate after it healed', seconds: await propagates() };
  });

  scenario('packets between two data nodes are lost', async () => {
    const cut = Promise.all([cutOff('data-1', ['data-2']), cutOff('data-2', ['data-1'])]);
    const seconds = await propagates();
    await cut;
    return { what: 'all slots propagate meanwhile', seconds };
  });

  scenario('packets between a data node and meta are lost', async () => {
    const cut = cutOff('data-3', ['meta-1']);
    const seconds = await propagates();
    await cut;
    return { what: 'all slots propagate meanwhile', seconds, note: `healed: ${await evenAgain()}` };
  });

  scenario('a data node joins', async () => {
    const { seconds, note } = await underLoad(async () => {
      await arena.cluster.add('data-4', 'data');
      return (await arena.cluster.even(EVEN_LIMIT_MS)) / 1000;
    });
    return { what: 'even', seconds, budget: 15, note };
  });

  scenario('a data node is drained and stopped', async () => {
    const { seconds, note } = await underLoad(async () => {
      const { address } = arena.cluster.node('data-4');
      await arena.cluster.change(`/registry/v1/drain?node=${encodeURIComponent(address)}`);
      return (await arena.cluster.even(EVEN_LIMIT_MS, ['data-4'])) / 1000;
    });
    await arena.cluster.stopNodes('data-4');
    await arena.cluster.remove('data-4');
    return { what: 'even', seconds, budget: 15, note: `${note}; stopped: ${await evenAgain()}` };
  });

  scenario('the links of a data node become half-open', async () => {
    const links = arena.cluster.node('data-1').proxy?.halfOpen('client') ?? 0;
    return { what: 'all slots propagate', seconds: await propagates(), note: `${links} links` };
  });

  scenario('meta is killed and started again', async () => {
    await arena.cluster.kill('meta-1');
    const without = (await propagates()).toFixed(2);
    arena.cluster.revive('meta-1');
    await arena.cluster.running('meta-1');
    return {
      what: 'even after it runs',
      seconds: (await arena.cluster.even(EVEN_LIMIT_MS)) / 1000,
      note: `without meta ${without} s`,
    };
  });

  scenario('a session is stopped', async () => {
    await allKnowBothSessions();
    const stopping = arena.cluster.stopNodes('session-2');
    const seconds = await propagates();
    await stopping;
    await arena.fleet.equal(SEEN_LIMIT_MS);
    arena.cluster.revive('session-2');
    await arena.cluster.healthy();
    return { what: 'all slots propagate', seconds };
  });

  scenario('a session is killed, its clients live on', async () => {
    await allKnowBothSessions();
    await arena.cluster.kill('session-1');
    const seconds = await propagates();
    arena.cluster.revive('session-1');
    await arena.cluster.healthy();
    return { what: 'all clients are back', seconds, budget: 6 };
  });

  scenario('two sessions are killed one after the other, their clients live on', async () => {
    await allKnowBothSessions();
    await arena.cluster.kill('session-2');
    await propagates();
    arena.cluster.revive('session-2');
    await arena.cluster.healthy();
    // Most clients do not know yet that it is back.
    const knowing = arena.fleet.living().filter(({ knownSessions }) => knownSessions.length === 2).length;
    await arena.cluster.kill('session-1');
    const seconds = (await arena.fleet.seen(arena.fleet.probe(), LISTS_LIMIT_MS)) / 1000;
    arena.cluster.revive('session-1');
    await arena.cluster.healthy();
    return { what: 'all clients are back', seconds, note: `${knowing} of them knew the one that was left` };
  });

  scenario('everything is killed and started again', async () => {
    await arena.cluster.kill(...ALL);
    arena.cluster.revive(...ALL);
    await arena.cluster.running(...ALL);
    return restarted();
  });

  scenario('everything is stopped and started again', async () => {
    await arena.cluster.stopNodes(...ALL);
    arena.cluster.revive(...ALL);
    await arena.cluster.running(...ALL);
    return restarted();
  });

  scenario('a session is killed with its clients', async () => {
    const session = arena.cluster.node('session-2').address;
    const clients = arena.fleet.living(session);
    const orphans = clients.flatMap(({ publications }) => [...publications]);
    await arena.cluster.kill('session-2');
    for (const client of clients) client.die();
    const ms = await arena.fleet.gone(orphans, 60_000);
    return { what: `${orphans.length} orphans gone, lease 10 s`, seconds: ms / 1000, budget: 12 };
  });
});
