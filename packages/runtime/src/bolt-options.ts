/** What a {@link BoltChannel} needs from its owner, and its limits. */
import type { BoltLimits, BoltProto, Frame } from '@sofa-registry/wire';
import type { BoltChannel } from './bolt-channel.ts';
import type { BoltMetrics } from './bolt-metrics.ts';
import type { RpcError } from './errors.ts';
import type { Clock } from './ports.ts';

/** Unanswered requests of one channel. */
export const PENDING_MAX = 65_536;
/** Unanswered heartbeats after which a channel is closed (wire 1.5: three). */
export const HEARTBEAT_MISSES_MAX = 3;
/** Longest time a request can wait, in ms; longer ones are cut to it. */
export const REQUEST_TIMEOUT_MS_MAX = 0x7fff_ffff;

/** Receives what arrives on a channel; one plain object serves many channels. All calls are synchronous. */
export interface BoltHandler<T = unknown> {
  /**
   * A request or a oneway request. Answer now or later with `respond` or `respondError` (both do nothing for oneway).
   * `frame.header` and `frame.content` are views into the receive buffer: copy what is kept. If it throws, the error goes to
   * `crashed`, the peer gets status 0x0002 (wire 1.4) and the channel goes on.
   */
  request(channel: BoltChannel<T>, frame: Frame): void;
  /** The first whole frame of the peer has arrived, of whatever kind; called before it is handled. Must not throw. */
  heard?(channel: BoltChannel<T>): void;
  /** The channel is gone. Called exactly once, after all its requests have failed; never from inside an own call. */
  closed(channel: BoltChannel<T>, reason: string): void;
  /** After `bufferedBytes` was above the high-water mark: it is low again. */
  drained?(channel: BoltChannel<T>): void;
  /** `request` or a {@link ReplyHandler} threw: a bug of the owner, to be logged. Without it the error is only counted. */
  crashed?(channel: BoltChannel<T>, error: unknown): void;
}

/** Receives the outcome of requests; a shared object, so that a request costs no closure. */
export interface ReplyHandler<K = unknown> {
  /** The reply, with status success. Its content is a view: copy what is kept. */
  reply(token: K, frame: Frame): void;
  /** SR_RPC_TIMEOUT, SR_RPC_CLOSED, SR_RPC_BUSY, or SR_RPC_STATUS with the reply's status. Never called inside `request`. */
  failed(token: K, error: RpcError): void;
}

/** Options of {@link BoltChannel}. Share one frozen object between channels. */
export interface BoltChannelOptions<T = unknown> {
  readonly clock: Clock;
  readonly handler: BoltHandler<T>;
  /** Frame limits; defaults of the wire package. */
  readonly limits?: Partial<BoltLimits>;
  /**
   * What unfinished frames of all channels with these options may hold together, bytes; above it the channel with the oldest is closed
   * (kind `crowded`). Default 64 MiB.
   */
  readonly assemblyBytesMax?: number;
  /** Close when no byte arrived for so long. Server side: 45000 (wire 1.5). Default 0 = never. Up to 250 ms late. */
  readonly idleCloseMs?: number;
  /**
   * Send a heartbeat when nothing was received for so long, or nothing was sent (so that the peer's idle rule is kept
   * satisfied). Default 0 = never. Up to 250 ms late.
   */
  readonly heartbeatMs?: number;
  /** Close when so many heartbeats in a row were followed by no byte at all. Default 3. */
  readonly heartbeatMissesMax?: number;
  /** Unanswered requests; above it a request fails with SR_RPC_BUSY. Default 65536. */
  readonly pendingMax?: number;
  /**
   * Stop reading while more than the high-water mark is queued, so that a peer that asks without reading the answers is
   * slowed down, and closed by the idle rule in the end. For client-facing channels; between two sides that both do it, both
   * could wait for each other. Default false.
   */
  readonly pauseWhenFull?: boolean;
  /** Protocol of what this side sends. Without it the side learns it from the first frame that arrives (wire 1.3). */
  readonly proto?: BoltProto;
  /** Version within protocol 2. With 2 requests carry a CRC (wire 1.2). Default 1. */
  readonly ver1?: 1 | 2;
  /** Counters; default the ones of the process, {@link BOLT_METRICS}. */
  readonly metrics?: BoltMetrics;
}
