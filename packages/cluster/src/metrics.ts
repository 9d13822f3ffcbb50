/** Counters of the links of this process to meta and data nodes (F167, F174). */
import { MetricSet } from '@sofa-registry/runtime';

/** All metrics of this package. */
export const CLUSTER_METRICS = new MetricSet('cluster');

/** Counters by name. */
export const clusterCounters = Object.freeze({
  beats: CLUSTER_METRICS.counter('beats_total', 'Beats sent to meta', 'F174'),
  beatsFailed: CLUSTER_METRICS.counter('beats_failed_total', 'Beats without a usable answer', 'F174'),
  redirects: CLUSTER_METRICS.counter('meta_redirects_total', 'Answers of a meta that does not lead', 'F180'),
  metaConnects: CLUSTER_METRICS.counter('meta_connects_total', 'Connections opened to meta nodes', 'F167'),
  metaConnectsFailed: CLUSTER_METRICS.counter(
    'meta_connects_failed_total',
    'Meta nodes that could not be reached',
  ),
  staleTerms: CLUSTER_METRICS.counter(
    'stale_terms_total',
    'Answers and views of a deposed meta leader, refused',
  ),
  refused: CLUSTER_METRICS.counter(
    'meta_refusals_total',
    'Beats refused by meta: slot or data centre settings differ',
    'F133',
  ),
  tablesApplied: CLUSTER_METRICS.counter('tables_applied_total', 'Slot tables taken over', 'F141'),
  tablesOffered: CLUSTER_METRICS.counter(
    'tables_offered_total',
    'Own tables offered to a leader that had an older one',
  ),
  probesAnswered: CLUSTER_METRICS.counter('probes_answered_total', 'Questions of meta about another node'),
  badMessages: CLUSTER_METRICS.counter(
    'bad_messages_total',
    'Messages of meta or peers that could not be decoded',
  ),
  peerUps: CLUSTER_METRICS.counter('peer_ups_total', 'Links to data nodes that came up'),
  peerDowns: CLUSTER_METRICS.counter('peer_downs_total', 'Links to data nodes that went down'),
  peerRefused: CLUSTER_METRICS.counter('peer_hellos_refused_total', 'Data nodes that refused the hello'),
  listenerFailures: CLUSTER_METRICS.counter('listener_failures_total', 'Listeners of the view that threw'),
});
