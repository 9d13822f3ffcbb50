/** Idle and heartbeat rules (wire 1.5), in manual time. */
import { expect, test } from 'vitest';
import { encodeHeartbeat, encodeHeartbeatAck, encodeRequest } from '@sofa-registry/wire';
import { BoltChannel } from '@sofa-registry/runtime';
import { channels, rawPeer, Side } from './channel-rig.ts';
import { Ear, HOST, memoryRig } from './rigs.ts';

const HELLO = Buffer.from('hello');

test('two heartbeats at once are both acked, in the channel itself', async () => {
  const { clock, side, ear, frames } = await rawPeer();
  ear.connection.write(Buffer.concat([encodeHeartbeat(2, 1, 7), encodeHeartbeat(2, 1, 8)]));
  await clock.settle();
  expect(frames()).toMatchObject([
    { proto: 2, type: 0, cmdCode: 0, requestId: 7, status: 0, switchByte: 0 },
    { proto: 2, type: 0, cmdCode: 0, requestId: 8, status: 0, switchByte: 0 },
  ]);
  expect(side.requests).toEqual([]);
});

test('a silent peer is closed after idleCloseMs, at most a tick late', async () => {
  const { clock, side, ear } = await rawPeer({ idleCloseMs: 45_000 });
  await clock.advance(30_000);
  ear.connection.write(encodeHeartbeat(1, 1, 1));
  await clock.advance(44_900);
  expect(side.reasons).toEqual([]);
  await clock.advance(400);
  expect(side.reasons).toEqual(['idle: nothing received']);
  expect(side.metrics.closed.with('idle').value).toBe(1);
  expect(ear.reasons).toHaveLength(1);
});

test('what the server sends does not count as life of the client', async () => {
  const { clock, side, channel } = await rawPeer({ idleCloseMs: 10_000 });
  for (let i = 0; i < 12; i++) {
    channel.oneway('push', 1, HELLO);
    await clock.advance(1000);
  }
  expect(side.reasons).toEqual(['idle: nothing received']);
});

test('heartbeats keep an idle pair open for ever, one per interval', async () => {
  const { clock, client, server } = await channels({ heartbeatMs: 15_000 }, { idleCloseMs: 45_000 });
  await clock.advance(600_000);
  expect([client.reasons, server.reasons]).toEqual([[], []]);
  expect(client.metrics.heartbeatsSent.value).toBeGreaterThanOrEqual(39);
  expect(client.metrics.heartbeatsSent.value).toBeLessThanOrEqual(40);
  expect(server.metrics.heartbeatsReceived.value).toBe(client.metrics.heartbeatsSent.value);
});

test('unanswered heartbeats: three are sent, then the channel is closed', async () => {
  const { clock, side, frames } = await rawPeer({ heartbeatMs: 1000 });
  await clock.advance(3900);
  expect(frames().map((frame) => frame.cmdCode)).toEqual([0, 0, 0]);
  expect(side.reasons).toEqual([]);
  await clock.advance(500);
  expect(side.reasons).toEqual(['heartbeats unanswered']);
  expect(side.metrics.closed.with('heartbeat').value).toBe(1);
});

test('any byte of the peer starts the count again', async () => {
  const { clock, side, ear } = await rawPeer({ heartbeatMs: 1000, heartbeatMissesMax: 2 });
  for (let i = 0; i < 10; i++) {
    await clock.advance(2600);
    expect(side.reasons).toEqual([]);
    ear.connection.write(
      i % 2 === 0 ? encodeHeartbeatAck(1, 1, 1) : encodeHeartbeat(1, 1, 1).subarray(0, 22),
    );
  }
  await clock.advance(3500);
  expect(side.reasons).toEqual(['heartbeats unanswered']);
});

test('no heartbeat while traffic flows both ways', async () => {
  const { clock, clientChannel, client, server } = await channels({ heartbeatMs: 1000 });
  server.onRequest = (channel, frame) => channel.respond(frame, 'r', HELLO);
  for (let i = 0; i < 50; i++) {
    clientChannel.request('a', 1, HELLO, 100, client.done, i);
    await clock.advance(400);
  }
  expect(client.outcomes).toHaveLength(50);
  expect(client.metrics.heartbeatsSent.value).toBe(0);
});

test('a side that only receives still sends, so that the idle rule of the other side holds', async () => {
  const { clock, serverChannel, client, server } = await channels(
    { heartbeatMs: 15_000 },
    { idleCloseMs: 45_000 },
  );
  for (let i = 0; i < 300; i++) {
    serverChannel.oneway('push', 1, HELLO);
    await clock.advance(1000);
  }
  expect(client.requests).toHaveLength(300);
  expect([client.reasons, server.reasons]).toEqual([[], []]);
});

test('a thousand idle channels are not walked: until a rule may apply, nothing runs', async () => {
  const { clock, network } = memoryRig();
  const side = new Side();
  const options = side.options(clock, { idleCloseMs: 45_000 });
  const listener = await network.listen({ host: HOST, port: 0 }, (connection) => {
    new BoltChannel(connection, options);
  });
  const connecting = Array.from({ length: 1000 }, () => network.connect(listener.address));
  await clock.settle();
  for (const connection of await Promise.all(connecting)) new Ear(connection);
  let timers = 0;
  const setTimer = clock.setTimer.bind(clock);
  clock.setTimer = (delayMs, fn) => {
    timers++;
    return setTimer(delayMs, fn);
  };
  await clock.advance(44_000);
  expect(timers).toBe(0);
  expect(side.reasons).toEqual([]);
  await clock.advance(1250);
  expect(side.reasons).toHaveLength(1000);
  expect(clock.nextTimerMs()).toBe(Infinity);
});

test('a request of the peer also proves it alive', async () => {
  const { clock, side, ear } = await rawPeer({ idleCloseMs: 5000 });
  for (let i = 0; i < 10; i++) {
    ear.connection.write(encodeRequest({ requestId: i, codec: 1, className: 'a', content: HELLO }));
    await clock.advance(4000);
  }
  expect(side.requests).toHaveLength(10);
  expect(side.reasons).toEqual([]);
});
