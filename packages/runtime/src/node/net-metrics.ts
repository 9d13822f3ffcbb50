/** Counters of the TCP network. */
import { type Counter, type CounterVec, MetricSet } from '../metrics.ts';

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
  readonly tlsAccepted: Counter;
  readonly tlsFailed: Counter;
  readonly tokenRefused: CounterVec;
  readonly tokenFailed: CounterVec;
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
    this.tlsAccepted = set.counter('tls_accepted_total', 'TLS handshakes of others that succeeded.');
    this.tlsFailed = set.counter(
      'tls_failed_total',
      'TLS handshakes of others that failed: no or a foreign certificate, plain text, or this side was not trusted.',
    );
    this.tokenRefused = set.counterVec(
      'token_refused_total',
      'Nodes that connected and were refused: none = without cluster token, wrong = with another one, closed = gave up.',
      ['reason'],
    );
    this.tokenFailed = set.counterVec(
      'token_failed_total',
      'Own connects that failed in the exchange of the cluster token: none = the other side has none, wrong = another one, closed.',
      ['reason'],
    );
    set.gauge('connections_open', 'Connections open.', () => this.openNow);
    set.gauge('buffered_bytes', 'Bytes queued on all connections.', () => this.bufferedNow);
  }
}

/** The counters of the process. */
export const NET_METRICS = new NetMetrics();
