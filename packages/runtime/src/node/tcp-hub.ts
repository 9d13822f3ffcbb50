/**
 * Hot path. What the connections of one TCP network share: the end-of-turn flush, the total of queued bytes, the scratch
 * that batches are put together in.
 */
import type { ConnectionLimits } from '../limits.ts';
import type { Clock, Logger } from '../ports.ts';
import type { NetMetrics } from './net-metrics.ts';
import type { TcpConnection } from './tcp-connection.ts';

/** Batches up to this size are copied into one buffer: a copy is cheaper than a scattered write. */
export const SCRATCH_BYTES = 64 * 1024;

/** Shared state of one network. */
export class TcpHub {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: ConnectionLimits;
  readonly metrics: NetMetrics;
  /** Accepted connections that are open. */
  acceptedOpen = 0;
  readonly #connections = new Set<TcpConnection>();
  readonly #bufferedBytesMax: number;
  readonly #run: () => void;
  #due: TcpConnection[] = [];
  #bufferedBytes = 0;
  #scratch: Buffer | null = null;

  constructor(
    clock: Clock,
    logger: Logger,
    limits: ConnectionLimits,
    bufferedBytesMax: number,
    metrics: NetMetrics,
  ) {
    this.clock = clock;
    this.logger = logger;
    this.limits = limits;
    this.metrics = metrics;
    this.#bufferedBytesMax = bufferedBytesMax;
    this.#run = () => this.#flush();
  }

  /** A connection exists. */
  opened(connection: TcpConnection, accepted: boolean): void {
    this.#connections.add(connection);
    this.metrics.openNow++;
    if (accepted) this.acceptedOpen++;
  }

  /** A connection is gone. */
  closed(connection: TcpConnection, accepted: boolean): void {
    this.#connections.delete(connection);
    this.metrics.openNow--;
    if (accepted) this.acceptedOpen--;
  }

  /** Flushes the connection at the end of the turn. The caller makes sure that it is not due already. */
  schedule(connection: TcpConnection): void {
    if (this.#due.length === 0) this.clock.defer(this.#run);
    this.#due.push(connection);
  }

  /** Accounts for bytes that were queued (positive) or have left or are lost (negative). */
  buffered(bytes: number): void {
    this.#bufferedBytes += bytes;
    this.metrics.bufferedNow += bytes;
    if (bytes > 0 && this.#bufferedBytes > this.#bufferedBytesMax) this.#relieve();
  }

  /** Room to put a batch together in; valid until {@link scratchKept} or the next call. */
  scratch(): Buffer {
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    return this.#scratch;
  }

  /** The kernel did not take all of the scratch: it now belongs to the socket. */
  scratchKept(): void {
    this.#scratch = null;
  }

  #flush(): void {
    const due = this.#due;
    this.#due = [];
    for (let i = 0; i < due.length; i++) {
      try {
        due[i].flush();
      } catch (error) {
        // Something that is no buffer was written: a bug that must not keep the others from being sent.
        this.logger.error('a batch could not be sent', { remote: due[i].remote, error });
        due[i].destroy('batch could not be sent');
      }
    }
  }

  /** Sends what can be sent, then gives up the connections that hold the most until the rest fits. */
  #relieve(): void {
    this.#flush();
    while (this.#bufferedBytes > this.#bufferedBytesMax) {
      let worst: TcpConnection | null = null;
      for (const connection of this.#connections) {
        if (worst === null || connection.bufferedBytes > worst.bufferedBytes) worst = connection;
      }
      if (worst === null || worst.bufferedBytes === 0) return;
      this.metrics.overflowed.value++;
      this.logger.warn('too many bytes queued, closing the connection that holds the most', {
        remote: worst.remote,
        queuedBytes: worst.bufferedBytes,
        bufferedBytesMax: this.#bufferedBytesMax,
      });
      worst.destroy('buffered bytes limit of the process');
    }
  }
}
