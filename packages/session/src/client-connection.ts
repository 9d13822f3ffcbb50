/** What a session keeps per client connection. Hot path: plain fields, sets made only when needed. */
import type { BoltChannel } from '@sofa-registry/runtime';
import type { PushTarget, TargetSet } from './push/push-target.ts';
import type { SessionPublisher, SessionWatcher } from './registry/registrations.ts';

/** What an SDK said in its hello (wire internal/client-link). */
export interface SdkHello {
  readonly client: string;
  readonly appName: string;
  readonly zone: string;
  /** Agreed beat; the connection closes after 3 of them (at least 3 s) without a byte. */
  readonly beatMs: number;
  readonly delta: boolean;
}

/** One client connection. Identity = remote `ip:port` while it is open (wire 1.6). */
export class ClientConnection {
  readonly channel: BoltChannel<ClientConnection>;
  /** Remote `ip:port`. */
  readonly address: string;
  /** Remote host, for the push switch's gray list. */
  readonly host: string;
  /** A SubscriberRegisterPb was seen: every push is protobuf from then on (wire 2.2). */
  pb = false;
  /** True once a whole frame has come: who says nothing (the health check of a load balancer) is no client. */
  spoke = false;
  /** Set by sr.ClientHello. */
  sdk: SdkHello | null = null;
  /** Publishers this connection owns. */
  publishers: Set<SessionPublisher> | null = null;
  watchers: Set<SessionWatcher> | null = null;
  targets: TargetSet | null = null;
  /** Targets that wait until the socket has drained. */
  parked: PushTarget[] = [];
  /** Publishers, subscribers and watchers held. */
  registrations = 0;
  /** True once it has held something. */
  hadRegistrations = false;
  /** When registrations of it were last stamped anew because its client was here all the same, monotonic ms. */
  restampedMs = -Infinity;
  /** When it was last asked whether its client is here, monotonic ms. */
  askedMs = -Infinity;
  closed = false;
  /** Monotonic ms when it was opened, or last asked to leave. */
  sinceMs: number;
  /** Connections are numbered as they are opened. */
  readonly ordinal: number;

  constructor(channel: BoltChannel<ClientConnection>, nowMs: number, ordinal: number) {
    this.channel = channel;
    this.ordinal = ordinal;
    // Whole ms: a fraction would cost an object.
    this.sinceMs = Math.floor(nowMs);
    this.address = channel.remoteAddress;
    const at = this.address.lastIndexOf(':');
    this.host = at < 0 ? this.address : this.address.slice(0, at);
  }

  /** True if the client has taken back, or moved elsewhere, all it had here: its close is no lost socket. */
  get saidGoodbye(): boolean {
    return this.hadRegistrations && this.registrations === 0;
  }
}
