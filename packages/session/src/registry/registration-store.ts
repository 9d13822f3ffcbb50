/**
 * The registration store: publishers, subscribers and watchers by dataInfoId and registerId, per-connection indexes, rolling
 * digests per slot. Pure: no clock, no I/O. All indexes are exact and empties are deleted at once (session.md 16 "Simplify").
 * Hot path.
 */
import { DATA_INFO_ID_UNITS_MAX, parseDataInfoId, RollingDigest, toDataInfoId } from '@sofa-registry/model';
import type { ClientConnection } from '../client-connection.ts';
import type { SessionPublisher, SessionSubscriber, SessionWatcher } from './registrations.ts';
import { ServiceEntry } from './service-entry.ts';

/** What a session knows about one slot. */
export interface SlotState {
  readonly slot: number;
  /** Digest of (crc32c(dataInfoId), registerId, version, stamp) of the publishers held (internal/compare). */
  readonly publishers: RollingDigest;
  /** Digest of (crc32c(dataInfoId), '', cached version, 0) of the data watched. */
  readonly interests: RollingDigest;
  readonly services: Set<ServiceEntry>;
}

/** Totals of a store. */
export interface RegistrationCounts {
  publishers: number;
  subscribers: number;
  watchers: number;
}

/** All registrations of one session. */
export class RegistrationStore {
  readonly services = new Map<string, ServiceEntry>();
  readonly slots: readonly SlotState[];
  readonly counts: RegistrationCounts = { publishers: 0, subscribers: 0, watchers: 0 };
  readonly #slotCount: number;

  constructor(slotCount: number) {
    this.#slotCount = slotCount;
    this.slots = Array.from({ length: slotCount }, (_, slot) => ({
      slot,
      publishers: new RollingDigest(),
      interests: new RollingDigest(),
      services: new Set<ServiceEntry>(),
    }));
  }

  /** Registrations of all kinds. */
  get total(): number {
    return this.counts.publishers + this.counts.subscribers + this.counts.watchers;
  }

  /** The entry of a dataInfoId if there is one. */
  find(dataInfoId: string): ServiceEntry | undefined {
    return this.services.get(dataInfoId);
  }

  /**
   * The entry of a dataInfoId, made if need be. Null if the id is not one: too long, or its parts do not come back when it is
   * taken apart (a part is empty or holds the separator). Call {@link release} when nothing was stored in it.
   */
  claim(dataId: string, instanceId: string, group: string): ServiceEntry | null {
    const dataInfoId = toDataInfoId(dataId, instanceId, group);
    const known = this.services.get(dataInfoId);
    if (known !== undefined) return known;
    if (dataInfoId.length > DATA_INFO_ID_UNITS_MAX) return null;
    const parts = parseDataInfoId(dataInfoId);
    if (parts === null || parts.dataId !== dataId || parts.group !== group) return null;
    const entry = new ServiceEntry(dataInfoId, dataId, instanceId, group, this.#slotCount);
    this.services.set(dataInfoId, entry);
    this.slots[entry.slot].services.add(entry);
    return entry;
  }

  /** Forgets the entry if nothing refers to it. */
  release(entry: ServiceEntry): void {
    if (!entry.idle) return;
    this.services.delete(entry.dataInfoId);
    this.slots[entry.slot].services.delete(entry);
  }

  /** Stores a publisher that is newer than the one held; returns the one it replaces. */
  putPublisher(publisher: SessionPublisher): SessionPublisher | undefined {
    const { service, connection } = publisher;
    service.publishers ??= new Map();
    const held = service.publishers.get(publisher.registerId);
    if (held !== undefined) this.#forgetPublisher(held);
    service.publishers.set(publisher.registerId, publisher);
    this.counts.publishers++;
    this.slots[service.slot].publishers.add(
      service.hash,
      publisher.registerId,
      publisher.version,
      publisher.stamp,
    );
    if (connection !== null) {
      connection.publishers ??= new Set();
      connection.publishers.add(publisher);
      holdOneMore(connection);
    }
    return held;
  }

  /** Removes a publisher. The caller has checked that it is the one held. */
  removePublisher(publisher: SessionPublisher): void {
    const { service } = publisher;
    this.#forgetPublisher(publisher);
    const { publishers } = service;
    if (publishers === null) return;
    publishers.delete(publisher.registerId);
    if (publishers.size > 0) return;
    service.publishers = null;
    this.release(service);
  }

  /** True while this very object is the one held. */
  holds(publisher: SessionPublisher): boolean {
    return publisher.service.publishers?.get(publisher.registerId) === publisher;
  }

  /** Takes a publisher out of the digest: its client has registered anew elsewhere, or may have. */
  hide(publisher: SessionPublisher): void {
    if (publisher.hidden) return;
    publisher.hidden = true;
    const { service } = publisher;
    this.slots[service.slot].publishers.remove(
      service.hash,
      publisher.registerId,
      publisher.version,
      publisher.stamp,
    );
  }

  /** Ends the ownership of a closed connection; the publishers stay until the caller removes them. */
  orphan(connection: ClientConnection): Set<SessionPublisher> | null {
    const { publishers } = connection;
    if (publishers === null) return null;
    connection.publishers = null;
    for (const publisher of publishers) publisher.connection = null;
    return publishers;
  }

  #forgetPublisher(publisher: SessionPublisher): void {
    const { service, connection } = publisher;
    this.counts.publishers--;
    if (!publisher.hidden) {
      this.slots[service.slot].publishers.remove(
        service.hash,
        publisher.registerId,
        publisher.version,
        publisher.stamp,
      );
    }
    if (connection?.publishers?.delete(publisher)) connection.registrations--;
  }

  /** Stores a subscriber; the caller has detached the one it replaces from its target. */
  putSubscriber(subscriber: SessionSubscriber): void {
    const { service, connection } = subscriber.target;
    service.subscribers ??= new Map();
    if (!service.subscribers.has(subscriber.registerId)) this.counts.subscribers++;
    service.subscribers.set(subscriber.registerId, subscriber);
    holdOneMore(connection);
  }

  /** Removes a subscriber if it is the one held. The entry stays: its datum lingers. */
  removeSubscriber(subscriber: SessionSubscriber): boolean {
    const { service, connection } = subscriber.target;
    connection.registrations--;
    if (service.subscribers?.get(subscriber.registerId) !== subscriber) return false;
    service.subscribers.delete(subscriber.registerId);
    this.counts.subscribers--;
    if (service.subscribers.size === 0) service.subscribers = null;
    return true;
  }

  putWatcher(watcher: SessionWatcher): void {
    const { service, connection } = watcher;
    service.watchers ??= new Map();
    const held = service.watchers.get(watcher.registerId);
    if (held !== undefined) this.#forgetWatcher(held);
    service.watchers.set(watcher.registerId, watcher);
    this.counts.watchers++;
    connection.watchers ??= new Set();
    connection.watchers.add(watcher);
    holdOneMore(connection);
  }

  /** Removes a watcher that is held. */
  removeWatcher(watcher: SessionWatcher): void {
    const { service } = watcher;
    this.#forgetWatcher(watcher);
    if (service.watchers === null) return;
    service.watchers.delete(watcher.registerId);
    if (service.watchers.size > 0) return;
    service.watchers = null;
    this.release(service);
  }

  #forgetWatcher(watcher: SessionWatcher): void {
    this.counts.watchers--;
    if (watcher.connection.watchers?.delete(watcher)) watcher.connection.registrations--;
  }

  /** Moves the interest of a service from one cached version to another; 0 = none. */
  moveInterest(service: ServiceEntry, fromVersion: number, toVersion: number): void {
    const { interests } = this.slots[service.slot];
    if (fromVersion > 0) interests.remove(service.hash, '', fromVersion, 0);
    if (toVersion > 0) interests.add(service.hash, '', toVersion, 0);
  }
}

function holdOneMore(connection: ClientConnection): void {
  connection.registrations++;
  connection.hadRegistrations = true;
}
