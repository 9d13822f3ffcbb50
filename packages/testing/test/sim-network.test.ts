/** The simulated network: a stream as TCP shows it, and each fault it can play. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Connection, ManualClock, seededRandom } from '@sofa-registry/runtime';
import { SimHost, SimNetwork, type SimWorld, Trace } from '@sofa-registry/testing';

interface End {
  readonly connection: Connection;
  text: string;
  reason: string | null;
  drained: number;
}

function makeWorld(seed = 1): SimWorld & { clock: ManualClock } {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  return {
    clock,
    random,
    network: new SimNetwork(clock, random),
    trace: new Trace(false, () => clock.monoMs()),
    crashed: (_name, error) => {
      throw error;
    },
    loggedError: (_name, message) => {
      throw new Error(message);
    },
  };
}

function watch(connection: Connection): End {
  const end: End = { connection, text: '', reason: null, drained: 0 };
  connection.attach({
    data: (chunk) => {
      end.text += chunk.toString('latin1');
    },
    drained: () => end.drained++,
    closed: (reason) => {
      end.reason = reason;
    },
  });
  return end;
}

async function join(world: SimWorld, a: SimHost, b: SimHost): Promise<{ near: End; far: End }> {
  let far: End | null = null;
  const listener = await b.network.listen({ host: b.name, port: 0 }, (connection) => {
    far = watch(connection);
  });
  const connecting = a.network.connect(listener.address).then(watch);
  await world.clock.advance(10);
  const near = await connecting;
  if (far === null) throw new Error('not accepted');
  return { near, far };
}

async function outcome(world: SimWorld, promise: Promise<unknown>, ms: number): Promise<string> {
  let text = 'pending';
  promise.then(
    () => (text = 'done'),
    (error: Error) => (text = error.message),
  );
  await world.clock.advance(ms);
  return text;
}

describe('a stream', () => {
  test('delivers what was written, in order, with latency, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 40 }), { maxLength: 40 }),
        fc.integer(),
        async (texts, seed) => {
          const world = makeWorld(seed);
          const { near, far } = await join(world, new SimHost(world, 'a'), new SimHost(world, 'b'));
          for (const [i, text] of texts.entries()) {
            near.connection.write(Buffer.from(text, 'latin1'));
            if (i % 3 === 0) await world.clock.advance(0.2);
          }
          await world.clock.advance(50);
          expect(far.text).toBe(texts.map((text) => Buffer.from(text, 'latin1').toString('latin1')).join(''));
          expect(near.connection.bufferedBytes).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a reader that pauses stops the writer, and starts it again', async () => {
    const world = makeWorld();
    const { near, far } = await join(world, new SimHost(world, 'a'), new SimHost(world, 'b'));
    far.connection.pause();
    expect(near.connection.write(Buffer.alloc(600_000))).toBe(false);
    await world.clock.advance(100);
    expect([far.text.length, near.drained, near.connection.bufferedBytes]).toEqual([0, 0, 600_000]);
    far.connection.resume();
    await world.clock.advance(100);
    expect([far.text.length, near.drained, near.connection.bufferedBytes]).toEqual([600_000, 1, 0]);
  });

  test('an end is seen by both, after the bytes before it', async () => {
    const world = makeWorld();
    const { near, far } = await join(world, new SimHost(world, 'a'), new SimHost(world, 'b'));
    near.connection.write(Buffer.from('last'));
    near.connection.end();
    expect(near.connection.closed).toBe(true);
    far.connection.write(Buffer.from('answer'));
    await world.clock.advance(10);
    expect([far.text, far.reason, near.text, near.reason]).toEqual([
      'last',
      'peer closed',
      'answer',
      'ended',
    ]);
  });

  test('a reset is seen by both', async () => {
    const world = makeWorld();
    const { near, far } = await join(world, new SimHost(world, 'a'), new SimHost(world, 'b'));
    expect(world.network.reset('a', 'b')).toBe(1);
    await world.clock.advance(10);
    expect([near.reason, far.reason]).toEqual(['connection reset', 'connection reset']);
    expect(near.connection.write(Buffer.from('x'))).toBe(false);
  });
});

describe('faults', () => {
  test('bytes of a cut direction wait and arrive in order when it opens; the other direction works', async () => {
    const world = makeWorld();
    const { near, far } = await join(world, new SimHost(world, 'a'), new SimHost(world, 'b'));
    near.connection.write(Buffer.from('1'));
    world.network.block('a', 'b');
    near.connection.write(Buffer.from('2'));
    far.connection.write(Buffer.from('back'));
    await world.clock.advance(1000);
    near.connection.write(Buffer.from('3'));
    await world.clock.advance(1000);
    expect([far.text, near.text]).toEqual(['', 'back']);
    world.network.unblock('a', 'b');
    await world.clock.advance(10);
    expect(far.text).toBe('123');
  });

  test('two cuts of one direction need two repairs', async () => {
    const world = makeWorld();
    world.network.block('a', 'b');
    world.network.block('a', 'b');
    world.network.unblock('a', 'b');
    expect(world.network.blocked('a', 'b')).toBe(true);
    world.network.unblock('a', 'b');
    expect(world.network.blocked('a', 'b')).toBe(false);
  });

  test('a connect through a cut times out, to a closed port is refused', async () => {
    const world = makeWorld();
    const [a, b] = [new SimHost(world, 'a'), new SimHost(world, 'b')];
    const { address } = await b.network.listen({ host: 'b', port: 80 }, () => undefined);
    expect(await outcome(world, a.network.connect({ host: 'b', port: 81 }), 10)).toBe(
      'cannot connect: b:81: connection refused',
    );
    world.network.block('b', 'a');
    expect(await outcome(world, a.network.connect(address, { timeoutMs: 500 }), 499)).toBe('pending');
    expect(await outcome(world, a.network.connect(address, { timeoutMs: 500 }), 501)).toBe(
      'cannot connect: b:80: timed out',
    );
  });

  test('a killed process resets its connections, one that lost power leaves them half open until it is back', async () => {
    const world = makeWorld();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new SimHost(world, name));
    const killed = await join(world, a, b);
    const silent = await join(world, a, c);
    b.die(false);
    c.die(true);
    await world.clock.advance(10);
    expect([killed.near.reason, silent.near.reason]).toEqual(['connection reset', null]);
    silent.near.connection.write(Buffer.from('anybody?'));
    await world.clock.advance(60_000);
    expect(silent.near.reason).toBe(null);
    new SimHost(world, 'c');
    silent.near.connection.write(Buffer.from('anybody?'));
    await world.clock.advance(10);
    expect(silent.near.reason).toBe('connection reset');
  });

  test('a paused process is connected to and written to, and hears of it afterwards', async () => {
    const world = makeWorld();
    const [a, b] = [new SimHost(world, 'a'), new SimHost(world, 'b')];
    const { near, far } = await join(world, a, b);
    const heard: string[] = [];
    b.clock.setTimer(100, () => heard.push('timer'));
    b.clock.pause();
    near.connection.write(Buffer.from('x'));
    await world.clock.advance(1000);
    expect([far.text, heard, near.connection.bufferedBytes]).toEqual(['', [], 1]);
    b.clock.resume();
    await world.clock.advance(0);
    expect([far.text, heard, near.connection.bufferedBytes]).toEqual(['x', ['timer'], 0]);
  });

  test('a slow link delays, without reordering', async () => {
    const world = makeWorld();
    const { near, far } = await join(world, new SimHost(world, 'a'), new SimHost(world, 'b'));
    world.network.slow('a', 'b', 500);
    near.connection.write(Buffer.from('1'));
    await world.clock.advance(10);
    world.network.slow('a', 'b', 0);
    near.connection.write(Buffer.from('2'));
    await world.clock.advance(400);
    expect(far.text).toBe('');
    await world.clock.advance(200);
    expect(far.text).toBe('12');
  });
});

describe('a clock', () => {
  test('steps and drifts by itself, in whole ms', async () => {
    const world = makeWorld();
    const [a, b] = [new SimHost(world, 'a'), new SimHost(world, 'b')];
    const start = b.clock.wallMs();
    a.clock.stepWall(-10_000);
    a.clock.drift(100);
    await world.clock.advance(10_000.5);
    expect(a.clock.wallMs() - start).toBe(1000);
    expect(b.clock.wallMs() - start).toBe(10_000);
    a.clock.drift(0);
    await world.clock.advance(1000);
    expect(a.clock.wallMs() - start).toBe(2000);
  });

  test('is silent once its process is dead', async () => {
    const world = makeWorld();
    const a = new SimHost(world, 'a');
    let calls = 0;
    a.clock.setTimer(10, () => calls++);
    a.clock.defer(() => calls++);
    a.die(false);
    a.clock.setTimer(10, () => calls++);
    await world.clock.advance(100);
    expect(calls).toBe(0);
  });
});
