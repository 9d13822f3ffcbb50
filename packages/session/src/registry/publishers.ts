/** Publishers: what is newer is the truth of this publication, and goes to the data leader (session.md 4). Hot path. */
import { DEFAULT_ZONE } from '@sofa-registry/model';
import type { PublisherRegister } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { SessionMetrics } from '../metrics.ts';
import type { SessionTunables } from '../settings.ts';
import type { WriteForwarder } from '../write/write-forwarder.ts';
import {
  attributesOf,
  EVENT_REGISTER,
  notNow,
  orDefault,
  type RegistrationKind,
  type Verdict,
} from './registration-kind.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { SessionPublisher } from './registrations.ts';
import type { ServiceEntry } from './service-entry.ts';

/** Attribute that makes a publisher acknowledged and not stored (wire 3.4). */
export const BLOCKED_ATTRIBUTE = '!Blocked';

/** What publishers work with. */
export interface PublisherParts {
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly store: RegistrationStore;
  readonly forwarder: WriteForwarder;
}

/** The publishers of one session. */
export class Publishers implements RegistrationKind<SessionPublisher, PublisherRegister> {
  readonly name = 'publisher';
  readonly event: string = EVENT_REGISTER;
  readonly use = 'publish';
  readonly versionNeeded = false;
  protected readonly parts: PublisherParts;

  constructor(parts: PublisherParts) {
    this.parts = parts;
  }

  held(service: ServiceEntry, registerId: string): SessionPublisher | undefined {
    return service.publishers?.get(registerId);
  }

  owner(held: SessionPublisher): ClientConnection | null {
    return held.connection;
  }

  answerUnstored(message: PublisherRegister): Verdict | undefined {
    const { metrics, settings } = this.parts;
    const blocked = message.attributes?.get(BLOCKED_ATTRIBUTE);
    if (blocked !== undefined && blocked.trim() !== '') {
      metrics.blocked.value++;
      return null;
    }
    if (message.dataBoxes.length <= settings.payloadBytesMax) return undefined;
    metrics.refused.payload.value++;
    return notNow(
      `payload of ${message.dataBoxes.length} bytes, at most ${settings.payloadBytesMax} are taken`,
    );
  }

  put(
    connection: ClientConnection,
    message: PublisherRegister,
    service: ServiceEntry,
    version: number,
    stamp: number,
    held: SessionPublisher | undefined,
  ): void {
    const { metrics, store, forwarder } = this.parts;
    if (held !== undefined && held.connection === null) metrics.heldReturned.value++;
    const publisher = publisherOf(connection, message, service, version, stamp);
    store.putPublisher(publisher);
    forwarder.publish(publisher);
  }

  /** Forwarded also when the publisher is unknown here: it may be listed all the same (session.md 4). */
  remove(
    service: ServiceEntry,
    registerId: string,
    version: number,
    stamp: number,
    held: SessionPublisher | undefined,
  ): void {
    const { store, forwarder } = this.parts;
    forwarder.unpublish(service, registerId, version, stamp);
    if (held !== undefined) store.removePublisher(held);
  }
}

/** What a message registers. */
export function publisherOf(
  connection: ClientConnection,
  message: PublisherRegister,
  service: ServiceEntry,
  version: number,
  stamp: number,
): SessionPublisher {
  return {
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
}
