/**
 * BoltChannel over loopback TCP, between two processes: echo at several depths, one shared push body to many connections,
 * and what idle connections cost.
 *
 *   node --conditions=development bench/src/channel.ts
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BoltChannel, type Connection, type HostPort, noopLogger } from '@sofa-registry/runtime';
import { nodeClock, tcpNetwork } from '@sofa-registry/runtime/node';
import type { Frame } from '@sofa-registry/wire';

const HOST = '127.0.0.1';
const RUN_MS = 2000;
const REQUEST = Buffer.alloc(100, 'q');
const REPLY = Buffer.alloc(50, 'r');
const PUSH_BODY = Buffer.alloc(2500, 'p');
const ECHO_SHAPES = [
  [1, 1],
  [1, 64],
  [1, 1024],
  [50, 1],
  [50, 64],
] as const;
const FAN_OUT = 4000;
const FAN_OUT_ROUNDS = 20;
const IDLE = 8000;
const IDLE_MS = 10_000;
const CONNECT_BATCH = 100;

const clock = nodeClock();
const network = tcpNetwork({ clock, logger: noopLogger() });

/** What the server process reports. */
interface Usage {
  readonly connections: number;
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

function usage(connections: number): Usage {
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { connections, cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed };
}

/** The server: answers requests; `push` makes it send one shared body to all, and report when all acks are in. */
async function serve(): Promise<void> {
  const open = new Set<BoltChannel>();
  const options = {
    clock,
    idleCloseMs: 45_000,
    handler: {
      request: (channel: BoltChannel, frame: Frame) => channel.respond(frame, 'reply', REPLY),
      closed: (channel: BoltChannel) => void open.delete(channel),
    },
  };
  let waiting = 0;
  let startMs = 0;
  const onAck = (): void => {
    if (--waiting === 0) process.send?.({ pushedMs: performance.now() - startMs });
  };
  const done = { reply: onAck, failed: onAck };
  const listener = await network.listen({ host: HOST, port: 0 }, (connection) => {
    open.add(new BoltChannel(connection, options));
  });
  process.on('message', (message) => {
    if (message === 'usage') process.send?.({ usage: usage(open.size) });
    if (message === 'push') {
      waiting = open.size;
      startMs = performance.now();
      for (const channel of open) channel.request('push', 1, [REQUEST, PUSH_BODY], 30_000, done, null);
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ address: listener.address });
}

function answer<T>(child: ChildProcess, question?: string): Promise<T> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(Object.values(message)[0] as T));
    if (question !== undefined) child.send(question);
  });
}

const quiet = {
  request: (channel: BoltChannel, frame: Frame) => channel.respond(frame, 'ack', REPLY),
  closed: () => undefined,
};

async function connectAll(address: HostPort, count: number): Promise<BoltChannel[]> {
  const channels: BoltChannel[] = [];
  const options = { clock, handler: quiet, heartbeatMs: 15_000 };
  while (channels.length < count) {
    const batch: Promise<Connection>[] = [];
    for (let i = 0; i < Math.min(CONNECT_BATCH, count - channels.length); i++)
      batch.push(network.connect(address));
    // A connection must be attached in the turn in which it is handed out.
    channels.push(
      ...(await Promise.all(
        batch.map((one) => one.then((connection) => new BoltChannel(connection, options))),
      )),
    );
  }
  return channels;
}

/** Waits until the server has as many connections. */
async function accepted(child: ChildProcess, count: number): Promise<void> {
  while ((await answer<Usage>(child, 'usage')).connections !== count) await sleep(50);
}

async function closeAll(channels: readonly BoltChannel[]): Promise<void> {
  for (const channel of channels) channel.destroy('done');
  await sleep(300);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function echo(
  child: ChildProcess,
  address: HostPort,
  connections: number,
  window: number,
): Promise<void> {
  const channels = await connectAll(address, connections);
  let replies = 0;
  let failures = 0;
  let running = true;
  const latenciesUs: number[] = [];
  const done = {
    reply(channel: BoltChannel): void {
      replies++;
      if (running) channel.request('ask', 1, REQUEST, 10_000, done, channel);
    },
    failed(): void {
      failures++;
    },
  };
  for (const channel of channels) {
    for (let i = 0; i < window; i++) channel.request('ask', 1, REQUEST, 10_000, done, channel);
  }
  await sleep(500);
  const server = await answer<Usage>(child, 'usage');
  const client = process.cpuUsage();
  const first = replies;
  const startMs = performance.now();
  const probe = setInterval(() => {
    const atMs = performance.now();
    void channels[0]
      .call('ask', 1, REQUEST, 10_000)
      .then(() => latenciesUs.push((performance.now() - atMs) * 1000));
  }, 10);
  await sleep(RUN_MS);
  clearInterval(probe);
  const count = replies - first + latenciesUs.length;
  const seconds = (performance.now() - startMs) / 1000;
  const serverUs = (await answer<Usage>(child, 'usage')).cpuUs - server.cpuUs;
  const { user, system } = process.cpuUsage(client);
  running = false;
  latenciesUs.sort((a, b) => a - b);
  const at = (q: number): string => (latenciesUs[Math.floor(q * latenciesUs.length)] / 1000).toFixed(2);
  console.log(
    `echo ${`${connections} x ${window}`.padEnd(10)} ${Math.round(count / seconds)
      .toString()
      .padStart(9)} req/s` +
      `  server ${(serverUs / count).toFixed(2).padStart(6)} us/req  client ${((user + system) / count).toFixed(2).padStart(6)} us/req` +
      `  p50 ${at(0.5)} p99 ${at(0.99)} ms${failures > 0 ? `  FAILED ${failures}` : ''}`,
  );
  await closeAll(channels);
}

async function fanOut(child: ChildProcess, address: HostPort): Promise<void> {
  const channels = await connectAll(address, FAN_OUT);
  await accepted(child, FAN_OUT);
  for (let i = 0; i < 5; i++) await answer(child, 'push');
  const before = await answer<Usage>(child, 'usage');
  const times: number[] = [];
  for (let i = 0; i < FAN_OUT_ROUNDS; i++) times.push(await answer<number>(child, 'push'));
  const { cpuUs } = await answer<Usage>(child, 'usage');
  times.sort((a, b) => a - b);
  const each = (cpuUs - before.cpuUs) / (FAN_OUT * FAN_OUT_ROUNDS);
  console.log(
    `push 2.6 KB to ${FAN_OUT}, acked: ${times[FAN_OUT_ROUNDS / 2].toFixed(0)} ms to the last ack, server ${each.toFixed(2)} us/push`,
  );
  await closeAll(channels);
}

async function idle(child: ChildProcess, address: HostPort): Promise<void> {
  const before = await answer<Usage>(child, 'usage');
  const channels = await connectAll(address, IDLE);
  await Promise.all(channels.map((channel) => channel.call('ask', 1, REQUEST, 30_000)));
  await sleep(1000);
  const open = await answer<Usage>(child, 'usage');
  await sleep(IDLE_MS);
  const { cpuUs } = await answer<Usage>(child, 'usage');
  const rss = (open.rssBytes - before.rssBytes) / IDLE;
  const heap = (open.heapBytes - before.heapBytes) / IDLE;
  const percent = (cpuUs - open.cpuUs) / (IDLE_MS * 10);
  console.log(
    `${IDLE} idle connections: ${rss.toFixed(0)} B RSS and ${heap.toFixed(0)} B heap each, server CPU ${percent.toFixed(2)} % (heartbeats every 15 s)`,
  );
  await closeAll(channels);
}

async function main(): Promise<void> {
  const child = fork(import.meta.filename, ['serve'], {
    execArgv: ['--conditions=development', '--expose-gc'],
  });
  const address = await answer<HostPort>(child);
  const model = /model name\s*:\s*(.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
  console.log(`node ${process.version}, ${model}`);
  for (const [connections, window] of ECHO_SHAPES) await echo(child, address, connections, window);
  await fanOut(child, address);
  child.disconnect();
  const fresh = fork(import.meta.filename, ['serve'], {
    execArgv: ['--conditions=development', '--expose-gc'],
  });
  await idle(fresh, await answer<HostPort>(fresh));
  fresh.disconnect();
}

await (process.argv[2] === 'serve' ? serve() : main());
