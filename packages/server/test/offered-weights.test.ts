import { expect, it } from 'vitest';
import { offeredWeights } from '../src/http/session/offered-weights.ts';

const offered = (...weights: number[]): number[] => offeredWeights(weights.map((weight) => ({ weight })));

it('weighs two sessions the same, whatever their load: the lighter one may be the dead one', () => {
  expect(offered(0, 200)).toEqual([100, 100]);
  expect(offered(7)).toEqual([7]);
  expect(offered()).toEqual([]);
});

it('weighs sessions of about the same load the same and shows a large difference', () => {
  expect(offered(90, 100, 110)).toEqual([100, 100, 100]);
  expect(offered(0, 150, 150)).toEqual([0, 150, 150]);
});

/** Whom an official client tries, by its order of the list (reference/wire.md 3.2). */
function tries(order: readonly number[], weights: readonly number[]): number[] {
  return order.map((at, i) => {
    const next = order[(i + 1) % order.length];
    return weights[at] > weights[next] ? next : at;
  });
}

it('lets every client find a living session when one died, by any order and load', () => {
  const loads = [0, 1, 50, 100, 1000];
  for (const a of loads) {
    for (const b of loads) {
      for (const c of loads) {
        const three = offered(a, b, c);
        for (const order of [
          [0, 1, 2],
          [0, 2, 1],
          [1, 0, 2],
          [1, 2, 0],
          [2, 0, 1],
          [2, 1, 0],
        ]) {
          expect(tries(order, three).some((at) => at !== 0)).toBe(true);
        }
      }
      for (const order of [
        [0, 1],
        [1, 0],
      ])
        expect(tries(order, offered(a, b))).toContain(1);
    }
  }
});
