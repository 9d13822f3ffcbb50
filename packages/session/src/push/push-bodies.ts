/**
 * Encode once, send many (design section 5): the bodies of one version of one list, built when first needed and shared by all
 * connections that get the same view in the same form. Hot path.
 */
import { type Scope, versionToWire, zoneInScope } from '@sofa-registry/model';
import {
  encodeMultiReceivedDataBody,
  encodeReceivedDataBody,
  joinBoxes,
  boxCount,
  type ListEntry,
  type PackedBoxes,
  type PushBody,
  type PushCodec,
  UpdateKind,
} from '@sofa-registry/wire';
import type { EntryChange } from '../data/watched-datum.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import { SdkPushBody } from './sdk-push-body.ts';

/** A list to be pushed: the watched one, or one that is shown once. */
export interface PushList {
  readonly version: number;
  readonly entries: ReadonlyMap<string, ListEntry>;
  /** Wall ms of the oldest change it brings; 0 = unknown. */
  readonly oldestChangeMs: number;
  /** Encoded bodies of {@link bodiesVersion}, by view key. */
  readonly bodies: Map<string, unknown>;
  bodiesVersion: number;
  /** What changed since `from`; null if that is not known. */
  changesSince(from: number): ReadonlyMap<string, EntryChange> | null;
}

/** Where this session stands: what every push says about it. */
export interface PushPlace {
  /** Data centre = segment name. */
  readonly segment: string;
  /** Region, upper case. */
  readonly zone: string;
}

/** An encoded view. */
export interface EncodedView {
  readonly body: PushBody | SdkPushBody;
  /** Entries in the view (of a delta too: in the whole view). */
  readonly count: number;
  readonly delta: boolean;
}

/** Told about each body that is built. */
export type OnEncoded = (bytes: number) => void;

/** Entries of a list that a scope shows, by zone. */
export function zonesOf(datum: PushList, scope: Scope, region: string): Map<string, PackedBoxes[]> {
  const zones = new Map<string, PackedBoxes[]>();
  for (const entry of datum.entries.values()) {
    if (!zoneInScope(scope, entry.zone, region)) continue;
    const list = zones.get(entry.zone);
    if (list === undefined) zones.set(entry.zone, [entry.payload]);
    else list.push(entry.payload);
  }
  return zones;
}

/** A body of the present version, or null. */
export function storedBody(datum: PushList, key: string): EncodedView | null {
  if (datum.bodiesVersion !== datum.version) return null;
  return (datum.bodies.get(key) as EncodedView | undefined) ?? null;
}

/** Keeps a body of the present version; those of older ones go. */
export function storeBody(datum: PushList, key: string, view: EncodedView): void {
  if (datum.bodiesVersion !== datum.version) {
    datum.bodies.clear();
    datum.bodiesVersion = datum.version;
  }
  datum.bodies.set(key, view);
}

function cached(datum: PushList, key: string, build: () => EncodedView, onEncoded: OnEncoded): EncodedView {
  const known = storedBody(datum, key);
  if (known !== null) return known;
  const view = build();
  onEncoded(view.body.shared.length);
  storeBody(datum, key, view);
  return view;
}

/** The full list for an official client. @throws WireError */
export function fullBody(
  service: ServiceEntry,
  datum: PushList,
  place: PushPlace,
  scope: Scope,
  codec: PushCodec,
  onEncoded: OnEncoded,
): EncodedView {
  return cached(datum, codec + scope, () => buildFull(service, datum, place, scope, codec), onEncoded);
}

function buildFull(
  service: ServiceEntry,
  datum: PushList,
  place: PushPlace,
  scope: Scope,
  codec: PushCodec,
): EncodedView {
  const zones = zonesOf(datum, scope, place.zone);
  const body = encodeReceivedDataBody(
    {
      dataId: service.dataId,
      group: service.group,
      instanceId: service.instanceId,
      segment: place.segment,
      scope,
      version: versionToWire(datum.version),
      localZone: place.zone,
      zones,
    },
    codec,
  );
  return { body, count: countOf(zones), delta: false };
}

/** The list as one segment of a multi push. @throws WireError */
export function multiBody(
  service: ServiceEntry,
  datum: PushList,
  place: PushPlace,
  codec: PushCodec,
  onEncoded: OnEncoded,
): EncodedView {
  return cached(datum, `multi${codec}`, () => buildMulti(service, datum, place, codec), onEncoded);
}

function buildMulti(service: ServiceEntry, datum: PushList, place: PushPlace, codec: PushCodec): EncodedView {
  const zones = zonesOf(datum, 'global', place.zone);
  const unzipData = new Map<string, PackedBoxes>();
  const dataCount = new Map<string, number>();
  for (const [zone, payloads] of zones) {
    const boxes = joinBoxes(payloads);
    unzipData.set(zone, boxes);
    dataCount.set(zone, boxCount(boxes));
  }
  const segment = {
    segment: place.segment,
    encoding: codec === 'pb' ? '' : null,
    version: versionToWire(datum.version),
    zipData: null,
    unzipData,
    dataCount,
  };
  const body = encodeMultiReceivedDataBody(
    {
      dataId: service.dataId,
      group: service.group,
      instanceId: service.instanceId,
      scope: 'global',
      localSegment: place.segment,
      localZone: place.zone,
      subscriberRegistIds: null,
      multiData: new Map([[place.segment, segment]]),
    },
    codec,
  );
  return { body, count: countOf(zones), delta: false };
}

/**
 * The step from `from` for an SDK connection, or the full list when the step is not known any more or not smaller.
 * @param from version the client has; 0 = none
 * @throws WireError
 */
export function sdkBody(
  service: ServiceEntry,
  datum: PushList,
  place: PushPlace,
  scope: Scope,
  from: number,
  onEncoded: OnEncoded,
): EncodedView {
  const step = from === 0 ? null : cachedDelta(service, datum, place, scope, from, onEncoded);
  return step ?? cached(datum, `sdk${scope}`, () => buildSdkFull(service, datum, place, scope), onEncoded);
}

function buildSdkFull(service: ServiceEntry, datum: PushList, place: PushPlace, scope: Scope): EncodedView {
  const entries: ListEntry[] = [];
  for (const entry of datum.entries.values())
    if (zoneInScope(scope, entry.zone, place.zone)) entries.push(entry);
  const body = sdkPush(service, datum, place, scope, UpdateKind.full, 0, entries, []);
  return { body, count: entries.length, delta: false };
}

function cachedDelta(
  service: ServiceEntry,
  datum: PushList,
  place: PushPlace,
  scope: Scope,
  from: number,
  onEncoded: OnEncoded,
): EncodedView | null {
  const key = `sdk${scope}${from}`;
  const known = storedBody(datum, key);
  if (known !== null) return known;
  const changes = datum.changesSince(from);
  if (changes === null || (changes.size > 8 && changes.size * 2 > datum.entries.size)) return null;
  return cached(
    datum,
    key,
    () => {
      const entries: ListEntry[] = [];
      const removed: string[] = [];
      for (const { registerId, beforeZone, after } of changes.values()) {
        if (after !== null && zoneInScope(scope, after.zone, place.zone)) entries.push(after);
        else if (beforeZone !== null && zoneInScope(scope, beforeZone, place.zone)) removed.push(registerId);
      }
      const body = sdkPush(service, datum, place, scope, UpdateKind.delta, from, entries, removed);
      return { body, count: datum.entries.size, delta: true };
    },
    onEncoded,
  );
}

function sdkPush(
  service: ServiceEntry,
  datum: PushList,
  place: PushPlace,
  scope: Scope,
  kind: UpdateKind,
  from: number,
  entries: readonly ListEntry[],
  removed: readonly string[],
): SdkPushBody {
  const { dataId, group, instanceId } = service;
  const { segment, zone: localZone } = place;
  return new SdkPushBody({
    dataId,
    group,
    instanceId,
    segment,
    scope,
    localZone,
    registerIds: [],
    kind,
    from,
    version: datum.version,
    entries,
    removed,
  });
}

function countOf(zones: ReadonlyMap<string, readonly PackedBoxes[]>): number {
  let count = 0;
  for (const list of zones.values()) count += list.length;
  return count;
}
