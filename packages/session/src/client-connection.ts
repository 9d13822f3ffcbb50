/** What a session keeps per client connection. Hot path: plain fields, sets made only when needed. */
import { parseAddress, type ServiceName, type Use } from '@sofa-registry/model';
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

/** What was acknowledged and withheld, or dropped, because an operator wants it so. */
export interface Withheld extends ServiceName {
  readonly use: Use;
}

/** Withheld services remembered of one connection; nobody notices when further ones are allowed again. */
const WITHHELD_MAX = 10_000;

/** One client connection. Identity = remote `ip:port` while it is open (wire 1.6). */
export class ClientConnection {
  readonly channel: BoltChannel<ClientConnection>;
  /** Remote `ip:port`. */
  readonly address: string;
  /** Remote host without brackets, as operators name it. */
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
  /** What its client lacks as long as an operator wants it so. */
  withheld: Map<string, Withheld> | null = null;
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
    this.host = parseAddress(this.address)?.host ?? this.address;
  }

  /** Remembers what is withheld, so that it can be asked for when it is allowed again. */
  withhold(use: Use, { dataId, dataInfoId }: ServiceName): void {
    this.withheld ??= new Map();
    if (this.withheld.size < WITHHELD_MAX)
      this.withheld.set(`${use} ${dataInfoId}`, { use, dataId, dataInfoId });
  }

  /** True if the client has taken back, or moved elsewhere, all it had here: its close is no lost socket. */
  get saidGoodbye(): boolean {
    return this.hadRegistrations && this.registrations === 0;
  }
}
