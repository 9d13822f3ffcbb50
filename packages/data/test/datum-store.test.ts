/** The merge rules, against a naive model and case by case. */
import { HybridClock, RollingDigest } from '@sofa-registry/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatumStore, Outcome } from '../src/datum-store.ts';
import { deltaUpdate, fullUpdate } from '../src/delta.ts';
import { DataMetrics } from '../src/metrics.ts';
import { OpLog } from '../src/op-log.ts';
import { Owner } from '../src/owner.ts';
import { type DataTunables, dataTunables } from '../src/settings.ts';
import { SlotStore } from '../src/slot-store.ts';
import { idOf, record, SLOT_COUNT } from './support/records.ts';

function world(tunables: Partial<DataTunables> = {}) {
  const time = { wallMs: 1_700_000_000_000, monoMs: 0 };
  const changes: [string, number, number][] = [];
  const metrics = new DataMetrics();
  const store = new DatumStore({
    clock: new HybridClock(() => time.wallMs),
    nowMs: () => time.monoMs,
    slotCount: SLOT_COUNT,
    tunables: dataTunables(tunables),
    metrics,
    superseded: () => undefined,
    changed: (datum, from) => changes.push([datum.dataInfoId, from, datum.version]),
  });
  const slot = new SlotStore(1);
  const owners = [new Owner('A', 0, 3), new Owner('B', 0, 5)];
  return { time, changes, metrics, store, slot, owners };
}

const ID = idOf(1);

interface ModelRecord {
  version: number;
  stamp: number;
  owner: number;
  text: string;
}

/** The rules said once more, as slowly as possible. */
class Model {
  readonly live = new Map<string, ModelRecord>();
  readonly graves = new Map<string, { version: number; stamp: number }>();

  newer(a: { version: number; stamp: number }, b: { version: number; stamp: number } | undefined): boolean {
    return b === undefined || a.version > b.version || (a.version === b.version && a.stamp > b.stamp);
  }

  publish(id: string, value: ModelRecord): boolean {
    const held = this.live.get(id);
    if (!this.newer(value, held) || !this.newer(value, this.graves.get(id))) return false;
    this.live.set(id, value);
    this.graves.delete(id);
    return held?.text !== value.text;
  }

  remove(id: string, value: { version: number; stamp: number }, owner: number | null): boolean {
    const held = this.live.get(id);
    if (held === undefined) {
      if (this.newer(value, this.graves.get(id))) this.graves.set(id, value);
      return false;
    }
    if (owner === null ? !this.newer(value, held) : held.owner !== owner || this.newer(held, value))
      return false;
    this.live.delete(id);
    this.graves.set(id, value);
    return true;
  }
}

const op = fc.record({
  kind: fc.constantFrom('publish', 'unpublish', 'clientOff'),
  register: fc.constantFrom('r1', 'r2', 'r3'),
  datum: fc.nat(1),
  owner: fc.nat(1),
  version: fc.nat(3),
  stamp: fc.nat(4),
  text: fc.constantFrom('', 'a', 'b'),
});

describe('datum store', () => {
  it('does what the naive model does, and its digests, counts and deltas follow', () => {
    fc.assert(
      fc.property(fc.array(fc.array(op, { minLength: 1, maxLength: 4 }), { maxLength: 40 }), (batches) => {
        const { store, slot, owners, changes } = world({ deltaOpsMax: 16 });
        slot.log = new OpLog({ opsMax: 1000, bytesMax: 1_000_000 }, 1);
        const ids = [idOf(1, 0), idOf(1, 1)];
        const models = [new Model(), new Model()];
        const views = ids.map(() => ({ version: 1, list: new Map<string, string>() }));
        for (const batch of batches) {
          store.beginBatch();
          const before = changes.length;
          const moved = new Set<number>();
          for (const { kind, register, datum, owner, version, stamp, text } of batch) {
            const model = models[datum];
            let visible: boolean;
            if (kind === 'publish') {
              visible = model.publish(register, { version, stamp, owner, text });
              store.publish(slot, ids[datum], record(register, version, stamp, text), owners[owner]);
            } else if (kind === 'unpublish') {
              visible = model.remove(register, { version, stamp }, null);
              store.unpublish(slot, ids[datum], register, version, stamp);
            } else {
              visible = model.remove(register, { version, stamp }, owner);
              store.clientOff(slot, ids[datum], register, version, stamp, owners[owner]);
            }
            if (visible) moved.add(datum);
          }
          // One version per datum and batch, and only for a visible change.
          expect(
            changes
              .slice(before)
              .map(([id]) => id)
              .sort(),
          ).toEqual([...moved].map((d) => ids[d]).sort());
          if (batch[0].stamp % 2 === 0) views.forEach((view, d) => follow(slot, ids[d], view, models[d]));
        }
        const shares = [new RollingDigest(), new RollingDigest()];
        let live = 0;
        models.forEach((model, d) => {
          const datum = slot.data.get(ids[d]);
          for (const [id, held] of model.live) {
            live++;
            shares[held.owner].add(datum?.hash ?? 0, id, held.version, held.stamp);
          }
          const graves = [...(datum?.tombstones ?? [])].map(([id, g]) => [id, g.version, g.stamp]);
          const expected = [...model.graves].map(([id, g]) => [id, g.version, g.stamp]);
          expect(new Set(graves.map(String))).toEqual(new Set(expected.map(String)));
          follow(slot, ids[d], views[d], model);
        });
        owners.forEach((owner, i) => {
          expect(slot.shares.get(owner)?.toHex() ?? new RollingDigest().toHex()).toBe(shares[i].toHex());
          expect(owner.publishers).toBe(shares[i].count);
        });
        expect([store.publishers, slot.publishers]).toEqual([live, live]);
        expect(slot.log.first + slot.log.length - 1).toBe(slot.sequence);
      }),
      { numRuns: 400 },
    );
  });

  it('keeps the version when payload, zone and attributes are the same, and logs the record all the same', () => {
    const { store, slot, owners, changes } = world();
    slot.log = new OpLog({ opsMax: 10, bytesMax: 10_000 }, 1);
    store.beginBatch();
    store.publish(slot, ID, record('r', 1, 1), owners[0]);
    const { version } = slot.data.get(ID) as { version: number };
    store.beginBatch();
    expect(store.publish(slot, ID, record('r', 1, 2), owners[1])).toBe(Outcome.applied);
    expect(slot.data.get(ID)?.version).toBe(version);
    expect(slot.data.get(ID)?.publishers.get('r')?.owner).toBe(owners[1]);
    expect(slot.log.at(2)?.record?.stamp).toBe(2);
    expect(slot.log.at(2)?.datumVersion).toBe(version);
    store.beginBatch();
    store.publish(slot, ID, record('r', 1, 3, 'x', 'OTHER'), owners[1]);
    store.beginBatch();
    store.publish(
      slot,
      ID,
      { ...record('r', 1, 4, 'x', 'OTHER'), attributes: new Map([['k', 'v']]) },
      owners[1],
    );
    expect(changes).toHaveLength(3);
  });

  it('tells of the removal of a publisher without payload', () => {
    const { store, slot, owners, changes } = world();
    store.beginBatch();
    store.publish(slot, ID, record('r', 1, 1, ''), owners[0]);
    store.beginBatch();
    expect(store.unpublish(slot, ID, 'r', 2, 2)).toBe(Outcome.applied);
    expect(changes).toHaveLength(2);
  });

  it('names the held version when it refuses a stale write, and refuses an equal one of another owner', () => {
    const { store, slot, owners } = world();
    store.publish(slot, ID, record('r', 2, 9), owners[0]);
    expect(store.publish(slot, ID, record('r', 2, 8), owners[0])).toBe(Outcome.stale);
    expect([store.heldVersion, store.heldStamp]).toEqual([2, 9]);
    expect(store.publish(slot, ID, record('r', 2, 9), owners[0])).toBe(Outcome.ignored);
    expect(store.publish(slot, ID, record('r', 2, 9), owners[1])).toBe(Outcome.stale);
    expect(store.clientOff(slot, ID, 'r', 2, 9, owners[0])).toBe(Outcome.applied);
    expect(store.publish(slot, ID, record('r', 2, 9), owners[1])).toBe(Outcome.stale);
    expect(store.publish(slot, ID, record('r', 2, 10), owners[1])).toBe(Outcome.applied);
  });

  it('forgets tombstones after their time, and empty data later', () => {
    const { store, slot, owners, time } = world({
      tombstoneKeepMs: 1000,
      emptyDatumKeepMs: 5000,
      deltaKeepMs: 1000,
    });
    store.beginBatch();
    store.publish(slot, ID, record('r', 1, 1), owners[0]);
    store.unpublish(slot, ID, 'r', 2, 2);
    const datum = slot.data.get(ID);
    if (datum === undefined) throw new Error('no datum');
    time.monoMs = 999;
    expect(store.sweep(slot, datum, time.monoMs)).toBe(true);
    expect(store.publish(slot, ID, record('r', 1, 1), owners[0])).toBe(Outcome.stale);
    time.monoMs = 1000;
    store.sweep(slot, datum, time.monoMs);
    expect([store.tombstones, slot.tombstones, slot.data.size]).toEqual([0, 0, 1]);
    time.monoMs = 5000;
    expect(store.sweep(slot, datum, time.monoMs)).toBe(false);
    expect([slot.data.size, store.data]).toEqual([0, 0]);
    const floor = datum.version;
    store.beginBatch();
    store.publish(slot, ID, record('r', 1, 1), owners[0]);
    expect(slot.data.get(ID)?.version).toBeGreaterThan(floor);
  });

  it('refuses foreign ids and counts every limit it hits', () => {
    const { store, slot, owners, metrics } = world({
      publishersPerDatumMax: 1,
      publishersMax: 2,
      payloadBytesMax: 100,
      tombstonesMax: 0,
      dataMax: 3,
    });
    expect(store.publish(slot, idOf(2), record('r', 1, 1), owners[0])).toBe(Outcome.foreign);
    store.publish(slot, ID, record('r', 1, 1), owners[0]);
    expect(store.publish(slot, ID, record('s', 1, 1), owners[0])).toBe(Outcome.full);
    store.publish(slot, idOf(1, 1), record('r', 1, 1), owners[0]);
    expect(store.publish(slot, idOf(1, 2), record('r', 1, 1), owners[0])).toBe(Outcome.full);
    expect(store.publish(slot, ID, record('r', 2, 1, 'x'.repeat(101)), owners[0])).toBe(Outcome.full);
    expect(store.publish(slot, idOf(1, 3), record('r', 1, 1), owners[0])).toBe(Outcome.full);
    store.unpublish(slot, ID, 'r', 2, 2);
    const hit = ['publishers_per_datum', 'publishers', 'payload_bytes', 'data', 'tombstones'] as const;
    expect(hit.map((name) => metrics.limit(name).value)).toEqual([1, 1, 1, 1, 1]);
  });
});

/** Brings a reader's view to the present by a delta, or by the whole list, and compares it with the model. */
function follow(
  slot: SlotStore,
  id: string,
  view: { version: number; list: Map<string, string> },
  model: Model,
): void {
  const datum = slot.data.get(id);
  if (datum === undefined) return;
  const update = deltaUpdate(datum, view.version, 1_000_000) ?? fullUpdate(datum, view.version);
  if (update.kind === 0) view.list.clear();
  for (const gone of update.removed) view.list.delete(gone);
  for (const entry of update.entries) view.list.set(entry.registerId, entry.payload.subarray(3).toString());
  expect(update.to).toBe(datum.version);
  view.version = update.to;
  expect(view.list).toEqual(new Map([...model.live].map(([register, held]) => [register, held.text])));
}
