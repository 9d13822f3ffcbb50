/** Subscribers: each has a place on a push target, and its service's list is watched while there is one. Hot path. */
import { DEFAULT_ZONE, parseScope, type Scope } from '@sofa-registry/model';
import type { Clock } from '@sofa-registry/runtime';
import type { SubscriberRegister } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { Subscriptions } from '../data/subscriptions.ts';
import type { PushCompression } from '../push/push-compression.ts';
import type { PushEngine } from '../push/push-engine.ts';
import { attachTarget, detachTarget, PushTarget } from '../push/push-target.ts';
import { attributesOf, EVENT_REGISTER, orDefault, type RegistrationKind } from './registration-kind.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { SessionSubscriber } from './registrations.ts';
import type { ServiceEntry } from './service-entry.ts';

/** What subscribers work with. */
export interface SubscriberParts {
  readonly clock: Clock;
  readonly store: RegistrationStore;
  readonly subscriptions: Subscriptions;
  readonly engine: PushEngine;
  readonly compression: PushCompression;
}

/** The subscribers of one session. */
export class Subscribers implements RegistrationKind<SessionSubscriber, SubscriberRegister> {
  readonly name = 'subscriber';
  readonly event = EVENT_REGISTER;
  readonly use = 'subscribe';
  readonly versionNeeded = true;
  readonly #parts: SubscriberParts;

  constructor(parts: SubscriberParts) {
    this.#parts = parts;
  }

  held(service: ServiceEntry, registerId: string): SessionSubscriber | undefined {
    return service.subscribers?.get(registerId);
  }

  owner(held: SessionSubscriber): ClientConnection {
    return held.target.connection;
  }

  answerUnstored(): undefined {
    return undefined;
  }

  put(
    connection: ClientConnection,
    message: SubscriberRegister,
    service: ServiceEntry,
    version: number,
    stamp: number,
    held: SessionSubscriber | undefined,
  ): void {
    const { clock, store, subscriptions, engine } = this.#parts;
    const registerId = message.registId as string;
    const scope = parseScope(message.scope);
    const multi = message.acceptMulti && scope === 'global';
    const encodings = multi ? '' : this.#encodings(connection, message.acceptEncoding ?? '');
    const target = targetOf(connection, service, scope, multi, encodings, clock.monoMs());
    const stays = held !== undefined && held.target === target;
    if (held !== undefined) held.target.connection.registrations--;
    if (!stays) target.registerIds = [...target.registerIds, registerId];
    if (held !== undefined && !stays) this.#leaveTarget(held);
    store.putSubscriber({
      registerId,
      target,
      version,
      stamp,
      zone: orDefault(message.zone, DEFAULT_ZONE),
      appName: message.appName ?? '',
      clientTimestamp: Number(message.timestamp),
      attributes: attributesOf(message),
      acceptEncoding: message.acceptEncoding ?? '',
    });
    subscriptions.watch(service);
    engine.subscribed(target);
  }

  remove(
    service: ServiceEntry,
    _registerId: string,
    _version: number,
    _stamp: number,
    held: SessionSubscriber | undefined,
  ): void {
    if (held === undefined) return;
    const { store, subscriptions } = this.#parts;
    this.#leaveTarget(held);
    store.removeSubscriber(held);
    if (service.subscribers === null) subscriptions.unwatch(service);
  }

  /** The connection is gone, and with it its subscribers. */
  connectionClosed(connection: ClientConnection): void {
    const { store, engine, subscriptions } = this.#parts;
    for (const target of connection.targets?.all() ?? []) {
      const { service } = target;
      for (const registerId of target.registerIds) {
        const subscriber = service.subscribers?.get(registerId);
        if (subscriber?.target === target) store.removeSubscriber(subscriber);
      }
      detachTarget(target);
      engine.removed(target);
      if (service.subscribers === null) subscriptions.unwatch(service);
    }
    engine.closed(connection);
  }

  /** Encodings in which a subscriber may be pushed to: only protobuf pushes are compressed. */
  #encodings(connection: ClientConnection, acceptEncoding: string): string {
    if (!connection.pb || connection.sdk?.delta === true) return '';
    return this.#parts.compression.accepts(acceptEncoding) ? acceptEncoding : '';
  }

  /** Takes a subscriber off its target; the target goes with its last one. */
  #leaveTarget(subscriber: SessionSubscriber): void {
    const { target } = subscriber;
    target.registerIds = target.registerIds.filter((registerId) => registerId !== subscriber.registerId);
    if (target.registerIds.length > 0) return;
    detachTarget(target);
    this.#parts.engine.removed(target);
  }
}

/** The target that subscribers of this form share, made if need be. */
function targetOf(
  connection: ClientConnection,
  service: ServiceEntry,
  scope: Scope,
  multi: boolean,
  encodings: string,
  nowMs: number,
): PushTarget {
  const known = connection.targets?.find(service, scope, multi, encodings) ?? null;
  if (known !== null) return known;
  const target = new PushTarget(service, connection, scope, multi, encodings, nowMs);
  attachTarget(target);
  return target;
}
