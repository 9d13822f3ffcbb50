/**
 * What a registration does (session.md 4, wire 4.4): checks, version rule, store, forward, push. The handlers decode and answer;
 * this file decides. Hot path.
 */
import {
  DATA_INFO_ID_UNITS_MAX,
  DEFAULT_INSTANCE_ID,
  DEFAULT_ZONE,
  type HybridClock,
  parseScope,
  type Scope,
} from '@sofa-registry/model';
import type { Clock } from '@sofa-registry/runtime';
import type { BaseRegister, PublisherRegister, SubscriberRegister } from '@sofa-registry/wire';
import type { ClientConnection } from './client-connection.ts';
import type { Subscriptions } from './data/subscriptions.ts';
import type { SessionMetrics } from './metrics.ts';
import { chooseEncoding, type Compressor } from './push/compressor.ts';
import type { ConfigPush } from './push/config-push.ts';
import type { PushEngine } from './push/push-engine.ts';
import { attachTarget, detachTarget, PushTarget } from './push/push-target.ts';
import { isLate, isNewer, type RegistrationStore } from './registration-store.ts';
import type { SessionPublisher, SessionSubscriber } from './registrations.ts';
import type { ServiceEntry } from './service-entry.ts';
import type { SessionTunables } from './settings.ts';
import type { PendingWrite } from './write/write-queue.ts';
import type { WriteForwarder } from './write/write-forwarder.ts';

/** Attribute that makes a publisher acknowledged and not stored (wire 3.4). */
export const BLOCKED_ATTRIBUTE = '!Blocked';
/** Longest registerId, in UTF-16 units; official ones have 36. */
export const REGISTER_ID_UNITS_MAX = 1024;
/** A client that sent anything so lately is here: what was refused is most likely its newest registration. */
const SPOKE_MS = 300;
/** Shortest time between two proofs of one connection that its client is here. */
const RESTAMP_MS = 2000;
/** Wait before a registration that no stamp of ours can outdo is tried again. */
const UNREACHABLE_RETRY_MS = 60_000;
const EVENT_UNREGISTER = 'UNREGISTER';
const EVENT_REGISTER = 'REGISTER';

/** Null = accepted; else the reason of a true refusal, for the message of a success=false answer. */
export type Verdict = string | null;

/** What the registry works with. */
export interface RegistryParts {
  readonly clock: Clock;
  readonly stamps: HybridClock;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly store: RegistrationStore;
  readonly forwarder: WriteForwarder;
  readonly subscriptions: Subscriptions;
  readonly engine: PushEngine;
  readonly config: ConfigPush;
  readonly compressor: Compressor;
}

/** The registrations of one session. */
export class SessionRegistry {
  readonly #parts: RegistryParts;
  /**
   * Hidden registrations whose client may have moved on, with the monotonic ms after which a byte of it proves that it has not. No
   * more than there are publishers.
   */
  readonly #doubtful = new Map<SessionPublisher, number>();

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  /** PublisherRegister of either codec. */
  publisher(connection: ClientConnection, message: PublisherRegister): Verdict {
    const { metrics } = this.#parts;
    const invalid = this.#check(message, false);
    if (invalid !== null) return invalid;
    if (message.eventType === EVENT_UNREGISTER) return this.#unpublish(message);
    // Anything else is acknowledged and has no effect (wire 2.6).
    if (message.eventType !== EVENT_REGISTER) return null;
    const blocked = message.attributes?.get(BLOCKED_ATTRIBUTE);
    if (blocked !== undefined && blocked.trim() !== '') {
      metrics.blocked.value++;
      return null;
    }
    if (message.dataBoxes.length > this.#parts.settings.payloadBytesMax) {
      metrics.refused.payload.value++;
      return `payload of ${message.dataBoxes.length} bytes, at most ${this.#parts.settings.payloadBytesMax} are taken`;
    }
    const service = this.#claim(message);
    if (service === null) return this.#badDataInfoId();
    const registerId = message.registId as string;
    const held = service.publishers?.get(registerId);
    const refused =
      held === undefined || held.connection !== connection ? this.#room(connection, service) : null;
    return refused ?? this.#store(connection, message, service, held);
  }

  #store(
    connection: ClientConnection,
    message: PublisherRegister,
    service: ServiceEntry,
    held: SessionPublisher | undefined,
  ): Verdict {
    const { metrics, store, stamps, forwarder } = this.#parts;
    const version = Number(message.version ?? 0);
    const stamp = stamps.next();
    if (
      !isNewer(held, version, stamp) ||
      isLate(held?.connection, held, connection, version, Number(message.timestamp))
    ) {
      metrics.older.publisher.value++;
      return null;
    }
    if (held !== undefined && held.connection === null) metrics.heldReturned.value++;
    const publisher: SessionPublisher = {
      registerId: message.registId as string,
      version,
      stamp,
      zone: orDefault(message.zone, DEFAULT_ZONE),
      appName: message.appName ?? '',
      clientAddress: connection.address,
      clientTimestamp: Number(message.timestamp),
      attributes: attributesOf(message),
      payload: message.dataBoxes,
      service,
      connection,
      hidden: false,
    };
    store.putPublisher(publisher);
    forwarder.publish(publisher);
    metrics.registered.publisher.value++;
    return null;
  }

  /** Forwarded also when the publisher is unknown here: it may be listed all the same (session.md 4). */
  #unpublish(message: PublisherRegister): Verdict {
    const { metrics, store, stamps, forwarder } = this.#parts;
    const service = this.#claim(message);
    if (service === null) return this.#badDataInfoId();
    const registerId = message.registId as string;
    const version = Number(message.version ?? 0);
    const stamp = stamps.next();
    const held = service.publishers?.get(registerId);
    if (!isNewer(held, version, stamp)) {
      metrics.older.publisher.value++;
      return null;
    }
    forwarder.unpublish(service, registerId, version, stamp);
    if (held !== undefined) store.removePublisher(held);
    store.release(service);
    metrics.unregistered.publisher.value++;
    return null;
  }

  /** SubscriberRegister of either codec. */
  subscriber(connection: ClientConnection, message: SubscriberRegister): Verdict {
    const invalid = this.#check(message, true);
    if (invalid !== null) return invalid;
    const { metrics, store, stamps } = this.#parts;
    const unregister = message.eventType === EVENT_UNREGISTER;
    if (!unregister && message.eventType !== EVENT_REGISTER) return null;
    const service = this.#claim(message);
    if (service === null) return this.#badDataInfoId();
    const held = service.subscribers?.get(message.registId as string);
    const version = Number(message.version);
    const stamp = stamps.next();
    if (!isNewer(held, version, stamp)) {
      metrics.older.subscriber.value++;
      return null;
    }
    if (unregister) {
      if (held !== undefined) this.#dropSubscriber(held);
      store.release(service);
      metrics.unregistered.subscriber.value++;
      return null;
    }
    if (isLate(held?.target.connection, held, connection, version, Number(message.timestamp))) {
      metrics.older.subscriber.value++;
      return null;
    }
    const refused =
      held === undefined || held.target.connection !== connection ? this.#room(connection, service) : null;
    if (refused !== null) return refused;
    this.#subscribe(connection, message, service, held, version, stamp);
    metrics.registered.subscriber.value++;
    return null;
  }

  #subscribe(
    connection: ClientConnection,
    message: SubscriberRegister,
    service: ServiceEntry,
    held: SessionSubscriber | undefined,
    version: number,
    stamp: number,
  ): void {
    const { clock, store, subscriptions, engine } = this.#parts;
    const registerId = message.registId as string;
    const scope = parseScope(message.scope);
    const multi = message.acceptMulti && scope === 'global';
    const encoding = multi ? '' : this.#encoding(connection, message.acceptEncoding ?? '');
    const target = this.#target(connection, service, scope, multi, encoding, clock.monoMs());
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

  #target(
    connection: ClientConnection,
    service: ServiceEntry,
    scope: Scope,
    multi: boolean,
    encoding: string,
    nowMs: number,
  ): PushTarget {
    const known = connection.targets?.find(service, scope, multi, encoding) ?? null;
    if (known !== null) return known;
    const target = new PushTarget(service, connection, scope, multi, encoding, nowMs);
    attachTarget(target);
    return target;
  }

  /** Encoding of the pushes of a subscriber; only protobuf ones are compressed, and only if that is switched on. */
  #encoding(connection: ClientConnection, acceptEncoding: string): string {
    const { settings, compressor } = this.#parts;
    if (!settings.compressPush || !connection.pb || connection.sdk?.delta === true) return '';
    return chooseEncoding(acceptEncoding, compressor);
  }

  /** Takes a subscriber off its target; the target goes with its last one. */
  #leaveTarget(subscriber: SessionSubscriber): void {
    const { target } = subscriber;
    target.registerIds = target.registerIds.filter((registerId) => registerId !== subscriber.registerId);
    if (target.registerIds.length > 0) return;
    detachTarget(target);
    this.#parts.engine.removed(target);
  }

  #dropSubscriber(subscriber: SessionSubscriber): void {
    const { store, subscriptions } = this.#parts;
    this.#leaveTarget(subscriber);
    store.removeSubscriber(subscriber);
    const { service } = subscriber.target;
    if (service.subscribers === null) subscriptions.unwatch(service);
  }

  /** ConfiguratorRegister: kept, and answered with one push without content (wire 4.6). */
  watcher(connection: ClientConnection, message: BaseRegister): Verdict {
    const invalid = this.#check(message, true);
    if (invalid !== null) return invalid;
    const { metrics, store, stamps, config } = this.#parts;
    const unregister = message.eventType === EVENT_UNREGISTER;
    if (!unregister && message.eventType !== EVENT_REGISTER) return null;
    const service = this.#claim(message);
    if (service === null) return this.#badDataInfoId();
    const registerId = message.registId as string;
    const held = service.watchers?.get(registerId);
    const version = Number(message.version);
    const stamp = stamps.next();
    if (!isNewer(held, version, stamp)) {
      metrics.older.watcher.value++;
      return null;
    }
    if (unregister) {
      if (held !== undefined) store.removeWatcher(held);
      store.release(service);
      metrics.unregistered.watcher.value++;
      return null;
    }
    if (isLate(held?.connection, held, connection, version, Number(message.timestamp))) {
      metrics.older.watcher.value++;
      return null;
    }
    const refused =
      held === undefined || held.connection !== connection ? this.#room(connection, service) : null;
    if (refused !== null) return refused;
    const watcher = {
      registerId,
      service,
      connection,
      version,
      stamp,
      zone: orDefault(message.zone, DEFAULT_ZONE),
      appName: message.appName ?? '',
      clientTimestamp: Number(message.timestamp),
      attributes: attributesOf(message),
      pushedVersion: 0,
    };
    store.putWatcher(watcher);
    config.push(watcher);
    metrics.registered.watcher.value++;
    return null;
  }

  /**
   * The connection is gone: its subscribers and watchers are forgotten at once; its publishers lose their owner and are
   * returned, they stay listed until the caller removes them.
   */
  connectionClosed(connection: ClientConnection): Set<SessionPublisher> | null {
    const { store, engine, subscriptions } = this.#parts;
    connection.closed = true;
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
    for (const watcher of connection.watchers ?? []) store.removeWatcher(watcher);
    return store.orphan(connection);
  }

  /** Removes a publisher whose connection closed, unless it was registered again meanwhile. */
  clientOff(publisher: SessionPublisher): boolean {
    const { store, forwarder, metrics } = this.#parts;
    if (!store.holds(publisher)) return false;
    forwarder.clientOff(publisher);
    store.removePublisher(publisher);
    metrics.clientOff.value++;
    return true;
  }

  /**
   * A data leader holds something newer than this write. A newer client version: the registration here is history. A newer stamp
   * alone: the client has registered elsewhere since, or clocks differ. No clock can tell, the client can: it is asked. Until it
   * answers the registration counts for nothing, for a client that moved on may have left this end half open.
   */
  stale(write: PendingWrite, version: number, stamp: number): void {
    const { clock, store, stamps } = this.#parts;
    const reachable = stamps.observe(stamp);
    const publisher = store.find(write.dataInfoId)?.publishers?.get(write.registerId);
    if (publisher === undefined || publisher.version !== write.version || publisher.stamp !== write.stamp)
      return;
    const { connection } = publisher;
    // What was removed is this very registration, after our lease: nobody else has it.
    const own = version === publisher.version && stamp === publisher.stamp;
    const here = connection !== null && clock.monoMs() - connection.channel.lastReceivedMonoMs < SPOKE_MS;
    if (own && connection === null) return;
    if (reachable && version === publisher.version && (own || here)) this.#restamp(publisher);
    else this.#outdone(publisher, version, reachable);
  }

  /** Another session has registered the publisher anew (wire: sr.Superseded): the client has moved on, or only seems to have. */
  superseded(dataInfoId: string, registerId: string, version: number, stamp: number): void {
    const { store, stamps } = this.#parts;
    const reachable = stamps.observe(stamp);
    const publisher = store.find(dataInfoId)?.publishers?.get(registerId);
    if (publisher === undefined || publisher.hidden || !isNewer(publisher, version, stamp)) return;
    this.#outdone(publisher, version, reachable);
  }

  /** Something newer is held elsewhere: ours counts no more. By stamp alone, the client is asked whether it is here all the same. */
  #outdone(publisher: SessionPublisher, version: number, reachable: boolean): void {
    const { clock, store } = this.#parts;
    store.hide(publisher);
    const { connection } = publisher;
    if (connection === null || version > publisher.version) return;
    const nowMs = clock.monoMs();
    // A stamp that the clock refuses (a day ahead) cannot be outrun: not before whoever made it is gone. Nor do two connections of one
    // client take it from each other for ever.
    const waitMs = reachable ? connection.restampedMs + RESTAMP_MS - nowMs : UNREACHABLE_RETRY_MS;
    this.#doubtful.set(publisher, nowMs + Math.max(0, waitMs));
    this.#ask(connection, nowMs);
  }

  #ask(connection: ClientConnection, nowMs: number): void {
    if (connection.askedMs === nowMs) return;
    connection.askedMs = nowMs;
    connection.channel.sendHeartbeat();
  }

  /** Looks whether clients of doubtful registrations have shown themselves; call it now and then. */
  recheckDoubtful(): void {
    const nowMs = this.#parts.clock.monoMs();
    for (const [publisher, sinceMs] of this.#doubtful) {
      const { connection } = publisher;
      if (connection === null || !this.#parts.store.holds(publisher)) {
        this.#doubtful.delete(publisher);
      } else if (connection.channel.lastReceivedMonoMs >= sinceMs) {
        this.#doubtful.delete(publisher);
        this.#restamp(publisher);
      } else if (nowMs >= sinceMs && connection.askedMs < sinceMs) this.#ask(connection, nowMs);
    }
  }

  #restamp(publisher: SessionPublisher): void {
    const { clock, store, stamps, forwarder, metrics } = this.#parts;
    metrics.writeRestamped.value++;
    if (publisher.connection !== null) publisher.connection.restampedMs = clock.monoMs();
    const renewed: SessionPublisher = { ...publisher, stamp: stamps.next(), hidden: false };
    store.putPublisher(renewed);
    forwarder.publish(renewed);
  }

  #check(message: BaseRegister, versionNeeded: boolean): Verdict {
    const { registId } = message;
    let problem: string | null = null;
    if (isMissing(message.dataId)) problem = 'dataId is missing';
    else if (isMissing(message.group)) problem = 'group is missing';
    else if (registId === null || registId === '') problem = 'registId is missing';
    else if (registId.length > REGISTER_ID_UNITS_MAX)
      problem = `registId is longer than ${REGISTER_ID_UNITS_MAX}`;
    else if (versionNeeded && message.version === null) problem = 'version is missing';
    else if (message.timestamp === null) problem = 'timestamp is missing';
    if (problem !== null) this.#parts.metrics.refused.invalid.value++;
    return problem;
  }

  #claim(message: BaseRegister): ServiceEntry | null {
    const instanceId = orDefault(message.instanceId, DEFAULT_INSTANCE_ID);
    return this.#parts.store.claim(message.dataId as string, instanceId, message.group as string);
  }

  #badDataInfoId(): Verdict {
    this.#parts.metrics.refused.dataInfoId.value++;
    return `dataInfoId is longer than ${DATA_INFO_ID_UNITS_MAX}, or a part of it holds #@#`;
  }

  /** Limits of a registration that is new on this connection. */
  #room(connection: ClientConnection, service: ServiceEntry): Verdict {
    const { settings, store, metrics } = this.#parts;
    let verdict: Verdict = null;
    if (connection.registrations >= settings.registrationsPerConnectionMax) {
      metrics.refused.perConnection.value++;
      verdict = `connection holds ${connection.registrations} registrations, the most it may`;
    } else if (store.total >= settings.registrationsMax) {
      metrics.refused.total.value++;
      verdict = `session holds ${store.total} registrations, the most it may`;
    }
    if (verdict !== null) store.release(service);
    return verdict;
  }
}

function isMissing(text: string | null): boolean {
  return text === null || text === '';
}

function orDefault(text: string | null, value: string): string {
  return text === null || text === '' || text.trim() === '' ? value : text;
}

function attributesOf(message: BaseRegister): ReadonlyMap<string, string> | null {
  return message.attributes === null || message.attributes.size === 0 ? null : message.attributes;
}
