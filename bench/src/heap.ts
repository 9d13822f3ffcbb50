/**
 * What the memory of a publisher, or of a connection with one publisher and one subscriber, consists of: fills a fresh
 * server, takes a heap snapshot of it and sums the objects by constructor, as bytes and objects for each.
 *
 *   node --conditions=development bench/src/heap.ts [publishers|connections] [how many] [lines]
 */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as wire from '@sofa-registry/wire';
import { Context, NO_ACCESS_LIMIT, startTarget, WITH_INSPECTOR } from './harness/scenario.ts';
import { openMany } from './load/connection.ts';
import { spread } from './load/fleet.ts';
import { dataIdOf, isAccepted, payloadOf, publish, registIdOf, subscribe } from './load/messages.ts';
import { sleep } from './load/waiting.ts';

const [kind = 'publishers', howMany = '50000', lines = '30'] = process.argv.slice(2);
const COUNT = Number(howMany);
const PUBLISHER_CONNECTIONS = 16;
const SETTLE_MS = 3_000;
const PER_SERVICE = 10;
const PRIMITIVES = new Set([
  'string',
  'concatenated string',
  'sliced string',
  'number',
  'hidden',
  'code',
  'array',
]);

interface Snapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[]] } };
  nodes: number[];
  strings: string[];
}

type Sums = Map<string, { bytes: number; count: number }>;

/** Sums of self sizes by constructor, or by kind for what has none. */
function sumUp(file: string): Sums {
  const snapshot = JSON.parse(readFileSync(file, 'utf8')) as Snapshot;
  const fields = snapshot.snapshot.meta.node_fields;
  const types = snapshot.snapshot.meta.node_types[0];
  const [typeAt, nameAt, sizeAt] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field));
  const sums: Sums = new Map();
  for (let i = 0; i < snapshot.nodes.length; i += fields.length) {
    const type = types[snapshot.nodes[i + typeAt]];
    const name = PRIMITIVES.has(type)
      ? `(${type})`
      : snapshot.strings[snapshot.nodes[i + nameAt]].slice(0, 60);
    const sum = sums.get(name) ?? { bytes: 0, count: 0 };
    sum.bytes += snapshot.nodes[i + sizeAt];
    sum.count++;
    sums.set(name, sum);
  }
  return sums;
}

const target = await startTarget(WITH_INSPECTOR, NO_ACCESS_LIMIT);
const inspector = await new Context(target).inspector();
if (inspector === null) throw new Error('no inspector');

async function snapshot(): Promise<Sums> {
  const file = join(tmpdir(), `sofa-registry-${target.pid}.heapsnapshot`);
  await sleep(SETTLE_MS);
  await inspector!.liveMemory();
  await inspector!.evaluate(`process.getBuiltinModule('node:v8').writeHeapSnapshot(${JSON.stringify(file)})`);
  const sums = sumUp(file);
  rmSync(file);
  return sums;
}

const before = await snapshot();
const many = kind === 'connections';
const connections = await openMany(target.host, target.port, many ? COUNT : PUBLISHER_CONNECTIONS);
const serviceOf = (n: number): string => dataIdOf('heap', Math.floor(n / PER_SERVICE));
const register = (className: string, content: (n: number) => Buffer): Promise<void> =>
  spread(connections, COUNT, (n) => ({
    className,
    content: content(n),
    accepted: (frame) => isAccepted(frame, 1),
  }));
await register(wire.PUBLISHER_REGISTER, (n) =>
  publish(serviceOf(n), registIdOf('heap', n), 1, payloadOf(`#${n}#`, 300)),
);
if (many) await register(wire.SUBSCRIBER_REGISTER, (n) => subscribe(serviceOf(n), registIdOf('heap-w', n)));
const after = await snapshot();
let total = 0;
const rows: { name: string; bytes: number; count: number }[] = [];
for (const [name, sum] of after) {
  const old = before.get(name) ?? { bytes: 0, count: 0 };
  const row = { name, bytes: (sum.bytes - old.bytes) / COUNT, count: (sum.count - old.count) / COUNT };
  total += row.bytes;
  rows.push(row);
}
rows.sort((a, b) => b.bytes - a.bytes);
console.log(
  `${kind}: ${COUNT} with a publisher of 300 B each, ${PER_SERVICE} per service: ${total.toFixed(0)} B for each`,
);
for (const { name, bytes, count } of rows.slice(0, Number(lines))) {
  console.log(`${bytes.toFixed(1).padStart(8)} B ${count.toFixed(2).padStart(7)} x  ${name}`);
}
await target.process?.stop();
process.exit(0);
