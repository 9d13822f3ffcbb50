/** Counters of Bolt channels. */
import { type Counter, type CounterVec, MetricSet } from './metrics.ts';

/** Why channels close; what does not fit is `other`. `crowded`: all together held too much of unfinished frames. */
export const CLOSE_KINDS = ['peer', 'ended', 'idle', 'heartbeat', 'wire', 'crowded', 'other'] as const;
/** One of {@link CLOSE_KINDS}. */
export type CloseKind = (typeof CLOSE_KINDS)[number];

/** One set of counters, shared by any number of channels. */
export class BoltMetrics {
  readonly set: MetricSet;
  readonly opened: Counter;
  readonly closed: CounterVec;
  readonly framesReceived: Counter;
  readonly requestsSent: Counter;
  readonly requestsTimedOut: Counter;
  readonly requestsRefused: Counter;
  readonly repliesLate: Counter;
  readonly heartbeatsReceived: Counter;
  readonly heartbeatsSent: Counter;
  readonly wireErrors: CounterVec;
  readonly crashes: Counter;

  constructor(set = new MetricSet('bolt')) {
    this.set = set;
    this.opened = set.counter('channels_opened_total', 'Channels opened, by either side.');
    this.closed = set.counterVec('channels_closed_total', `Channels closed: ${CLOSE_KINDS.join(', ')}.`, [
      'kind',
    ]);
    this.framesReceived = set.counter('frames_received_total', 'Frames received, heartbeats included.');
    this.requestsSent = set.counter('requests_sent_total', 'Requests and oneway requests sent.');
    this.requestsTimedOut = set.counter('requests_timed_out_total', 'Requests that got no reply in time.');
    this.requestsRefused = set.counter(
      'requests_refused_total',
      'Requests not sent: closed channel, or pendingMax unanswered ones.',
    );
    this.repliesLate = set.counter(
      'replies_late_total',
      'Replies to no known request: late, double or invented.',
    );
    this.heartbeatsReceived = set.counter(
      'heartbeats_received_total',
      'Heartbeats received and acked.',
      'wire 1.5',
    );
    this.heartbeatsSent = set.counter('heartbeats_sent_total', 'Heartbeats sent.', 'wire 1.5');
    this.wireErrors = set.counterVec(
      'wire_errors_total',
      'Streams closed for bytes that are not Bolt.',
      ['code'],
      'wire 1.3',
    );
    this.crashes = set.counter('handler_crashes_total', 'Errors thrown by a handler of ours; each is a bug.');
  }
}

/** The counters of the process. */
export const BOLT_METRICS = new BoltMetrics();
