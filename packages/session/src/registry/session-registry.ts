/**
 * What a registration does (session.md 4, wire 4.4). The handlers decode and answer; here is decided, for all kinds in one order: is
 * the message whole, what does it want, whose is it, is it newer than what is held, is there room. What is accepted its kind stores.
 * Hot path.
 */
import { DATA_INFO_ID_UNITS_MAX, DEFAULT_INSTANCE_ID, type TrafficRules } from '@sofa-registry/model';
import type { BaseRegister, PublisherRegister, SubscriberRegister } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import { type PublisherParts, Publishers } from './publishers.ts';
import { notNow, orDefault, type RegistrationKind, type Verdict } from './registration-kind.ts';
import type { SessionPublisher, SessionSubscriber } from './registrations.ts';
import type { ServiceEntry } from './service-entry.ts';
import { type SubscriberParts, Subscribers } from './subscribers.ts';
import { Temporaries } from './temporaries.ts';
import type { RegistrationStamps } from './registration-stamps.ts';
import { type Held, standingOf } from './version-rule.ts';
import { type WatcherParts, Watchers } from './watchers.ts';

/** Longest registerId, in UTF-16 units; official ones have 36. */
export const REGISTER_ID_UNITS_MAX = 1024;
const EVENT_UNREGISTER = 'UNREGISTER';

/** What the registry works with. */
export interface RegistryParts extends PublisherParts, SubscriberParts, WatcherParts {
  readonly stamps: RegistrationStamps;
  readonly traffic: TrafficRules;
}

/** The registrations of one session. */
export class SessionRegistry {
  readonly #parts: RegistryParts;
  readonly #publishers: Publishers;
  readonly #temporaries: Temporaries;
  readonly #subscribers: Subscribers;
  readonly #watchers: Watchers;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#publishers = new Publishers(parts);
    this.#temporaries = new Temporaries(parts);
    this.#subscribers = new Subscribers(parts);
    this.#watchers = new Watchers(parts);
  }

  /** PublisherRegister of either codec. */
  publisher(connection: ClientConnection, message: PublisherRegister): Verdict {
    const { eventType } = message;
    const kind = eventType === this.#temporaries.event ? this.#temporaries : this.#publishers;
    return this.#take(kind, connection, message);
  }

  /** SubscriberRegister of either codec. */
  subscriber(connection: ClientConnection, message: SubscriberRegister): Verdict {
    return this.#take(this.#subscribers, connection, message);
  }

  /** ConfiguratorRegister. */
  watcher(connection: ClientConnection, message: BaseRegister): Verdict {
    return this.#take(this.#watchers, connection, message);
  }

  /**
   * The connection is gone: its subscribers and watchers are forgotten at once; its publishers lose their owner and are
   * returned, they stay listed until the caller removes them.
   */
  connectionClosed(connection: ClientConnection): Set<SessionPublisher> | null {
    connection.closed = true;
    this.#subscribers.connectionClosed(connection);
    this.#watchers.connectionClosed(connection);
    return this.#parts.store.orphan(connection);
  }

  /** Removes a publisher whose connection closed, unless it was registered again meanwhile. */
  clientOff(publisher: SessionPublisher): boolean {
    const left = this.#leaves(publisher);
    if (left) this.#parts.metrics.clientOff.value++;
    return left;
  }

  /** An operator takes a publisher out of the lists, unless it was registered again meanwhile. */
  withdraw(publisher: SessionPublisher): void {
    if (this.#leaves(publisher)) this.#parts.metrics.withheld.publish.value++;
  }

  /** An operator drops a subscriber: its client keeps the list it has. */
  unsubscribe(subscriber: SessionSubscriber): void {
    const { registerId, version, stamp, target } = subscriber;
    this.#subscribers.remove(target.service, registerId, version, stamp, subscriber);
    this.#parts.metrics.withheld.subscribe.value++;
  }

  #leaves(publisher: SessionPublisher): boolean {
    const { store, forwarder } = this.#parts;
    if (!store.holds(publisher)) return false;
    forwarder.clientOff(publisher);
    store.removePublisher(publisher);
    return true;
  }

  #take<H extends Held, M extends BaseRegister>(
    kind: RegistrationKind<H, M>,
    connection: ClientConnection,
    message: M,
  ): Verdict {
    const invalid = this.#check(message, kind.versionNeeded);
    if (invalid !== null) return invalid;
    const unregister = message.eventType === EVENT_UNREGISTER;
    if (!unregister) {
      // Anything else is acknowledged and has no effect (wire 2.6).
      if (message.eventType !== kind.event) return null;
      const answer = kind.answerUnstored(message);
      if (answer !== undefined) return answer;
    }
    const service = this.#claim(message);
    if (service === null) return this.#badDataInfoId();
    const { metrics, store, stamps, traffic } = this.#parts;
    const registerId = message.registId as string;
    const version = Number(message.version ?? 0);
    const held = kind.held(service, registerId);
    const stamp = stamps.next(held?.stamp);
    const owner = held === undefined ? null : kind.owner(held);
    // A client may take back what it said by any connection.
    const from = unregister ? null : connection;
    if (standingOf(held, version, stamp, owner, from, Number(message.timestamp)) !== 'newer') {
      metrics.older[kind.name].value++;
      return null;
    }
    if (unregister) {
      kind.remove(service, registerId, version, stamp, held);
      store.release(service);
      metrics.unregistered[kind.name].value++;
      return null;
    }
    if (kind.use !== null && !traffic.allows(kind.use, connection.host, service)) {
      // It may be listed all the same, through another session.
      kind.remove(service, registerId, version, stamp, held);
      store.release(service);
      connection.withhold(kind.use, service);
      metrics.withheld[kind.use].value++;
      return null;
    }
    if (owner !== connection) {
      const refused = this.#room(connection, service);
      if (refused !== null) return refused;
    }
    kind.put(connection, message, service, version, stamp, held);
    metrics.registered[kind.name].value++;
    return null;
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
    if (problem === null) return null;
    this.#parts.metrics.refused.invalid.value++;
    return { reason: problem, forGood: true };
  }

  #claim(message: BaseRegister): ServiceEntry | null {
    const instanceId = orDefault(message.instanceId, DEFAULT_INSTANCE_ID);
    return this.#parts.store.claim(message.dataId as string, instanceId, message.group as string);
  }

  #badDataInfoId(): Verdict {
    this.#parts.metrics.refused.dataInfoId.value++;
    const reason = `dataInfoId is longer than ${DATA_INFO_ID_UNITS_MAX}, or a part of it holds #@#`;
    return { reason, forGood: true };
  }

  /** Limits of a registration that is new on this connection. */
  #room(connection: ClientConnection, service: ServiceEntry): Verdict {
    const { settings, store, metrics } = this.#parts;
    let verdict: Verdict = null;
    if (connection.registrations >= settings.registrationsPerConnectionMax) {
      metrics.refused.perConnection.value++;
      verdict = notNow(`connection holds ${connection.registrations} registrations, the most it may`);
    } else if (store.total >= settings.registrationsMax) {
      metrics.refused.total.value++;
      verdict = notNow(`session holds ${store.total} registrations, the most it may`);
    }
    if (verdict !== null) store.release(service);
    return verdict;
  }
}

function isMissing(text: string | null): boolean {
  return text === null || text === '';
}
