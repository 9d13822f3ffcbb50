/** Every metric of the session tier. Children of labelled ones are looked up here, once. */
import { LATENCY_BUCKETS_MS, MetricSet } from '@sofa-registry/runtime';

/** What clients register and what is refused. */
function registrationMetrics(set: MetricSet) {
  const refused = set.counterVec(
    'refused_total',
    'Requests and connections refused, by limit',
    ['limit'],
    'design 2.6',
  );
  const bad = set.counterVec(
    'bad_requests_total',
    'Requests answered with a Bolt error',
    ['reason'],
    'wire 1.4',
  );
  const registered = set.counterVec('registrations_total', 'Registrations accepted', ['kind'], 'F251');
  const unregistered = set.counterVec('unregistrations_total', 'Unregistrations accepted', ['kind'], 'F251');
  const older = set.counterVec(
    'older_total',
    'Registrations acknowledged without effect: a newer one is held, or the same by a newer connection',
    ['kind'],
  );
  return {
    refused: {
      connections: refused.with('connections'),
      perConnection: refused.with('registrationsPerConnection'),
      total: refused.with('registrations'),
      payload: refused.with('payload'),
      dataInfoId: refused.with('dataInfoId'),
      rate: refused.with('accessRate'),
      revision: refused.with('revision'),
      metadataQuestions: refused.with('metadataQuestions'),
      invalid: refused.with('invalid'),
    },
    bad: {
      unknownClass: bad.with('unknownClass'),
      undecodable: bad.with('undecodable'),
      unsupported: bad.with('unsupported'),
    },
    registered: {
      publisher: registered.with('publisher'),
      subscriber: registered.with('subscriber'),
      watcher: registered.with('watcher'),
    },
    unregistered: {
      publisher: unregistered.with('publisher'),
      subscriber: unregistered.with('subscriber'),
      watcher: unregistered.with('watcher'),
    },
    older: {
      publisher: older.with('publisher'),
      subscriber: older.with('subscriber'),
      watcher: older.with('watcher'),
    },
    blocked: set.counter(
      'blocked_total',
      'Publishers acknowledged and not stored: attribute !Blocked',
      'wire 3.4',
    ),
    massCloses: set.counter(
      'mass_close_total',
      'Times many connections closed together and their publishers were held',
      'design 5',
    ),
    heldReturned: set.counter(
      'held_returned_total',
      'Publishers of closed connections that came back in time',
    ),
    shed: set.counter('shed_total', 'Clients sent to less loaded sessions', 'session.md 16'),
    clientOff: set.counter('client_off_total', 'Publishers removed because their connection closed'),
  };
}

/** What operators want done with clients. */
function trafficMetrics(set: MetricSet) {
  const withheld = set.counterVec(
    'withheld_total',
    'Registrations acknowledged and not stored, or dropped: an operator took the client or the service out of the traffic',
    ['kind'],
    'F192',
  );
  return {
    withheld: { publish: withheld.with('publisher'), subscribe: withheld.with('subscriber') },
  };
}

/** The conversations with data nodes. */
function dataMetrics(set: MetricSet) {
  const writeRetry = set.counterVec(
    'write_retries_total',
    'Writes sent again, by reason: access = slot moved or table older, noAnswer = link lost or too late',
    ['reason'],
    'F147',
  );
  const fetchRetry = set.counterVec(
    'fetch_retries_total',
    'Fetches sent again, by reason: access = slot moved or table older, migrating = leader still collects, noAnswer = no link, link lost or too late, behind = leader behind the list held',
    ['reason'],
    'F147',
  );
  return {
    writeBatches: set.counter('write_batches_total', 'Batches sent to data leaders'),
    writeItems: set.counter('write_items_total', 'Writes sent to data leaders', 'F087'),
    writeRetries: { access: writeRetry.with('access'), noAnswer: writeRetry.with('noAnswer') },
    writeStale: set.counter('write_stale_total', 'Writes a data leader held a newer record for'),
    writeRestamped: set.counter(
      'write_restamped_total',
      'Registrations stamped anew: something newer was held elsewhere, and the client was here all the same',
      'design 4',
    ),
    writeFull: set.counter('write_full_total', 'Writes refused by a limit of the data node'),
    removalsDropped: set.counter('write_removals_dropped_total', 'Removals left to the digest comparison'),
    temporaries: set.counter(
      'temporary_total',
      'Temporary publications taken, also among the registered publishers',
      'F027',
    ),
    temporariesLost: set.counter(
      'temporary_lost_total',
      'Temporary publications that no data leader acknowledged: they are not sent again',
      'F027',
    ),
    fetches: set.counter('fetch_items_total', 'Lists fetched from data leaders', 'session.md 12'),
    fetchRetries: {
      access: fetchRetry.with('access'),
      migrating: fetchRetry.with('migrating'),
      noAnswer: fetchRetry.with('noAnswer'),
      behind: fetchRetry.with('behind'),
    },
    deltas: set.counter('deltas_applied_total', 'Changes applied without a fetch'),
    gaps: set.counter('delta_gaps_total', 'Changes that did not fit and made a fetch'),
    staleUpdates: set.counter(
      'stale_updates_total',
      'Answers of data nodes older than the cached list; the list was kept',
      'I6',
    ),
    compares: set.counter('compare_total', 'Digest comparisons with data leaders'),
    compareDiffer: set.counter('compare_differ_total', 'Slots found different by a comparison'),
    resent: set.counter('compare_resent_total', 'Publishers restored to a data node after a comparison'),
  };
}

/** Pushes. */
function pushMetrics(set: MetricSet) {
  const retry = set.counterVec(
    'push_retry_total',
    'Pushes tried again, by reason',
    ['reason'],
    'session.md 12',
  );
  const skipped = set.counterVec(
    'push_skipped_total',
    'Pushes not sent, by reason',
    ['reason'],
    'session.md 12',
  );
  return {
    pushSent: set.counter('push_sent_total', 'Pushes sent', 'F251'),
    pushDelta: set.counter('push_delta_total', 'Pushes sent as a delta'),
    pushBytes: set.counter('push_bytes_total', 'Bytes of pushes sent', 'F251'),
    pushAcked: set.counter('push_acked_total', 'Pushes acknowledged', 'F251'),
    pushEncoded: set.counter('push_encoded_total', 'Push bodies built'),
    compressed: set.counter('push_compressed_total', 'Bodies compressed', 'F229'),
    compressFailed: set.counter(
      'push_compress_failed_total',
      'Bodies that could not be compressed and went plain',
    ),
    pushResync: set.counter('push_resync_total', 'Deltas a client could not apply'),
    pushEmpty: set.counter('push_empty_total', 'Pushes of an empty list'),
    pushUnsendable: set.counter('push_unsendable_total', 'Lists that do not fit a frame'),
    pushGivenUp: set.counter('push_given_up_total', 'Pushes left to the scan after all retries'),
    breakerOpened: set.counter(
      'push_breaker_total',
      'Subscribers paused after failures in a row',
      'session.md 6.6',
    ),
    retry: { timeout: retry.with('timeout'), status: retry.with('status'), busy: retry.with('busy') },
    skipped: {
      stopped: skipped.with('switch'),
      cold: skipped.with('restart'),
      slow: skipped.with('slowSocket'),
      unchanged: skipped.with('unchangedView'),
      limit: skipped.with('inFlight'),
    },
    onceShown: set.counter('push_temporary_total', 'Pushes that show temporary publications', 'F027'),
    onceMissed: set.counter(
      'push_temporary_missed_total',
      'Such pushes left out: pushing is stopped or paused, a slow socket, a restart, too many at once',
      'F027',
    ),
    configPushes: set.counter('push_config_total', 'Configuration pushes sent', 'wire 4.6'),
    pushDelay: set.histogram(
      'push_delay_ms',
      'From the change at the data leader to the acknowledged push',
      LATENCY_BUCKETS_MS,
      'F249',
    ),
    firstPushDelay: set.histogram(
      'push_first_delay_ms',
      'From the subscription to the acknowledged first push',
      LATENCY_BUCKETS_MS,
      'F250',
    ),
  };
}

/** Builds the set. Gauges are added by the server, which knows where to read them. */
export function sessionMetrics() {
  const set = new MetricSet('session');
  return {
    set,
    ...registrationMetrics(set),
    ...trafficMetrics(set),
    ...dataMetrics(set),
    ...pushMetrics(set),
  };
}

/** The metrics of one session. */
export type SessionMetrics = ReturnType<typeof sessionMetrics>;
