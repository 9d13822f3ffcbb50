import { expect, it } from 'vitest';
import { offeredWeights } from '../src/http/session/offered-weights.ts';

const offered = (...weights: number[]): number[] =>
  offeredWeights(
    weights.map((weight) => ({ weight })),
    true,
  );

/** All orders in which a client may shuffle `count` sessions. */
function orders(count: number): number[][] {
  if (count === 0) return [[]];
  return orders(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, at) => order.toSpliced(at, 0, count - 1)),
  );
}

/** Whom an official client tries, by its order of the list (reference/wire.md 3.2). */
function tries(order: readonly number[], weights: readonly number[]): number[] {
  return order.map((at, i) => {
    const next = order[(i + 1) % order.length];
    return order.length > 1 && weights[at] > weights[next] ? next : at;
  });
}

/** Vain attempts at session 0, which is dead, before another one is reached, for every order. Infinity if none is. */
function vain(weights: readonly number[]): number[] {
  return orders(weights.length).map((order) => {
    const at = tries(order, weights).findIndex((session) => session !== 0);
    return at < 0 ? Infinity : at;
  });
}

const LOADS = [0, 1, 40, 50, 100, 1000];

it('weighs two sessions the same, whatever their load: the lighter one may be the dead one', () => {
  expect(offered(0, 200)).toEqual([100, 100]);
  expect(offered(7)).toEqual([7]);
  expect(offered()).toEqual([]);
  // Their loads would keep every client at the dead one.
  expect(vain([0, 200])).toEqual([Infinity, Infinity]);
});

it('makes sessions with too much heavier and favours none', () => {
  expect(offered(90, 100, 110)).toEqual([100, 100, 100]);
  expect(offered(0, 150, 150)).toEqual([100, 150, 150]);
  for (const a of LOADS) {
    for (const b of LOADS) {
      for (const c of LOADS) {
        const mean = Math.round((a + b + c) / 3);
        for (const weight of offered(a, b, c)) expect(weight).toBeGreaterThanOrEqual(mean);
      }
    }
  }
});

it('tells no loads that meta does not confirm', () => {
  expect(offeredWeights([{ weight: 0 }, { weight: 150 }, { weight: 150 }], false)).toEqual([100, 100, 100]);
});

it('costs a client one vain attempt at a dead session of two, and rarely a second one of more', () => {
  for (const a of LOADS) for (const b of LOADS) expect(Math.max(...vain(offered(a, b)))).toBe(1);
  for (const a of LOADS) {
    for (const b of LOADS) {
      for (const c of LOADS) {
        const three = vain(offered(a, b, c));
        expect(Math.max(...three)).toBeLessThanOrEqual(2);
        // Behind either of the two others, if both are overloaded.
        expect(three.filter((attempts) => attempts === 2).length).toBeLessThanOrEqual(2);
        for (const d of LOADS) expect(Math.max(...vain(offered(a, b, c, d)))).toBeLessThanOrEqual(3);
      }
    }
  }
});

it('sends more clients to the lighter of three', () => {
  const first = orders(3).map((order) => tries(order, offered(0, 150, 150))[0]);
  expect(first.filter((session) => session === 0)).toHaveLength(4);
});
