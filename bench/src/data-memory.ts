/**
 * Memory of a data node per publisher, beside its payload. Records arrive as frames do, so nothing is shared that would not be.
 *
 *   node --conditions=development --expose-gc bench/src/data-memory.ts [publishers] [publishers per dataInfoId]
 */
import { HYBRID_EPOCH_MS, HybridClock, slotOf, toDataInfoId } from '@sofa-registry/model';
import * as wire from '@sofa-registry/wire';
import { DatumStore } from '../../packages/data/src/datum-store.ts';
import { DataMetrics } from '../../packages/data/src/metrics.ts';
import { Owner } from '../../packages/data/src/owner.ts';
import { dataTunables } from '../../packages/data/src/settings.ts';
import { SlotStore } from '../../packages/data/src/slot-store.ts';
import { OpLog } from '../../packages/data/src/op-log.ts';

const COUNT = Number(process.argv[2] ?? 100_000);
const PER_DATUM = Number(process.argv[3] ?? 10);
const SLOTS = 256;
const PAYLOAD = 300;
const REGISTRATIONS_PER_CLIENT = 15;
const LOG = process.argv.includes('--log');

const gc = globalThis.gc as () => void;
function used(): { heap: number; total: number } {
  gc();
  gc();
  const m = process.memoryUsage();
  return { heap: m.heapUsed, total: m.heapUsed + m.arrayBuffers };
}

const store = new DatumStore({
  clock: new HybridClock(() => Date.now()),
  nowMs: () => performance.now(),
  slotCount: SLOTS,
  tunables: dataTunables({}),
  metrics: new DataMetrics(),
  superseded: () => undefined,
  changed: () => undefined,
});
const slots = Array.from({ length: SLOTS }, (_, id) => new SlotStore(id));
if (LOG) for (const slot of slots) slot.log = new OpLog({ opsMax: 1024, bytesMax: 256 * 1024 }, 1);
const owner = new Owner('s', 0, 1);

const payload = wire.packBoxes(['x'.repeat(PAYLOAD - 5)]);
const before = used();
let stamp = (1_700_000_000_000 - HYBRID_EPOCH_MS) * 4096;
for (let at = 0; at < COUNT; at += 100) {
  const items: wire.WriteItem[] = [];
  for (let n = at; n < Math.min(COUNT, at + 100); n++) {
    const dataInfoId = toDataInfoId(
      `com.alipay.test.HelloService${Math.floor(n / PER_DATUM)}:1.0@DEFAULT`,
      'DEFAULT_INSTANCE_ID',
      'SOFA',
    );
    const client = Math.floor(n / REGISTRATIONS_PER_CLIENT);
    items.push({
      op: wire.WriteOp.publish,
      slot: slotOf(dataInfoId, SLOTS),
      dataInfoId,
      registerId: '',
      version: 1,
      stamp,
      record: {
        registerId: `${n}`.padStart(36, 'abcdef-1'),
        version: 1,
        stamp: ++stamp,
        zone: 'DEFAULT_ZONE',
        appName: `app-${client % 100}`,
        clientAddress: `10.${client >> 16}.${(client >> 8) & 255}.${client & 255}:4${client % 1000}`,
        clientTimestamp: 1_700_000_000_000 + n,
        attributes: null,
        payload,
      },
    });
  }
  const batch = wire.WriteBatch.decode(wire.WriteBatch.encode({ tableEpoch: 1, clock: 0, items }));
  store.beginBatch();
  for (const item of batch.items)
    if (item.record !== null) store.publish(slots[item.slot], item.dataInfoId, item.record, owner);
}
const after = used();
const total = (after.total - before.total) / store.publishers;
const heap = (after.heap - before.heap) / store.publishers;
console.log(
  `${store.publishers} publishers, ${PER_DATUM} per dataInfoId: ${heap.toFixed(0)} B heap, ${total.toFixed(0)} B with payload, ` +
    `${(total - store.payloadBytes / store.publishers).toFixed(0)} B beside the payload of ${(store.payloadBytes / store.publishers).toFixed(0)} B`,
);
function sweep(): void {
  const queue = store.sweepQueue;
  store.sweepQueue = [];
  for (const datum of queue) store.sweep(slots[datum.slot], datum, Infinity);
}
sweep();
const rested = used();
// Also keeps what is measured from being collected before.
if (slots.reduce((sum, slot) => sum + slot.publishers, 0) !== COUNT)
  throw new Error('publishers are missing');
console.log(
  `at rest (swept): ${((rested.total - before.total - store.payloadBytes) / store.publishers).toFixed(0)} B beside the payload`,
);
