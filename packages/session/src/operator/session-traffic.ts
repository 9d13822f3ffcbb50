/**
 * Takes clients and services out of the traffic of this session and lets them in again, as operators say (F192, F193, F219-F224). Who may
 * not publish: its publishers leave the lists at once, what it registers from then on is acknowledged and withheld, its connections stay.
 * Who may again is disconnected, for a client that comes back registers everything anew.
 */
import { parseAddress, type TrafficRules } from '@sofa-registry/model';
import type { Clock, Logger } from '@sofa-registry/runtime';
import type { ClientConnection } from '../client-connection.ts';
import type { Departure } from '../departures.ts';
import type { RegistrationStore } from '../registry/registration-store.ts';
import type { SessionPublisher, SessionSubscriber } from '../registry/registrations.ts';
import type { SessionRegistry } from '../registry/session-registry.ts';

/** Publishers taken out before other work gets its turn. */
const WITHDRAW_SLICE_ITEMS = 2000;
/** Connections closed at one time, so that not all of them come back together. */
const CLOSE_SLICE_ITEMS = 100;

/** What it needs. */
export interface SessionTrafficPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rules: TrafficRules;
  readonly store: RegistrationStore;
  readonly registry: SessionRegistry;
  /** Open connections by `ip:port`. */
  readonly connections: ReadonlyMap<string, ClientConnection>;
  /** Closed connections whose publishers are still listed. */
  readonly departed: () => readonly Departure[];
}

/** See above. */
export class SessionTraffic {
  readonly #ports: SessionTrafficPorts;
  /** To be closed. */
  readonly #closing = new Set<ClientConnection>();
  /** Closed by us and not gone yet. */
  readonly #leaving = new Set<ClientConnection>();

  constructor(ports: SessionTrafficPorts) {
    this.#ports = ports;
  }

  /** Clients that are off, and the version of the document this session knows; 0 = none. */
  state(): { readonly version: number; readonly off: readonly string[] } {
    const { rules } = this.#ports;
    return { version: rules.version, off: [...rules.off.keys()] };
  }

  /** Takes the operator's documents. */
  update(docs: Parameters<TrafficRules['update']>[0]): void {
    const { rules, logger } = this.#ports;
    const before = rules.off;
    if (!rules.update(docs)) return;
    const opened = new Set([...before.keys()].filter((host) => !rules.off.has(host)));
    this.#enforce();
    this.#letIn(opened);
    logger.info('operators changed the traffic', { clientsOff: rules.off.size, opened: opened.size });
  }

  /** Once: the publishers of these clients leave the lists. What they register later counts. */
  clientsOff(hosts: ReadonlySet<string>): void {
    this.#withdraw(
      this.#publishersOf((host) => hosts.has(host)),
      false,
    );
  }

  /** The clients are disconnected, so that they register everything anew. */
  clientsOpen(hosts: ReadonlySet<string>): void {
    for (const connection of this.#ports.connections.values())
      if (hosts.has(connection.host)) this.#closing.add(connection);
    this.check();
  }

  /** Once: what these connections (`ip:port`) registered is forgotten; they stay open (F193). */
  connectionsOff(addresses: readonly string[]): void {
    const { connections, registry, store } = this.#ports;
    for (const address of addresses) {
      const connection = connections.get(address);
      if (connection === undefined) continue;
      for (const publisher of connection.publishers ?? []) registry.withdraw(publisher);
      for (const subscriber of subscribersOf(connection)) registry.unsubscribe(subscriber);
      for (const watcher of connection.watchers ?? []) store.removeWatcher(watcher);
    }
  }

  /** These connections are closed, so that their clients register everything anew. */
  connectionsOn(addresses: readonly string[]): void {
    for (const address of addresses) {
      const connection = this.#ports.connections.get(address);
      if (connection !== undefined) this.#closing.add(connection);
    }
    this.check();
  }

  /** Closes the next connections that are to be closed; call it a few times per second. */
  check(): void {
    let left = CLOSE_SLICE_ITEMS;
    for (const connection of this.#closing) {
      if (left-- === 0) return;
      this.#closing.delete(connection);
      if (connection.closed) continue;
      this.#leaving.add(connection);
      connection.channel.end();
    }
  }

  /** A connection has gone. @returns true if we closed it */
  takeLeft(connection: ClientConnection): boolean {
    this.#closing.delete(connection);
    return this.#leaving.delete(connection);
  }

  /** What may not be here any more goes, and is remembered as withheld. */
  #enforce(): void {
    const { rules, store, connections } = this.#ports;
    this.#withdraw(
      this.#publishersOf((host) => !rules.allowsHost('publish', host)),
      true,
    );
    for (const connection of connections.values())
      if (!rules.allowsHost('subscribe', connection.host)) this.#drop(subscribersOf(connection));
    if (!rules.namesServices) return;
    for (const service of store.services.values()) {
      if (!rules.allowsService('publish', service))
        this.#withdraw([...(service.publishers?.values() ?? [])], true);
      if (!rules.allowsService('subscribe', service)) this.#drop([...(service.subscribers?.values() ?? [])]);
    }
  }

  /** Who lacks something that is allowed again comes back; not who was let go without a word. */
  #letIn(opened: ReadonlySet<string>): void {
    const { connections, rules } = this.#ports;
    for (const connection of connections.values()) {
      const { host, withheld } = connection;
      if (withheld === null && !opened.has(host)) continue;
      let missing = opened.has(host);
      for (const [key, item] of withheld ?? []) {
        if (!rules.allows(item.use, host, item)) continue;
        missing = true;
        withheld?.delete(key);
      }
      if (missing && !rules.reduced(host)) this.#closing.add(connection);
    }
    this.check();
  }

  /** Publishers of clients, those whose connection has just closed included. */
  #publishersOf(matches: (host: string) => boolean): SessionPublisher[] {
    const { connections, departed } = this.#ports;
    const found: SessionPublisher[] = [];
    for (const { host, publishers } of connections.values())
      if (publishers !== null && matches(host)) found.push(...publishers);
    for (const { clientAddress, publishers } of departed())
      if (matches(parseAddress(clientAddress)?.host ?? clientAddress)) found.push(...publishers);
    return found;
  }

  #withdraw(publishers: readonly SessionPublisher[], withheld: boolean, from = 0): void {
    const { registry, clock } = this.#ports;
    const end = Math.min(publishers.length, from + WITHDRAW_SLICE_ITEMS);
    for (let i = from; i < end; i++) {
      const { connection, service } = publishers[i];
      if (withheld) connection?.withhold('publish', service);
      registry.withdraw(publishers[i]);
    }
    if (end < publishers.length) clock.defer(() => this.#withdraw(publishers, withheld, end));
  }

  #drop(subscribers: readonly SessionSubscriber[]): void {
    for (const subscriber of subscribers) {
      const { connection, service } = subscriber.target;
      connection.withhold('subscribe', service);
      this.#ports.registry.unsubscribe(subscriber);
    }
  }
}

function subscribersOf({ targets }: ClientConnection): SessionSubscriber[] {
  const found: SessionSubscriber[] = [];
  for (const { service, registerIds } of targets?.all() ?? []) {
    for (const registerId of registerIds) {
      const subscriber = service.subscribers?.get(registerId);
      if (subscriber !== undefined) found.push(subscriber);
    }
  }
  return found;
}
