/** How long one change takes on an idle registry, and how long a new subscriber waits for its list. */
import * as wire from '@sofa-registry/wire';
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { LoadConnection } from '../load/connection.ts';
import { changeItem, closeAll, publishAll, type Services, watchAll } from '../load/fleet.ts';
import { dataIdOf, registIdOf, subscribe } from '../load/messages.ts';
import { quantile } from '../load/stats.ts';
import { sleep, until } from '../load/waiting.ts';

const SERVICES: Services = { family: 'latency', count: 100, payloadBytes: 300 };
const CHANGES = 600;
const PAUSE_MS = 12;
const FIRST_SERVICES: Services = { family: 'first', count: 300, payloadBytes: 300 };
const SETTLE_MS = 2_000;
const PUSH_LIMIT_MS = 5_000;

export const latency: Scenario = {
  name: 'latency',
  title: 'Idle publish -> callback, and first push',
  ownServer: false,
  limitMs: 90_000,
  async run(context: Context): Promise<Row[]> {
    return [...(await measureChanges(context)), ...(await measureFirstPush(context))];
  },
};

async function measureChanges({ target }: Context): Promise<Row[]> {
  const publisher = await LoadConnection.open(target.host, target.port);
  const watcher = await LoadConnection.open(target.host, target.port);
  const seenSequence = new Int32Array(SERVICES.count).fill(-1);
  let waitingFor = -1;
  let arrived = 0;
  await publishAll([publisher], SERVICES);
  await watchAll([watcher], SERVICES, (service, sequence) => {
    seenSequence[service] = sequence;
    if (service === waitingFor) arrived = performance.now();
  });
  await sleep(SETTLE_MS);
  const times: number[] = [];
  let missed = 0;
  for (let i = 0; i < CHANGES; i++) {
    const service = i % SERVICES.count;
    const sequence = 1 + Math.floor(i / SERVICES.count);
    const item = changeItem(SERVICES, service, sequence);
    waitingFor = service;
    const began = performance.now();
    publisher.request(item.className, item.content, () => undefined);
    if (await until(() => seenSequence[service] >= sequence, PUSH_LIMIT_MS, 1)) times.push(arrived - began);
    else missed++;
    await sleep(PAUSE_MS);
  }
  closeAll([publisher, watcher]);
  const note = `${times.length} changes of ${SERVICES.count} services${missed > 0 ? `, ${missed} NEVER CAME` : ''}`;
  return [
    { what: 'publish -> subscriber has it, p50', value: quantile(times, 0.5), unit: 'ms', budget: 2, note },
    { what: 'publish -> subscriber has it, p99', value: quantile(times, 0.99), unit: 'ms', budget: 10 },
  ];
}

async function measureFirstPush({ target }: Context): Promise<Row[]> {
  const publisher = await LoadConnection.open(target.host, target.port);
  await publishAll([publisher], FIRST_SERVICES);
  await sleep(SETTLE_MS);
  const cold = await subscribeEach(target.host, target.port, 'first-cold');
  const warm = await subscribeEach(target.host, target.port, 'first-warm');
  closeAll([publisher]);
  return [
    {
      what: 'subscribe -> first push, p50',
      value: quantile(cold, 0.5),
      unit: 'ms',
      budget: 2,
      note: 'first subscriber of its service',
    },
    { what: 'subscribe -> first push, p99', value: quantile(cold, 0.99), unit: 'ms', budget: 10 },
    {
      what: 'subscribe -> first push, p50, service already watched',
      value: quantile(warm, 0.5),
      unit: 'ms',
      budget: 2,
    },
    {
      what: 'subscribe -> first push, p99, service already watched',
      value: quantile(warm, 0.99),
      unit: 'ms',
      budget: 10,
    },
  ];
}

async function subscribeEach(host: string, port: number, family: string): Promise<number[]> {
  const connection = await LoadConnection.open(host, port);
  const times: number[] = [];
  for (let n = 0; n < FIRST_SERVICES.count; n++) {
    let arrived = 0;
    connection.onPush = () => {
      arrived ||= performance.now();
    };
    const content = subscribe(dataIdOf(FIRST_SERVICES.family, n), registIdOf(family, n));
    const began = performance.now();
    connection.request(wire.SUBSCRIBER_REGISTER, content, () => undefined);
    if (!(await until(() => arrived > 0, PUSH_LIMIT_MS, 1))) throw new Error('a first push never came');
    times.push(arrived - began);
    await sleep(PAUSE_MS);
  }
  connection.destroy();
  return times;
}
