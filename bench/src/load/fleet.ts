/** Common set-ups: many services with one publisher and one watcher each, over a number of connections. */
import * as wire from '@sofa-registry/wire';
import type { LoadConnection } from './connection.ts';
import { flood, type FloodItem } from './flood.ts';
import { dataIdOf, isAccepted, payloadOf, publish, readPush, registIdOf, subscribe } from './messages.ts';
import { until } from './waiting.ts';

/** Unanswered requests per connection during a set-up. */
const SETUP_WINDOW = 32;
const FIRST_PUSH_LIMIT_MS = 30_000;

/** Services by number; the n-th is published and watched on connection n modulo their number. */
export interface Services {
  readonly family: string;
  readonly count: number;
  readonly payloadBytes: number;
}

/** Marks the payload of one change, so that the push that carries it is recognised. */
export function markOf(service: number, sequence: number): string {
  return `#${service}.${sequence}#`;
}

/** Service and sequence of a payload made with {@link markOf}, or null. */
export function readMark(payload: string): { service: number; sequence: number } | null {
  const found = /^#(\d+)\.(\d+)#/.exec(payload);
  return found === null ? null : { service: Number(found[1]), sequence: Number(found[2]) };
}

/** The publish of a change. */
export function changeItem(services: Services, service: number, sequence: number): FloodItem {
  const version = sequence + 1;
  return {
    className: wire.PUBLISHER_REGISTER,
    content: publish(
      dataIdOf(services.family, service),
      registIdOf(services.family, service),
      version,
      payloadOf(markOf(service, sequence), services.payloadBytes),
    ),
    accepted: (frame) => isAccepted(frame, version),
  };
}

/** Publishes every service once. @throws if one is refused */
export function publishAll(connections: readonly LoadConnection[], services: Services): Promise<void> {
  return spread(connections, services.count, (n) => changeItem(services, n, 0));
}

/** Subscribes to every service once and waits for the first pushes. @throws if one is refused or never comes */
export async function watchAll(
  connections: readonly LoadConnection[],
  services: Services,
  seen: (service: number, sequence: number) => void,
): Promise<void> {
  const first = new Set<number>();
  for (const connection of connections) {
    connection.onPush = (frame) => {
      for (const box of readPush(frame).boxes) {
        const mark = readMark(box);
        if (mark === null) continue;
        first.add(mark.service);
        seen(mark.service, mark.sequence);
      }
    };
  }
  await spread(connections, services.count, (n) => ({
    className: wire.SUBSCRIBER_REGISTER,
    content: subscribe(dataIdOf(services.family, n), registIdOf(`${services.family}-watch`, n)),
    accepted: (frame) => isAccepted(frame, 1),
  }));
  if (!(await until(() => first.size === services.count, FIRST_PUSH_LIMIT_MS, 20))) {
    throw new Error(`${services.count - first.size} of ${services.count} first pushes never came`);
  }
}

/** Sends item n on connection n modulo their number, for all n. @throws if one is refused */
export async function spread(
  connections: readonly LoadConnection[],
  count: number,
  item: (n: number) => FloodItem,
): Promise<void> {
  const next = connections.map((_, index) => index);
  const result = await flood(connections, SETUP_WINDOW, (index) => {
    const n = next[index];
    if (n >= count) return null;
    next[index] = n + connections.length;
    return item(n);
  });
  if (result.answered !== count) {
    throw new Error(
      `set-up: ${result.answered} of ${count} accepted, ${result.refused} refused, ${result.lost} lost`,
    );
  }
}

/** Closes connections. */
export function closeAll(connections: readonly LoadConnection[]): void {
  for (const connection of connections) connection.destroy();
}
