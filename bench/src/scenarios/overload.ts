/** 1,024 publishes in flight on a server that has just started: every one must be answered, and truthfully. */
import * as wire from '@sofa-registry/wire';
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { openMany } from '../load/connection.ts';
import { closeAll, spread } from '../load/fleet.ts';
import { flood } from '../load/flood.ts';
import {
  countPush,
  dataIdOf,
  isAccepted,
  payloadOf,
  publish,
  registIdOf,
  subscribe,
} from '../load/messages.ts';
import { until } from '../load/waiting.ts';

const CONNECTIONS = 16;
const WINDOW = 64;
const PUBLISHES = 30_000;
const SERVICES = 3_000;
const LIMIT_MS = 20_000;

export const overload: Scenario = {
  name: 'overload',
  title: '1,024 publishes in flight on a cold server',
  ownServer: true,
  limitMs: 90_000,
  async run({ target }: Context): Promise<Row[]> {
    const connections = await openMany(target.host, target.port, CONNECTIONS);
    let next = 0;
    const result = await flood(connections, WINDOW, () => {
      if (next >= PUBLISHES) return null;
      const n = next++;
      return {
        className: wire.PUBLISHER_REGISTER,
        content: publish(dataIdOf('over', n % SERVICES), registIdOf('over', n), 1, payloadOf(`#${n}#`, 300)),
        accepted: (frame) => isAccepted(frame, 1),
      };
    });
    const counts = new Map<string, number>();
    const [watcher] = await openMany(target.host, target.port, 1);
    watcher.onPush = (frame) => {
      const push = countPush(frame);
      counts.set(push.dataId, push.count);
    };
    await spread([watcher], SERVICES, (n) => ({
      className: wire.SUBSCRIBER_REGISTER,
      content: subscribe(dataIdOf('over', n), registIdOf('over-w', n)),
      accepted: (frame) => isAccepted(frame, 1),
    }));
    const listed = (): number => [...counts.values()].reduce((sum, count) => sum + count, 0);
    await until(() => listed() === result.answered, LIMIT_MS, 50);
    closeAll([...connections, watcher]);
    return [
      { what: 'answered "accepted"', value: result.answered, unit: 'count', note: `of ${PUBLISHES}` },
      { what: 'refused', value: result.refused, unit: 'count' },
      { what: 'never answered', value: result.lost, unit: 'count', budget: 0 },
      {
        what: 'answers that were not true',
        value: Math.abs(listed() - result.answered),
        unit: 'count',
        budget: 0,
        note: 'accepted, less what the lists hold afterwards',
      },
    ];
  },
};
