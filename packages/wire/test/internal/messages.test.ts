import {
  Changed,
  Fetch,
  FetchReply,
  packBoxes,
  UpdateKind,
  WireError,
  WriteBatch,
  WriteOp,
} from '@sofa-registry/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const record = {
  registerId: 'r-1',
  version: 3,
  stamp: 1_234_567_890_123,
  zone: 'DEFAULT_ZONE',
  appName: 'orders',
  clientAddress: '127.0.0.1:4000',
  clientTimestamp: 1_700_000_000_000,
  attributes: new Map([['__proto__', 'kept']]),
  payload: packBoxes(['10.0.0.1:12200', '中😀']),
};

test('a write batch survives its own form', () => {
  const batch = {
    tableEpoch: 2 ** 51 + 7,
    clock: 9,
    items: [
      {
        op: WriteOp.publish,
        slot: 255,
        dataInfoId: '服务#@#i#@#g',
        registerId: 'r-1',
        version: 3,
        stamp: record.stamp,
        record,
      },
      {
        op: WriteOp.clientOff,
        slot: 0,
        dataInfoId: 'a#@#i#@#g',
        registerId: 'x',
        version: 0,
        stamp: 5,
        record: null,
      },
    ],
  };
  expect(WriteBatch.decode(WriteBatch.encode(batch))).toEqual(batch);
});

test('fetch answers and notices survive their own form', () => {
  const update = {
    dataInfoId: 'a#@#i#@#g',
    kind: UpdateKind.delta,
    from: 5,
    to: 6,
    count: 1,
    changedMs: 7,
    entries: [{ registerId: 'r', zone: 'Z', payload: packBoxes(['v']) }],
    removed: ['gone'],
    once: { version: 5, entries: [{ registerId: 't', zone: 'Z', payload: packBoxes(['once']) }] },
  };
  expect(Changed.decode(Changed.encode({ updates: [update] }))).toEqual({ updates: [update] });
  const reply = {
    tableEpoch: 1,
    clock: 2,
    items: [
      { code: 0, update },
      { code: 2, update: null },
    ],
  };
  expect(FetchReply.decode(FetchReply.encode(reply))).toEqual(reply);
});

test('mutated content throws only WireError', () => {
  const good = Fetch.encode({ tableEpoch: 1, items: [{ slot: 3, dataInfoId: 'a#@#b#@#c', since: 0 }] });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(good.length),
      (edits, cut) => {
        const bytes = Buffer.from(good.subarray(0, cut));
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        for (const message of [Fetch, WriteBatch, Changed, FetchReply]) {
          try {
            message.decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        }
      },
    ),
  );
});
