/** What flows between processes: a change of an idle cluster, operations to followers, and nothing at all. */
import * as wire from '@sofa-registry/wire';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { type Row, NO_ACCESS_LIMIT } from '../harness/scenario.ts';
import { LoadConnection, openMany } from '../load/connection.ts';
import { changeItem, closeAll, publishAll, spread, watchAll } from '../load/fleet.ts';
import { dataIdOf, isAccepted, payloadOf, publish, registIdOf } from '../load/messages.ts';
import { quantile } from '../load/stats.ts';
import { sleep, until } from '../load/waiting.ts';
import { type ClusterScenario, withCluster } from './scenario.ts';

const HOST = '127.0.0.1';
const CHANGES = 600;
const SERVICES = { family: 'steady', count: 100, payloadBytes: 300 };
const CHANGE_LIMIT_MS = 5_000;
const WRITES_PER_SECOND = 2_000;
const WRITE_MS = 15_000;
const WRITE_SERVICES = 5_000;
const TICK_MS = 5;
const PUBLISHER_STEPS = [10_000, 100_000];
const SETTLE_MS = 8_000;
const QUIET_MS = 30_000;
const PER_SERVICE = 10;

const openAt = (node: ClusterNode): Promise<LoadConnection> => LoadConnection.open(HOST, node.ports.port);

/** Publisher at one session, subscriber at the other. */
export const propagation: ClusterScenario = {
  name: 'propagation',
  title: 'One change of an idle cluster: 1 meta, 3 data, 2 session processes',
  limitMs: 120_000,
  run: () =>
    withCluster({ data: 3, sessions: 2, proxied: false }, async (cluster) => {
      const [a, b] = await Promise.all(cluster.of('session').map(openAt));
      const began = new Map<string, number>();
      const times: number[] = [];
      await publishAll([a], SERVICES);
      await watchAll([b], SERVICES, (service, sequence) => {
        const at = began.get(`${service}.${sequence}`);
        if (at !== undefined) times.push(performance.now() - at);
      });
      await sleep(SETTLE_MS);
      for (let i = 0; i < CHANGES; i++) {
        const service = i % SERVICES.count;
        const sequence = 1 + Math.floor(i / SERVICES.count);
        const { className, content } = changeItem(SERVICES, service, sequence);
        const wanted = times.length + 1;
        began.set(`${service}.${sequence}`, performance.now());
        a.request(className, content, () => undefined);
        if (!(await until(() => times.length >= wanted, CHANGE_LIMIT_MS, 0)))
          throw new Error('a change never came');
        await sleep(TICK_MS);
      }
      closeAll([a, b]);
      const note = `${CHANGES} changes of ${SERVICES.count} services, publisher and subscriber at different sessions`;
      return [
        {
          what: 'publish -> subscriber has it, p50',
          value: quantile(times, 0.5),
          unit: 'ms',
          budget: 2,
          note,
        },
        { what: 'publish -> subscriber has it, p99', value: quantile(times, 0.99), unit: 'ms', budget: 10 },
      ];
    }),
};

/** Lag of followers, as they measure it themselves. */
export const lag: ClusterScenario = {
  name: 'lag',
  title: 'Followers at 2,000 writes/s',
  limitMs: 120_000,
  run: () =>
    withCluster({ data: 3, sessions: 2, proxied: false, sets: NO_ACCESS_LIMIT }, async (cluster) => {
      const services = { family: 'lag', count: WRITE_SERVICES, payloadBytes: 300 };
      const connections = (
        await Promise.all(cluster.of('session').map((node) => openMany(HOST, node.ports.port, 8)))
      ).flat();
      await publishAll(connections, services);
      await sleep(SETTLE_MS);
      const before = await buckets(cluster);
      const began = performance.now();
      let sent = 0;
      while (performance.now() - began < WRITE_MS) {
        const due = Math.floor(((performance.now() - began) * WRITES_PER_SECOND) / 1000);
        for (; sent < due; sent++) {
          const { className, content } = changeItem(
            services,
            sent % WRITE_SERVICES,
            1 + Math.floor(sent / WRITE_SERVICES),
          );
          connections[sent % connections.length].request(className, content, () => undefined);
        }
        await sleep(TICK_MS);
      }
      await sleep(1000);
      const after = await buckets(cluster);
      closeAll(connections);
      const grown = new Map([...after].map(([le, count]) => [le, count - (before.get(le) ?? 0)]));
      const note = `${Math.round(sent / (WRITE_MS / 1000))} writes/s; upper bound of the histogram's bucket, ${grown.get(Infinity) ?? 0} samples`;
      return [
        {
          what: 'change at the leader -> applied by the follower, p50',
          value: bound(grown, 0.5),
          unit: 'ms',
          note,
        },
        {
          what: 'change at the leader -> applied by the follower, p99',
          value: bound(grown, 0.99),
          unit: 'ms',
          budget: 100,
        },
        { what: 'the same, the slowest', value: bound(grown, 1), unit: 'ms' },
      ];
    }),
};

/** Cumulative counts of `replica_lag_ms` over all data nodes, by upper bound. */
async function buckets(cluster: Cluster): Promise<Map<number, number>> {
  const sums = new Map<number, number>();
  for (const [labels, count] of await cluster.metric('data', 'sofa_registry_data_replica_lag_ms_bucket')) {
    const le = /le="([^"]+)"/.exec(labels)?.[1] ?? '';
    const upper = le === '+Inf' ? Infinity : Number(le);
    sums.set(upper, (sums.get(upper) ?? 0) + count);
  }
  return sums;
}

function bound(cumulative: ReadonlyMap<number, number>, p: number): number {
  const total = cumulative.get(Infinity) ?? 0;
  const sorted = [...cumulative].toSorted(([x], [y]) => x - y);
  return sorted.find(([, count]) => total > 0 && count >= p * total)?.[0] ?? Number.NaN;
}

/** Bytes of a cluster in which nothing changes. */
export const quiet: ClusterScenario = {
  name: 'quiet',
  title: 'Nothing changes: bytes between processes, 3 data, 2 sessions',
  limitMs: 240_000,
  run: () =>
    withCluster({ data: 3, sessions: 2, sets: NO_ACCESS_LIMIT }, async (cluster) => {
      const sessions = cluster.of('session');
      const connections = (
        await Promise.all(sessions.map((node) => openMany(HOST, node.ports.port, 8)))
      ).flat();
      const rows: Row[] = [];
      let there = 0;
      for (const step of PUBLISHER_STEPS) {
        const from = there;
        await spread(connections, step - from, (i) => ({
          className: wire.PUBLISHER_REGISTER,
          content: publish(
            dataIdOf('quiet', Math.floor((from + i) / PER_SERVICE)),
            registIdOf('quiet', from + i),
            1,
            payloadOf(`#${from + i}#`, 300),
          ),
          accepted: (frame) => isAccepted(frame, 1),
        }));
        there = step;
        await sleep(SETTLE_MS);
        rows.push(...(await quietRows(cluster, `${step / 1000} k publishers`)));
      }
      closeAll(connections);
      return rows;
    }),
};

async function quietRows(cluster: Cluster, with_: string): Promise<Row[]> {
  const kinds: [string, string[], string[]][] = [
    ['data node -> data node (as follower)', names(cluster, 'data'), names(cluster, 'data')],
    ['session -> data node', names(cluster, 'session'), names(cluster, 'data')],
    ['node -> meta', [...names(cluster, 'data'), ...names(cluster, 'session')], names(cluster, 'meta')],
  ];
  const before = passed(cluster);
  await sleep(QUIET_MS);
  const after = passed(cluster);
  return kinds.map(([what, clients, targets]) => {
    let bytes = 0;
    let pairs = 0;
    for (const client of clients)
      for (const target of targets) {
        if (client === target) continue;
        pairs++;
        bytes += (after.get(`${client}>${target}`) ?? 0) - (before.get(`${client}>${target}`) ?? 0);
      }
    return {
      what: `${what}, ${with_}`,
      value: bytes / pairs / (QUIET_MS / 1000),
      unit: 'B/s',
      note: `both directions, mean of ${pairs} pairs over ${QUIET_MS / 1000} s`,
    };
  });
}

function names(cluster: Cluster, role: 'meta' | 'data' | 'session'): string[] {
  return cluster.of(role).map(({ name }) => name);
}

/** Bytes passed by each proxy so far, by client and target. */
function passed(cluster: Cluster): Map<string, number> {
  const sums = new Map<string, number>();
  for (const client of cluster.nodes) {
    const isOf = cluster.linksOf(client);
    for (const target of cluster.nodes)
      for (const link of target.proxy?.links ?? [])
        if (isOf(link)) {
          const key = `${client.name}>${target.name}`;
          sums.set(key, (sums.get(key) ?? 0) + link.passedBytes);
        }
  }
  return sums;
}
