import { versionFromWire } from '@sofa-registry/model';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ListState, type ListUpdate } from '../src/list-state.ts';
import { serviceKey } from '../src/service-key.ts';

const key = serviceKey({ dataId: 'pay' }, 'I');
const ZONES = ['Z1', 'Z2'];

/** One change of the registry's own list: a publisher comes, changes or leaves. */
const change = fc.record({ id: fc.nat(6), zone: fc.nat(1), leaves: fc.boolean() });

type Model = ReadonlyMap<string, { zone: string; value: string }>;

function history(changes: readonly { id: number; zone: number; leaves: boolean }[]): Model[] {
  const steps: Model[] = [new Map()];
  changes.forEach(({ id, zone, leaves }, i) => {
    const next = new Map(steps[i]);
    if (leaves) next.delete(`p${id}`);
    else next.set(`p${id}`, { zone: ZONES[zone], value: `v${i}` });
    steps.push(next);
  });
  return steps;
}

const versionOf = (step: number): number => (100 + step) * 8;
const publisher = (registerId: string, at: { zone: string; value: string }) => ({
  registerId,
  zone: at.zone,
  values: [at.value],
});

function update(steps: readonly Model[], from: number | null, to: number, named: boolean): ListUpdate {
  const target = steps[to];
  const base = {
    segment: 'dc',
    localZone: 'Z1',
    version: versionOf(to),
    removed: [],
    zones: null,
    from: null,
    publishers: null,
  };
  if (from !== null) {
    const start = steps[from];
    const removed = [...start.keys()].filter((id) => !target.has(id));
    const publishers = [...target]
      .filter(([id, at]) => start.get(id)?.value !== at.value)
      .map(([id, at]) => publisher(id, at));
    return { ...base, from: versionOf(from), publishers, removed };
  }
  if (named) return { ...base, publishers: [...target].map(([id, at]) => publisher(id, at)) };
  const zones = new Map<string, string[]>();
  for (const { zone, value } of target.values()) zones.set(zone, [...(zones.get(zone) ?? []), value]);
  return { ...base, zones };
}

it('shows exactly the registry list of its version, and versions only rise, whatever comes in whatever order', () => {
  const push = fc.record({ a: fc.nat(30), b: fc.nat(30), kind: fc.constantFrom('full', 'plain', 'delta') });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), fc.array(push, { maxLength: 60 }), (changes, pushes) => {
      const steps = history(changes);
      const state = new ListState(key, 'dataCenter', 1000);
      let shown = 0;
      for (const { a, b, kind } of pushes) {
        const [from, to] = [a % steps.length, b % steps.length];
        if (kind === 'delta' && from >= to) continue;
        const outcome = state.apply(update(steps, kind === 'delta' ? from : null, to, kind === 'full'), 1);
        const version = state.list === null ? 0 : state.list.version;
        expect(version).toBeGreaterThanOrEqual(shown);
        if (outcome === 'shown') expect(version).toBeGreaterThan(shown);
        else expect(version).toBe(shown);
        if (outcome === 'resync') expect(versionOf(to)).toBeGreaterThan(shown * 8);
        shown = version;
      }
      const { list } = state;
      if (list === null) return;
      const model = steps[list.version - 100];
      expect(versionFromWire(versionOf(list.version - 100))).toBe(list.version);
      expect([...list.all].sort()).toEqual([...model.values()].map((at) => at.value).sort());
      for (const zone of ZONES) {
        const expected = [...model.values()].filter((at) => at.zone === zone).map((at) => at.value);
        expect([...(list.zones.get(zone) ?? [])].sort()).toEqual(expected.sort());
      }
    }),
    { numRuns: 500 },
  );
});

it('takes the list of the new place after a move to another zone or data centre, even of the same version', () => {
  const state = new ListState(key, 'zone', 1000);
  const whole = (segment: string, localZone: string, version: number, value: string): ListUpdate => ({
    segment,
    localZone,
    version,
    from: null,
    publishers: [{ registerId: 'p', zone: localZone, values: [value] }],
    removed: [],
    zones: null,
  });
  expect(state.apply(whole('dc1', 'Z1', 800, 'x'), 1)).toBe('shown');
  expect(state.apply(whole('dc1', 'Z2', 800, 'y'), 2)).toBe('shown');
  expect(state.apply(whole('dc1', 'Z1', 792, 'old'), 3)).toBe('stale');
  expect(state.apply(whole('dc2', 'Z1', 400, 'z'), 4)).toBe('shown');
  expect(state.list).toMatchObject({ all: ['z'], receivedMs: 4 });
});

it('keeps a bounded number of data centres with scope global', () => {
  const state = new ListState(key, 'global', 1000);
  const outcomes = Array.from({ length: 65 }, (_, i) =>
    state.apply(
      {
        segment: `dc${i}`,
        localZone: 'Z',
        version: 8,
        from: null,
        publishers: null,
        removed: [],
        zones: new Map(),
      },
      1,
    ),
  );
  expect(outcomes.slice(0, 64).every((outcome) => outcome === 'shown')).toBe(true);
  expect(outcomes[64]).toBe('tooBig');
});

it('scope zone: a step for the list of another zone does not fit, whatever its version; the whole list does', () => {
  const state = new ListState(key, 'zone', 100);
  const one = (localZone: string, step: number, value: string, from: number | null): ListUpdate => ({
    segment: 'dc',
    localZone,
    version: versionOf(step),
    from: from === null ? null : versionOf(from),
    publishers: [publisher(`of ${localZone}`, { zone: localZone, value })],
    removed: [],
    zones: null,
  });
  expect(state.apply(one('Z1', 1, 'a', null), 0)).toBe('shown');
  // The session that this client moves to has the list of its own zone at the same version.
  expect(state.apply(one('Z2', 1, 'b', null), 0)).toBe('shown');
  expect(state.apply(one('Z1', 2, 'c', 1), 0)).toBe('resync');
  expect([...(state.list?.zones ?? [])]).toEqual([['Z2', ['b']]]);
  expect(state.apply(one('Z1', 2, 'c', null), 0)).toBe('shown');
  expect(state.apply(one('Z2', 2, 'd', 1), 0)).toBe('resync');
  expect(state.apply(one('Z2', 2, 'd', null), 0)).toBe('shown');
  expect([...(state.list?.zones ?? [])]).toEqual([['Z2', ['d']]]);
});
