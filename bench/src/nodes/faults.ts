/** Data nodes and sessions are killed and started again, default settings, under 200 clients and 200 changes a second. */
import type { Row } from '../harness/scenario.ts';
import { sleep } from '../load/waiting.ts';
import { type ClusterScenario, withCluster, withFleet } from './scenario.ts';

const KILLS = 4;
/** Meta evicts one of three data nodes within its lease of 20 s, then waits (`meta.evictShareMax`). */
const APART_MS = 21_000;
const CHANGES_PER_SECOND = 200;
const SEEN_LIMIT_MS = 30_000;
const EVEN_LIMIT_MS = 60_000;
const EQUAL_LIMIT_MS = 60_000;
const ORPHANS_LIMIT_MS = 90_000;
const DATA = ['data-1', 'data-2', 'data-3'];

function worst(what: string, values: readonly number[], budget: number, note = ''): Row {
  return {
    what,
    value: Math.max(...values) / 1000,
    unit: 's',
    budget,
    note: `slowest of ${values.length}: ${values.map((ms) => (ms / 1000).toFixed(2)).join(', ')}${note}`,
  };
}

/** A data leader dies and comes back. */
export const failover: ClusterScenario = {
  name: 'failover',
  title: 'A data node of three is killed and comes back; 200 clients, 2,000 services',
  limitMs: 240_000,
  run: () =>
    withCluster({ data: 3, sessions: 2 }, (cluster) =>
      withFleet(cluster, async (fleet) => {
        const usable: number[] = [];
        const even: number[] = [];
        for (let i = 0; i < KILLS; i++) {
          const name = DATA[i % DATA.length];
          fleet.churn(CHANGES_PER_SECOND);
          const began = performance.now();
          await cluster.kill(name);
          usable.push(await fleet.seen(fleet.probe(), SEEN_LIMIT_MS));
          cluster.revive(name);
          await cluster.running(name);
          even.push(await cluster.even(EVEN_LIMIT_MS));
          await fleet.equal(EQUAL_LIMIT_MS);
          await sleep(APART_MS - (performance.now() - began));
        }
        const { shrunken, empty } = fleet.oracle.reset();
        return [
          worst(
            'data leader killed -> changes of all slots arrive everywhere',
            usable,
            3,
            '; detection included',
          ),
          worst('killed data node runs again -> placement even', even, 15),
          { what: 'lists shrunken or empty meanwhile', value: shrunken + empty, unit: 'count', budget: 0 },
        ];
      }),
    ),
};

/** All data nodes at once. */
export const allData: ClusterScenario = {
  name: 'all-data',
  title: 'All three data nodes are killed and started again',
  limitMs: 240_000,
  run: () =>
    withCluster({ data: 3, sessions: 2 }, (cluster) =>
      withFleet(cluster, async (fleet) => {
        const usable: number[] = [];
        for (let i = 0; i < KILLS; i++) {
          fleet.churn(CHANGES_PER_SECOND);
          await cluster.kill(...DATA);
          cluster.revive(...DATA);
          await cluster.running(...DATA);
          usable.push(await fleet.seen(fleet.probe(), SEEN_LIMIT_MS));
          await cluster.even(EVEN_LIMIT_MS);
          await fleet.equal(EQUAL_LIMIT_MS);
        }
        const { shrunken, empty } = fleet.oracle.reset();
        return [
          worst('all run again -> changes of all slots arrive everywhere', usable, 5),
          { what: 'lists shrunken or empty meanwhile', value: shrunken + empty, unit: 'count', budget: 0 },
        ];
      }),
    ),
};

/** A session dies with its clients. */
export const orphans: ClusterScenario = {
  name: 'orphans',
  title: 'A session is killed together with its clients, lease 30 s',
  limitMs: 180_000,
  run: () =>
    withCluster({ data: 3, sessions: 2 }, (cluster) =>
      withFleet(cluster, async (fleet) => {
        const clients = fleet.living(cluster.node('session-2').address);
        const published = clients.flatMap(({ publications }) => [...publications]);
        const began = performance.now();
        await cluster.kill('session-2');
        for (const client of clients) client.die();
        await fleet.gone(published, ORPHANS_LIMIT_MS);
        const value = (performance.now() - began) / 1000;
        return [
          {
            what: 'its publishers are in no list any more',
            value,
            unit: 's',
            budget: 32,
            note: `${published.length} publishers`,
          },
        ];
      }),
    ),
};
