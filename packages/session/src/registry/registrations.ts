/** What a session holds for its clients: the truth about publications (design law 1). */
import type { PublisherRecord } from '@sofa-registry/model';
import type { ClientConnection } from '../client-connection.ts';
import type { PushTarget } from '../push/push-target.ts';
import type { ServiceEntry } from './service-entry.ts';

/** A publisher. Replaced by a new object at every accepted registration, so its identity tells one from the next. */
export interface SessionPublisher extends PublisherRecord {
  readonly service: ServiceEntry;
  /** Null once its connection closed: it stays listed for the grace or the hold. */
  connection: ClientConnection | null;
  /** A data node holds something newer of this registerId: out of the digest until it is registered again, or its client shows itself. */
  hidden: boolean;
}

/** A subscriber: one registration. Service, connection and scope are its target's. */
export interface SessionSubscriber {
  readonly registerId: string;
  readonly target: PushTarget;
  readonly version: number;
  readonly stamp: number;
  readonly zone: string;
  readonly appName: string;
  readonly clientTimestamp: number;
  readonly attributes: ReadonlyMap<string, string> | null;
  readonly acceptEncoding: string;
}

/** A configurator: gets one push without content (wire 4.6). */
export interface SessionWatcher {
  readonly registerId: string;
  readonly service: ServiceEntry;
  readonly connection: ClientConnection;
  readonly version: number;
  readonly stamp: number;
  readonly zone: string;
  readonly appName: string;
  readonly clientTimestamp: number;
  readonly attributes: ReadonlyMap<string, string> | null;
  pushedVersion: number;
}
