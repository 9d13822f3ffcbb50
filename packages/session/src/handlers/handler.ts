/** What a handler of one client message is. The next message gets a file here and a line in `handlers/index.ts`. */
import type { Clock, Logger } from '@sofa-registry/runtime';
import type { Frame } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { MetadataSync } from '../metadata/metadata-sync.ts';
import type { SessionMetrics } from '../metrics.ts';
import type { PushSwitch } from '../push/push-switch.ts';
import type { Refusals } from '../refusals.ts';
import type { SessionRegistry } from '../registry/session-registry.ts';
import type { TokenBucket } from '../token-bucket.ts';

/** What handlers work with. */
export interface HandlerContext {
  readonly clock: Clock;
  readonly metrics: SessionMetrics;
  readonly registry: SessionRegistry;
  readonly metadata: MetadataSync;
  readonly pushSwitch: PushSwitch;
  readonly accessRate: TokenBucket;
  readonly refusals: Refusals;
  readonly logger: Logger;
  readonly dataCenter: string;
  /** Greets an SDK: agrees on beats and deltas. */
  readonly welcome: (connection: ClientConnection, frame: Frame) => void;
}

/** Handles one class of requests: decodes (a WireError is answered with 0x0012 by the caller), acts, answers. */
export interface ClientHandler {
  /** Codec byte of the request; another one is answered with 0x0012, for its bytes mean something else (wire 2.2). */
  readonly codec: number;
  handle(context: HandlerContext, connection: ClientConnection, frame: Frame): void;
}
