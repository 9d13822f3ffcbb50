import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PendingRequest, PendingTable } from '../src/pending-table.ts';

const DONE = { reply: () => undefined, failed: () => undefined };
const OWNER = { timedOut: () => undefined };

test('behaves as a Map, with ids that are positive and unique among the waiting', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant(-1) },
    { weight: 2, arbitrary: fc.nat({ max: 1000 }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new PendingTable();
      const model = new Map<number, PendingRequest>();
      for (const one of steps) {
        if (one < 0) {
          const id = table.nextId();
          expect(id).toBeGreaterThan(0);
          expect(model.has(id)).toBe(false);
          const request = new PendingRequest(id, DONE, null, OWNER);
          table.add(request);
          model.set(id, request);
        } else {
          // A waiting id, or one that nobody waits for.
          const id = [...model.keys()][one] ?? one - 500;
          expect(table.take(id)).toBe(model.get(id) ?? null);
          model.delete(id);
        }
        expect(table.count).toBe(model.size);
      }
      expect(table.takeAll()).toEqual([...model.values()]);
      expect(table.count).toBe(0);
    }),
  );
});

test('one request that waits for ever does not make the table grow', () => {
  const table = new PendingTable();
  const stuck = new PendingRequest(table.nextId(), DONE, null, OWNER);
  table.add(stuck);
  for (let i = 0; i < 100_000; i++) {
    const id = table.nextId();
    table.add(new PendingRequest(id, DONE, null, OWNER));
    expect(table.take(id)?.id).toBe(id);
  }
  expect(table.take(stuck.id)).toBe(stuck);
  expect(table.count).toBe(0);
});

test('ids start again at 1 after the largest signed integer', () => {
  expect(new PendingTable().nextId()).toBe(1);
  const table = new PendingTable(0x7fff_fffe);
  expect([table.nextId(), table.nextId(), table.nextId()]).toEqual([0x7fff_ffff, 1, 2]);
});
