/** Counters of one registry connection. */
import { type Counter, type CounterVec, MetricSet } from '@sofa-registry/runtime';

/** All counters of the SDK. */
export class ClientMetrics {
  readonly set: MetricSet;
  readonly connected: Counter;
  readonly connectFailed: Counter;
  readonly lost: Counter;
  readonly moved: Counter;
  readonly listFailed: Counter;
  readonly sent: Counter;
  readonly acked: Counter;
  readonly resent: Counter;
  readonly refused: Counter;
  readonly pushes: CounterVec;
  readonly stale: Counter;
  readonly resyncs: Counter;
  readonly unreadable: Counter;
  readonly listenerErrors: Counter;
  readonly limits: CounterVec;

  constructor(set = new MetricSet('client')) {
    this.set = set;
    this.connected = set.counter('connections_total', 'Connections to sessions that were taken into use.');
    this.connectFailed = set.counter(
      'connect_failures_total',
      'Attempts to connect to a session that failed.',
    );
    this.lost = set.counter(
      'connections_lost_total',
      'Connections in use that closed without being asked to.',
    );
    this.moved = set.counter('moves_total', 'Moves to another session that a session asked for.');
    this.listFailed = set.counter(
      'server_list_failures_total',
      'Server lists that could not be read.',
      'wire 3.1',
    );
    this.sent = set.counter('registrations_sent_total', 'Registrations sent, repeated ones included.');
    this.acked = set.counter('registrations_acked_total', 'Registrations acknowledged.', 'wire 4.2');
    this.resent = set.counter('registrations_resent_total', 'Registrations sent again after a failure.');
    this.refused = set.counter('registrations_refused_total', 'Registrations refused for good.', 'wire 4.2');
    this.pushes = set.counterVec(
      'pushes_total',
      'Pushes received: full, delta, multi.',
      ['kind'],
      'wire 4.5',
    );
    this.stale = set.counter(
      'pushes_stale_total',
      'Pushes not shown: no newer than what is shown.',
      'wire 4.5',
    );
    this.resyncs = set.counter('resyncs_total', 'Deltas that did not fit and were answered with a resync.');
    this.unreadable = set.counter(
      'pushes_unreadable_total',
      'Pushes refused because they could not be read.',
    );
    this.listenerErrors = set.counter('listener_errors_total', 'Errors thrown by listeners.');
    this.limits = set.counterVec('limit_hits_total', 'Times a limit was reached, by its name.', ['limit']);
  }
}
