/**
 * One link to a data node, from a session or from another data node: connects, says sr.Hello, reports up, and starts over with
 * jittered back-off when the connection ends. Both sides may send requests on it.
 */
import { parseAddress } from '@sofa-registry/model';
import {
  Backoff,
  BoltChannel,
  type BoltChannelOptions,
  type ReplyHandler,
  type RpcError,
  RuntimeError,
  type Timer,
} from '@sofa-registry/runtime';
import {
  BoltStatus,
  CODEC_INTERNAL,
  type Frame,
  Hello,
  HelloReply,
  type MessageOf,
} from '@sofa-registry/wire';
import {
  CONNECT_TIMEOUT_MS,
  HELLO_TIMEOUT_MS,
  LINK_HEARTBEAT_MISSES_MAX,
  LINK_HEARTBEAT_MS,
  PEER_RETRY_MS,
  PEER_RETRY_MS_MAX,
} from './limits.ts';
import { clusterCounters as counters } from './metrics.ts';
import type { ClusterPorts } from './ports.ts';

/** What the owner of a link hears. One object may serve many links. */
export interface PeerLinkEvents {
  /** The data node answered the hello: requests may be sent on `link.channel`. */
  up(link: PeerLink, reply: MessageOf<typeof HelloReply>): void;
  /** After `up`: the connection has gone. `link.channel` is null; the link tries again by itself. */
  down(link: PeerLink, reason: string): void;
  /** A request or oneway of the data node. Answer on `channel`. */
  message(link: PeerLink, channel: BoltChannel, frame: Frame): void;
}

/** Options of {@link PeerLink}. */
export interface PeerLinkOptions {
  /** `host:port` of the data node. */
  readonly address: string;
  /** Value of sr.Hello, asked at each attempt. */
  readonly hello: () => MessageOf<typeof Hello>;
  readonly events: PeerLinkEvents;
}

/** One data node as this process reaches it. Starts connecting when it is made. */
export class PeerLink implements ReplyHandler<BoltChannel> {
  readonly address: string;
  /** Process id of the node at the other end, '' before the first hello. Changes when the node restarts. */
  processId = '';
  readonly #ports: ClusterPorts;
  readonly #options: PeerLinkOptions;
  readonly #backoff: Backoff;
  readonly #channelOptions: BoltChannelOptions;
  /** Of the attempt under way, or of the last one. */
  #aborter = new AbortController();
  /** When the attempt under way began; -1 = none is. */
  #attemptMs = -1;
  /** Ends a young attempt when it has got no answer by then. */
  #hasten: Timer | null = null;
  #candidate: BoltChannel | null = null;
  #channel: BoltChannel | null = null;
  #retry: Timer | null = null;
  #closed = false;
  #heardAtMs = -1;
  /** Why this node was kept out, if it was last time. */
  #barred = '';

  constructor(ports: ClusterPorts, options: PeerLinkOptions) {
    this.address = options.address;
    this.#ports = ports;
    this.#options = options;
    this.#backoff = new Backoff(ports.random, { baseMs: PEER_RETRY_MS, maxMs: PEER_RETRY_MS_MAX });
    this.#channelOptions = {
      clock: ports.clock,
      proto: 1,
      heartbeatMs: LINK_HEARTBEAT_MS,
      heartbeatMissesMax: LINK_HEARTBEAT_MISSES_MAX,
      handler: {
        request: (channel, frame) => this.#message(channel, frame),
        closed: (channel, reason) => this.#lost(channel, reason),
        crashed: (_channel, error) =>
          ports.logger.error('peer link: handler failed', { peer: options.address, error: String(error) }),
      },
    };
    void this.#connect();
  }

  /** True between `up` and `down`. */
  get up(): boolean {
    return this.#channel !== null;
  }

  /** The channel while up, else null. */
  get channel(): BoltChannel | null {
    return this.#channel;
  }

  /** Ms since bytes of the node last arrived; Infinity when never. */
  get heardMsAgo(): number {
    const heardAtMs = this.#channel?.lastReceivedMonoMs ?? this.#heardAtMs;
    return heardAtMs < 0 ? Infinity : this.#ports.clock.monoMs() - heardAtMs;
  }

  /**
   * Tries at once (a new table or member list names the node, so it is likely there): ends the wait for the next attempt, or an
   * attempt that got no answer so far. A host that was off when the first packet left would cost the whole connect timeout.
   */
  retrySoon(): void {
    if (this.#retry !== null) {
      this.#retry.cancel();
      this.#retry = null;
    } else {
      if (this.#attemptMs < 0) return;
      const youngMs = PEER_RETRY_MS - (this.#ports.clock.monoMs() - this.#attemptMs);
      if (youngMs > 0) {
        // An attempt gets this long to be answered, however often the node is named meanwhile.
        this.#hasten ??= this.#ports.clock.setTimer(youngMs, () => {
          this.#hasten = null;
          this.retrySoon();
        });
        return;
      }
      this.#attemptMs = -1;
      this.#aborter.abort();
    }
    this.#backoff.reset();
    void this.#connect();
  }

  /** Ends the link for good. `down` is not called. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#hasten?.cancel();
    this.#aborter.abort();
    const channel = this.#channel ?? this.#candidate;
    this.#channel = null;
    this.#candidate = null;
    channel?.destroy('link closed');
  }

  /** @internal answer to sr.Hello */
  reply(channel: BoltChannel, frame: Frame): void {
    if (channel !== this.#candidate) return;
    let reply: MessageOf<typeof HelloReply>;
    try {
      reply = HelloReply.decode(frame.content);
    } catch (error) {
      counters.badMessages.value++;
      channel.destroy(`bad hello reply: ${String(error)}`);
      return;
    }
    this.#candidate = null;
    this.#channel = channel;
    this.processId = reply.processId;
    this.#backoff.reset();
    this.#barred = '';
    counters.peerUps.value++;
    this.#options.events.up(this, reply);
  }

  /** @internal no answer to sr.Hello */
  failed(channel: BoltChannel, error: RpcError): void {
    if (channel !== this.#candidate) return;
    if (error.code === 'SR_RPC_STATUS') {
      counters.peerRefused.value++;
      const why =
        error.status === BoltStatus.errorComm
          ? 'it asks for a cluster token (clusterTokenFile)'
          : 'slot count or data centre differs';
      this.#ports.logger.warn(`peer link: data node refused the hello: ${why}`, {
        peer: this.address,
        status: error.status,
      });
    }
    channel.destroy(`hello failed: ${error.message}`);
  }

  async #connect(): Promise<void> {
    const target = parseAddress(this.address);
    if (target === null) {
      this.#ports.logger.error('peer link: not an address', { peer: this.address });
      return;
    }
    const aborter = new AbortController();
    this.#aborter = aborter;
    this.#attemptMs = this.#ports.clock.monoMs();
    let channel: BoltChannel;
    try {
      const options = { timeoutMs: CONNECT_TIMEOUT_MS, signal: aborter.signal };
      channel = new BoltChannel(await this.#ports.network.connect(target, options), this.#channelOptions);
    } catch (error) {
      // Another attempt has taken this one's place.
      if (aborter.signal.aborted) return;
      this.#attemptMs = -1;
      this.#sayFailed(error);
      this.#again();
      return;
    }
    if (this.#closed || aborter.signal.aborted) {
      channel.destroy('link closed');
      return;
    }
    this.#attemptMs = -1;
    this.#candidate = channel;
    try {
      const hello = Hello.encode(this.#options.hello());
      channel.request(Hello.className, CODEC_INTERNAL, hello, HELLO_TIMEOUT_MS, this, channel);
    } catch (error) {
      this.#ports.logger.error('peer link: no hello', { peer: this.address, error: String(error) });
      channel.destroy('no hello');
    }
  }

  /** A node that is away is no news; one that is there and does not let us in is, once. */
  #sayFailed(error: unknown): void {
    const fields = { peer: this.address, error: String(error) };
    if (!isBarred(error) || this.#barred === error.message) {
      this.#ports.logger.debug('peer link: no connection', fields);
      return;
    }
    this.#barred = error.message;
    this.#ports.logger.warn('peer link: kept out', fields);
  }

  #again(): void {
    if (this.#closed) return;
    this.#retry = this.#ports.clock.setTimer(this.#backoff.nextMs(), () => {
      this.#retry = null;
      void this.#connect();
    });
  }

  #message(channel: BoltChannel, frame: Frame): void {
    if (this.#closed) channel.respondError(frame, BoltStatus.connectionClosed);
    else this.#options.events.message(this, channel, frame);
  }

  #lost(channel: BoltChannel, reason: string): void {
    if (channel === this.#candidate) {
      this.#candidate = null;
      this.#again();
      return;
    }
    if (channel !== this.#channel) return;
    this.#heardAtMs = channel.lastReceivedMonoMs;
    this.#channel = null;
    counters.peerDowns.value++;
    this.#again();
    this.#options.events.down(this, reason);
  }
}

/** True when TLS or the cluster token failed, not the network. */
function isBarred(error: unknown): error is RuntimeError {
  return error instanceof RuntimeError && (error.code === 'SR_NET_TLS' || error.code === 'SR_NET_TOKEN');
}
