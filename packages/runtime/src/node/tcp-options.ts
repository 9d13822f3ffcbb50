/** Options and limits of the TCP network. */
import type { Socket } from 'node:net';
import type { ConnectionLimits } from '../limits.ts';
import type { Clock, Logger } from '../ports.ts';
import type { NetMetrics } from './net-metrics.ts';

/**
 * Seam for TLS: wraps the plain socket of one side in another with the same interface (a `tls.TLSSocket` over it). Bytes
 * written before its handshake is done must be queued by it, as `TLSSocket` does. Nothing in this package provides one.
 */
export type SecureSocket = (socket: Socket, side: 'client' | 'server') => Socket;

/** Options of `tcpNetwork`. */
export interface TcpNetworkOptions extends Partial<ConnectionLimits> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Accepted connections that may be open at a time; more are closed at once, counted. Default 60000. */
  readonly connectionsMax?: number;
  /**
   * Bytes queued on all connections together; above it the connection with the most is destroyed, counted. A buffer that
   * is queued on many connections counts on each. Default 256 MiB.
   */
  readonly bufferedBytesMax?: number;
  /** Idle time before the kernel probes a connection, in ms. Default 60000. */
  readonly keepAliveMs?: number;
  /** Connections the kernel completes before we accept them. Default 1024 (wire 1.6). */
  readonly backlog?: number;
  readonly secure?: SecureSocket;
  /** Counters; default the ones of the process. */
  readonly metrics?: NetMetrics;
}

/** Accepted connections of one network. */
export const CONNECTIONS_MAX = 60_000;
/** Bytes queued on all connections of one network. */
export const BUFFERED_BYTES_MAX = 256 * 1024 * 1024;
/** Time to connect in, in ms (wire 1.6). */
export const CONNECT_TIMEOUT_MS = 3000;
/** Idle time before the kernel probes. */
export const KEEP_ALIVE_MS = 60_000;
/** Length of the kernel's accept queue. */
export const BACKLOG = 1024;
