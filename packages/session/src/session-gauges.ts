/** What a session shows of its present state in its metrics, beside the counters its parts keep themselves. */
import type { MetricSet } from '@sofa-registry/runtime';
import type { DataSide } from './data/data-side.ts';
import type { Departures } from './departures.ts';
import type { AppMetadata } from './metadata/app-metadata.ts';
import type { PushEngine } from './push/push-engine.ts';
import type { RegistrationStore } from './registry/registration-store.ts';

/** What the gauges read. */
export interface SessionGaugeSources {
  readonly counts: RegistrationStore['counts'];
  readonly connections: ReadonlyMap<string, unknown>;
  readonly data: DataSide;
  readonly engine: PushEngine;
  readonly departures: Departures;
  readonly metadata: AppMetadata;
  /** Lists held at their last good state. */
  readonly held: () => number;
}

/** Registers them. */
export function addSessionGauges(set: MetricSet, sources: SessionGaugeSources): void {
  const { counts, connections, data, engine, departures, metadata, held } = sources;
  set.gauge('publishers', 'Publishers held', () => counts.publishers, 'F251');
  set.gauge('subscribers', 'Subscribers held', () => counts.subscribers, 'F251');
  set.gauge('watchers', 'Watchers held', () => counts.watchers, 'F251');
  set.gauge('connections', 'Client connections', () => connections.size, 'F251');
  set.gauge('watched_lists', 'Lists cached because somebody subscribes', () => data.subscriptions.watched);
  set.gauge('fetch_waiting', 'Lists that wait for their data leader', () => data.subscriptions.waiting);
  set.gauge('write_pending', 'Writes not yet acknowledged by a data leader', () => data.forwarder.queue.size);
  set.gauge('push_in_flight', 'Pushes not yet acknowledged', () => engine.inFlight);
  set.gauge('push_in_flight_bytes', 'Bytes of pushes not yet acknowledged', () => engine.inFlightBytes);
  set.gauge('push_lagging', 'Subscribers left to the scan', () => engine.laggingCount);
  set.gauge('push_gated', 'First pushes that wait for the end of a restart', () => engine.gatedCount);
  set.gauge(
    'slow_connections',
    'Connections that wait until their socket has drained',
    () => engine.slowCount,
  );
  set.gauge('push_lag_ms', 'Smoothed delay of deferred work', () => engine.lagMs);
  set.gauge('departures_held', 'Closed connections whose publishers are still listed', () => departures.size);
  set.gauge('held_lists', 'Lists held at their last good state', () => held(), 'I6');
  set.gauge('revisions', 'Application revisions cached', () => metadata.size, 'F235');
  set.gauge(
    'revisions_waiting',
    'Application revisions that meta does not have yet',
    () => metadata.waiting,
    'F235',
  );
  set.gauge('app_services', 'Services of the application index', () => metadata.services, 'F235');
  set.gauge('data_links', 'Links to data nodes that are up', () => data.links.up().length);
}
