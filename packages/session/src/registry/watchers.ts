/** Watchers (ConfiguratorRegister): kept, and answered with one push without content (wire 4.6). */
import { DEFAULT_ZONE } from '@sofa-registry/model';
import type { BaseRegister } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { ConfigPush } from '../push/config-push.ts';
import { attributesOf, EVENT_REGISTER, orDefault, type RegistrationKind } from './registration-kind.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { SessionWatcher } from './registrations.ts';
import type { ServiceEntry } from './service-entry.ts';

/** What watchers work with. */
export interface WatcherParts {
  readonly store: RegistrationStore;
  readonly config: ConfigPush;
}

/** The watchers of one session. */
export class Watchers implements RegistrationKind<SessionWatcher, BaseRegister> {
  readonly name = 'watcher';
  readonly event = EVENT_REGISTER;
  readonly use = null;
  readonly versionNeeded = true;
  readonly #parts: WatcherParts;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  held(service: ServiceEntry, registerId: string): SessionWatcher | undefined {
    return service.watchers?.get(registerId);
  }

  owner(held: SessionWatcher): ClientConnection {
    return held.connection;
  }

  answerUnstored(): undefined {
    return undefined;
  }

  put(
    connection: ClientConnection,
    message: BaseRegister,
    service: ServiceEntry,
    version: number,
    stamp: number,
  ): void {
    const { store, config } = this.#parts;
    const watcher = {
      registerId: message.registId as string,
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
  }

  remove(
    _service: ServiceEntry,
    _registerId: string,
    _version: number,
    _stamp: number,
    held: SessionWatcher | undefined,
  ): void {
    if (held !== undefined) this.#parts.store.removeWatcher(held);
  }

  /** The connection is gone, and with it its watchers. */
  connectionClosed(connection: ClientConnection): void {
    for (const watcher of connection.watchers ?? []) this.#parts.store.removeWatcher(watcher);
  }
}
