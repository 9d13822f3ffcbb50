/** A data node with many publishers, and the slot table of many data nodes. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as wire from '@sofa-registry/wire';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { Inspector } from '../harness/inspector.ts';
import { rssBytes } from '../harness/proc.ts';
import { type Row, NO_ACCESS_LIMIT, WITH_INSPECTOR } from '../harness/scenario.ts';
import { openMany } from '../load/connection.ts';
import { closeAll, spread } from '../load/fleet.ts';
import { dataIdOf, isAccepted, payloadOf, publish, registIdOf } from '../load/messages.ts';
import { sleep } from '../load/waiting.ts';
import { type ClusterScenario, withCluster } from './scenario.ts';

const HOST = '127.0.0.1';
const PUBLISHERS = 500_000;
const PAYLOAD = 300;
const PER_SERVICE = 10;
const SETTLE_MS = 70_000;
const POLL_MS = 20;
const COMPLETE_LIMIT_MS = 120_000;
/** Silent connections are closed after a while. */
const BEAT_MS = 15_000;

const MEMORY = fileURLToPath(new URL('../data-memory.ts', import.meta.url));
const ALLOCATOR = fileURLToPath(new URL('../allocator.ts', import.meta.url));

/** Memory per publisher, and the way back of a data node that has lost everything. */
export const publishers500k: ClusterScenario = {
  name: 'publishers-500k',
  title: 'Two data nodes that both hold 500 k publishers of 300 B, 10 per service',
  limitMs: 400_000,
  run: () =>
    withCluster(
      { data: 2, sessions: 1, proxied: false, sets: NO_ACCESS_LIMIT, nodeOptions: { data: WITH_INSPECTOR } },
      async (cluster) => {
        const session = cluster.node('session-1');
        const connections = await openMany(HOST, session.ports.port, 16);
        const beats = setInterval(() => connections.forEach((connection) => connection.beat()), BEAT_MS);
        const base = await live(cluster.node('data-2'));
        await spread(connections, PUBLISHERS, (n) => ({
          className: wire.PUBLISHER_REGISTER,
          content: publish(
            dataIdOf('size', Math.floor(n / PER_SERVICE)),
            registIdOf('size', n),
            1,
            payloadOf(`#${n}#`, PAYLOAD),
          ),
          accepted: (frame) => isAccepted(frame, 1),
        }));
        await complete(cluster);
        // Deltas of resting services are forgotten after a minute.
        await sleep(SETTLE_MS);
        const full = await live(cluster.node('data-2'));
        const payload = await sum(cluster, 'data-2', 'payload_bytes');
        const beside = (full - base - payload) / PUBLISHERS;
        const seconds = await back(cluster);
        clearInterval(beats);
        closeAll(connections);
        return [
          {
            what: 'live bytes per publisher beside its payload, 10 per service',
            value: beside,
            unit: 'B',
            budget: 400,
            note: `payload ${(payload / PUBLISHERS).toFixed(0)} B; heap and external memory after a full collection`,
          },
          {
            what: 'resident bytes of the whole process per publisher',
            value: rssBytes(cluster.node('data-1').process.pid) / PUBLISHERS,
            unit: 'B',
          },
          {
            what: 'killed and started again: process start -> all copies complete',
            value: seconds,
            unit: 's',
            note: 'the other node copies 500 k publishers to it',
          },
        ];
      },
    ),
};

/** The same per record without a cluster around it, with one publisher for each service. */
export const singles: ClusterScenario = {
  name: 'singles',
  title: 'Data node: bytes per publisher beside its payload, records alone',
  limitMs: 120_000,
  async run(): Promise<Row[]> {
    const rows: Row[] = [];
    for (const perService of [1, 10]) {
      const args = ['--conditions=development', '--expose-gc', MEMORY, '200000', String(perService)];
      const output = execFileSync(process.execPath, args, { encoding: 'utf8' });
      const [fresh, rested] = [.../(\d+) B beside the payload/g[Symbol.matchAll](output)].map((found) =>
        Number(found[1]),
      );
      rows.push(
        { what: `${perService} per service, just registered`, value: fresh, unit: 'B' },
        { what: `${perService} per service, at rest`, value: rested, unit: 'B', budget: 400 },
      );
    }
    return rows;
  },
};

/** The allocator alone. */
export const table60: ClusterScenario = {
  name: 'table-60',
  title: 'Slot table of 256 slots for 60 data nodes',
  limitMs: 60_000,
  async run(): Promise<Row[]> {
    const output = execFileSync(process.execPath, ['--conditions=development', ALLOCATOR], {
      encoding: 'utf8',
    });
    const medianOf = (what: string): number =>
      Number(
        new RegExp(`^${what}, 60 nodes, 256 slots .* median +([\\d.]+) ms`, 'm').exec(output)?.[1] ??
          Number.NaN,
      );
    const note = 'median';
    return [
      { what: 'first placement', value: medianOf('first placement'), unit: 'ms', budget: 50, note },
      { what: 'one node lost', value: medianOf('one node lost'), unit: 'ms', budget: 50, note },
      { what: 'twenty nodes lost', value: medianOf('twenty nodes lost'), unit: 'ms', budget: 50, note },
    ];
  },
};

async function live(node: ClusterNode): Promise<number> {
  const inspector = await Inspector.open(node.process.inspectorUrl ?? '');
  const { heapUsed, external } = await inspector.liveMemory();
  inspector.close();
  return heapUsed + external;
}

async function sum(cluster: Cluster, name: string, metric: string): Promise<number> {
  const text = await cluster.get(cluster.node(name), '/metrics');
  return Number(new RegExp(`^sofa_registry_data_${metric} ([\\d.e+-]+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** Waits until both nodes hold everything. */
async function complete(cluster: Cluster): Promise<void> {
  const end = performance.now() + COMPLETE_LIMIT_MS;
  for (;;) {
    const held = await Promise.all(
      ['data-1', 'data-2'].map(async (name) => {
        const all = (await sum(cluster, name, 'publishers')) === PUBLISHERS;
        return all && (await sum(cluster, name, 'slots_incomplete')) === 0;
      }),
    );
    if (held.every(Boolean)) return;
    if (performance.now() > end) throw new Error(`not complete after ${COMPLETE_LIMIT_MS} ms`);
    await sleep(POLL_MS);
  }
}

/** Kills data-2, starts it again and waits. @returns seconds from its start */
async function back(cluster: Cluster): Promise<number> {
  await cluster.kill('data-2');
  const began = performance.now();
  cluster.revive('data-2');
  await cluster.running('data-2');
  await complete(cluster);
  return (performance.now() - began) / 1000;
}
