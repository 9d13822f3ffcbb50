import { describe, expect, it } from 'vitest';
import type { RegistryStateChange } from '../src/index.ts';
import { BEAT_MS, SERVER_LIST_REFRESH_MS } from '../src/limits.ts';
import type { ServerListSource } from '../src/server-list.ts';
import { entry, type FakeSession } from './fake-session.ts';
import { World } from './world.ts';

const V1 = 4096 * 1000;

const listOf = (hosts: () => string[]): ServerListSource & { asked: number } => ({
  asked: 0,
  fetch() {
    this.asked++;
    return Promise.resolve(hosts().map((host) => ({ host, port: 9600, weight: 0 })));
  },
});

async function pair(world: World): Promise<{ used: FakeSession; other: FakeSession }> {
  const a = await world.session('a');
  const b = await world.session('b');
  const registry = await world.connect(['a', 'b']);
  return registry.session === a.address ? { used: a, other: b } : { used: b, other: a };
}

describe('keeping the connection', () => {
  it('registers everything again elsewhere after a loss: same ids and versions, lists kept', async () => {
    const world = new World();
    const { used, other } = await pair(world);
    const [registry] = world.registries;
    const publication = await world.run(registry.publish({ dataId: 'pay' }, 'v1'));
    await world.run(publication.update('v2'));
    const subscription = registry.subscribe({ dataId: 'pay' });
    await world.clock.settle();
    const to = used.last('subscriber', 'pay');
    await world.run(used.push(to, { version: V1, entries: [entry('p', 'x')] }));
    const states: RegistryStateChange[] = [];
    registry.on('state', (change) => states.push(change));

    await used.kill();
    await world.clock.advance(200);
    expect(states.map(({ state, session }) => [state, session])).toEqual([
      ['reconnecting', ''],
      ['connected', other.address],
    ]);
    expect(other.last('publisher', 'pay')).toMatchObject({
      registerId: publication.registerId,
      version: 2,
      eventType: 'REGISTER',
      values: ['v2'],
    });
    expect(Number(other.last('publisher', 'pay').timestamp)).toBeGreaterThan(0);
    expect(other.last('subscriber', 'pay')).toMatchObject({ registerId: to.registerId, version: 1 });
    expect(subscription.current?.all).toEqual(['x']);

    const again = other.last('subscriber', 'pay');
    await world.run(other.push(again, { version: V1 - 1, entries: [] }));
    expect(subscription.current?.all).toEqual(['x']);
    const delta = { kind: 1, from: V1, version: V1 + 1, entries: [entry('q', 'y')] };
    expect(await world.run(other.push(again, delta))).toBe(false);
    expect(subscription.current?.all).toEqual(['x', 'y']);
  });

  it('notices a silent session within three beats', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    await session.shut();
    for (const channel of session.channels) channel.pause();
    await world.clock.advance(2 * BEAT_MS);
    expect(registry.state).toBe('connected');
    await world.clock.advance(BEAT_MS + 1);
    expect(registry.state).toBe('reconnecting');
  });

  it('keeps an idle connection alive with beats, for hours', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const [channel] = session.channels;
    let longestMs = 0;
    for (let i = 0; i < 3600; i++) {
      await world.clock.advance(1000);
      longestMs = Math.max(longestMs, world.clock.monoMs() - channel.lastReceivedMonoMs);
    }
    expect(registry.state).toBe('connected');
    expect(longestMs).toBeLessThanOrEqual(BEAT_MS);
    expect(session.hellos).toMatchObject([{ appName: 'orders', beatMs: BEAT_MS, delta: true }]);
  });

  it('tries all sessions, again and again, and reads the list whenever all failed', async () => {
    const world = new World();
    const hosts = ['a', 'b', 'c'];
    const list = listOf(() => hosts);
    const registry = await world.connect([], { list, waitMs: 0 });
    await world.clock.advance(20_000);
    expect(registry.state).toBe('connecting');
    expect(list.asked).toBeGreaterThan(5);
    const session = await world.session('z');
    hosts.push('z');
    await world.clock.advance(6000);
    expect(registry.session).toBe(session.address);
  });

  it('reads the list every 30 s and uses it at the next loss', async () => {
    const world = new World();
    const a = await world.session('a');
    const hosts = ['a'];
    const list = listOf(() => hosts);
    const registry = await world.connect([], { list });
    const b = await world.session('b');
    hosts[0] = 'b';
    await world.clock.advance(SERVER_LIST_REFRESH_MS + 100);
    expect(registry.session).toBe(a.address);
    const asked = list.asked;
    await a.kill();
    await world.clock.advance(150);
    expect(registry.session).toBe(b.address);
    expect(list.asked).toBe(asked);
  });

  it('uses the sessions a session told of when the list cannot be read any more', async () => {
    const world = new World();
    const a = await world.session('a', { sessions: ['a:9600', 'b:9600', 'nonsense'] });
    await world.session('b');
    const registry = await world.connect(['a']);
    await a.kill();
    await world.clock.advance(500);
    expect(registry.session).toBe('b:9600');
  });

  it('speaks plain protobuf with a server that hangs up on the hello', async () => {
    const world = new World();
    const a = await world.session('a', { hello: 'hangup' });
    const b = await world.session('b', { hello: 'hangup' });
    const registry = await world.connect(['a', 'b']);
    await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    expect(a.arrived.length + b.arrived.length).toBe(1);
  });

  it('goes on to another session when one never answers the hello', async () => {
    const world = new World();
    await world.session('a', { hello: 'silent' });
    const b = await world.session('b');
    for (let seed = 1; seed < 5; seed++) {
      const registry = await world.connect(['a', 'b'], { seed });
      expect(registry.session).toBe(b.address);
    }
  });

  it('spreads clients over sessions and prefers those with fewer connections', async () => {
    const world = new World();
    const counts = new Map<string, number>();
    for (const host of ['a', 'b', 'c']) await world.session(host);
    const weights: Record<string, number> = { a: 5, b: 5, c: 500 };
    const list: ServerListSource = {
      fetch: () =>
        Promise.resolve(Object.keys(weights).map((host) => ({ host, port: 9600, weight: weights[host] }))),
    };
    for (let seed = 0; seed < 60; seed++) {
      const { session } = await world.connect([], { list, seed });
      counts.set(session, (counts.get(session) ?? 0) + 1);
    }
    expect(counts.get('a:9600')).toBeGreaterThan(15);
    expect(counts.get('b:9600')).toBeGreaterThan(15);
    expect(counts.get('c:9600') ?? 0).toBe(0);
  });
});

describe('waiting for the first connection', () => {
  it('gives up in time and tells the last failure in one line', async () => {
    const world = new World();
    const startMs = world.clock.monoMs();
    const connecting = world.connect(['nobody'], { waitMs: 3000 });
    await expect(connecting).rejects.toMatchObject({
      code: 'SR_CLIENT_UNREACHABLE',
      message: expect.stringMatching(/^no session server reached: in 3000 ms; .*nobody:9600.*refused$/),
    });
    expect(world.clock.monoMs() - startMs).toBeLessThan(3100);
    await world.clock.advance(60_000);
    expect(world.clock.nextTimerMs()).toBe(Infinity);
  });

  it('ends when the signal aborts', async () => {
    const world = new World();
    const abort = new AbortController();
    world.clock.setTimer(500, () => abort.abort(new Error('stop')));
    const connecting = world.connect(['nobody'], { waitMs: Infinity, signal: abort.signal });
    await expect(connecting).rejects.toMatchObject({ code: 'SR_CLIENT_ABORTED' });
    await expect(world.connect(['nobody'], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'SR_CLIENT_ABORTED',
    });
  });

  it('names the list of servers when that is what failed', async () => {
    const world = new World();
    const list: ServerListSource = { fetch: () => Promise.reject(new Error('HTTP status 503')) };
    await expect(world.connect([], { list, waitMs: 1000 })).rejects.toMatchObject({
      message: expect.stringContaining('HTTP status 503'),
    });
    const never: ServerListSource = {
      fetch: (signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    };
    await expect(world.connect([], { list: never, waitMs: 4000 })).rejects.toMatchObject({
      message: expect.stringContaining('no answer in 3000 ms'),
    });
  });

  it('does not wait when told so; what was published meanwhile is sent later', async () => {
    const world = new World();
    const registry = await world.connect(['a'], { waitMs: 0 });
    const publishing = registry.publish({ dataId: 'pay' }, 'v');
    await world.clock.advance(3000);
    const session = await world.session('a');
    await world.run(publishing);
    expect(session.arrived).toHaveLength(1);
  });
});

describe('moving on request', () => {
  it('takes everything over before it leaves, without a gap', async () => {
    const world = new World();
    const { used, other } = await pair(world);
    const [registry] = world.registries;
    const publication = await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    const subscription = registry.subscribe({ dataId: 'pay' });
    await world.clock.settle();
    const states: string[] = [];
    registry.on('state', (change) => states.push(`${change.state} ${change.session}`));
    let channelsDuringReplay = 0;
    other.verdict = () => {
      channelsDuringReplay = used.channels.size;
      return null;
    };
    used.drain(1000);
    await world.clock.advance(2000);
    expect(states).toEqual([`connected ${other.address}`]);
    expect(channelsDuringReplay).toBe(1);
    expect(used.channels.size).toBe(1);
    // Lists that the old session still pushes count.
    const to = used.last('subscriber', 'pay');
    await world.run(used.push(to, { version: V1, entries: [entry('p', 'x')] }));
    expect(subscription.current?.all).toEqual(['x']);

    other.verdict = () => ({});
    await world.clock.advance(6000);
    expect(used.channels.size).toBe(0);
    expect(publication.acked).toBe(true);
    expect(used.arrived.every((one) => one.eventType === 'REGISTER')).toBe(true);
    expect(other.last('publisher', 'pay')).toMatchObject({ registerId: publication.registerId, version: 1 });
    expect(states).toHaveLength(1);
  });

  it('stays where it is while there is nowhere else to go', async () => {
    const world = new World();
    const a = await world.session('a');
    const registry = await world.connect(['a']);
    a.drain(0, ['b:9600']);
    await world.clock.advance(5000);
    expect(registry.session).toBe(a.address);
    const b = await world.session('b');
    await world.clock.advance(6000);
    expect(registry.session).toBe(b.address);
  });

  it('reconnects at once when the session goes before the move', async () => {
    const world = new World();
    const { used, other } = await pair(world);
    const [registry] = world.registries;
    used.drain(60_000);
    await world.clock.advance(10);
    await used.kill();
    await world.clock.advance(200);
    expect(registry.session).toBe(other.address);
  });

  it('closes the old connection after a bounded time even if the new session never acknowledges', async () => {
    const world = new World();
    const { used, other } = await pair(world);
    const [registry] = world.registries;
    await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    other.verdict = () => null;
    used.drain(0);
    await world.clock.advance(9000);
    expect(used.channels.size).toBe(1);
    await world.clock.advance(2000);
    expect(used.channels.size).toBe(0);
  });

  it('sends a withdrawal that was on its way again to the new session', async () => {
    const world = new World();
    const { used, other } = await pair(world);
    const [registry] = world.registries;
    const publication = await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    used.verdict = () => null;
    const closing = publication.close();
    used.drain(0);
    await world.run(closing);
    expect(other.last('publisher', 'pay')).toMatchObject({ eventType: 'UNREGISTER', version: 2 });
  });
});
