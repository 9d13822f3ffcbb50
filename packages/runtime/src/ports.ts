/**
 * The ports through which all tier logic sees the outside: time, randomness, the network and the log (design law 7). Adapters:
 * `node/` for production, `memory/` for roles of one process and for tests, the simulator's in the testing package.
 */
import type { HostPort } from '@sofa-registry/model';

/** A timer that was set. */
export interface Timer {
  /** Stops the timer; harmless when it has fired. */
  cancel(): void;
}

/** Time. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; fractions allowed. */
  monoMs(): number;
  /** Milliseconds since 1970-01-01 UTC; may step either way. */
  wallMs(): number;
  /** Calls `fn` once after at least `delayMs`. Coarse: up to a few ms late. */
  setTimer(delayMs: number, fn: () => void): Timer;
  /** Calls `fn` soon, after the input that is being handled now: the flush point of batches. */
  defer(fn: () => void): void;
}

/** Randomness. Not for secrets. */
export interface Random {
  /** A double in [0, 1). */
  next(): number;
  /** An integer from 0 to 2^32 - 1. */
  uint32(): number;
  /** A random (version 4) UUID. */
  uuid(): string;
}

/** Structured log. Never called per message. */
export interface Logger {
  /** A logger whose lines carry `fields` too. */
  child(fields: Record<string, unknown>): Logger;
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What a connection tells its owner. Set once, right after the connection exists, in the same turn. */
export interface ConnectionHandler {
  /** Bytes arrived, in order. The chunk may be kept or sliced; it is never reused by the network. */
  data(chunk: Buffer): void;
  /** After `write` had returned false: what is queued has fallen to the low-water mark, write again. */
  drained(): void;
  /** The connection is gone; called exactly once, also after an own `destroy`, never from inside an own call. Nothing is called after it. */
  closed(reason: string): void;
}

/** One end of an ordered, reliable byte stream. */
export interface Connection {
  readonly local: HostPort;
  readonly remote: HostPort;
  /** Must be called in the turn in which the connection was handed out. */
  attach(handler: ConnectionHandler): void;
  /**
   * Queues bytes; they leave together at the end of the turn (or when 64 KiB are queued). The buffer must not be changed
   * afterwards. False above the high-water mark: stop until `drained`. Ignored (and false) once `closed`.
   */
  write(bytes: Buffer): boolean;
  /** Bytes queued in this process and not yet taken by the kernel (or by the peer, in memory). */
  readonly bufferedBytes: number;
  /** Stops `data` calls (the peer is slowed down by its own backpressure). */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. What the peer still sends is delivered until it closes too, or a bounded time has passed. */
  end(): void;
  /** Closes at once; queued bytes are lost. */
  destroy(reason: string): void;
  /** True once nothing written can leave any more: after `end`, `destroy`, or when the peer has gone. */
  readonly closed: boolean;
}

/** An open port. */
export interface Listener {
  /** The bound address; `port` is the real one when 0 was asked. */
  readonly address: HostPort;
  /** Stops accepting; open connections stay. */
  close(): Promise<void>;
}

/** Options of {@link Network.connect}. */
export interface ConnectOptions {
  /** Give up after this many ms. Default 3000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Streams between addresses. */
export interface Network {
  /** @throws RuntimeError SR_NET_LISTEN when the port is taken or not permitted (the message names the port) */
  listen(address: HostPort, accept: (connection: Connection) => void): Promise<Listener>;
  /** @throws RuntimeError SR_NET_CONNECT */
  connect(address: HostPort, options?: ConnectOptions): Promise<Connection>;
}
