/** Metrics of a meta node. */
import { MetricSet } from '@sofa-registry/runtime';

/** The metrics of one server; gauges read through `read`, which the server fills in. */
export function metaMetrics(read: MetaGauges) {
  const set = new MetricSet('meta');
  set.gauge('leader', '1 while this meta leads', () => Number(read.leading()), 'F166');
  set.gauge('term', 'Term of the leader known here', () => read.term(), 'F166');
  set.gaugeVec('members', 'Nodes of the cluster by role', ['role'], () => read.members(), 'F162');
  set.gauge('table_epoch', 'Epoch of the slot table', () => read.tableEpoch(), 'F141');
  set.gauge(
    'protection_mode',
    '1 while the guard holds evictions back',
    () => Number(read.protection()),
    'F179',
  );
  set.gauge('store_available', '1 while the store answers', () => Number(read.storeAvailable()), 'F166');
  return {
    set,
    elections: set.counter('elections_total', 'Times this meta became leader', 'F166'),
    depositions: set.counterVec('depositions_total', 'Times it stopped leading', ['reason'], 'F166'),
    storeFailures: set.counter('store_failures_total', 'Calls of the store that failed', 'F166'),
    beats: set.counter('beats_total', 'Beats of nodes answered as leader', 'F174'),
    redirects: set.counter('redirects_total', 'Beats of nodes sent to the leader', 'F180'),
    refused: set.counterVec('refused_total', 'Nodes and messages refused', ['reason'], 'F133'),
    joins: set.counterVec('joins_total', 'Nodes that joined', ['role'], 'F167'),
    evictions: set.counterVec('evictions_total', 'Nodes evicted', ['role'], 'F168'),
    evictionsHeld: set.counter('evictions_held_total', 'Times the guard held evictions back', 'F179'),
    probes: set.counter('probes_total', 'Questions to peers about a suspect', 'F168'),
    rescued: set.counter('suspects_rescued_total', 'Suspects that a peer had heard from', 'F168'),
    tables: set.counterVec('tables_total', 'Slot tables published, by kind of move', ['kind'], 'F142'),
    moves: set.counterVec('slot_moves_total', 'Slots changed, by kind of move', ['kind'], 'F145'),
    views: set.counter('views_sent_total', 'Changes pushed to nodes', 'F164'),
    revisionsStored: set.counter(
      'revisions_stored_total',
      'Application revisions written to the store',
      'F244',
    ),
    revisionsRefused: set.counter(
      'revisions_refused_total',
      'Application revisions that do not fit the store',
    ),
    revisionsExpired: set.counter(
      'revisions_expired_total',
      'Application revisions forgotten: no client used them',
      'F241',
    ),
    crashes: set.counter('handler_failures_total', 'Messages whose handling threw'),
  };
}

/** The metrics. */
export type MetaMetrics = ReturnType<typeof metaMetrics>;

/** Values read when metrics are. */
export interface MetaGauges {
  leading(): boolean;
  term(): number;
  members(): readonly (readonly [readonly string[], number])[];
  tableEpoch(): number;
  protection(): boolean;
  storeAvailable(): boolean;
}
