/**
 * What is known of one service's list, and which pushes may change it (wire 4.5, design 4 law "versions only rise"). A pure
 * state: no time, no network. Versions are kept as clients see them on the wire, so that lists of our own sessions and of
 * reference sessions compare.
 */
import { type Scope, versionFromWire } from '@sofa-registry/model';
import type { Int64 } from '@sofa-registry/wire';
import { SEGMENTS_MAX } from './limits.ts';
import type { ServiceKey } from './service-key.ts';
import { type ServiceList, serviceList } from './service-list.ts';

/** One publisher of a list. */
export interface ListPublisher {
  readonly registerId: string;
  readonly zone: string;
  readonly values: readonly string[];
}

/** A push, decoded. */
export interface ListUpdate {
  /** Data centre the list belongs to. */
  readonly segment: string;
  readonly localZone: string;
  readonly version: Int64;
  /** Version a delta starts from; null = this is the whole list. */
  readonly from: Int64 | null;
  /** Publishers: all of them, or the new and changed ones of a delta. Null if the push does not tell them apart. */
  readonly publishers: readonly ListPublisher[] | null;
  /** registerIds that left; delta only. */
  readonly removed: readonly string[];
  /** Values by zone, when `publishers` is null. */
  readonly zones: ReadonlyMap<string, readonly string[]> | null;
}

/**
 * What became of a push: `shown` = the list is another one now; `unchanged` = it is the list that is shown; `stale` = older
 * than what is shown; `resync` = a delta from another version, the whole list is needed; `tooBig` = over a limit, not applied.
 */
export type UpdateOutcome = 'shown' | 'unchanged' | 'stale' | 'resync' | 'tooBig';

interface Segment {
  localZone: string;
  version: Int64;
  /** By registerId; null after a push that does not tell publishers apart: deltas do not fit then. */
  publishers: Map<string, ListPublisher> | null;
  zones: ReadonlyMap<string, readonly string[]> | null;
}

/** State of one list. */
export class ListState {
  readonly #key: ServiceKey;
  readonly #scope: Scope;
  readonly #publishersMax: number;
  readonly #segments = new Map<string, Segment>();
  #receivedMs = 0;
  #list: ServiceList | null = null;

  constructor(key: ServiceKey, scope: Scope, publishersMax: number) {
    this.#key = key;
    this.#scope = scope;
    this.#publishersMax = publishersMax;
  }

  /** The list now; null before the first push. Built when asked for: many pushes between two looks cost no list each. */
  get list(): ServiceList | null {
    if (this.#list === null && this.#segments.size > 0) this.#list = this.#build();
    return this.#list;
  }

  /** Takes a push. @param receivedMs milliseconds since 1970 */
  apply(update: ListUpdate, receivedMs: number): UpdateOutcome {
    const known = this.#segments.get(update.segment);
    const outcome = update.from === null ? this.#replace(known, update) : this.#step(known, update);
    if (outcome === 'shown') {
      this.#receivedMs = receivedMs;
      this.#list = null;
    }
    return outcome;
  }

  #replace(known: Segment | undefined, update: ListUpdate): UpdateOutcome {
    if (known !== undefined) {
      if (update.version < known.version) return 'stale';
      if (update.version === known.version && update.localZone === known.localZone) {
        // Same list; it may tell publishers apart where the one we have (from a reference session) does not.
        if (known.publishers === null && update.publishers !== null)
          known.publishers = byId(update.publishers);
        return 'unchanged';
      }
    }
    if (update.publishers !== null && update.publishers.length > this.#publishersMax) return 'tooBig';
    // Only scope global has several data centres; otherwise another name means that this client has moved there.
    if (this.#scope !== 'global') this.#segments.clear();
    else if (known === undefined && this.#segments.size >= SEGMENTS_MAX) return 'tooBig';
    this.#segments.set(update.segment, {
      localZone: update.localZone,
      version: update.version,
      publishers: update.publishers === null ? null : byId(update.publishers),
      zones: update.zones,
    });
    return 'shown';
  }

  #step(known: Segment | undefined, update: ListUpdate): UpdateOutcome {
    if (known === undefined) return 'resync';
    // While this client moves to a session of another zone both push: at one version each has a list of its own.
    if (this.#scope === 'zone' && update.localZone !== known.localZone) return 'resync';
    if (update.version <= known.version) return 'stale';
    const { publishers } = known;
    if (publishers === null || update.from !== known.version || update.publishers === null) return 'resync';
    if (publishers.size + update.publishers.length > this.#publishersMax) return 'tooBig';
    for (const registerId of update.removed) publishers.delete(registerId);
    for (const publisher of update.publishers) publishers.set(publisher.registerId, publisher);
    known.version = update.version;
    known.localZone = update.localZone;
    known.zones = null;
    return 'shown';
  }

  #build(): ServiceList {
    const zones = new Map<string, string[]>();
    let version: Int64 = 0;
    let localZone = '';
    for (const segment of this.#segments.values()) {
      if (segment.version > version) version = segment.version;
      localZone = segment.localZone;
      segment.zones ??= zonesOf(segment.publishers as Map<string, ListPublisher>);
      for (const [zone, values] of segment.zones) {
        const merged = zones.get(zone);
        if (merged === undefined) zones.set(zone, [...values]);
        else for (const value of values) merged.push(value);
      }
    }
    return serviceList(this.#key, versionFromWire(version), localZone, zones, this.#receivedMs);
  }
}

function byId(publishers: readonly ListPublisher[]): Map<string, ListPublisher> {
  const map = new Map<string, ListPublisher>();
  for (const publisher of publishers) map.set(publisher.registerId, publisher);
  return map;
}

function zonesOf(publishers: ReadonlyMap<string, ListPublisher>): Map<string, readonly string[]> {
  const zones = new Map<string, string[]>();
  for (const { zone, values } of publishers.values()) {
    let list = zones.get(zone);
    if (list === undefined) {
      list = [];
      zones.set(zone, list);
    }
    for (const value of values) list.push(value);
  }
  return zones;
}
