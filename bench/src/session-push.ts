/**
 * One session without sockets: server CPU per publish (bytes in, decode, store, forward, answer) and per push of a cached body to
 * many connections (encode the head, write, take the acknowledgement). Meta and data node are stubs that cost next to nothing.
 *
 *   node --conditions=development bench/src/session-push.ts [--connections 4000] [--publishes 200000]
 */
import { SLOT_FUNCTION } from '@sofa-registry/model';
import {
  BoltChannel,
  type Connection,
  type ConnectionHandler,
  memoryNetwork,
  type Network,
  noopLogger,
  seededRandom,
} from '@sofa-registry/runtime';
import { nodeClock } from '@sofa-registry/runtime/node';
import { SessionServer } from '@sofa-registry/session';
import * as wire from '@sofa-registry/wire';

const SLOTS = 256;
const LIST_PUBLISHERS = 10;
const PAYLOAD_BYTES = 250;

function argument(name: string, value: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? value : Number(process.argv[at + 1]);
}

/** A client's socket: keeps the ids of pushes, so that they can be acknowledged. */
class StubConnection implements Connection {
  readonly local = { host: '127.0.0.1', port: 9600 };
  readonly remote: { host: string; port: number };
  readonly bufferedBytes = 0;
  readonly closed = false;
  handler: ConnectionHandler | null = null;
  pushes: Buffer[] = [];
  bytes = 0;

  constructor(port: number) {
    this.remote = { host: '10.0.0.1', port };
  }

  attach(handler: ConnectionHandler): void {
    this.handler = handler;
  }

  write(bytes: Buffer): boolean {
    this.bytes += bytes.length;
    // A request head of protocol 1: the only part that begins with 01 01.
    if (bytes[0] === 1 && bytes[1] === 1 && bytes[2] === 0 && bytes[3] === 1) this.pushes.push(bytes);
    return true;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const ACK = wire.encodeResponse({
  proto: 1,
  ver1: 1,
  requestId: 0,
  codec: 1,
  status: 0,
  className: wire.RESULT,
  content: wire.encodeResult({ success: true, message: null }),
});

let version = 1;
const entries = Array.from({ length: LIST_PUBLISHERS }, (_, i) => ({
  registerId: `registration-${i}`,
  zone: 'DEFAULT_ZONE',
  payload: wire.packBoxes([`${i}`.padEnd(PAYLOAD_BYTES, 'x')]),
}));

const clock = nodeClock();
const network = memoryNetwork({ clock });
let toSession: BoltChannel | null = null;
const writeReply = wire.WriteReply.encode({ tableEpoch: 1, clock: 0, rejected: [] });

function answerData(channel: BoltChannel, frame: wire.Frame): void {
  if (frame.className === wire.WriteBatch.className)
    channel.respond(frame, wire.WriteReply.className, writeReply);
  else if (frame.className === wire.Hello.className) {
    toSession = channel;
    const reply = wire.HelloReply.encode({ processId: 'd', tableEpoch: 1, clock: 0 });
    channel.respond(frame, wire.HelloReply.className, reply);
  } else if (frame.className === wire.Compare.className) {
    channel.respond(
      frame,
      wire.CompareReply.className,
      wire.CompareReply.encode({ tableEpoch: 1, clock: 0, slots: [] }),
    );
  } else if (frame.className === wire.Fetch.className) {
    const items = wire.Fetch.decode(frame.content).items.map(({ dataInfoId }) => ({
      code: 0,
      update: update(dataInfoId, 0, 0, entries),
    }));
    channel.respond(
      frame,
      wire.FetchReply.className,
      wire.FetchReply.encode({ tableEpoch: 1, clock: 0, items }),
    );
  }
}

function update(dataInfoId: string, kind: 0 | 1, from: number, list: typeof entries): wire.DatumUpdate {
  const changedMs = Date.now();
  return {
    dataInfoId,
    kind,
    from,
    to: ++version,
    count: entries.length,
    changedMs,
    entries: list,
    removed: [],
  };
}

function answerMeta(channel: BoltChannel, frame: wire.Frame): void {
  if (frame.className !== wire.Beat.className) return;
  const slots = Array.from({ length: SLOTS }, (_, id) => ({
    id,
    leader: 'data:1',
    leaderEpoch: 1,
    followers: [],
  }));
  const content = wire.BeatReply.encode({
    leader: 'meta:1',
    isLeader: true,
    term: 1,
    warm: true,
    table: { epoch: 1, slots },
    membersRevision: 1,
    members: [],
    docsRevision: 1,
    docs: [],
    metas: ['meta:1'],
    expectedPublishers: 0,
    meanWeight: 0,
  });
  channel.respond(frame, wire.BeatReply.className, content);
}

async function stub(host: string, answer: (channel: BoltChannel, frame: wire.Frame) => void): Promise<void> {
  await network.listen({ host, port: 1 }, (connection) => {
    void new BoltChannel(connection, { clock, handler: { request: answer, closed: () => undefined } });
  });
}

let accept: (connection: Connection) => void = () => undefined;
const clientNetwork: Network = {
  listen: async (address, onConnection) => {
    accept = onConnection;
    return { address, close: async () => undefined };
  },
  connect: () => Promise.reject(new Error('clients come by themselves')),
};

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function cpuOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function clientFrame(requestId: number, className: string, content: Buffer): Buffer {
  return wire.encodeRequest({ proto: 1, ver1: 1, requestId, codec: 1, timeoutMs: 1000, className, content });
}

function connect(port: number): StubConnection {
  const connection = new StubConnection(port);
  accept(connection);
  return connection;
}

function registration(dataId: string, registId: string, version: number) {
  return {
    instanceId: null,
    zone: 'DEFAULT_ZONE',
    appName: 'bench',
    dataId,
    group: 'DEFAULT_GROUP',
    processId: null,
    registId,
    clientId: null,
    dataInfoId: null,
    ip: null,
    port: null,
    eventType: 'REGISTER',
    version,
    timestamp: 1_700_000_000_000,
    attributes: new Map<string, string>(),
  };
}

/** Acknowledges every push since the last call. */
function acknowledge(connection: StubConnection, ack: Buffer): number {
  const { pushes } = connection;
  connection.pushes = [];
  for (const head of pushes) {
    const bytes = Buffer.from(ack);
    head.copy(bytes, 5, 5, 9);
    connection.handler?.data(bytes);
  }
  return pushes.length;
}

async function benchPublish(count: number): Promise<void> {
  const connection = connect(1);
  const dataBoxes = wire.packBoxes(['x'.repeat(300)]);
  const perTurn = 64;
  for (const warm of [true, false]) {
    const total = warm ? Math.min(count, 20_000) : count;
    const frames = Array.from({ length: total }, (_, i) => {
      const message = {
        ...registration(`service-${i % 1000}`, `registration-${i}-0123456789abcdef`, 1),
        dataBoxes,
      };
      return clientFrame(i + 1, wire.PUBLISHER_REGISTER, wire.encodePublisherRegister(message));
    });
    const us = await cpuOf(async () => {
      for (let at = 0; at < total; at += perTurn) {
        connection.handler?.data(Buffer.concat(frames.slice(at, at + perTurn)));
        await turn();
      }
      await turn();
    });
    if (!warm) console.log(`publish: ${(us / total).toFixed(2)} us CPU each (${total}, ${perTurn} per read)`);
  }
}

async function benchPush(connections: number, rounds: number): Promise<void> {
  const clients: StubConnection[] = [];
  const ack = ACK;
  for (let i = 0; i < connections; i++) {
    const client = connect(1000 + i);
    clients.push(client);
    const message = {
      ...registration('hot', `subscriber-${i}`, 1),
      scope: 'dataCenter',
      acceptEncoding: null,
      acceptMulti: false,
    };
    client.handler?.data(clientFrame(1, wire.SUBSCRIBER_REGISTER, wire.encodeSubscriberRegister(message)));
    if (i % 64 === 0) await turn();
  }
  for (let i = 0; i < 200; i++) await turn();
  for (const client of clients) acknowledge(client, ack);
  const dataInfoId = 'hot#@#DEFAULT_INSTANCE_ID#@#DEFAULT_GROUP';
  let pushed = 0;
  let sendUs = 0;
  let ackUs = 0;
  for (let round = 0; round < rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const from = version;
    const changed = [{ ...entries[0], payload: wire.packBoxes([`${round}`.padEnd(PAYLOAD_BYTES, 'y')]) }];
    const content = wire.Changed.encode({ updates: [update(dataInfoId, 1, from, changed)] });
    const startMs = performance.now();
    let lastMs = 0;
    const us = await cpuOf(async () => {
      toSession?.oneway(wire.Changed.className, wire.CODEC_INTERNAL, content);
      while (clients.at(-1)?.pushes.length === 0) await turn();
      lastMs = performance.now() - startMs;
    });
    let acks = 0;
    const acked = await cpuOf(async () => {
      for (const client of clients) acks += acknowledge(client, ack);
      await turn();
    });
    if (acks !== connections) throw new Error(`${acks} pushes instead of ${connections}`);
    if (round < 3) continue;
    pushed += acks;
    sendUs += us;
    ackUs += acked;
    if (round === rounds - 1) console.log(`first to last of ${connections}: ${lastMs.toFixed(1)} ms`);
  }
  const bytes = (clients[0].bytes / (rounds + 1)).toFixed(0);
  console.log(
    `push of ${bytes} B: ${(sendUs / pushed).toFixed(2)} us CPU to send, ${(ackUs / pushed).toFixed(2)} us to take the ack`,
  );
}

/** Live heap and buffers per publisher (as many services as publishers / 10) and per subscriber (one connection each). */
async function benchMemory(count: number): Promise<void> {
  const gc = (globalThis as { gc?: () => void }).gc;
  if (gc === undefined) return;
  const live = async (): Promise<number> => {
    for (let i = 0; i < 20; i++) await turn();
    gc();
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const dataBoxes = wire.packBoxes(['x'.repeat(300)]);
  const connection = connect(2);
  let before = await live();
  for (let i = 0; i < count; i++) {
    const message = { ...registration(`memory-${i % (count / 10)}`, crypto.randomUUID(), 1), dataBoxes };
    connection.handler?.data(
      clientFrame(i + 1, wire.PUBLISHER_REGISTER, wire.encodePublisherRegister(message)),
    );
    if (i % 64 === 0) await turn();
  }
  console.log(`publisher: ${((await live()) - before) / count} B each, payload of 300 B included`);
  before = await live();
  const stubs = Array.from({ length: count / 10 }, (_, i) => connect(100_000 + i));
  const perConnection = ((await live()) - before) / stubs.length;
  before = await live();
  for (const [i, client] of stubs.entries()) {
    const message = {
      ...registration(`memory-${i % 100}`, crypto.randomUUID(), 1),
      scope: 'dataCenter',
      acceptEncoding: null,
      acceptMulti: false,
    };
    client.handler?.data(clientFrame(1, wire.SUBSCRIBER_REGISTER, wire.encodeSubscriberRegister(message)));
    if (i % 64 === 0) await turn();
  }
  for (let i = 0; i < 100; i++) await turn();
  for (const client of stubs) acknowledge(client, ACK);
  console.log(
    `connection: ${perConnection} B each (with its stub); subscriber: ${((await live()) - before) / stubs.length} B each`,
  );
}

await stub('meta', answerMeta);
await stub('data', answerData);
const session = new SessionServer(
  { clock, random: seededRandom(1), network, clientNetwork, logger: noopLogger() },
  {
    listen: { host: '127.0.0.1', port: 9600 },
    advertise: '127.0.0.1:9600',
    httpAddress: '127.0.0.1:9603',
    metas: ['meta:1'],
    zone: 'DEFAULT_ZONE',
    dataCenter: 'DefaultDataCenter',
    slotConfig: { slotCount: SLOTS, replicas: 1, slotFunction: SLOT_FUNCTION },
    accessRatePerSecond: 10_000_000,
    registrationsPerConnectionMax: 10_000_000,
  },
);
// The stub data node is no member: the table names it, which is enough.
await session.start();
await benchMemory(argument('memory', 100_000));
await benchPublish(argument('publishes', 200_000));
await benchPush(argument('connections', 4000), 13);
session.kill();
process.exit(0);
