/** A provider's connection closes: when do its subscribers know? */
import * as wire from '@sofa-registry/wire';
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { type LoadConnection, openMany } from '../load/connection.ts';
import { closeAll, spread } from '../load/fleet.ts';
import {
  countPush,
  dataIdOf,
  isAccepted,
  payloadOf,
  publish,
  registIdOf,
  subscribe,
} from '../load/messages.ts';
import { quantile } from '../load/stats.ts';
import { sleep, until } from '../load/waiting.ts';

const FAMILY = 'leave';
const PROVIDERS = 60;
/** Connections that stay, so that one that goes is a small share of the session's clients. */
const BYSTANDERS = 200;
const WATCHERS = 3;
const EVERY_MS = 300;
const SETTLE_MS = 3_000;
const LIMIT_MS = 15_000;

export const leave: Scenario = {
  name: 'leave',
  title: "A provider's connection is closed",
  ownServer: false,
  limitMs: 120_000,
  async run({ target }: Context): Promise<Row[]> {
    const { host, port } = target;
    const bystanders = await openMany(host, port, BYSTANDERS);
    const providers = await openMany(host, port, PROVIDERS);
    const watchers = await openMany(host, port, WATCHERS);
    const publishOn = (connections: readonly LoadConnection[], owner: string): Promise<void> =>
      spread(connections, PROVIDERS, (n) => ({
        className: wire.PUBLISHER_REGISTER,
        content: publish(dataIdOf(FAMILY, n), registIdOf(`${FAMILY}-${owner}`, n), 1, payloadOf(owner, 300)),
        accepted: (frame) => isAccepted(frame, 1),
      }));
    await publishOn(bystanders, 'stays');
    await publishOn(providers, 'leaves');
    const counts = new Map<string, number>();
    const closedAt = new Map<string, number>();
    const times: number[] = [];
    watchers.forEach((watcher, w) => {
      watcher.onPush = (frame) => {
        const { dataId, count } = countPush(frame);
        counts.set(`${w} ${dataId}`, count);
        const began = closedAt.get(dataId);
        if (began !== undefined && count === 1) times.push(performance.now() - began);
      };
    });
    for (const [w, watcher] of watchers.entries()) {
      await spread([watcher], PROVIDERS, (n) => ({
        className: wire.SUBSCRIBER_REGISTER,
        content: subscribe(dataIdOf(FAMILY, n), registIdOf(`${FAMILY}-w${w}`, n)),
        accepted: (frame) => isAccepted(frame, 1),
      }));
    }
    const full = (): boolean =>
      counts.size === PROVIDERS * WATCHERS && [...counts.values()].every((c) => c === 2);
    if (!(await until(full, LIMIT_MS, 20))) throw new Error('the lists never became complete');
    await sleep(SETTLE_MS);
    for (let n = 0; n < PROVIDERS; n++) {
      closedAt.set(dataIdOf(FAMILY, n), performance.now());
      providers[n].destroy();
      await sleep(EVERY_MS);
    }
    await until(() => times.length >= PROVIDERS * WATCHERS, LIMIT_MS, 20);
    closeAll([...bystanders, ...watchers]);
    const missing = PROVIDERS * WATCHERS - times.length;
    return [
      {
        what: 'connection closed -> subscriber knows, p50',
        value: quantile(times, 0.5),
        unit: 'ms',
        budget: 550,
        note: `one of ${BYSTANDERS + PROVIDERS} at a time${missing > 0 ? `, ${missing} NEVER CAME` : ''}`,
      },
      {
        what: 'connection closed -> subscriber knows, p99',
        value: quantile(times, 0.99),
        unit: 'ms',
        budget: 550,
      },
      { what: 'connection closed -> subscriber knows, earliest', value: Math.min(...times), unit: 'ms' },
    ];
  },
};
