/** Counters of the TCP network. */
import { type Counter, MetricSet } from '../metrics.ts';

/** One set of counters, shared by the networks of a process. */
export class NetMetrics {
  readonly set: MetricSet;
  readonly accepted: Counter;
  readonly refused: Counter;
  readonly connected: Counter;
  readonly connectFailed: Counter;
  readonly bytesReceived: Counter;
  readonly bytesSent: Counter;
  readonly flushes: Counter;
  readonly overflowed: Counter;
  /** Connections open now. */
  openNow = 0;
  /** Bytes queued now. */
  bufferedNow = 0;

  constructor(set = new MetricSet('net')) {
    this.set = set;
    this.accepted = set.counter('connections_accepted_total', 'Connections accepted.');
    this.refused = set.counter(
      'connections_refused_total',
      'Connections closed at once: connectionsMax reached.',
    );
    this.connected = set.counter('connections_made_total', 'Connections made to other addresses.');
    this.connectFailed = set.counter('connects_failed_total', 'Attempts to connect that failed.');
    this.bytesReceived = set.counter('received_bytes_total', 'Bytes received.');
    this.bytesSent = set.counter('sent_bytes_total', 'Bytes handed to the kernel.');
    this.flushes = set.counter('flushes_total', 'Batches handed to the kernel.');
    this.overflowed = set.counter(
      'overflowed_total',
      'Connections destroyed for what was queued on them: queuedBytesMax, or the most when bufferedBytesMax was exceeded.',
    );
    set.gauge('connections_open', 'Connections open.', () => this.openNow);
    set.gauge('buffered_bytes', 'Bytes queued on all connections.', () => this.bufferedNow);
  }
}

/** The counters of the process. */
export const NET_METRICS = new NetMetrics();
