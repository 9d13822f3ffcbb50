/** What both networks promise, by the same scenarios. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RuntimeError } from '@sofa-registry/runtime';
import { Ear, HOST, memoryRig, pair, type Rig, tcpRig } from './rigs.ts';

const MIB = 1024 * 1024;

/** Bytes that show any loss or change of order. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

async function refusal(promise: Promise<unknown>, rig: Rig): Promise<RuntimeError> {
  let caught: unknown = null;
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    (error: unknown) => {
      caught = error;
      settled = true;
    },
  );
  await rig.until(() => settled, 'settled');
  return caught as RuntimeError;
}

/** Writes until `write` says stop, letting the network work in between; returns what was written. */
async function fill(rig: Rig, ear: Ear, chunkBytes: number): Promise<Buffer[]> {
  const written: Buffer[] = [];
  for (let i = 0; i < 4096; i++) {
    const chunk = pattern(chunkBytes, i);
    written.push(chunk);
    if (!ear.connection.write(chunk)) return written;
    if (i % 16 === 15) await rig.quiet();
  }
  throw new Error('never full');
}

describe.each([
  ['memory', memoryRig],
  ['tcp', tcpRig],
] as const)('%s network', (_name, makeRig) => {
  test('bytes arrive in order, both ways, never inside write', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    for (let i = 0; i < 100; i++) expect(client.connection.write(Buffer.from(`${i},`))).toBe(true);
    server.connection.write(Buffer.from('hello'));
    expect([client.received, server.received]).toEqual([0, 0]);
    expect(client.connection.bufferedBytes).toBe(290);
    await rig.until(() => server.received === 290 && client.received === 5, 'all arrived');
    expect(server.text).toBe(Array.from({ length: 100 }, (_, i) => `${i},`).join(''));
    expect(client.text).toBe('hello');
    expect(client.connection.bufferedBytes).toBe(0);
    await close();
  });

  test('both ends know both addresses', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    expect(client.connection.remote).toEqual(server.connection.local);
    expect(server.connection.remote).toEqual(client.connection.local);
    expect(server.connection.local.port).toBeGreaterThan(0);
    await close();
  });

  test('end sends what is queued, then both sides are closed, each told once', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    const big = pattern(3 * MIB, 1);
    client.connection.write(big);
    client.connection.end();
    expect(client.connection.closed).toBe(true);
    expect(client.connection.write(Buffer.from('too late'))).toBe(false);
    await rig.until(() => client.reasons.length > 0 && server.reasons.length > 0, 'closed');
    expect(server.bytes.equals(big)).toBe(true);
    expect([client.reasons, server.reasons]).toEqual([['ended'], ['peer closed']]);
    await close();
    expect([client.reasons.length, server.reasons.length]).toEqual([1, 1]);
  });

  test('what the other side has queued still arrives after end', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    const big = pattern(2 * MIB, 2);
    server.connection.write(big);
    client.connection.end();
    await rig.until(() => client.reasons.length > 0, 'closed');
    expect(client.bytes.equals(big)).toBe(true);
    expect(server.reasons).toEqual(['peer closed']);
    await close();
  });

  test('destroy is told later, with its reason, and drops what is queued', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    client.connection.write(Buffer.from('lost'));
    client.connection.destroy('because');
    client.connection.destroy('again');
    expect(client.reasons).toEqual([]);
    expect(client.connection.closed).toBe(true);
    expect(client.connection.bufferedBytes).toBe(0);
    await rig.until(() => client.reasons.length > 0 && server.reasons.length > 0, 'closed');
    expect(client.reasons).toEqual(['because']);
    expect(server.reasons).toHaveLength(1);
    expect(server.received).toBe(0);
    expect(server.connection.write(Buffer.from('x'))).toBe(false);
    await close();
  });

  test('write says stop above the high mark, drained comes at the low mark, nothing is lost', async () => {
    const rig = makeRig({ highWaterBytes: 16 * MIB, lowWaterBytes: 64 * 1024 });
    const { client, server, close } = await pair(rig);
    server.connection.pause();
    const written = await fill(rig, client, 256 * 1024);
    await rig.quiet();
    expect(client.connection.bufferedBytes).toBeGreaterThan(64 * 1024);
    expect(client.drains).toBe(0);
    server.connection.resume();
    await rig.until(() => client.drains > 0, 'drained');
    const total = Buffer.concat(written);
    await rig.until(() => server.received === total.length, 'all arrived');
    expect(server.bytes.equals(total)).toBe(true);
    expect(client.drains).toBe(1);
    expect(client.drainedAtBytes[0]).toBeLessThanOrEqual(64 * 1024);
    expect(client.connection.bufferedBytes).toBe(0);
    await close();
  });

  test('what is written while bytes are being delivered comes behind them, also after a pause', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    const hear = server.data.bind(server);
    let first = true;
    server.data = (chunk) => {
      hear(chunk);
      if (!first) return;
      first = false;
      server.connection.pause();
      client.connection.write(Buffer.from('later'));
    };
    for (const word of ['one', 'two', 'three']) client.connection.write(Buffer.from(word));
    await rig.until(() => server.received >= 3, 'first chunk');
    await rig.quiet();
    server.connection.resume();
    await rig.until(() => server.received === 16, 'all arrived');
    expect(server.text).toBe('onetwothreelater');
    await close();
  });

  test('several connections that are full at a time do not mix up their bytes', async () => {
    const rig = makeRig();
    const pairs = [await pair(rig), await pair(rig), await pair(rig)];
    for (const { server } of pairs) server.connection.pause();
    const sent: Buffer[][] = pairs.map(() => []);
    const full = pairs.map(() => false);
    for (let turn = 0; turn < 4096 && full.includes(false); turn++) {
      for (const [i, { client }] of pairs.entries()) {
        for (let part = 0; part < 16 && !full[i]; part++) {
          const bytes = Buffer.alloc(3000 + i, (turn * 16 + part) * 3 + i);
          sent[i].push(bytes);
          full[i] = !client.connection.write(bytes);
        }
      }
      await rig.turn();
    }
    for (const { server } of pairs) server.connection.resume();
    for (const [i, { server, close }] of pairs.entries()) {
      const total = Buffer.concat(sent[i]);
      await rig.until(() => server.received === total.length, 'all arrived');
      expect(server.bytes.equals(total)).toBe(true);
      await close();
    }
  });

  test('pause stops data, resume goes on', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    server.connection.pause();
    client.connection.write(Buffer.from('abc'));
    await rig.quiet();
    expect(server.received).toBe(0);
    server.connection.resume();
    await rig.until(() => server.received === 3, 'arrived');
    await close();
  });

  test('one buffer of 10 MiB among small ones', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    const parts = [Buffer.from('head'), pattern(10 * MIB, 3), Buffer.from('tail')];
    for (const part of parts) client.connection.write(part);
    const total = Buffer.concat(parts);
    await rig.until(() => server.received === total.length, 'arrived');
    expect(server.bytes.equals(total)).toBe(true);
    await close();
  });

  test('a batch that mixes small and large buffers keeps its order', async () => {
    const rig = makeRig();
    const { client, server, close } = await pair(rig);
    const parts = Array.from({ length: 400 }, (_, i) => pattern(i % 7 === 0 ? 40_000 : i % 50, i));
    for (const part of parts) client.connection.write(part);
    const total = Buffer.concat(parts);
    await rig.until(() => server.received === total.length, 'arrived');
    expect(server.bytes.equals(total)).toBe(true);
    await close();
  });

  test('a peer that does not close is given up after the linger time', async () => {
    const rig = makeRig({ endLingerMs: 50 });
    const { client, server, close } = await pair(rig);
    server.connection.pause();
    client.connection.write(pattern(20 * MIB, 4));
    client.connection.end();
    await rig.quiet();
    if ('advance' in rig.clock) await (rig.clock as ReturnType<typeof memoryRig>['clock']).advance(50);
    await rig.until(() => client.reasons.length > 0, 'given up');
    expect(client.reasons).toEqual(['peer did not close in time']);
    expect(client.connection.bufferedBytes).toBe(0);
    await close();
  });

  test('a connection with more than queuedBytesMax queued is destroyed', async () => {
    const rig = makeRig({ queuedBytesMax: 24 * MIB });
    const { client, server, close } = await pair(rig);
    server.connection.pause();
    const chunk = Buffer.alloc(MIB);
    let writes = 0;
    while (!client.connection.closed && writes < 200) {
      client.connection.write(chunk);
      writes++;
    }
    await rig.until(() => client.reasons.length > 0, 'destroyed');
    expect(client.reasons).toEqual(['queued bytes limit of the connection']);
    expect(writes).toBeGreaterThan(24);
    expect(client.connection.bufferedBytes).toBe(0);
    await close();
  });

  test('nobody listens: refused, with the address in the message', async () => {
    const rig = makeRig();
    const { address } = await rig.network
      .listen({ host: HOST, port: 0 }, () => undefined)
      .then(async (listener) => {
        const closing = listener.close();
        await rig.quiet();
        await closing;
        return listener;
      });
    const error = await refusal(rig.network.connect(address), rig);
    expect(error.code).toBe('SR_NET_CONNECT');
    expect(error.message).toContain(`${HOST}:${address.port}`);
    expect(error.message).toMatch(/refused/i);
    expect(error.retryable).toBe(true);
  });

  test('a port in use: the error names it', async () => {
    const rig = makeRig();
    const listener = await rig.network.listen({ host: HOST, port: 0 }, () => undefined);
    const { port } = listener.address;
    const error = await refusal(
      rig.network.listen({ host: HOST, port }, () => undefined),
      rig,
    );
    expect(error.code).toBe('SR_NET_LISTEN');
    expect(error.message).toContain(`port ${port} on ${HOST} is in use`);
    const closing = listener.close();
    await rig.quiet();
    await closing;
    const again = await rig.network.listen({ host: HOST, port }, () => undefined);
    expect(again.address.port).toBe(port);
    await Promise.all([again.close(), rig.quiet()]);
  });

  test('an aborted connect rejects and leaves no connection behind', async () => {
    const rig = makeRig();
    const ears: Ear[] = [];
    const listener = await rig.network.listen({ host: HOST, port: 0 }, (connection) => {
      ears.push(new Ear(connection));
    });
    const abort = new AbortController();
    const connecting = rig.network.connect(listener.address, { signal: abort.signal });
    abort.abort(new Error('changed my mind'));
    const error = await refusal(connecting, rig);
    expect(error.code).toBe('SR_NET_CONNECT');
    expect((error.cause as Error).message).toBe('changed my mind');
    await rig.quiet();
    await rig.until(() => ears.every((ear) => ear.reasons.length === 1), 'closed');
    await Promise.all([listener.close(), rig.quiet()]);
  });

  test('closing the listener leaves connections open', async () => {
    const rig = makeRig();
    const ears: Ear[] = [];
    const listener = await rig.network.listen({ host: HOST, port: 0 }, (connection) => {
      ears.push(new Ear(connection));
    });
    let client: Ear | null = null;
    void rig.network.connect(listener.address).then((connection) => {
      client = new Ear(connection);
    });
    await rig.until(() => client !== null && ears.length === 1, 'connected');
    await Promise.all([listener.close(), rig.quiet()]);
    ears[0].connection.write(Buffer.from('still here'));
    await rig.until(() => (client as Ear | null)?.text === 'still here', 'arrived');
    ears[0].connection.destroy('test over');
    await rig.until(() => (client as Ear | null)?.reasons.length === 1, 'closed');
  });

  test('bytes written by the acceptor at once are not lost before the connector attaches', async () => {
    const rig = makeRig();
    const listener = await rig.network.listen({ host: HOST, port: 0 }, (connection) => {
      new Ear(connection);
      connection.write(Buffer.from('greeting'));
    });
    let client: Ear | null = null;
    void rig.network.connect(listener.address).then((connection) => {
      client = new Ear(connection);
    });
    await rig.until(() => (client as Ear | null)?.text === 'greeting', 'greeted');
    (client as Ear | null)?.connection.destroy('test over');
    await Promise.all([listener.close(), rig.quiet()]);
  });

  test('any interleaving of writes, turns, pauses and resumes delivers the same bytes', async () => {
    const rig = makeRig();
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const), size: fc.nat({ max: 3000 }), from: fc.boolean() }),
      fc.record({ do: fc.constant('large' as const), size: fc.nat({ max: 300_000 }), from: fc.boolean() }),
      fc.record({ do: fc.constant('turn' as const) }),
      fc.record({ do: fc.constant('pause' as const), from: fc.boolean() }),
      fc.record({ do: fc.constant('resume' as const), from: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, end) => {
        const { client, server, close } = await pair(rig);
        const sent: [Buffer[], Buffer[]] = [[], []];
        const ends = [client, server];
        for (const [i, one] of steps.entries()) {
          if (one.do === 'turn') await new Promise<void>((resolve) => queueMicrotask(resolve));
          else if (one.do === 'pause') ends[Number(one.from)].connection.pause();
          else if (one.do === 'resume') ends[Number(one.from)].connection.resume();
          else {
            const bytes = pattern(one.size, i);
            sent[Number(one.from)].push(bytes);
            ends[Number(one.from)].connection.write(bytes);
          }
          if (one.do === 'turn' && i % 5 === 0) await rig.quiet();
        }
        for (const one of ends) one.connection.resume();
        if (end) client.connection.end();
        const [toServer, toClient] = sent.map((parts) => Buffer.concat(parts));
        await rig.until(
          () => server.received >= toServer.length && client.received >= toClient.length,
          'all arrived',
        );
        expect(server.bytes.equals(toServer) && client.bytes.equals(toClient)).toBe(true);
        if (end) await rig.until(() => client.reasons.length === 1 && server.reasons.length === 1, 'closed');
        await close();
        expect([client.reasons.length, server.reasons.length]).toEqual([1, 1]);
      }),
      { numRuns: rig.name === 'memory' ? 200 : 15 },
    );
  });
});
