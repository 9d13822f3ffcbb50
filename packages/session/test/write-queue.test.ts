import type { PublisherRecord } from '@sofa-registry/model';
import { AccessCode, NO_BOXES, REJECT_FULL, REJECT_STALE, WriteOp } from '@sofa-registry/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PendingWrite, type WriteInFlight, WriteQueue } from '../src/write/write-queue.ts';

function recordOf(
  registerId: string,
  version: number,
  stamp: number,
  payload: Buffer = NO_BOXES,
): PublisherRecord {
  return {
    registerId,
    version,
    stamp,
    zone: 'z',
    appName: '',
    clientAddress: '',
    clientTimestamp: 0,
    attributes: null,
    payload,
  };
}

function setUp(
  options: { leaders?: string[]; itemsMax?: number; removalsMax?: number; batchBytes?: number } = {},
) {
  const leaders = options.leaders ?? ['a', 'b'];
  const log: string[] = [];
  const queue = new WriteQueue(
    {
      leaderOf: (slot) => leaders[slot % leaders.length],
      itemsMax: options.itemsMax ?? 100,
      batchBytes: options.batchBytes ?? 65_536,
      inFlightMax: 2,
      removalsMax: options.removalsMax ?? 1000,
    },
    {
      stale: (write, version, stamp) => log.push(`stale ${write.registerId} ${version} ${stamp}`),
      lost: (write) => log.push(`lost ${write.registerId}`),
      full: (write) => log.push(`full ${write.registerId}`),
      removalDropped: (write) => log.push(`dropped ${write.registerId}`),
    },
  );
  const publish = (slot: number, id: string, version: number, stamp: number) =>
    queue.want(WriteOp.publish, slot, 'd', id, version, stamp, recordOf(id, version, stamp));
  return { queue, publish, log, leaders };
}

const names = (batch: WriteInFlight | null) =>
  batch?.items.map((item) => `${item.registerId}@${item.version}`);

describe('write queue', () => {
  it('sends a temporary publication again when it was refused, never when nobody answered', () => {
    const { queue, publish, log } = setUp();
    const once = (id: string): boolean => queue.want(WriteOp.temporary, 0, 'd', id, 1, 1, recordOf(id, 1, 1));
    once('t');
    const refused = queue.take('a') as WriteInFlight;
    queue.answered(refused, [{ index: 0, code: AccessCode.moved, version: 0, stamp: 0 }]);
    queue.release();
    const unanswered = queue.take('a') as WriteInFlight;
    expect(names(unanswered)).toEqual(['t@1']);
    expect(queue.failed(unanswered)).toBe(false);
    expect([queue.size, log]).toEqual([0, ['lost t']]);
    publish(0, 'p', 1, 1);
    expect(once('p')).toBe(false);
    expect(names(queue.take('a'))).toEqual(['p@1']);
  });

  it('leaves a temporary publication that is on its way with the leader that lost the slot', () => {
    const { queue, leaders } = setUp();
    queue.want(WriteOp.temporary, 0, 'd', 't', 1, 1, recordOf('t', 1, 1));
    queue.take('a');
    leaders[0] = 'c';
    queue.reroute();
    expect(queue.take('c')).toBeNull();
  });

  it('keeps only the latest operation of a registration while it waits', () => {
    const { queue, publish } = setUp();
    publish(0, 'p', 1, 1);
    publish(0, 'p', 2, 2);
    queue.want(WriteOp.unpublish, 0, 'd', 'p', 3, 3, null);
    expect(queue.size).toBe(1);
    const batch = queue.take('a');
    expect(names(batch)).toEqual(['p@3']);
    expect(batch?.items[0].op).toBe(WriteOp.unpublish);
    expect(queue.answered(batch as WriteInFlight, [])).toBe(false);
    expect(queue.size).toBe(0);
  });

  it('refuses an operation older than the one wanted', () => {
    const { queue, publish } = setUp();
    queue.want(WriteOp.unpublish, 0, 'd', 'p', 3, 3, null);
    expect(publish(0, 'p', 1, 9)).toBe(false);
    expect(names(queue.take('a'))).toEqual(['p@3']);
  });

  it('sends a newer operation beside the one in flight and forgets the outcome of the old one', () => {
    const { queue, publish } = setUp();
    publish(0, 'p', 1, 1);
    const first = queue.take('a') as WriteInFlight;
    publish(0, 'p', 2, 2);
    const second = queue.take('a') as WriteInFlight;
    expect(names(second)).toEqual(['p@2']);
    expect(queue.failed(first)).toBe(false);
    expect(queue.size).toBe(1);
    queue.answered(second, []);
    expect(queue.size).toBe(0);
  });

  it('keeps two batches in flight at most, per leader', () => {
    const { queue, publish } = setUp({ itemsMax: 1 });
    for (let i = 0; i < 4; i++) publish(0, `p${i}`, 1, 1);
    publish(1, 'q', 1, 1);
    const first = queue.take('a') as WriteInFlight;
    expect(queue.take('a')).not.toBeNull();
    expect(queue.take('a')).toBeNull();
    expect(names(queue.take('b'))).toEqual(['q@1']);
    queue.answered(first, []);
    expect(names(queue.take('a'))).toEqual(['p2@1']);
  });

  it('cuts batches by items and by bytes', () => {
    const { queue, publish } = setUp({ itemsMax: 3, batchBytes: 1000 });
    for (let i = 0; i < 4; i++) publish(0, `p${i}`, 1, 1);
    expect(queue.batchWaits(0)).toBe(true);
    expect(queue.take('a')?.items).toHaveLength(3);
    queue.want(WriteOp.publish, 1, 'd', 'big', 1, 1, recordOf('big', 1, 1, Buffer.alloc(5000)));
    queue.want(WriteOp.publish, 1, 'd', 'small', 1, 1, recordOf('small', 1, 1));
    expect(names(queue.take('b'))).toEqual(['big@1']);
  });

  it('repeats failed and refused writes after release, at the leader of then', () => {
    const { queue, publish, leaders } = setUp({ leaders: ['a'] });
    publish(0, 'p', 1, 1);
    publish(0, 'q', 1, 1);
    const batch = queue.take('a') as WriteInFlight;
    expect(queue.answered(batch, [{ index: 1, code: AccessCode.moved, version: 0, stamp: 0 }])).toBe(true);
    expect(queue.take('a')).toBeNull();
    leaders[0] = 'c';
    expect(queue.release()).toBe(1);
    expect(names(queue.take('c'))).toEqual(['q@1']);
  });

  it('moves what waits to the new leader when the table changes', () => {
    const { queue, publish, leaders } = setUp({ leaders: ['a'] });
    publish(0, 'p', 1, 1);
    const batch = queue.take('a') as WriteInFlight;
    publish(0, 'q', 1, 1);
    queue.failed(batch);
    leaders[0] = 'c';
    queue.reroute();
    expect(queue.leaders()).toEqual(['c']);
    expect(names(queue.take('c'))?.toSorted()).toEqual(['p@1', 'q@1']);
  });

  it('sends again what is on its way to a node that leads no more, and lets its late answer count for nothing', () => {
    const { queue, publish, leaders, log } = setUp({ leaders: ['a', 'b'] });
    publish(0, 'p', 1, 1);
    queue.want(WriteOp.unpublish, 0, 'd', 'q', 1, 1, null);
    publish(1, 'stays', 1, 1);
    const old = queue.take('a') as WriteInFlight;
    const other = queue.take('b') as WriteInFlight;
    leaders[0] = 'c';
    queue.reroute();
    queue.reroute();
    expect(queue.leaders()).toEqual(['c']);
    const again = queue.take('c') as WriteInFlight;
    expect(names(again)).toEqual(['p@1', 'q@1']);
    publish(0, 'p', 2, 2);
    expect(queue.answered(old, [{ index: 0, code: AccessCode.moved, version: 0, stamp: 0 }])).toBe(false);
    expect(queue.size).toBe(3);
    queue.answered(again, [{ index: 1, code: REJECT_STALE, version: 1, stamp: 9 }]);
    queue.answered(other, []);
    expect(log).toEqual(['stale q 1 9']);
    expect(names(queue.take('c'))).toEqual(['p@2']);
  });

  it('reports stale and full rejections and drops the writes', () => {
    const { queue, publish, log } = setUp();
    publish(0, 'p', 1, 1);
    publish(0, 'q', 1, 1);
    const batch = queue.take('a') as WriteInFlight;
    queue.answered(batch, [
      { index: 0, code: REJECT_STALE, version: 1, stamp: 9 },
      { index: 1, code: REJECT_FULL, version: 0, stamp: 0 },
    ]);
    expect(log).toEqual(['stale p 1 9', 'full q']);
    expect(queue.size).toBe(0);
  });

  it('bounds the removals that wait, oldest out first', () => {
    const { queue, log } = setUp({ removalsMax: 2 });
    for (let i = 0; i < 3; i++) queue.want(WriteOp.clientOff, 0, 'd', `p${i}`, 1, i, null);
    expect(log).toEqual(['dropped p0']);
    expect(names(queue.take('a'))).toEqual(['p1@1', 'p2@1']);
  });

  it('ends with what was wanted last, whatever is lost, late or refused', () => {
    type Step =
      | { kind: 'want'; id: number; slot: number; remove: boolean }
      | { kind: 'send'; leader: number }
      | { kind: 'settle'; pick: number; outcome: 'ack' | 'lost' | 'lostReply' | 'moved' }
      | { kind: 'table'; leaders: number }
      | { kind: 'release' };
    const step: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('want' as const),
          id: fc.nat(5),
          slot: fc.nat(3),
          remove: fc.boolean(),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('send' as const), leader: fc.nat(2) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('settle' as const),
          pick: fc.nat(9),
          outcome: fc.constantFrom('ack' as const, 'lost' as const, 'lostReply' as const, 'moved' as const),
        }),
      },
      fc.record({ kind: fc.constant('table' as const), leaders: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('release' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const world = setUp({ leaders: ['a', 'b', 'c'], itemsMax: 3 });
        const { queue } = world;
        const wanted = new Map<string, PendingWrite['op']>();
        const stored = new Map<string, { op: number; stamp: number }>();
        const flying: WriteInFlight[] = [];
        let stamp = 0;
        const apply = (batch: WriteInFlight, snapshot: PendingWrite[]) => {
          for (const item of snapshot) {
            const key = `${item.dataInfoId} ${item.registerId}`;
            if ((stored.get(key)?.stamp ?? 0) <= item.stamp)
              stored.set(key, { op: item.op, stamp: item.stamp });
          }
          return batch;
        };
        const settle = (batch: WriteInFlight, outcome: string) => {
          if (outcome !== 'lost' && outcome !== 'moved') apply(batch, batch.items);
          if (outcome === 'ack') queue.answered(batch, []);
          else if (outcome === 'moved') {
            queue.answered(
              batch,
              batch.items.map((_, index) => ({ index, code: AccessCode.moved, version: 0, stamp: 0 })),
            );
          } else queue.failed(batch);
        };
        for (const each of steps) {
          if (each.kind === 'want') {
            const op = each.remove ? WriteOp.unpublish : WriteOp.publish;
            const id = `p${each.id}`;
            const dataInfoId = `d${each.slot}`;
            stamp++;
            queue.want(op, each.slot, dataInfoId, id, 1, stamp, each.remove ? null : recordOf(id, 1, stamp));
            wanted.set(`${dataInfoId} ${id}`, op);
          } else if (each.kind === 'send') {
            const batch = queue.take(['a', 'b', 'c'][each.leader]);
            if (batch !== null) flying.push(batch);
          } else if (each.kind === 'settle' && flying.length > 0) {
            settle(flying.splice(each.pick % flying.length, 1)[0], each.outcome);
          } else if (each.kind === 'table') {
            world.leaders.splice(0, world.leaders.length, ...['a', 'b', 'c'].slice(0, each.leaders));
            queue.reroute();
          } else if (each.kind === 'release') queue.release();
        }
        for (const batch of flying) settle(batch, 'lost');
        for (let round = 0; round < 200 && queue.size > 0; round++) {
          queue.release();
          for (const leader of queue.leaders()) {
            for (let batch = queue.take(leader); batch !== null; batch = queue.take(leader))
              settle(batch, 'ack');
          }
        }
        expect(queue.size).toBe(0);
        expect(queue.leaders()).toEqual([]);
        expect(new Map([...stored].map(([key, { op }]) => [key, op]))).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });
});
