/** Options and limits of the TCP network. */
import type { ConnectionLimits } from '../limits.ts';
import type { Clock, Logger } from '../ports.ts';
import type { ClusterTokens } from './cluster-token.ts';
import type { NetMetrics } from './net-metrics.ts';
import type { TlsAccept } from './tls-door.ts';
import type { TlsPeer } from './tls-identity.ts';

/** TLS of a network. */
export interface TlsPolicy extends TlsPeer {
  /** What its listeners take. */
  readonly accept: TlsAccept;
  /** True: its listeners refuse peers without a certificate of the authorities. */
  readonly askCertificate: boolean;
  /** True: its connects use TLS. */
  readonly connect: boolean;
}

/** Cluster token of a network. */
export interface TokenPolicy {
  readonly tokens: ClusterTokens;
  /** True: its connects prove the token, and fail where the other end does not. */
  readonly prove: boolean;
  /** True: its listeners refuse who does not prove it. False: they let in who does not try; a wrong one is refused. */
  readonly demand: boolean;
}

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
  /** Default: plain text. */
  readonly tls?: TlsPolicy;
  /** Default: no token is asked for or proved. */
  readonly token?: TokenPolicy;
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
