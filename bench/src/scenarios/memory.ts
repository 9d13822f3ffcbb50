/**
 * Bytes per publisher, subscriber and connection. Live bytes are what is left after a forced full collection (heap plus
 * what live objects hold outside of it), read through the server's inspector; resident bytes come from /proc.
 */
import * as wire from '@sofa-registry/wire';
import type { LiveMemory } from '../harness/inspector.ts';
import {
  type Context,
  type Row,
  type Scenario,
  WITH_INSPECTOR,
  NO_ACCESS_LIMIT,
} from '../harness/scenario.ts';
import { openMany } from '../load/connection.ts';
import { closeAll, publishAll, spread } from '../load/fleet.ts';
import { dataIdOf, isAccepted, payloadOf, publish, registIdOf, subscribe } from '../load/messages.ts';
import { sleep } from '../load/waiting.ts';

const PUBLISHERS_PER_SERVICE = 10;
const STEPS = [100_000, 500_000];
const SUBSCRIBER_SERVICES = 10_000;
const SUBSCRIBERS = 100_000;
const CONNECTIONS = 4_000;
const SETTLE_MS = 3_000;

interface Point {
  live: number;
  rss: number;
}

async function measure(context: Context): Promise<Point> {
  await sleep(SETTLE_MS);
  const inspector = await context.inspector();
  if (inspector === null) return { live: Number.NaN, rss: context.rss() };
  const memory: LiveMemory = await inspector.liveMemory();
  inspector.close();
  return { live: memory.heapUsed + memory.external, rss: context.rss() };
}

export const memoryPublishers: Scenario = {
  name: 'memory-publishers',
  title: 'Memory per publisher of 300 B, all roles in one process',
  ownServer: true,
  sets: NO_ACCESS_LIMIT,
  nodeOptions: WITH_INSPECTOR,
  limitMs: 180_000,
  async run(context: Context): Promise<Row[]> {
    const connections = await openMany(context.target.host, context.target.port, 16);
    const base = await measure(context);
    const rows: Row[] = [];
    let there = 0;
    for (const step of STEPS) {
      const from = there;
      await spread(connections, step - from, (i) => {
        const n = from + i;
        const dataId = dataIdOf('mem', Math.floor(n / PUBLISHERS_PER_SERVICE));
        return {
          className: wire.PUBLISHER_REGISTER,
          content: publish(dataId, registIdOf('mem', n), 1, payloadOf(`#${n}#`, 300)),
          accepted: (frame) => isAccepted(frame, 1),
        };
      });
      there = step;
      const now = await measure(context);
      rows.push(
        {
          what: `live bytes per publisher at ${step / 1000} k`,
          value: (now.live - base.live) / step,
          unit: 'B',
          budget: 800,
          note: `${PUBLISHERS_PER_SERVICE} per service; session and data copies together`,
        },
        {
          what: `resident bytes per publisher at ${step / 1000} k`,
          value: (now.rss - base.rss) / step,
          unit: 'B',
        },
      );
    }
    closeAll(connections);
    return rows;
  },
};

export const memorySubscribers: Scenario = {
  name: 'memory-subscribers',
  title: 'Memory per subscriber',
  ownServer: true,
  sets: NO_ACCESS_LIMIT,
  nodeOptions: WITH_INSPECTOR,
  limitMs: 120_000,
  async run(context: Context): Promise<Row[]> {
    const connections = await openMany(context.target.host, context.target.port, 100);
    await publishAll(connections, { family: 'subs', count: SUBSCRIBER_SERVICES, payloadBytes: 300 });
    const subscribeTo = (from: number, to: number): Promise<void> =>
      spread(connections, to - from, (i) => ({
        className: wire.SUBSCRIBER_REGISTER,
        content: subscribe(
          dataIdOf('subs', (from + i) % SUBSCRIBER_SERVICES),
          registIdOf('subs-w', from + i),
        ),
        accepted: (frame) => isAccepted(frame, 1),
      }));
    const bare = await measure(context);
    await subscribeTo(0, SUBSCRIBER_SERVICES);
    const base = await measure(context);
    await subscribeTo(SUBSCRIBER_SERVICES, SUBSCRIBERS);
    const now = await measure(context);
    closeAll(connections);
    const added = SUBSCRIBERS - SUBSCRIBER_SERVICES;
    return [
      {
        what: 'live bytes per further subscriber of a watched service',
        value: (now.live - base.live) / added,
        unit: 'B',
        budget: 500,
        note: `${SUBSCRIBERS} subscribers, ${SUBSCRIBERS / SUBSCRIBER_SERVICES} per service, 100 connections`,
      },
      {
        what: 'live bytes per first subscriber of a service',
        value: (base.live - bare.live) / SUBSCRIBER_SERVICES,
        unit: 'B',
        note: 'with the session cache of the list of 300 B',
      },
    ];
  },
};

export const memoryConnections: Scenario = {
  name: 'memory-connections',
  title: 'Memory per connection',
  ownServer: true,
  sets: NO_ACCESS_LIMIT,
  nodeOptions: WITH_INSPECTOR,
  limitMs: 120_000,
  async run(context: Context): Promise<Row[]> {
    const base = await measure(context);
    const connections = await openMany(context.target.host, context.target.port, CONNECTIONS);
    const idle = await measure(context);
    const register = (className: string, content: (n: number) => Buffer): Promise<void> =>
      spread(connections, CONNECTIONS, (n) => ({
        className,
        content: content(n),
        accepted: (frame) => isAccepted(frame, 1),
      }));
    const serviceOf = (n: number): string => dataIdOf('conn', Math.floor(n / PUBLISHERS_PER_SERVICE));
    await register(wire.PUBLISHER_REGISTER, (n) =>
      publish(serviceOf(n), registIdOf('conn-p', n), 1, payloadOf(`#${n}#`, 300)),
    );
    await register(wire.SUBSCRIBER_REGISTER, (n) => subscribe(serviceOf(n), registIdOf('conn-s', n)));
    const used = await measure(context);
    closeAll(connections);
    return [
      { what: 'resident bytes per idle connection', value: (idle.rss - base.rss) / CONNECTIONS, unit: 'B' },
      { what: 'live bytes per idle connection', value: (idle.live - base.live) / CONNECTIONS, unit: 'B' },
      {
        what: 'resident bytes per connection, 1 publisher + 1 subscriber',
        value: (used.rss - base.rss) / CONNECTIONS,
        unit: 'B',
        budget: 6_144,
        note: 'kernel socket buffers not included',
      },
      {
        what: 'live bytes per connection, 1 publisher + 1 subscriber',
        value: (used.live - base.live) / CONNECTIONS,
        unit: 'B',
      },
    ];
  },
};
