import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimerWheel, WheelEntry } from '../src/timer-wheel.ts';

class Probe extends WheelEntry {
  readonly name: number;
  readonly #onExpire: (probe: Probe) => void;

  constructor(name: number, onExpire: (probe: Probe) => void) {
    super();
    this.name = name;
    this.#onExpire = onExpire;
  }

  override expire(): void {
    this.#onExpire(this);
  }
}

/** Delays that reach every level, the edges between them, and beyond the horizon. */
const delay = fc.oneof(
  fc.integer({ min: -3, max: 130 }),
  fc.integer({ min: 4090, max: 4100 }),
  fc.integer({ min: 0, max: 300_000 }),
  fc.integer({ min: 16_777_210, max: 16_777_220 }),
  fc.integer({ min: 0, max: 40_000_000 }),
);

test('behaves as a sorted list: nothing early, late, lost or twice, whatever is inserted, removed and advanced', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('insert' as const), delay }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), delay }) },
  );
  fc.assert(
    fc.property(fc.nat({ max: 5_000_000 }), fc.array(step, { maxLength: 60 }), (start, steps) => {
      const wheel = new TimerWheel(start);
      const model = new Map<Probe, number>();
      const fired: number[] = [];
      let now = start;
      for (const [i, one] of steps.entries()) {
        if (one.do === 'insert') {
          const probe = new Probe(i, (expired) => void fired.push(expired.name));
          wheel.insert(probe, now + one.delay);
          model.set(probe, Math.max(now + one.delay, now + 1));
        } else if (one.do === 'remove') {
          const probe = [...model.keys()][one.pick % Math.max(1, model.size)];
          if (probe === undefined) continue;
          wheel.remove(probe);
          wheel.remove(probe);
          model.delete(probe);
        } else {
          now += Math.max(0, one.delay);
          fired.length = 0;
          wheel.advance(now);
          const due = [...model].filter(([, tick]) => tick <= now);
          const ticks = new Map(due.map(([probe, tick]) => [probe.name, tick]));
          expect(new Set(fired)).toEqual(new Set(ticks.keys()));
          expect(fired).toHaveLength(due.length);
          const order = fired.map((name) => ticks.get(name) ?? NaN);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
          for (const [probe] of due) model.delete(probe);
        }
        expect(wheel.count).toBe(model.size);
        const earliest = Math.min(...model.values());
        expect(wheel.nextTick()).toBeLessThanOrEqual(earliest);
        expect(wheel.nextTick()).toBeGreaterThan(now);
      }
    }),
    { numRuns: 500 },
  );
});

test('an entry may insert itself and remove others while it expires', () => {
  const wheel = new TimerWheel(0);
  const fired: string[] = [];
  const other = new Probe(2, () => void fired.push('other'));
  const self = new Probe(1, (probe) => {
    fired.push('self');
    wheel.remove(other);
    if (fired.length < 3) wheel.insert(probe, 0);
  });
  wheel.insert(self, 5);
  wheel.insert(other, 5);
  wheel.advance(5);
  expect(fired).toEqual(['self']);
  wheel.advance(10);
  expect(fired).toEqual(['self', 'self', 'self']);
  expect(wheel.count).toBe(0);
});

test('entries of one tick expire in the order of insertion', () => {
  const wheel = new TimerWheel(0);
  const fired: number[] = [];
  for (let i = 0; i < 5; i++) wheel.insert(new Probe(i, (probe) => void fired.push(probe.name)), 5000);
  wheel.advance(6000);
  expect(fired).toEqual([0, 1, 2, 3, 4]);
});

test('an entry put in long after the last one is due in time', () => {
  const wheel = new TimerWheel(0);
  const fired: number[] = [];
  wheel.insert(new Probe(1, () => void fired.push(1)), 1_000_002);
  wheel.advance(1_000_001);
  expect(fired).toEqual([]);
  wheel.advance(1_000_002);
  expect(fired).toEqual([1]);
});
