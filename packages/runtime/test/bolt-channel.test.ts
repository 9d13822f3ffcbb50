import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RpcError } from '@sofa-registry/runtime';
import {
  BoltStatus,
  crcOfParts,
  encodeHeartbeat,
  encodeRequest,
  encodeResponse,
  type Frame,
  FRAME_ONEWAY,
  type RequestOptions,
} from '@sofa-registry/wire';
import { channels, echo, rawPeer } from './channel-rig.ts';

const HELLO = Buffer.from('hello');

function requestBytes(requestId: number, more: Partial<RequestOptions> = {}): Buffer {
  return encodeRequest({ requestId, codec: 1, timeoutMs: 1000, className: 'a.B', content: HELLO, ...more });
}

async function rejection(promise: Promise<unknown>): Promise<RpcError> {
  try {
    await promise;
  } catch (error) {
    return error as RpcError;
  }
  throw new Error('expected a rejection');
}

describe('requests and replies', () => {
  test('call resolves with the reply frame', async () => {
    const { clock, clientChannel, server } = await channels();
    server.onRequest = echo;
    const call = clientChannel.call('a.B', 11, HELLO, 1000);
    await clock.settle();
    const reply = await call;
    expect([reply.className, reply.codec, reply.content.toString()]).toEqual(['a.B', 11, 'hello']);
    expect(server.requests[0].frame.timeoutMs).toBe(1000);
    expect(clientChannel.pendingCount).toBe(0);
  });

  test('either side may ask; both share one connection', async () => {
    const { clock, clientChannel, serverChannel, client, server } = await channels();
    client.onRequest = echo;
    server.onRequest = echo;
    const calls = [clientChannel.call('up', 1, HELLO, 1000), serverChannel.call('down', 1, HELLO, 1000)];
    await clock.settle();
    const classes = (await Promise.all(calls)).map((frame) => frame.className);
    expect(classes).toEqual(['up', 'down']);
    expect(clientChannel.remoteAddress).toBe(serverChannel.localAddress);
    expect(serverChannel.remoteAddress).toBe(clientChannel.localAddress);
  });

  test('pipelined requests answered in any order find their tokens, without any promise', async () => {
    const { clock, clientChannel, client, server } = await channels();
    for (let i = 0; i < 500; i++) clientChannel.request('a.B', 1, Buffer.from(`q${i}`), 1000, client.done, i);
    await clock.settle();
    expect(server.requests).toHaveLength(500);
    for (const { channel, frame } of server.requests.toReversed()) echo(channel, frame);
    await clock.settle();
    expect(client.outcomes).toHaveLength(500);
    for (const { token, frame } of client.outcomes) expect(frame?.content.toString()).toBe(`q${token}`);
  });

  test('content in parts, small and large, arrives as one', async () => {
    const { clock, clientChannel, server } = await channels();
    const large = Buffer.alloc(100_000, 'x');
    server.onRequest = (channel, frame) =>
      channel.respond(frame, Buffer.from('r'), [Buffer.from(frame.content), Buffer.alloc(0), large]);
    const calls = [
      clientChannel.call('a.B', 1, [Buffer.from('a'), Buffer.from('b'), large], 1000),
      clientChannel.call(Buffer.from('a.B'), 1, large, 1000),
    ];
    await clock.settle();
    const lengths = (await Promise.all(calls)).map((frame) => frame.content.length);
    expect(lengths).toEqual([200_002, 200_000]);
    expect((await calls[0]).content.subarray(0, 3).toString()).toBe('abx');
  });

  test('a status other than success is a failure that carries it', async () => {
    const { clock, clientChannel, server } = await channels();
    server.onRequest = (channel, frame) => channel.respondError(frame, BoltStatus.serverThreadpoolBusy);
    const call = rejection(clientChannel.call('a.B', 11, HELLO, 1000));
    await clock.settle();
    const error = await call;
    expect([error.code, error.status]).toEqual(['SR_RPC_STATUS', 4]);
  });

  test('an error reply has codec 1, switch 0, no class, no content', async () => {
    const { clock, side, ear, frames } = await rawPeer();
    side.onRequest = (channel, frame) => channel.respondError(frame, BoltStatus.serverDeserialException);
    ear.connection.write(requestBytes(9, { proto: 2, ver1: 2, switchByte: 1, codec: 11 }));
    await clock.settle();
    const [reply] = frames();
    expect(reply).toMatchObject({
      proto: 2,
      ver1: 2,
      requestId: 9,
      codec: 1,
      switchByte: 0,
      status: 0x12,
      className: '',
    });
    expect(reply.content).toHaveLength(0);
  });

  test('oneway is delivered and never answered', async () => {
    const { clock, clientChannel, server, client } = await channels();
    server.onRequest = (channel, frame) => {
      channel.respond(frame, 'r', HELLO);
      channel.respondError(frame, 1);
    };
    clientChannel.oneway('a.B', 1, [HELLO, HELLO]);
    await clock.settle();
    expect(server.requests[0].frame).toMatchObject({ type: FRAME_ONEWAY, timeoutMs: -1 });
    expect(server.requests[0].frame.content.toString()).toBe('hellohello');
    expect(client.metrics.framesReceived.value).toBe(0);
  });

  test('what one turn writes arrives in one turn', async () => {
    const { clock, clientChannel, server, client } = await channels();
    clientChannel.request('a', 1, HELLO, 1000, client.done, 1);
    clientChannel.request('b', 1, HELLO, 1000, client.done, 2);
    expect(clientChannel.bufferedBytes).toBeGreaterThan(50);
    expect(server.requests).toHaveLength(0);
    clock.settleSync();
    expect(server.requests.map(({ frame }) => frame.className)).toEqual(['a', 'b']);
  });
});

describe('time-outs, late and double replies', () => {
  test('a request without reply fails in time, the late reply is counted and ignored', async () => {
    const { clock, clientChannel, server, client } = await channels();
    clientChannel.request('a.B', 1, HELLO, 200, client.done, 'token');
    await clock.advance(199);
    expect(client.outcomes).toEqual([]);
    await clock.advance(11);
    expect(client.outcomes).toMatchObject([
      { token: 'token', error: { code: 'SR_RPC_TIMEOUT', retryable: true } },
    ]);
    echo(server.requests[0].channel, server.requests[0].frame);
    await clock.settle();
    expect(client.outcomes).toHaveLength(1);
    expect(client.metrics.repliesLate.value).toBe(1);
    expect(client.metrics.requestsTimedOut.value).toBe(1);
    expect(clientChannel.closed).toBe(false);
  });

  test('a second reply and an invented one are ignored', async () => {
    const { clock, clientChannel, server, client } = await channels();
    server.onRequest = (channel, frame) => {
      echo(channel, frame);
      echo(channel, frame);
      channel.respond({ ...frame, requestId: 777_777 }, 'r', HELLO);
    };
    clientChannel.request('a.B', 1, HELLO, 200, client.done, 1);
    await clock.advance(1000);
    expect(client.outcomes).toHaveLength(1);
    expect(client.metrics.repliesLate.value).toBe(2);
  });

  test('many time-outs of different length fire in order, each within a tick, with one clock timer', async () => {
    const { clock, clientChannel, client } = await channels();
    const fired: [number, number][] = [];
    const done = {
      reply: client.done.reply,
      failed: (token: number) => void fired.push([token, clock.monoMs()]),
    };
    const waits = [5, 100, 3000, 650, 12, 40_000, 600, 3_000_000];
    const startMs = clock.monoMs();
    for (const waitMs of waits) clientChannel.request('a.B', 1, HELLO, waitMs, done, waitMs);
    await clock.advance(3_000_010);
    expect(fired.map(([token]) => token)).toEqual(waits.toSorted((a, b) => a - b));
    for (const [waitMs, atMs] of fired) {
      expect(atMs - startMs).toBeGreaterThanOrEqual(waitMs);
      expect(atMs - startMs).toBeLessThanOrEqual(waitMs + 10);
    }
  });

  test('cancel and abort: no outcome, the reply counts as late', async () => {
    const { clock, clientChannel, server, client } = await channels();
    const id = clientChannel.request('a.B', 1, HELLO, 200, client.done, 1);
    const abort = new AbortController();
    const call = rejection(clientChannel.call('a.B', 1, HELLO, 200, abort.signal));
    await clock.settle();
    expect([clientChannel.cancel(id), clientChannel.cancel(id)]).toEqual([true, false]);
    abort.abort(new Error('enough'));
    for (const { channel, frame } of server.requests) echo(channel, frame);
    await clock.advance(1000);
    expect((await call).message).toBe('enough');
    expect(client.outcomes).toEqual([]);
    expect(client.metrics.repliesLate.value).toBe(2);
    const never = await rejection(clientChannel.call('a.B', 1, HELLO, 200, abort.signal));
    expect(never.message).toBe('enough');
  });

  test('above pendingMax a request fails with BUSY, later, and nothing is sent', async () => {
    const { clock, clientChannel, server, client } = await channels({ pendingMax: 3 });
    const ids = [1, 2, 3, 4].map((token) => clientChannel.request('a.B', 1, HELLO, 500, client.done, token));
    expect(ids[3]).toBe(0);
    expect(client.outcomes).toEqual([]);
    await clock.settle();
    expect(client.outcomes).toMatchObject([{ token: 4, error: { code: 'SR_RPC_BUSY' } }]);
    expect(server.requests).toHaveLength(3);
    expect(client.metrics.requestsRefused.value).toBe(1);
    echo(server.requests[1].channel, server.requests[1].frame);
    await clock.settle();
    expect(clientChannel.request('a.B', 1, HELLO, 500, client.done, 5)).toBeGreaterThan(0);
  });
});

describe('closing', () => {
  test('all waiting requests fail with CLOSED before closed is told, which happens once', async () => {
    const { clock, clientChannel, serverChannel, client, server } = await channels();
    for (let i = 0; i < 20; i++) clientChannel.request('a.B', 1, HELLO, 1000, client.done, i);
    await clock.settle();
    serverChannel.destroy('server says so');
    expect(server.reasons).toEqual([]);
    await clock.settle();
    expect(server.reasons).toEqual(['server says so']);
    expect(client.reasons).toEqual(['peer closed']);
    expect(client.outcomes.map(({ token, error }) => [token, error?.code])).toEqual(
      Array.from({ length: 20 }, (_, i) => [i, 'SR_RPC_CLOSED']),
    );
    await clock.advance(60_000);
    expect([client.outcomes.length, client.reasons.length, server.reasons.length]).toEqual([20, 1, 1]);
    expect(client.metrics.closed.with('peer').value).toBe(1);
    expect(server.metrics.closed.with('other').value).toBe(1);
  });

  test('after close everything is refused quietly and no timer is left', async () => {
    const { clock, clientChannel, client, server } = await channels(
      { heartbeatMs: 1000 },
      { idleCloseMs: 45_000 },
    );
    clientChannel.request('a.B', 1, HELLO, 30_000, client.done, 1);
    await clock.settle();
    clientChannel.destroy('done');
    await clock.settle();
    expect(clientChannel.closed).toBe(true);
    expect(clientChannel.request('a.B', 1, HELLO, 1000, client.done, 2)).toBe(0);
    clientChannel.oneway('a.B', 1, HELLO);
    server.requests[0].channel.respond(server.requests[0].frame, 'r', HELLO);
    server.requests[0].channel.respondError(server.requests[0].frame, 1);
    await clock.settle();
    expect(client.outcomes.map(({ error }) => error?.code)).toEqual(['SR_RPC_CLOSED', 'SR_RPC_CLOSED']);
    const call = rejection(clientChannel.call('a.B', 1, HELLO, 1000));
    await clock.settle();
    expect((await call).code).toBe('SR_RPC_CLOSED');
    expect(clock.nextTimerMs()).toBe(Infinity);
  });

  test('end flushes, delivers replies that still come, then closes', async () => {
    const { clock, clientChannel, client, server } = await channels();
    server.onRequest = echo;
    clientChannel.request('a.B', 1, HELLO, 1000, client.done, 1);
    clientChannel.end();
    expect(clientChannel.closed).toBe(true);
    await clock.settle();
    expect(server.requests).toHaveLength(1);
    expect(client.reasons).toEqual(['ended']);
    expect(server.reasons).toEqual(['peer closed']);
    expect(client.outcomes).toHaveLength(1);
    expect(clock.nextTimerMs()).toBe(Infinity);
  });

  test('destroy inside a request drops the frames behind it', async () => {
    const { clock, side, ear } = await rawPeer();
    side.onRequest = (channel) => channel.destroy('enough');
    ear.connection.write(Buffer.concat([requestBytes(1), requestBytes(2), requestBytes(3)]));
    await clock.settle();
    expect(side.requests).toHaveLength(1);
    expect(side.reasons).toEqual(['enough']);
  });
});

describe('a peer that asks and never reads', () => {
  const big = Buffer.alloc(100_000);

  test('with pauseWhenFull no more of its requests are read until it takes the answers', async () => {
    const { clock, side, ear, frames } = await rawPeer({ pauseWhenFull: true, idleCloseMs: 45_000 });
    side.onRequest = (channel, frame) => channel.respond(frame, 'r', big);
    ear.connection.pause();
    for (let i = 1; i <= 50; i++) {
      ear.connection.write(requestBytes(i));
      await clock.settle();
    }
    expect(side.requests.length).toBeLessThan(10);
    ear.connection.resume();
    await clock.settle();
    expect(side.requests).toHaveLength(50);
    expect(frames().map((frame) => frame.requestId)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    ear.connection.pause();
    for (let i = 1; i <= 50; i++) ear.connection.write(requestBytes(i));
    await clock.advance(46_000);
    expect(side.reasons).toEqual(['idle: nothing received']);
  });

  test('without it the connection is destroyed when too much is queued', async () => {
    const { clock, side, channel, ear } = await rawPeer();
    side.onRequest = (asked, frame) => asked.respond(frame, 'r', big);
    ear.connection.pause();
    for (let i = 1; i <= 700; i++) ear.connection.write(requestBytes(i));
    await clock.settle();
    expect(side.reasons).toEqual(['queued bytes limit of the connection']);
    expect(channel.bufferedBytes).toBe(0);
  });
});

describe('bytes that are not Bolt', () => {
  test('garbage closes only that channel; frames before it were handled', async () => {
    const { clock, side, ear } = await rawPeer();
    side.onRequest = echo;
    ear.connection.write(
      Buffer.concat([requestBytes(1), Buffer.from('GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n')]),
    );
    await clock.settle();
    expect(side.requests).toHaveLength(1);
    expect(side.reasons[0]).toContain('SR_WIRE_FRAME_PROTOCOL');
    expect(ear.reasons).toEqual(['peer closed']);
    expect(side.metrics.wireErrors.with('SR_WIRE_FRAME_PROTOCOL').value).toBe(1);
    expect(side.metrics.closed.with('wire').value).toBe(1);
  });

  test('a frame above the limit closes the channel before its body is waited for', async () => {
    const { clock, side, ear } = await rawPeer({ limits: { frameBytesMax: 1000 } });
    ear.connection.write(requestBytes(1, { content: Buffer.alloc(2000) }).subarray(0, 40));
    await clock.settle();
    expect(side.reasons[0]).toContain('SR_WIRE_FRAME_TOO_BIG');
  });

  test('a wrong checksum closes the channel, a right one is accepted', async () => {
    const { clock, side, ear } = await rawPeer();
    const good = requestBytes(1, { proto: 2, ver1: 2, switchByte: 1 });
    ear.connection.write(good);
    await clock.settle();
    expect(side.requests).toHaveLength(1);
    const bad = Buffer.from(good);
    bad[bad.length - 6] ^= 1;
    ear.connection.write(bad);
    await clock.settle();
    expect(side.requests).toHaveLength(1);
    expect(side.reasons[0]).toContain('SR_WIRE_FRAME_CRC');
  });

  test('a slow drip of single bytes is decoded all the same', async () => {
    const { clock, side, ear, frames } = await rawPeer();
    side.onRequest = echo;
    for (const byte of requestBytes(5)) {
      ear.connection.write(Buffer.from([byte]));
      await clock.advance(100);
    }
    expect(frames()).toMatchObject([{ requestId: 5 }]);
    expect(side.requests).toHaveLength(1);
  });

  test('any chunking of any sequence of frames gives the same frames and the same answers', async () => {
    const frame = fc.record({
      requestId: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      content: fc.uint8Array({ maxLength: 300 }),
      oneway: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 })),
        async (all, cuts) => {
          const { clock, side, ear, frames } = await rawPeer();
          side.onRequest = echo;
          const stream = Buffer.concat(
            all.map((one) => requestBytes(one.requestId, { ...one, content: Buffer.from(one.content) })),
          );
          let at = 0;
          for (let i = 0; at < stream.length; i++) {
            const size = cuts.length === 0 ? stream.length : cuts[i % cuts.length];
            ear.connection.write(stream.subarray(at, at + size));
            at += size;
            if (size % 2 === 0) clock.settleSync();
          }
          await clock.settle();
          expect(side.requests).toHaveLength(all.length);
          const asked = all
            .filter((one) => !one.oneway)
            .map((one) => [one.requestId, Buffer.from(one.content).toString('hex')]);
          expect(frames().map((reply) => [reply.requestId, reply.content.toString('hex')])).toEqual(asked);
          expect(ear.reasons).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('protocol and checksum of what is sent', () => {
  test.each([
    [1, 1, 0],
    [2, 1, 0],
    [2, 2, 1],
  ] as const)('an acceptor learns protocol %i, version %i from the first frame', async (proto, ver1, crc) => {
    const { clock, side, channel, ear, frames } = await rawPeer();
    ear.connection.write(requestBytes(1, { proto, ver1, switchByte: crc }));
    await clock.settle();
    expect([channel.proto, channel.ver1]).toEqual([proto, ver1]);
    channel.request('push', 1, HELLO, 1000, side.done, 1);
    channel.request('push', 1, [HELLO, Buffer.alloc(5000)], 1000, side.done, 2);
    channel.oneway('push', 1, HELLO);
    channel.respond(side.requests[0].frame, 'r', [HELLO, Buffer.alloc(5000)]);
    await clock.settle();
    const seen = frames();
    expect(seen).toHaveLength(4);
    for (const frame of seen) expect(frame).toMatchObject({ proto, ver1, switchByte: crc });
  });

  test('a reply copies the switch of its own request, so CRC is decided per frame', async () => {
    const { clock, side, ear, frames } = await rawPeer();
    side.onRequest = echo;
    ear.connection.write(requestBytes(1, { proto: 2, ver1: 2, switchByte: 1 }));
    ear.connection.write(requestBytes(2, { proto: 2, ver1: 2, switchByte: 0 }));
    await clock.settle();
    const raw = ear.bytes;
    const second = raw.length - (22 + 3 + 5);
    expect(frames().map((frame) => [frame.requestId, frame.switchByte])).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(raw.subarray(second - 4, second)).toEqual(crcOfParts([raw.subarray(0, second - 4)]));
  });

  test('with version 1 of protocol 2 the switch is copied and there is no checksum', async () => {
    const { clock, side, ear, frames } = await rawPeer();
    side.onRequest = echo;
    ear.connection.write(requestBytes(1, { proto: 2, ver1: 1, switchByte: 1 }));
    await clock.settle();
    expect(frames()).toMatchObject([{ requestId: 1, switchByte: 1 }]);
    expect(ear.received).toBe(22 + 3 + 5);
  });

  test('an initiator speaks the protocol it was given, whatever comes back', async () => {
    const { clock, clientChannel, server } = await channels({ proto: 2, ver1: 2 });
    server.onRequest = echo;
    const call = clientChannel.call('a.B', 1, HELLO, 1000);
    await clock.settle();
    await call;
    expect(server.requests[0].frame).toMatchObject({ proto: 2, ver1: 2, switchByte: 1 });
  });
});

describe('bugs of the owner', () => {
  test('a throwing request handler is reported, answered 0x0002, and harms nobody else', async () => {
    const { clock, side, ear, frames } = await rawPeer();
    const bug = new Error('bug');
    side.onRequest = (channel, frame) => {
      if (frame.requestId === 1) throw bug;
      echo(channel, frame);
    };
    ear.connection.write(Buffer.concat([requestBytes(1), requestBytes(2)]));
    await clock.settle();
    expect(frames().map((frame: Frame) => [frame.requestId, frame.status])).toEqual([
      [1, 2],
      [2, 0],
    ]);
    expect(side.crashes).toEqual([bug]);
    expect(side.metrics.crashes.value).toBe(1);
  });

  test('a throwing reply handler does not keep the others from their outcome', async () => {
    const { clock, clientChannel, client, server } = await channels();
    server.onRequest = echo;
    const bad = {
      reply: () => {
        throw new Error('bug in reply');
      },
      failed: () => {
        throw new Error('bug in failed');
      },
    };
    clientChannel.request('a', 1, HELLO, 100, bad, 1);
    clientChannel.request('a', 1, HELLO, 100, client.done, 2);
    await clock.settle();
    server.onRequest = () => undefined;
    clientChannel.request('a', 1, HELLO, 100, bad, 3);
    clientChannel.request('a', 1, HELLO, 100, client.done, 4);
    await clock.advance(200);
    expect(client.outcomes.map(({ token }) => token)).toEqual([2, 4]);
    expect(client.crashes).toHaveLength(2);
  });

  test('content that cannot be framed throws at the caller and leaves nothing behind', async () => {
    const { clock, clientChannel, client } = await channels();
    const name = Buffer.alloc(40_000, 'n');
    expect(() => clientChannel.request(name, 1, HELLO, 100, client.done, 1)).toThrow(/length does not fit/);
    expect((await rejection(clientChannel.call(name, 1, HELLO, 100))).message).toMatch(/length does not fit/);
    expect(clientChannel.pendingCount).toBe(0);
    await clock.advance(1000);
    expect(client.outcomes).toEqual([]);
  });
});

test('an unknown response to a heartbeat id is not taken for a reply', async () => {
  const { clock, side, ear, frames } = await rawPeer();
  ear.connection.write(encodeHeartbeat(1, 1, -5));
  ear.connection.write(encodeResponse({ requestId: 3, codec: 1, status: 0 }));
  await clock.settle();
  expect(frames()).toMatchObject([{ type: 0, cmdCode: 0, requestId: -5, status: 0 }]);
  expect(side.metrics.heartbeatsReceived.value).toBe(1);
  expect(side.metrics.repliesLate.value).toBe(1);
});
