/**
 * The client port: accepts connections, hands their requests to the handlers, greets SDKs, closes silent ones. Knows nothing of
 * what a registration means. Hot path.
 */
import {
  BoltChannel,
  type BoltChannelOptions,
  type BoltHandler,
  type Clock,
  type Connection,
} from '@sofa-registry/runtime';
import {
  ClientHello,
  ClientWelcome,
  type Frame,
  type MessageOf,
  Reconnect,
  CODEC_INTERNAL,
} from '@sofa-registry/wire';
import { ClientConnection } from './client-connection.ts';
import type { SessionMetrics } from './metrics.ts';
import type { SessionTunables } from './settings.ts';

/** Beats without a byte after which an SDK connection is closed. */
const SDK_BEATS_MISSED_MAX = 3;
/** But never sooner than this, in ms. */
const SDK_SILENCE_MS_MIN = 3000;
/** Shortest beat agreed with an SDK, in ms. */
const SDK_BEAT_MS_MIN = 100;

/** What the door asks its owner. */
export interface ClientDoorEvents {
  request(connection: ClientConnection, frame: Frame): void;
  closed(connection: ClientConnection, reason: string): void;
  drained(connection: ClientConnection): void;
  crashed(error: unknown): void;
}

/** What a session tells an SDK about itself; `beatMs` and `delta` are added per client. */
export type SessionGreeting = Omit<MessageOf<typeof ClientWelcome>, 'beatMs' | 'delta'>;

/** The door. */
export class ClientDoor implements BoltHandler<ClientConnection> {
  /** Open connections by `ip:port`. */
  readonly connections = new Map<string, ClientConnection>();
  readonly #clock: Clock;
  #opened = 0;
  readonly #settings: SessionTunables;
  readonly #metrics: SessionMetrics;
  readonly #events: ClientDoorEvents;
  readonly #options: BoltChannelOptions<ClientConnection>;
  readonly #sdk = new Set<ClientConnection>();
  #open = false;
  #spoken = 0;

  constructor(clock: Clock, settings: SessionTunables, metrics: SessionMetrics, events: ClientDoorEvents) {
    this.#clock = clock;
    this.#settings = settings;
    this.#metrics = metrics;
    this.#events = events;
    this.#options = Object.freeze({
      clock,
      handler: this,
      idleCloseMs: settings.idleCloseMs,
      limits: { frameBytesMax: settings.clientFrameBytesMax },
    });
  }

  /** SDK connections. */
  get sdkConnections(): ReadonlySet<ClientConnection> {
    return this.#sdk;
  }

  /** Open connections that have said something. */
  get spoken(): number {
    return this.#spoken;
  }

  /** Lets clients in, or not any more. */
  setOpen(open: boolean): void {
    this.#open = open;
  }

  /** A connection to the client port. */
  accept(connection: Connection): void {
    const channel = new BoltChannel<ClientConnection>(connection, this.#options);
    const client = new ClientConnection(channel, this.#clock.monoMs(), ++this.#opened);
    channel.userData = client;
    if (!this.#open || this.connections.size >= this.#settings.connectionsMax) {
      if (this.#open) this.#metrics.refused.connections.value++;
      client.closed = true;
      channel.destroy(this.#open ? 'too many connections' : 'not open');
      return;
    }
    this.connections.set(client.address, client);
  }

  heard(channel: BoltChannel<ClientConnection>): void {
    channel.userData.spoke = true;
    this.#spoken++;
  }

  request(channel: BoltChannel<ClientConnection>, frame: Frame): void {
    this.#events.request(channel.userData, frame);
  }

  closed(channel: BoltChannel<ClientConnection>, reason: string): void {
    const client = channel.userData;
    this.#sdk.delete(client);
    // Refused at the door: nobody knows it.
    if (this.connections.get(client.address) !== client) return;
    this.connections.delete(client.address);
    if (client.spoke) this.#spoken--;
    this.#events.closed(client, reason);
  }

  drained(channel: BoltChannel<ClientConnection>): void {
    this.#events.drained(channel.userData);
  }

  crashed(_channel: BoltChannel<ClientConnection>, error: unknown): void {
    this.#events.crashed(error);
  }

  /** Answers sr.ClientHello. @throws WireError */
  welcome(client: ClientConnection, frame: Frame, greeting: SessionGreeting): void {
    const hello = ClientHello.decode(frame.content);
    const wanted = hello.beatMs > 0 ? hello.beatMs : this.#settings.sdkBeatMs;
    const beatMs = Math.max(SDK_BEAT_MS_MIN, Math.min(wanted, this.#settings.idleCloseMs));
    client.sdk = {
      client: hello.client,
      appName: hello.appName,
      zone: hello.zone,
      beatMs,
      delta: hello.delta,
    };
    this.#sdk.add(client);
    const content = ClientWelcome.encode({ ...greeting, beatMs, delta: hello.delta });
    client.channel.respond(frame, ClientWelcome.className, content);
  }

  /** Closes SDK connections that missed their beats. */
  sweep(): void {
    const nowMs = this.#clock.monoMs();
    for (const client of this.#sdk) {
      const beatMs = client.sdk?.beatMs ?? 0;
      const silenceMsMax = Math.max(SDK_SILENCE_MS_MIN, beatMs * SDK_BEATS_MISSED_MAX);
      if (nowMs - client.channel.lastReceivedMonoMs > silenceMsMax) client.channel.destroy('no beat');
    }
  }

  /** Asks an SDK to move to another session, at a moment of its choice within the time. The sessions named first are preferred. */
  sendAway(client: ClientConnection, withinMs: number, reason: string, sessions: readonly string[]): void {
    const content = Reconnect.encode({ withinMs: Math.round(withinMs), reason, sessions });
    client.channel.oneway(Reconnect.className, CODEC_INTERNAL, content);
  }

  /** Closes every connection at once. */
  destroyAll(reason: string): void {
    for (const client of this.connections.values()) client.channel.destroy(reason);
  }
}
