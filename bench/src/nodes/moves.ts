/** Planned moves: data nodes join and are drained under writes and reads. */
import * as wire from '@sofa-registry/wire';
import type { Cluster } from '../cluster/cluster.ts';
import type { Row } from '../harness/scenario.ts';
import { LoadConnection } from '../load/connection.ts';
import { dataIdOf, registIdOf, subscribe } from '../load/messages.ts';
import { type ClusterScenario, total, withCluster, withFleet } from './scenario.ts';

const ROUNDS = 4;
const WRITES_PER_SECOND = 500;
const READ_EVERY_MS = 4;
const EVEN_LIMIT_MS = 60_000;
const EQUAL_LIMIT_MS = 60_000;
const JOINER = 'data-4';

interface Counts {
  [what: string]: number;
}

async function counts(cluster: Cluster): Promise<Counts> {
  return {
    ...(await byReason(cluster, 'data', 'reads_refused', 'refused ')),
    writesRefused: await total(cluster, 'data', 'writes_rejected_total', 'access'),
    ...(await byReason(cluster, 'session', 'fetch_retries', 'fetch ')),
    ...(await byReason(cluster, 'session', 'write_retries', 'write ')),
    relayed: await total(cluster, 'data', 'relayed_total'),
    unanswered: await total(cluster, 'data', 'relays_failed_total'),
    waited:
      (await total(cluster, 'data', 'reads_parked_total')) +
      (await total(cluster, 'data', 'writes_parked_total')),
    reads: await total(cluster, 'data', 'fetches_total'),
    handOvers: await total(cluster, 'data', 'hand_overs_total'),
    failed: await total(cluster, 'data', 'hand_overs_failed_total'),
  };
}

/** A metric by reason; each name in the result begins with `prefix`. */
async function byReason(
  cluster: Cluster,
  role: 'data' | 'session',
  what: string,
  prefix: string,
): Promise<Counts> {
  const found: Counts = {};
  for (const [labels, value] of await cluster.metric(role, `sofa_registry_${role}_${what}_total`))
    found[`${prefix}${/reason="(\w+)"/.exec(labels)?.[1] ?? ''}`] = value;
  return found;
}

/** First subscriptions of services nobody watches: each is a read at a data leader. */
async function readAllTheTime(cluster: Cluster): Promise<() => void> {
  const connections = await Promise.all(
    cluster.of('session').map(({ ports }) => LoadConnection.open('127.0.0.1', ports.port)),
  );
  let n = 0;
  const timer = setInterval(() => {
    for (const connection of connections) {
      n++;
      connection.request(
        wire.SUBSCRIBER_REGISTER,
        subscribe(dataIdOf('read', n), registIdOf('read', n)),
        () => undefined,
      );
    }
  }, READ_EVERY_MS);
  return () => {
    clearInterval(timer);
    for (const connection of connections) connection.destroy();
  };
}

/** Counts of the nodes that live, with what a node counted before it was stopped. */
class Growth {
  readonly #cluster: Cluster;
  readonly #sums: Counts = {};
  #last: Counts = {};

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Begins anew; what a node that has left had counted is gone from the next sums. */
  async begin(): Promise<void> {
    this.#last = await counts(this.#cluster);
  }

  async add(): Promise<void> {
    const now = await counts(this.#cluster);
    for (const [what, value] of Object.entries(now))
      this.#sums[what] = (this.#sums[what] ?? 0) + value - (this.#last[what] ?? 0);
    this.#last = now;
  }

  /** Sum of all counts whose names begin so, and which they are. */
  starting(...names: string[]): { sum: number; note: string } {
    const some = Object.entries(this.#sums).filter(
      ([what, n]) => n > 0 && names.some((name) => what.startsWith(name)),
    );
    return {
      sum: some.reduce((all, [, n]) => all + n, 0),
      note: some.map(([what, n]) => `${what} ${n}`).join(', '),
    };
  }

  of(what: string): number {
    return this.#sums[what] ?? 0;
  }
}

export const moves: ClusterScenario = {
  name: 'moves',
  title: 'A fourth data node joins and is drained again, 500 writes/s and 500 reads/s',
  limitMs: 300_000,
  run: () =>
    withCluster({ data: 3, sessions: 2 }, (cluster) =>
      withFleet(cluster, async (fleet) => {
        const stopReading = await readAllTheTime(cluster);
        const times: number[] = [];
        const growth = new Growth(cluster);
        fleet.churn(WRITES_PER_SECOND);
        for (let i = 0; i < ROUNDS; i++) {
          await growth.begin();
          const { address } = await cluster.add(JOINER, 'data');
          times.push(await cluster.even(EVEN_LIMIT_MS));
          await cluster.change(`/registry/v1/drain?node=${encodeURIComponent(address)}`);
          times.push(await cluster.even(EVEN_LIMIT_MS, [JOINER]));
          await growth.add();
          await cluster.stopNodes(JOINER);
          await cluster.remove(JOINER);
          await cluster.even(EVEN_LIMIT_MS);
        }
        stopReading();
        await fleet.equal(EQUAL_LIMIT_MS);
        const { shrunken, empty, older } = fleet.oracle.reset();
        return rows(growth, times, shrunken + empty + older);
      }),
    ),
};

function rows(growth: Growth, times: readonly number[], bad: number): Row[] {
  const refused = growth.starting('refused ');
  const repeated = growth.starting('fetch ', 'write ');
  const handOvers = `${growth.of('handOvers')} slots changed hands in ${ROUNDS} joins and drains`;
  return [
    {
      what: 'reads refused',
      value: refused.sum,
      unit: 'count',
      budget: 0,
      note: `of ${growth.of('reads')}; ${handOvers}${refused.note === '' ? '' : `; ${refused.note}`}`,
    },
    { what: 'writes refused', value: growth.of('writesRefused'), unit: 'count', budget: 0 },
    {
      what: 'reads and writes that a session had to repeat',
      value: repeated.sum,
      unit: 'count',
      budget: 0,
      note: repeated.note,
    },
    {
      what: 'writes lost',
      value: 0,
      unit: 'count',
      budget: 0,
      note: 'every list is exactly right afterwards',
    },
    { what: 'lists shrunken, empty or older meanwhile', value: bad, unit: 'count', budget: 0 },
    {
      what: 'passed on by the old leader',
      value: growth.of('relayed'),
      unit: 'count',
      note: `${growth.of('unanswered')} of them without an answer`,
    },
    { what: 'waited at the new leader', value: growth.of('waited'), unit: 'count' },
    { what: 'hand-overs without the last changes', value: growth.of('failed'), unit: 'count', budget: 0 },
    { what: 'until the placement is even, slowest', value: Math.max(...times) / 1000, unit: 's', budget: 15 },
  ];
}
