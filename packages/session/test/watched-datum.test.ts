import { type DatumUpdate, NO_BOXES, packBoxes, UpdateKind } from '@sofa-registry/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WatchedDatum } from '../src/data/watched-datum.ts';

type Entries = readonly (readonly [id: string, zone: string, value: string])[];

function update(
  kind: UpdateKind,
  from: number,
  to: number,
  entries: Entries,
  removed: string[] = [],
): DatumUpdate {
  return {
    dataInfoId: 'd',
    kind,
    from,
    to,
    count: entries.length,
    changedMs: to,
    entries: entries.map(([registerId, zone, value]) => ({ registerId, zone, payload: packBoxes([value]) })),
    removed,
    once: null,
  };
}

const full = (to: number, entries: Entries) => update(UpdateKind.full, 0, to, entries);
const delta = (from: number, to: number, entries: Entries, removed: string[] = []) =>
  update(UpdateKind.delta, from, to, entries, removed);
const datum = () => new WatchedDatum('ZONEA', { steps: 8, entriesMax: 100 });

describe('watched datum', () => {
  it('takes a full list, then deltas that fit', () => {
    const list = datum();
    expect(list.apply(full(10, [['a', 'ZONEA', '1']]))).toBe('applied');
    expect(list.apply(delta(10, 11, [['b', 'ZONEB', '2']], ['a']))).toBe('applied');
    expect([...list.entries.keys()]).toEqual(['b']);
    expect(list.version).toBe(11);
  });

  it('asks for a fetch when a delta does not start at its version or carries no data', () => {
    const list = datum();
    list.apply(full(10, []));
    expect(list.apply(delta(9, 12, []))).toBe('gap');
    expect(list.apply(update(UpdateKind.version, 10, 12, []))).toBe('gap');
    expect(list.version).toBe(10);
  });

  it('keeps its list when a data node answers with less than it had (I6, I7)', () => {
    const list = datum();
    list.apply(full(10, [['a', 'ZONEA', '1']]));
    expect(list.apply(full(1, []))).toBe('stale');
    expect(list.apply(delta(10, 10, []))).toBe('same');
    expect([...list.entries.keys()]).toEqual(['a']);
  });

  it('raises the version without a change of content when the same list comes back newer', () => {
    const list = datum();
    list.apply(full(10, [['a', 'ZONEA', '1']]));
    expect(list.apply(full(20, [['a', 'ZONEA', '1']]))).toBe('applied');
    expect([list.version, list.contentVersion, list.zoneContentVersion]).toEqual([20, 10, 10]);
  });

  it('tells changes of the own zone from changes elsewhere', () => {
    const list = datum();
    list.apply(full(10, []));
    list.apply(delta(10, 11, [['b', 'ZONEB', '2']]));
    expect([list.contentVersion, list.zoneContentVersion]).toEqual([11, 10]);
    list.apply(delta(11, 12, [['b', 'ZONEA', '2']]));
    expect(list.zoneContentVersion).toBe(12);
    list.apply(delta(12, 13, [['b', 'ZONEB', '2']]));
    expect(list.zoneContentVersion).toBe(13);
  });

  it('shares the payload with an own publisher that offers the same, not with one that offers something else', () => {
    const mine = { registerId: 'a', payload: packBoxes(['1']) };
    const older = { registerId: 'b', payload: packBoxes(['0']) };
    const publishers = new Map([mine, older].map((each) => [each.registerId, each]));
    const list = new WatchedDatum('ZONEA', { steps: 8, entriesMax: 100 }, { publishers });
    const message = full(10, [
      ['a', 'ZONEA', '1'],
      ['b', 'ZONEA', '2'],
      ['c', 'ZONEA', '3'],
    ]);
    list.apply(message);
    expect(list.entries.get('a')?.payload).toBe(mine.payload);
    // What came in a message is copied out of it.
    for (const [at, { registerId, payload }] of message.entries.entries()) {
      if (at === 0) continue;
      const kept = list.entries.get(registerId)?.payload;
      expect(kept).not.toBe(payload);
      expect(kept?.equals(payload)).toBe(true);
    }
  });

  it('forgets old steps', () => {
    const list = new WatchedDatum('Z', { steps: 2, entriesMax: 100 });
    list.apply(full(10, []));
    for (let i = 10; i < 15; i++) list.apply(delta(i, i + 1, [[`p${i}`, 'Z', 'x']]));
    expect(list.changesSince(12)).toBeNull();
    expect([...(list.changesSince(13)?.keys() ?? [])]).toEqual(['p13', 'p14']);
    expect(list.changesSince(15)?.size).toBe(0);
  });

  it('survives names that are special to objects', () => {
    const list = datum();
    list.apply(full(10, [['__proto__', '__proto__', '1']]));
    expect(list.entries.get('__proto__')?.zone).toBe('__proto__');
    expect(({} as Record<string, unknown>).zone).toBeUndefined();
  });

  it('applies any sequence of steps like a map, and its history turns any older state into the present one', () => {
    const change = fc.record({
      id: fc.nat(6),
      zone: fc.constantFrom('ZONEA', 'ZONEB'),
      value: fc.nat(2),
      remove: fc.boolean(),
    });
    const step = fc.record({ changes: fc.array(change, { maxLength: 4 }), whole: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const list = datum();
        const model = new Map<string, readonly [string, string, string]>();
        const states: { version: number; state: Map<string, string> }[] = [];
        let version = 10;
        const show = () =>
          new Map([...list.entries].map(([id, { zone, payload }]) => [id, zone + payload.toString('hex')]));
        list.apply(full(version, []));
        for (const { changes, whole } of steps) {
          states.push({ version, state: show() });
          const touched = new Map<string, readonly [string, string, string] | null>();
          for (const { id, zone, value, remove } of changes)
            touched.set(`p${id}`, remove ? null : [`p${id}`, zone, `${value}`]);
          for (const [id, entry] of touched) {
            if (entry === null) model.delete(id);
            else model.set(id, entry);
          }
          const from = version++;
          const entries = [...touched.values()].filter((entry) => entry !== null);
          const removed = [...touched].filter(([, entry]) => entry === null).map(([id]) => id);
          list.apply(whole ? full(version, [...model.values()]) : delta(from, version, entries, removed));
        }
        expect([...list.entries.keys()].toSorted()).toEqual([...model.keys()].toSorted());
        for (const { version: since, state } of states.slice(-8)) {
          const changes = list.changesSince(since);
          expect(changes).not.toBeNull();
          for (const [id, { after }] of changes ?? []) {
            if (after === null) state.delete(id);
            else state.set(id, after.zone + after.payload.toString('hex'));
          }
          expect(state).toEqual(show());
        }
      }),
      { numRuns: 300 },
    );
  });

  it('copies payloads out of the message', () => {
    const list = datum();
    const message = full(10, [['a', 'Z', 'value']]);
    list.apply(message);
    (message.entries[0].payload as Buffer).fill(0);
    expect(list.entries.get('a')?.payload.equals(packBoxes(['value']))).toBe(true);
    expect(list.entries.get('a')?.payload.equals(NO_BOXES)).toBe(false);
  });
});
