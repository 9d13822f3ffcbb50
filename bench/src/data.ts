/**
 * Writes through a data node's handler in one process: decode, merge, digests, notices, answer. No sockets.
 *
 *   node --conditions=development bench/src/data.ts
 */
import { slotOf, toDataInfoId } from '@sofa-registry/model';
import { DataNode, dataTunables } from '@sofa-registry/data';
import {
  BoltChannel,
  type Connection,
  noopLogger,
  seededRandom,
  memoryNetwork,
  type Clock,
} from '@sofa-registry/runtime';
import * as wire from '@sofa-registry/wire';

const BATCH = 100;
const SLOTS = 256;

const deferred: (() => void)[] = [];
const clock: Clock = {
  monoMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: () => ({ cancel: () => undefined }),
  defer: (fn) => void deferred.push(fn),
};

function connection(): Connection {
  return {
    local: { host: 'a', port: 1 },
    remote: { host: 'b', port: 2 },
    attach: () => undefined,
    write: () => true,
    bufferedBytes: 0,
    pause: () => undefined,
    resume: () => undefined,
    end: () => undefined,
    destroy: () => undefined,
    closed: false,
  };
}

const slots = Array.from({ length: SLOTS }, (_, id) => ({
  id,
  leader: 'd:1',
  leaderEpoch: 1,
  followers: process.argv.includes('--log') ? ['x:1'] : [],
}));
const view = {
  leader: '',
  term: 1,
  warm: true,
  table: { epoch: 1, slots },
  membersRevision: 0,
  members: [],
  docs: new Map(),
  metas: [],
  expectedPublishers: 0,
  meanWeight: 0,
  heardMetaMsAgo: 0,
};
const node = (role: 'data' | 'session', processId: string) => ({
  role,
  processId,
  address: processId,
  httpAddress: '',
  zone: '',
  dataCenter: 'DC',
  startedMs: 0,
  weight: 0,
  draining: false,
});
const data = new DataNode(
  { clock, random: seededRandom(1), network: memoryNetwork({ clock }), logger: noopLogger },
  {
    processId: 'd',
    address: 'd:1',
    dataCenter: 'DC',
    slotConfig: { slotCount: SLOTS, replicas: 1, slotFunction: 'crc32c' },
    node: () => node('data', 'd:1'),
  },
  { view, beatSoon: () => undefined },
  dataTunables({}),
);
data.start();

function frame(className: string, content: Buffer): wire.Frame {
  return {
    proto: 1,
    ver1: 1,
    type: wire.FRAME_REQUEST,
    cmdCode: wire.CMD_REQUEST,
    ver2: 1,
    requestId: 1,
    codec: wire.CODEC_INTERNAL,
    switchByte: 0,
    timeoutMs: 1000,
    status: 0,
    className,
    header: wire.EMPTY,
    content,
  };
}
function link(processId: string): BoltChannel<any> {
  const channel = new BoltChannel<any>(connection(), { clock, handler: data, proto: 1 });
  data.opened(channel);
  const hello = wire.Hello.encode({
    node: node('session', processId),
    tableEpoch: 1,
    slotCount: SLOTS,
    clock: 0,
  });
  data.request(channel, frame(wire.Hello.className, hello));
  return channel;
}

const ids = Array.from({ length: 1000 }, (_, i) =>
  toDataInfoId(`com.alipay.test.HelloService${i}:1.0@DEFAULT`, 'DEFAULT_INSTANCE_ID', 'SOFA'),
);
const session = link('10.0.0.1:9600/abc/def');
const watcher = link('10.0.0.2:9600/abc/def');
const interests = process.argv.includes('--watch');
if (interests) {
  const empty = Buffer.alloc(16);
  const compare = {
    tableEpoch: 1,
    clock: 0,
    slots: slots.map(({ id }) => ({ slot: id, publishers: empty, interests: empty })),
  };
  for (const channel of [session, watcher])
    data.request(channel, frame(wire.Compare.className, wire.Compare.encode(compare)));
  for (let i = 0; i < ids.length; i += 200) {
    const items = ids
      .slice(i, i + 200)
      .map((dataInfoId) => ({ slot: slotOf(dataInfoId, SLOTS), dataInfoId, since: 0 }));
    data.request(watcher, frame(wire.Fetch.className, wire.Fetch.encode({ tableEpoch: 1, items })));
  }
}

let stamp = 1;
function batch(kind: 'change' | 'same', round: number): Buffer {
  const items: wire.WriteItem[] = [];
  for (let i = 0; i < BATCH; i++) {
    const n = (round * BATCH + i) % 10_000;
    const dataInfoId = ids[n % ids.length];
    const registerId = `${n}`.padStart(36, '0');
    const version = 1;
    const text = `bolt://10.0.0.${n % 250}:12200?rpcVer=50803&weight=${kind === 'same' ? 1 : round}`.padEnd(
      300,
      '&x=1',
    );
    const record = {
      registerId,
      version,
      stamp: ++stamp,
      zone: 'DEFAULT_ZONE',
      appName: 'demo-app',
      clientAddress: `10.0.0.${n % 250}:${n}`,
      clientTimestamp: 1_700_000_000_000,
      attributes: null,
      payload: wire.packBoxes([text]),
    };
    items.push({
      op: wire.WriteOp.publish,
      slot: slotOf(dataInfoId, SLOTS),
      dataInfoId,
      registerId,
      version,
      stamp,
      record,
    });
  }
  return wire.WriteBatch.encode({ tableEpoch: 1, clock: 0, items });
}

function run(name: string, batches: readonly Buffer[]): void {
  const start = process.cpuUsage();
  for (const content of batches) {
    data.request(session, frame(wire.WriteBatch.className, content));
    for (const fn of deferred.splice(0)) fn();
  }
  const used = process.cpuUsage(start);
  const us = (used.user + used.system) / (batches.length * BATCH);
  console.log(`${name.padEnd(44)} ${us.toFixed(2).padStart(7)} us CPU per write`);
}

for (let round = 0; round < 3; round++) {
  const base = 1 + round * 1000;
  run(
    'new or changed content',
    Array.from({ length: 1000 }, (_, i) => batch('change', base + i)),
  );
  run(
    'same content, newer stamp',
    Array.from({ length: 1000 }, (_, i) => batch('same', i)),
  );
}
const { writes, rejectedStale } = data.state.metrics;
console.log(
  `${writes.value} writes, ${rejectedStale.value} stale, ${data.state.store.publishers} publishers, notices ${data.state.metrics.noticesDelta.value}`,
);
