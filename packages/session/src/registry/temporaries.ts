/**
 * Temporary publications (F027): an event type of its own in a publisher's message. Nothing of them is kept, here or on the data leader,
 * which shows them once to whoever follows the service; they are not bound to the connection they came by.
 */
import type { PublisherRegister } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import { publisherOf, Publishers } from './publishers.ts';
import type { ServiceEntry } from './service-entry.ts';

/** The temporary publications that come to one session: publishers until they are stored. */
export class Temporaries extends Publishers {
  override readonly event: string = 'TEMPORARY';

  /** None is. */
  override held(): undefined {
    return undefined;
  }

  override put(
    connection: ClientConnection,
    message: PublisherRegister,
    service: ServiceEntry,
    version: number,
    stamp: number,
  ): void {
    const { metrics, store, forwarder } = this.parts;
    metrics.temporaries.value++;
    forwarder.temporary(service, publisherOf(connection, message, service, version, stamp));
    store.release(service);
  }

  /** There is nothing to remove of what an operator withholds. */
  override remove(): void {}
}
