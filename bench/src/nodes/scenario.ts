/** A benchmark of a cluster of processes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, type ClusterOptions } from '../cluster/cluster.ts';
import { Fleet } from '../cluster/fleet.ts';
import type { Row } from '../harness/scenario.ts';

/** One of them. It starts what it needs. */
export interface ClusterScenario {
  readonly name: string;
  readonly title: string;
  readonly limitMs: number;
  run(): Promise<Row[]>;
}

const EVEN_LIMIT_MS = 30_000;
const EQUAL_LIMIT_MS = 60_000;

/** Starts an even cluster with default settings, runs `act`, and ends it. */
export async function withCluster<T>(
  options: Omit<ClusterOptions, 'dir'>,
  act: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'sofa-bench-'));
  let cluster: Cluster | null = null;
  try {
    cluster = await Cluster.start({ ...options, dir });
    await cluster.even(EVEN_LIMIT_MS);
    return await act(cluster);
  } finally {
    await cluster?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Clients like the official ones, settled: 2,000 services of 3 publishers and 2 subscribers, of all slots. */
export async function withFleet<T>(cluster: Cluster, act: (fleet: Fleet) => Promise<T>): Promise<T> {
  const query = (): Promise<string> => cluster.queryWithWeight();
  const fleet = new Fleet({ clients: 200, services: 2_000, publishers: 3, subscribers: 2, query });
  try {
    fleet.start();
    await fleet.equal(EQUAL_LIMIT_MS);
    fleet.oracle.reset();
    return await act(fleet);
  } finally {
    fleet.stop();
  }
}

/** Sum of a metric over the nodes of a role; with `label` only of that label. */
export async function total(
  cluster: Cluster,
  role: 'data' | 'session',
  name: string,
  label = '',
): Promise<number> {
  let sum = 0;
  for (const [labels, value] of await cluster.metric(role, `sofa_registry_${role}_${name}`))
    if (labels.includes(label)) sum += value;
  return sum;
}
