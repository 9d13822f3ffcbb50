/** What only TCP has: limits of the process, errors of the operating system, and channels over real sockets. */
import * as net from 'node:net';
import { expect, test } from 'vitest';
import {
  BoltChannel,
  BoltMetrics,
  type Clock,
  type Listener,
  memoryLogger,
  noopLogger,
  type RuntimeError,
} from '@sofa-registry/runtime';
import { NetMetrics, nodeClock, tcpNetwork, type TcpNetworkOptions } from '@sofa-registry/runtime/node';
import { echo, Side } from './channel-rig.ts';
import { Ear, HOST, tcpRig } from './rigs.ts';

const clock = nodeClock();
const { until } = tcpRig();

function network(more: Partial<TcpNetworkOptions> = {}) {
  const metrics = new NetMetrics();
  const logger = memoryLogger();
  return { metrics, logger, network: tcpNetwork({ clock, logger, metrics, ...more }) };
}

/** A socket of somebody else's program. */
async function plainSocket(listener: Listener): Promise<net.Socket> {
  const socket = net.connect({ host: HOST, port: listener.address.port });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return socket;
}

test('connectionsMax: one more is closed at once and counted; a place that gets free is given again', async () => {
  const { metrics, network: tcp } = network({ connectionsMax: 2 });
  const ears: Ear[] = [];
  const listener = await tcp.listen(
    { host: HOST, port: 0 },
    (connection) => void ears.push(new Ear(connection)),
  );
  const sockets = [await plainSocket(listener), await plainSocket(listener)];
  await until(() => ears.length === 2, 'two accepted');
  const third = await plainSocket(listener);
  let thirdClosed = false;
  third.on('close', () => {
    thirdClosed = true;
  });
  third.resume();
  await until(() => thirdClosed, 'third closed');
  expect([ears.length, metrics.refused.value, metrics.openNow]).toEqual([2, 1, 2]);
  sockets[0].destroy();
  await until(() => metrics.openNow === 1, 'one gone');
  sockets.push(await plainSocket(listener));
  await until(() => ears.length === 3, 'accepted again');
  for (const socket of sockets) socket.destroy();
  await until(() => metrics.openNow === 0, 'all gone');
  await listener.close();
});

test('bufferedBytesMax: the connection that holds the most is destroyed, the others keep their bytes', async () => {
  const { metrics, logger, network: tcp } = network({ bufferedBytesMax: 8 * 1024 * 1024 });
  const ears: Ear[] = [];
  const listener = await tcp.listen(
    { host: HOST, port: 0 },
    (connection) => void ears.push(new Ear(connection)),
  );
  // Neither of these two ever reads.
  const sockets = [await plainSocket(listener), await plainSocket(listener)];
  await until(() => ears.length === 2, 'accepted');
  const chunk = Buffer.alloc(256 * 1024, 'x');
  let modest = 0;
  for (; modest < 256 && ears[0].connection.bufferedBytes < 1024 * 1024; modest++) {
    ears[0].connection.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 400 && ears[1].reasons.length === 0; i++) {
    ears[1].connection.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(ears[1].reasons).toEqual(['buffered bytes limit of the process']);
  expect(ears[0].reasons).toEqual([]);
  expect(metrics.overflowed.value).toBe(1);
  expect(logger.lines.map((line) => line.level)).toEqual(['warn']);
  let received = 0;
  sockets[0].on('data', (bytes) => {
    received += bytes.length;
  });
  await until(() => received === modest * chunk.length, 'the modest one gets everything');
  expect(metrics.bufferedNow).toBe(0);
  for (const socket of sockets) socket.destroy();
  await until(() => metrics.openNow === 0, 'all gone');
  await listener.close();
});

test('bufferedBytesMax counts what the kernel does not take, not what one turn has written', async () => {
  const { metrics, network: tcp } = network({ bufferedBytesMax: 1024 * 1024 });
  const ears: Ear[] = [];
  const listener = await tcp.listen(
    { host: HOST, port: 0 },
    (connection) => void ears.push(new Ear(connection)),
  );
  const clients: Ear[] = [];
  for (let i = 0; i < 50; i++) clients.push(new Ear(await tcp.connect(listener.address)));
  await until(() => ears.length === 50, 'accepted');
  const body = Buffer.alloc(50_000, 'x');
  for (const ear of ears) ear.connection.write(body);
  await until(() => clients.every((client) => client.received === body.length), 'all arrived');
  expect(metrics.overflowed.value).toBe(0);
  for (const client of clients) client.connection.destroy('test over');
  await until(() => metrics.openNow === 0, 'all gone');
  await listener.close();
});

test('a peer that resets the connection: closed with the cause, once, nothing queued any more', async () => {
  const { metrics, network: tcp } = network();
  const ears: Ear[] = [];
  const listener = await tcp.listen(
    { host: HOST, port: 0 },
    (connection) => void ears.push(new Ear(connection)),
  );
  const socket = await plainSocket(listener);
  await until(() => ears.length === 1, 'accepted');
  ears[0].connection.write(Buffer.alloc(20 * 1024 * 1024));
  socket.resetAndDestroy();
  await until(() => ears[0].reasons.length > 0, 'closed');
  expect(ears[0].reasons[0]).toMatch(/ECONNRESET|EPIPE/);
  expect([metrics.bufferedNow, metrics.openNow]).toEqual([0, 0]);
  await listener.close();
});

test('an address that cannot be reached: given up in time', async () => {
  const { network: tcp, metrics } = network();
  // Of a range reserved for documentation: nobody answers, or the host knows at once that it has no route.
  let failure: RuntimeError | null = null;
  await tcp.connect({ host: '192.0.2.1', port: 9 }, { timeoutMs: 30 }).catch((error: RuntimeError) => {
    failure = error;
  });
  expect(failure).toMatchObject({ code: 'SR_NET_CONNECT' });
  expect(metrics.connectFailed.value).toBe(1);
});

test('an address that is not ours cannot be listened on', async () => {
  const { network: tcp } = network();
  await expect(tcp.listen({ host: '192.0.2.1', port: 0 }, () => undefined)).rejects.toMatchObject({
    code: 'SR_NET_LISTEN',
    message: expect.stringContaining('192.0.2.1'),
  });
});

test('an acceptor that throws loses that connection only', async () => {
  const { network: tcp, logger } = network();
  let count = 0;
  const ears: Ear[] = [];
  const listener = await tcp.listen({ host: HOST, port: 0 }, (connection) => {
    if (count++ === 0) throw new Error('bug');
    ears.push(new Ear(connection));
  });
  const first = await plainSocket(listener);
  let closed = false;
  first.resume().on('close', () => {
    closed = true;
  });
  await until(() => closed, 'first closed');
  const second = await plainSocket(listener);
  await until(() => ears.length === 1, 'second accepted');
  expect(logger.lines).toMatchObject([{ level: 'error', message: 'accepting a connection failed' }]);
  second.destroy();
  await until(() => ears[0].reasons.length === 1, 'closed');
  await listener.close();
});

test('closing leaves no timer behind', async () => {
  const waiting = new Set<object>();
  const counting: Clock = {
    monoMs: () => clock.monoMs(),
    wallMs: () => clock.wallMs(),
    defer: (fn) => clock.defer(fn),
    setTimer(delayMs, fn) {
      const mark = {};
      waiting.add(mark);
      const timer = clock.setTimer(delayMs, () => {
        waiting.delete(mark);
        fn();
      });
      return {
        cancel() {
          waiting.delete(mark);
          timer.cancel();
        },
      };
    },
  };
  const { network: tcp } = network({ clock: counting });
  const ears: Ear[] = [];
  const listener = await tcp.listen(
    { host: HOST, port: 0 },
    (connection) => void ears.push(new Ear(connection)),
  );
  for (const how of ['end', 'destroy'] as const) {
    const client = new Ear(await tcp.connect(listener.address));
    await until(() => ears.length > 0, 'accepted');
    client.connection[how]('test over');
    const server = ears.splice(0)[0];
    await until(() => client.reasons.length === 1 && server.reasons.length === 1, 'closed');
  }
  expect(waiting.size).toBe(0);
  await listener.close();
});

test('channels over sockets: pipelined calls both ways; garbage closes only its own connection', async () => {
  const tcp = tcpNetwork({ clock, logger: noopLogger() });
  const server = new Side();
  server.onRequest = echo;
  const options = { clock, handler: server.handler, metrics: new BoltMetrics(), idleCloseMs: 45_000 };
  const listener = await tcp.listen({ host: HOST, port: 0 }, (connection) => {
    new BoltChannel(connection, options);
  });
  const client = new Side();
  const channel = new BoltChannel(await tcp.connect(listener.address), {
    clock,
    handler: client.handler,
    metrics: client.metrics,
    heartbeatMs: 15_000,
  });
  const garbage = await plainSocket(listener);
  let garbageClosed = false;
  garbage.resume().on('close', () => {
    garbageClosed = true;
  });
  const calls = Array.from({ length: 2000 }, (_, i) =>
    channel.call('a.B', 1, [Buffer.from(`${i}:`), Buffer.alloc(i % 97 === 0 ? 100_000 : i % 300)], 10_000),
  );
  garbage.write('GET / HTTP/1.1\r\n\r\n');
  const replies = await Promise.all(calls);
  for (const [i, reply] of replies.entries())
    expect(reply.content.toString('latin1')).toMatch(new RegExp(`^${i}:`));
  await until(() => garbageClosed, 'garbage closed');
  expect(server.reasons).toHaveLength(1);
  expect(server.reasons[0]).toContain('SR_WIRE_FRAME_PROTOCOL');
  expect((await channel.call('a.B', 1, Buffer.from('still'), 10_000)).content.toString()).toBe('still');
  channel.end();
  await until(() => client.reasons.length === 1 && server.reasons.length === 2, 'closed');
  expect(client.reasons).toEqual(['ended']);
  await listener.close();
});
