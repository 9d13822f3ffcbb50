/** Memory and SQLite, given the same calls at the same times, answer alike to the last number. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ClientAddressRecord,
  memoryStore,
  MemoryStoreBackend,
  type MetaStore,
  openStore,
} from '../src/index.ts';
import { ManualClock, manualPorts } from './manual-clock.ts';

/** A call on a store; `term` and `version` stand for numbers seen before, by index. */
type Call = (store: MetaStore, numbers: number[]) => Promise<unknown>;

const key = fc.constantFrom('a', 'b', 'a/1', 'ä');
const value = fc.string({ maxLength: 8 }).filter((s) => s.isWellFormed());
const index = fc.nat(5);
const pick = (numbers: number[], i: number): number => numbers[i % Math.max(1, numbers.length)] ?? 1;

const row: fc.Arbitrary<ClientAddressRecord> = fc.record({
  address: fc.constantFrom('1', '2', '3', '4'),
  operation: fc.constantFrom('clientOff', 'clientOpen', 'reduce'),
  pub: fc.boolean(),
  sub: fc.constant(true),
});

const call: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, value).map(
    ([k, v]): Call =>
      (s) =>
        s.docs.put(k, v, { expect: 'any' }),
  ),
  fc.tuple(key, value).map(
    ([k, v]): Call =>
      (s) =>
        s.docs.put(k, v, { expect: 'absent' }),
  ),
  fc.tuple(key, value, index).map(
    ([k, v, i]): Call =>
      (s, n) =>
        s.docs.put(k, v, { expect: pick(n, i) }),
  ),
  fc.tuple(key, value, index).map(
    ([k, v, i]): Call =>
      (s, n) =>
        s.docs.put(k, v, { expect: 'any', fence: { term: pick(n, i) } }),
  ),
  fc.tuple(key).map(
    ([k]): Call =>
      (s) =>
        s.docs.remove(k, { expect: 'any' }),
  ),
  fc.tuple(key, index).map(
    ([k, i]): Call =>
      (s, n) =>
        s.docs.remove(k, { expect: pick(n, i) }),
  ),
  key.map(
    (k): Call =>
      (s) =>
        s.docs.list(k),
  ),
  index.map(
    (i): Call =>
      (s, n) =>
        firstEvent(s, pick(n, i)),
  ),
  fc.tuple(fc.constantFrom('x:1', 'y:1'), fc.constantFrom(1_000, 5_000)).map(
    ([me, ttl]): Call =>
      (s) =>
        s.lease.tryAcquire(me, ttl),
  ),
  index.map(
    (i): Call =>
      (s, n) =>
        s.lease.renew(pick(n, i)),
  ),
  index.map(
    (i): Call =>
      (s, n) =>
        s.lease.release(pick(n, i)),
  ),
  fc.constant<Call>((s) => s.lease.observe()),
  fc.array(row, { maxLength: 4 }).map(
    (rows): Call =>
      (s) =>
        s.clientAddresses.upsert(rows),
  ),
  fc.array(fc.constantFrom('1', '2', '9'), { maxLength: 3 }).map(
    (keys): Call =>
      (s) =>
        s.clientAddresses.touch(keys),
  ),
  fc.tuple(index, fc.nat(3)).map(
    ([i, limit]): Call =>
      (s, n) =>
        s.clientAddresses.scan(i === 0 ? 0 : pick(n, i), limit),
  ),
  fc.tuple(fc.constantFrom(0, 700, 2_000), index).map(
    ([age, i]): Call =>
      (s, n) =>
        s.clientAddresses.expire(age, 2, { fence: { term: pick(n, i) } }),
  ),
);

/** The first thing a watch gives without waiting, or 'nothing'. */
async function firstEvent(store: MetaStore, from: number): Promise<unknown> {
  const abort = new AbortController();
  const next = store.docs.watch('', from, abort.signal)[Symbol.asyncIterator]().next();
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  const { value: event, done } = await next;
  return done === true ? 'nothing' : event;
}

async function outcome(run: Promise<unknown>): Promise<unknown> {
  try {
    return await run;
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
}

/** Numbers in an answer, for later calls to refer to. */
function numbersIn(answer: unknown): number[] {
  if (typeof answer !== 'object' || answer === null) return [];
  const { version, term, seq, revision } = answer as Record<string, unknown>;
  return [version, term, seq, revision].filter((n): n is number => typeof n === 'number');
}

describe('memory and sqlite', () => {
  it('answer every sequence of calls alike', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(call, fc.constantFrom(0, 1, 400, 3_000)), { maxLength: 40 }),
        async (steps) => {
          const clock = new ManualClock();
          const dir = mkdtempSync(join(tmpdir(), 'sofa-store-'));
          const memory = memoryStore(new MemoryStoreBackend({ clock }), manualPorts(clock));
          await memory.open();
          const sqlite = await openStore(`sqlite:${dir}`, manualPorts(clock));
          try {
            const numbers: number[] = [];
            for (const [step, ms] of steps) {
              const [one, two] = [await outcome(step(memory, numbers)), await outcome(step(sqlite, numbers))];
              expect(two).toEqual(one);
              numbers.unshift(...numbersIn(one));
              numbers.length = Math.min(numbers.length, 6);
              await clock.advance(ms);
            }
          } finally {
            await memory.close();
            await sqlite.close();
            rmSync(dir, { recursive: true });
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
