/** Hot path. The step of a datum from one version to the present one (wire: datum-update). */
import { stampToMs } from '@sofa-registry/model';
import { type DatumUpdate, UpdateKind } from '@sofa-registry/wire';
import { type Datum, entryBytes } from './datum.ts';
import type { StoredPublisher } from './stored-publisher.ts';

const NONE: readonly never[] = Object.freeze([]);

/** A step whose entries are stored records. */
export interface StoredUpdate extends DatumUpdate {
  readonly entries: readonly StoredPublisher[];
}

/** The whole list. `since` only dates the step: what the receiver has, 0 = nothing. */
export function fullUpdate(datum: Datum, since: number): StoredUpdate {
  const entries = [...datum.publishers.values()];
  return {
    dataInfoId: datum.dataInfoId,
    kind: UpdateKind.full,
    from: 0,
    to: datum.version,
    count: datum.publishers.size,
    changedMs: since <= 1 || since >= datum.version ? 0 : stampToMs(oldestAfter(datum, since)),
    entries,
    removed: NONE,
    once: null,
  };
}

/** The version alone. */
export function versionUpdate(datum: Datum, since: number): StoredUpdate {
  return {
    dataInfoId: datum.dataInfoId,
    kind: UpdateKind.version,
    from: since,
    to: datum.version,
    count: datum.publishers.size,
    changedMs: datum.version <= 1 ? 0 : stampToMs(oldestAfter(datum, since)),
    entries: NONE,
    removed: NONE,
    once: null,
  };
}

/** The change since `since`, or null when it is not known or is larger than `bytesMax`. */
export function deltaUpdate(datum: Datum, since: number, bytesMax: number): StoredUpdate | null {
  if (!datum.knows(since)) return null;
  const entries: StoredPublisher[] = [];
  const removed: string[] = [];
  let changedMs = 0;
  if (since !== datum.version) {
    changedMs = stampToMs(oldestAfter(datum, since));
    if (collect(datum, since, entries, removed) > bytesMax) return null;
  }
  return {
    dataInfoId: datum.dataInfoId,
    kind: UpdateKind.delta,
    from: since,
    to: datum.version,
    count: datum.publishers.size,
    changedMs,
    entries,
    removed,
    once: null,
  };
}

/** Splits the ids changed after `since` into what is there and what is not; the bytes of both. */
function collect(datum: Datum, since: number, entries: StoredPublisher[], removed: string[]): number {
  const { recent } = datum;
  if (recent === null) return 0;
  const { ids } = recent;
  const start = recent.indexAfter(since);
  const seen = ids.length - start > 1 ? new Set<string>() : null;
  let bytes = 0;
  for (let i = start; i < ids.length; i++) {
    const id = ids[i];
    if (id === null || seen?.has(id)) continue;
    seen?.add(id);
    const record = datum.publishers.get(id);
    if (record === undefined) {
      removed.push(id);
      bytes += id.length;
    } else {
      entries.push(record);
      bytes += entryBytes(record);
    }
  }
  return bytes;
}

/** The oldest remembered version after `since`; the present one when none is. */
function oldestAfter(datum: Datum, since: number): number {
  const { recent, version } = datum;
  return recent?.versions[recent.indexAfter(since)] ?? version;
}
