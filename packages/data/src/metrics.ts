/** Metrics of a data node. */
import { type Counter, LATENCY_BUCKETS_MS, MetricSet } from '@sofa-registry/runtime';
import { AccessCode } from '@sofa-registry/wire';

/** Limits of settings.ts that are counted when they are hit, by label. */
export const LIMIT_NAMES = [
  'publishers_per_datum',
  'publishers',
  'datum_bytes',
  'payload_bytes',
  'payload_total_bytes',
  'data',
  'tombstones',
  'parked_reads',
  'late_removals',
  'links',
  'interests_per_link',
  'listing_records',
  'temporary_bytes',
  'fetch_items',
  'write_items',
] as const;
/** One of {@link LIMIT_NAMES}. */
export type LimitName = (typeof LIMIT_NAMES)[number];

/** Values that are read when the metrics are. */
export interface DataGauges {
  publishers(): number;
  data(): number;
  tombstones(): number;
  payloadBytes(): number;
  links(): number;
  parkedReads(): number;
  lateRemovals(): number;
  slotsLed(): number;
  slotsFollowed(): number;
  slotsMigrating(): number;
  slotsPartial(): number;
  slotsIncomplete(): number;
}

/** The counters, ready to be used on hot paths. */
export class DataMetrics {
  readonly set = new MetricSet('data');
  readonly writes = this.set.counter('writes_total', 'Write operations received', 'F087');
  readonly writesSilent = this.set.counter('writes_ignored_total', 'Write operations without effect', 'F087');
  readonly #rejected = this.set.counterVec(
    'writes_rejected_total',
    'Write operations refused',
    ['reason'],
    'F147',
  );
  readonly rejectedStale = this.#rejected.with('stale');
  readonly rejectedAccess = this.#rejected.with('access');
  readonly rejectedFull = this.#rejected.with('full');
  readonly fetches = this.set.counter('fetches_total', 'dataInfoIds read', 'F108');
  readonly #fetched = this.set.counterVec('fetched_total', 'Answers to reads, by form', ['kind'], 'F108');
  readonly fetchedDeltas = this.#fetched.with('delta');
  readonly fetchedFull = this.#fetched.with('full');
  readonly readsParked = this.set.counter('reads_parked_total', 'Reads that waited for their slot', 'F148');
  readonly #readsRefused = this.set.counterVec(
    'reads_refused_total',
    'dataInfoIds not answered, by access code',
    ['reason'],
    'F147',
  );
  readonly #readsRefusedBy = new Map<number, Counter>(
    Object.entries(AccessCode).map(([name, code]) => [code, this.#readsRefused.with(name)]),
  );
  readonly writesParked = this.set.counter(
    'writes_parked_total',
    'Write batches that waited for the slot table of their sender',
    'F148',
  );
  readonly relayed = this.set.counter(
    'relayed_total',
    'Reads and writes passed on to the node the slot was handed over to',
    'F181',
  );
  readonly relaysFailed = this.set.counter(
    'relays_failed_total',
    'Those that got no answer and were refused',
    'F181',
  );
  readonly #notices = this.set.counterVec('notices_total', 'Change notices sent', ['kind'], 'F122');
  readonly noticesDelta = this.#notices.with('delta');
  readonly noticesVersion = this.#notices.with('version');
  readonly noticesHeldBack = this.set.counter(
    'notices_held_back_total',
    'Times a slow link got no notices',
    'F122',
  );
  readonly temporaries = this.set.counter(
    'temporaries_total',
    'Temporary publications shown to the sessions that follow their service',
    'F027',
  );
  readonly compares = this.set.counter('compares_total', 'Slots compared with sessions', 'F151');
  readonly compareDiffers = this.set.counter(
    'compares_differ_total',
    'Slots that differed from a session',
    'F151',
  );
  readonly listingMissing = this.set.counter(
    'listing_missing_total',
    'Records asked again from sessions',
    'F155',
  );
  readonly listingRemoved = this.set.counter(
    'listing_removed_total',
    'Records removed because their session has them no more',
    'F155',
  );
  readonly versionsRaised = this.set.counter(
    'versions_raised_total',
    'Versions raised above what a session has',
    'F129',
  );
  readonly leasesExpired = this.set.counter('leases_expired_total', 'Sessions whose lease ended', 'F131');
  readonly leaseRemoved = this.set.counter(
    'lease_removed_total',
    'Publishers removed because their session is gone',
    'F131',
  );
  readonly forbiddenRemoved = this.set.counter(
    'forbidden_removed_total',
    'Publishers that operators took out of the traffic, removed because their session is gone and cannot withdraw them',
    'F192',
  );
  readonly slotsPassedPartial = this.set.counter(
    'slots_passed_partial_total',
    'Slots opened before all sessions were heard',
    'F159',
  );
  readonly slotsGivenUp = this.set.counter(
    'slots_given_up_total',
    'Slots whose missing sessions were waited for in vain',
    'F159',
  );
  readonly handOvers = this.set.counter(
    'hand_overs_total',
    'Slots taken over with the last changes of the old leader',
    'F181',
  );
  readonly handOversFailed = this.set.counter(
    'hand_overs_failed_total',
    'Slots taken over without the last changes of the old leader',
    'F181',
  );
  readonly opsSent = this.set.counter('replica_ops_sent_total', 'Operations sent to followers', 'F115');
  readonly opsApplied = this.set.counter(
    'replica_ops_applied_total',
    'Operations applied as follower',
    'F115',
  );
  readonly followBehind = this.set.counter(
    'replica_behind_total',
    'Times a follower was behind the op-log',
    'F152',
  );
  readonly followDiffers = this.set.counter(
    'replica_differ_total',
    'Times a follower differed from its leader',
    'F152',
  );
  readonly dataCopied = this.set.counter(
    'replica_data_copied_total',
    'Data copied whole from a leader',
    'F118',
  );
  readonly replicaChecks = this.set.counter(
    'replica_checks_total',
    'Slots compared with the leader while in step',
    'F160',
  );
  readonly replicaChecksFailed = this.set.counter(
    'replica_checks_failed_total',
    'Such comparisons that differed',
    'F160',
  );
  readonly refusedHello = this.set.counter(
    'hello_refused_total',
    'Links refused: other slot count or data centre',
    'F133',
  );
  readonly badMessages = this.set.counter(
    'bad_messages_total',
    'Messages that could not be read or were not expected',
  );
  readonly clockRefused = this.set.counter('clock_refused_total', 'Stamps of others more than a day ahead');
  readonly migratingMs = this.set.histogram(
    'slot_migrating_ms',
    'Time from gaining a slot to answering',
    LATENCY_BUCKETS_MS,
    'F150',
  );
  readonly replicaLagMs = this.set.histogram(
    'replica_lag_ms',
    'From a change at the leader to its being applied here, as far as both clocks agree',
    LATENCY_BUCKETS_MS,
    'F152',
  );
  readonly #limits = this.set.counterVec('limit_hits_total', 'Limits of the settings that were hit', [
    'limit',
  ]);
  readonly #limitOf = new Map<LimitName, Counter>(LIMIT_NAMES.map((name) => [name, this.#limits.with(name)]));

  /** Counter of reads refused with an access code. */
  readsRefused(code: number): Counter {
    return this.#readsRefusedBy.get(code) ?? this.#readsRefused.with('unSupported');
  }

  /** Counter of one limit. */
  limit(name: LimitName): Counter {
    return this.#limitOf.get(name) as Counter;
  }

  /** Registers the gauges. */
  gauges(read: DataGauges): void {
    const { set } = this;
    set.gauge('publishers', 'Publishers held', () => read.publishers());
    set.gauge('data', 'dataInfoIds held', () => read.data());
    set.gauge('tombstones', 'Removals remembered', () => read.tombstones());
    set.gauge('payload_bytes', 'Payload held', () => read.payloadBytes());
    set.gauge('links', 'Open links of sessions and data nodes', () => read.links());
    set.gauge('parked_reads', 'Reads waiting for their slot', () => read.parkedReads());
    set.gauge(
      'late_removals',
      'Removals of closed or dead clients that wait until a gained slot is decided',
      () => read.lateRemovals(),
      'I6',
    );
    set.gauge('slots_led', 'Slots led', () => read.slotsLed(), 'F134');
    set.gauge('slots_followed', 'Slots followed', () => read.slotsFollowed(), 'F134');
    set.gauge('slots_migrating', 'Slots led that do not answer yet', () => read.slotsMigrating(), 'F148');
    set.gauge(
      'slots_partial',
      'Slots that answer although sessions are missing',
      () => read.slotsPartial(),
      'F159',
    );
    set.gauge(
      'slots_incomplete',
      'Slots followed whose copy is not complete',
      () => read.slotsIncomplete(),
      'F152',
    );
  }
}
