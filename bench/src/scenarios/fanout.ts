/** One change of a 2.5 KB list, pushed to many connections. */
import * as wire from '@sofa-registry/wire';
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { LoadConnection, openMany } from '../load/connection.ts';
import { closeAll, spread } from '../load/fleet.ts';
import { dataIdOf, isAccepted, payloadOf, publish, registIdOf, subscribe } from '../load/messages.ts';
import { median } from '../load/stats.ts';
import { sleep, until } from '../load/waiting.ts';

const PUBLISHERS = 10;
const PAYLOAD_BYTES = 240;
const WATCHERS = [1_000, 4_000];
const ROUNDS = 10;
/** Rounds before those that count: compilers and caches. */
const WARM_ROUNDS = 4;
/** Between rounds, so that every change is the first one of a quiet service. */
const QUIET_MS = 2_000;
const TAIL_MS = 300;
const PUSH_LIMIT_MS = 10_000;

export const fanout: Scenario = {
  name: 'fanout',
  title: 'Fan-out of a 2.5 KB list',
  ownServer: false,
  limitMs: 150_000,
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const watchers of WATCHERS) rows.push(...(await measure(context, watchers)));
    return rows;
  },
};

interface Round {
  fromPublishMs: number;
  firstToLastMs: number;
  cpuMicros: number;
}

async function measure(context: Context, watchers: number): Promise<Row[]> {
  const { host, port } = context.target;
  const dataId = dataIdOf(`fanout${watchers}`, 0);
  const publisher = await LoadConnection.open(host, port);
  const publishOne = (n: number, version: number, mark: string): Buffer =>
    publish(dataId, registIdOf(`fanout${watchers}`, n), version, payloadOf(mark, PAYLOAD_BYTES));
  await spread([publisher], PUBLISHERS, (n) => ({
    className: wire.PUBLISHER_REGISTER,
    content: publishOne(n, 1, `#0.${n}#`),
    accepted: (frame) => isAccepted(frame, 1),
  }));
  const connections = await openMany(host, port, watchers);
  const seen = { mark: Buffer.from('http'), count: 0, first: 0, last: 0, bytes: 0 };
  for (const connection of connections) {
    connection.onPush = (frame) => {
      if (frame.content.indexOf(seen.mark) < 0) return;
      seen.last = performance.now();
      seen.first ||= seen.last;
      seen.count++;
      seen.bytes = frame.content.length;
    };
  }
  await spread(connections, watchers, (n) => ({
    className: wire.SUBSCRIBER_REGISTER,
    content: subscribe(dataId, registIdOf(`fanout${watchers}-watch`, n)),
    accepted: (frame) => isAccepted(frame, 1),
  }));
  await until(() => connections.every((connection) => connection.pushes > 0), PUSH_LIMIT_MS, 50);
  const rounds: Round[] = [];
  for (let round = 1; round <= WARM_ROUNDS + ROUNDS; round++) {
    await sleep(QUIET_MS);
    const mark = `#${round}.0#`;
    Object.assign(seen, { mark: Buffer.from(mark), count: 0, first: 0, last: 0 });
    const cpu = context.cpu();
    const began = performance.now();
    publisher.request(wire.PUBLISHER_REGISTER, publishOne(0, round + 1, mark), () => undefined);
    if (!(await until(() => seen.count >= watchers, PUSH_LIMIT_MS, 5))) {
      throw new Error(`${watchers - seen.count} of ${watchers} pushes never came`);
    }
    await sleep(TAIL_MS);
    if (round <= WARM_ROUNDS) continue;
    rounds.push({
      fromPublishMs: seen.last - began,
      firstToLastMs: seen.last - seen.first,
      cpuMicros: context.cpu() - cpu,
    });
  }
  closeAll([publisher, ...connections]);
  await sleep(1_000);
  const big = watchers === WATCHERS.at(-1);
  const cpu = rounds.reduce((sum, round) => sum + round.cpuMicros, 0) / (ROUNDS * watchers);
  return [
    {
      what: `${watchers} connections: publish -> last has it (median)`,
      value: median(rounds.map((round) => round.fromPublishMs)),
      unit: 'ms',
      note: `${seen.bytes} B content, ${ROUNDS} changes`,
    },
    {
      what: `${watchers} connections: first -> last subscriber (median)`,
      value: median(rounds.map((round) => round.firstToLastMs)),
      unit: 'ms',
      budget: big ? 80 : undefined,
      note: 'reading and acking is one other process on the same two cores',
    },
    {
      what: `${watchers} connections: server CPU per push`,
      value: cpu,
      unit: 'us',
      budget: 15,
      note: 'push, ack and its share of the publish',
    },
  ];
}
