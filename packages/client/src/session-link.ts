/**
 * One connection to one session: the first exchange (sr.ClientHello, or plain protobuf when the server does not know it),
 * heartbeats, and the decoding of what the session sends.
 */
import { formatAddress } from '@sofa-registry/model';
import {
  BoltChannel,
  type BoltHandler,
  type Clock,
  type Network,
  type ReplyHandler,
  RpcError,
} from '@sofa-registry/runtime';
import {
  BoltStatus,
  ClientHello,
  ClientWelcome,
  CODEC_INTERNAL,
  type Frame,
  FRAME_ONEWAY,
  type MessageOf,
  Reconnect,
  WireError,
} from '@sofa-registry/wire';
import { BEAT_MISSES_MAX, BEAT_RESERVE_MS, CONNECT_TIMEOUT_MS } from './limits.ts';
import type { ClientSettings } from './options.ts';
import { decodePush, type Push, pushAnswer } from './push.ts';
import type { SessionAddress } from './server-list.ts';
import { CLIENT_NAME } from './version.ts';

/** What a session told in answer to the hello. */
export type Welcome = MessageOf<typeof ClientWelcome>;
/** A session asks this client to move. */
export type ReconnectRequest = MessageOf<typeof Reconnect>;

/** What happens on a link. Never called after `closed`. */
export interface LinkEvents {
  /** A list came. True if a delta did not fit and the whole list is needed. */
  pushed(push: Push): boolean;
  /** A push could not be read. */
  unreadable(className: string, error: WireError): void;
  /** The session drains. */
  moveAway(link: SessionLink, request: ReconnectRequest): void;
  /** There is room to send again. */
  drained(link: SessionLink): void;
  closed(link: SessionLink, reason: string): void;
  /** A bug of this package. */
  crashed(error: unknown): void;
}

/** What a link needs. */
export interface LinkPorts {
  readonly clock: Clock;
  readonly network: Network;
  readonly settings: ClientSettings;
  readonly events: LinkEvents;
}

/** A connection in use. */
export class SessionLink {
  /** `host:port` of the session. */
  readonly address: string;
  readonly #channel: BoltChannel;
  readonly #events: LinkEvents;
  #welcome: Welcome | null = null;
  #opened = false;

  private constructor(
    address: string,
    ports: LinkPorts,
    connection: Awaited<ReturnType<Network['connect']>>,
  ) {
    this.address = address;
    this.#events = ports.events;
    const handler: BoltHandler = {
      request: (_channel, frame) => this.#received(frame),
      closed: (_channel, reason) => {
        // Until it is open nobody but `open` knows the link, and that has failed with the pending hello.
        if (this.#opened) this.#events.closed(this, reason);
      },
      drained: () => this.#events.drained(this),
      crashed: (_channel, error) => this.#events.crashed(error),
    };
    const { beatMs } = ports.settings;
    this.#channel = new BoltChannel(connection, {
      clock: ports.clock,
      handler,
      proto: 1,
      heartbeatMs: beatMs - BEAT_RESERVE_MS,
      heartbeatMissesMax: BEAT_MISSES_MAX,
    });
  }

  /**
   * Connects and says hello.
   * @param plain leave the hello out, for a server that closes the connection on it
   * @throws RuntimeError when there is no connection, or it closes or stays silent
   */
  static async open(
    session: SessionAddress,
    plain: boolean,
    ports: LinkPorts,
    signal: AbortSignal,
  ): Promise<SessionLink> {
    const options = { timeoutMs: CONNECT_TIMEOUT_MS, signal };
    const connection = await ports.network.connect(session, options);
    const link = new SessionLink(formatAddress(session.host, session.port), ports, connection);
    try {
      if (!plain) link.#welcome = await link.#hello(ports.settings, signal);
    } catch (error) {
      link.#channel.destroy('hello failed');
      throw error;
    }
    link.#opened = true;
    return link;
  }

  /** The session's answer to the hello; null in plain protobuf. */
  get welcome(): Welcome | null {
    return this.#welcome;
  }

  /** True if pushes come as sr.ListPush, as deltas where possible. */
  get delta(): boolean {
    return this.#welcome !== null && this.#welcome.delta;
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedBytes;
  }

  /** Sends a request; see BoltChannel.request. */
  request<K>(
    className: string,
    codec: number,
    content: Buffer,
    timeoutMs: number,
    done: ReplyHandler<K>,
    token: K,
  ): void {
    this.#channel.request(className, codec, content, timeoutMs, done, token);
  }

  /** Sends what is queued, then closes. */
  end(): void {
    this.#channel.end();
  }

  #received(frame: Frame): void {
    const { className } = frame;
    try {
      if (className === Reconnect.className && frame.type === FRAME_ONEWAY) {
        this.#events.moveAway(this, Reconnect.decode(frame.content));
        return;
      }
      const push = decodePush(className, frame.content);
      if (push === null) {
        this.#channel.respondError(frame, BoltStatus.serverException);
        return;
      }
      const answer = pushAnswer(className, this.#events.pushed(push));
      this.#channel.respond(frame, answer.className, answer.content);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#events.unreadable(className, error);
      this.#channel.respondError(frame, BoltStatus.serverDeserialException);
    }
  }

  async #hello(settings: ClientSettings, signal: AbortSignal): Promise<Welcome | null> {
    const hello = ClientHello.encode({
      client: CLIENT_NAME,
      appName: settings.app,
      zone: settings.zone,
      beatMs: settings.beatMs,
      delta: true,
    });
    try {
      const frame = await this.#channel.call(
        ClientHello.className,
        CODEC_INTERNAL,
        hello,
        CONNECT_TIMEOUT_MS,
        signal,
      );
      if (frame.className !== ClientWelcome.className) return null;
      return ClientWelcome.decode(frame.content);
    } catch (error) {
      // A server that does not know the message says so in the protocol's own way (wire 1.4).
      if (error instanceof RpcError && error.code === 'SR_RPC_STATUS') return null;
      throw error;
    }
  }
}
