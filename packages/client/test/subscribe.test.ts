import { versionToWire } from '@sofa-registry/model';
import { packBoxes, RESULT, RESULT_PB } from '@sofa-registry/wire';
import { describe, expect, it } from 'vitest';
import type { ServiceList } from '../src/index.ts';
import { entry } from './fake-session.ts';
import { World } from './world.ts';

const V1 = 4096 * 1000;

async function subscribed(options: { hello?: 'welcome' | 'refuse' } = {}) {
  const world = new World();
  const session = await world.session('a', options);
  const registry = await world.connect(['a']);
  const subscription = registry.subscribe({ dataId: 'pay' });
  await world.clock.settle();
  return { world, session, registry, subscription, to: session.last('subscriber', 'pay') };
}

/** Collects what an iteration shows. */
function collect(iterable: AsyncIterable<ServiceList>): ServiceList[] {
  const shown: ServiceList[] = [];
  void (async () => {
    for await (const list of iterable) shown.push(list);
  })();
  return shown;
}

describe('subscribing', () => {
  it('shows the first list to ready, current and the iteration, by zone and flat', async () => {
    const { world, session, subscription, to } = await subscribed();
    expect(to).toMatchObject({ scope: 'dataCenter', version: 1, eventType: 'REGISTER', acceptMulti: false });
    expect(subscription.current).toBeNull();
    const ready = subscription.ready();
    const entries = [entry('p1', 'x', 'Z1'), entry('p2', 'y', 'Z2'), entry('p3', 'z', 'Z1')];
    const nowMs = world.clock.wallMs();
    expect(await world.run(session.push(to, { version: V1, entries, localZone: 'Z1' }))).toBe(false);
    const list = await ready;
    expect(list).toMatchObject({ dataId: 'pay', version: V1, localZone: 'Z1', receivedMs: nowMs });
    expect([...list.zones]).toEqual([
      ['Z1', ['x', 'z']],
      ['Z2', ['y']],
    ]);
    expect(list.all).toEqual(['x', 'z', 'y']);
    expect(subscription.current).toBe(list);
    const { value } = await subscription[Symbol.asyncIterator]().next();
    expect(value).toBe(list);
  });

  it('gives lists that nobody can change', async () => {
    const { world, session, subscription, to } = await subscribed();
    await world.run(session.push(to, { version: V1, entries: [entry('p1', 'x')] }));
    const list = subscription.current as unknown as {
      all: string[];
      zones: Map<string, string[]>;
      version: number;
    };
    expect(() => list.all.push('evil')).toThrow(TypeError);
    expect(() => list.zones.set('evil', [])).toThrow(TypeError);
    expect(() => list.zones.clear()).toThrow(TypeError);
    expect(() => list.zones.get('DEFAULT_ZONE')?.push('evil')).toThrow(TypeError);
    expect(() => (list.version = 0)).toThrow(TypeError);
  });

  it('applies a delta to exactly its start, and asks for the whole list otherwise', async () => {
    const { world, session, subscription, to } = await subscribed();
    const entries = [entry('p1', 'x'), entry('p2', 'y')];
    await world.run(session.push(to, { version: V1, entries }));
    const before = subscription.current;
    const delta = {
      kind: 1,
      from: V1,
      version: V1 + 1,
      entries: [entry('p2', 'Y'), entry('p3', 'z')],
      removed: ['p1'],
    };
    expect(await world.run(session.push(to, delta))).toBe(false);
    expect(subscription.current).toMatchObject({ version: V1 + 1, all: ['Y', 'z'] });
    expect(before?.all).toEqual(['x', 'y']);

    const gap = { kind: 1, from: V1 + 5, version: V1 + 6, entries: [entry('p9', 'w')] };
    expect(await world.run(session.push(to, gap))).toBe(true);
    expect(subscription.current?.all).toEqual(['Y', 'z']);
    expect(await world.run(session.push(to, { version: V1 + 6, entries: [entry('p9', 'w')] }))).toBe(false);
    expect(subscription.current?.all).toEqual(['w']);
  });

  it('asks for the whole list when a delta comes first', async () => {
    const { world, session, subscription, to } = await subscribed();
    const delta = { kind: 1, from: V1, version: V1 + 1, entries: [entry('p1', 'x')] };
    expect(await world.run(session.push(to, delta))).toBe(true);
    expect(subscription.current).toBeNull();
  });

  it('never shows an older list, and not the same one twice', async () => {
    const { world, session, registry, subscription, to } = await subscribed();
    const shown = collect(subscription);
    await world.run(session.push(to, { version: V1 + 9, entries: [entry('p1', 'new')] }));
    for (const version of [V1, V1 + 8, 1]) {
      expect(await world.run(session.push(to, { version, entries: [entry('p1', 'old')] }))).toBe(false);
    }
    await world.run(session.push(to, { version: V1 + 9, entries: [entry('p1', 'new')] }));
    const stale = { kind: 1, from: V1, version: V1 + 3, entries: [entry('p1', 'old')] };
    expect(await world.run(session.push(to, stale))).toBe(false);
    expect(shown.map((list) => list.all)).toEqual([['new']]);
    const counted = registry.metrics.families().find((family) => family.name.endsWith('pushes_stale_total'));
    expect(counted?.samples()[0].value).toBe(4);
  });

  it('shows an empty list for a service that nobody has published', async () => {
    const { world, session, subscription, to } = await subscribed();
    await world.run(session.push(to, { version: 1 }));
    expect(subscription.current).toMatchObject({ version: 1, all: [] });
    const delta = { kind: 1, from: 1, version: V1, entries: [entry('p1', 'x')] };
    expect(await world.run(session.push(to, delta))).toBe(false);
    expect(subscription.current?.all).toEqual(['x']);
  });

  it('shows a slow consumer the newest list only', async () => {
    const { world, session, subscription, to } = await subscribed();
    const iterator = subscription[Symbol.asyncIterator]();
    for (let i = 0; i < 50; i++) {
      await world.run(session.push(to, { version: V1 + i, entries: [entry('p1', `v${i}`)] }));
    }
    expect((await iterator.next()).value).toMatchObject({ all: ['v49'] });
    const next = iterator.next();
    await world.run(session.push(to, { version: V1 + 50, entries: [entry('p1', 'v50')] }));
    expect((await next).value).toMatchObject({ all: ['v50'] });
  });

  it('calls a listener with the newest list, one call at a time, and survives what it throws', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const warnings: string[] = [];
    registry.on('warning', (error) => warnings.push(`${error.code} ${error.message}`));
    const seen: string[] = [];
    const gates: (() => void)[] = [];
    registry.subscribe({ dataId: 'pay' }, async (list) => {
      seen.push(list.all[0]);
      await new Promise<void>((resolve) => gates.push(resolve));
      if (list.all[0] === 'v0') throw new Error('boom');
    });
    await world.clock.settle();
    const to = session.last('subscriber', 'pay');
    for (let i = 0; i < 5; i++) {
      await world.run(session.push(to, { version: V1 + i, entries: [entry('p1', `v${i}`)] }));
    }
    expect(seen).toEqual(['v0']);
    gates[0]();
    await world.clock.settle();
    expect(seen).toEqual(['v0', 'v4']);
    gates[1]();
    await world.clock.settle();
    expect(seen).toEqual(['v0', 'v4']);
    expect(warnings).toEqual(['SR_CLIENT_LISTENER a listener threw: boom']);
  });

  it('shares one registration between subscriptions of one service and scope', async () => {
    const { world, session, registry, subscription, to } = await subscribed();
    const second = registry.subscribe({ dataId: 'pay' });
    const other = registry.subscribe({ dataId: 'pay', scope: 'zone' });
    await world.run(session.push(to, { version: V1, entries: [entry('p1', 'x')] }));
    expect(second.current).toBe(subscription.current);
    expect(other.current).toBeNull();
    expect(session.arrived.map((one) => one.scope)).toEqual(['dataCenter', 'zone']);
    subscription.close();
    await world.clock.advance(10);
    expect(session.arrived).toHaveLength(2);
    second.close();
    await world.clock.advance(10);
    expect(session.arrived[2]).toMatchObject({
      eventType: 'UNREGISTER',
      version: 2,
      registerId: to.registerId,
    });
    expect(second.current?.all).toEqual(['x']);
  });

  it('ends iterations and waits when it is closed or its signal aborts', async () => {
    const { world, registry, subscription } = await subscribed();
    const ended = subscription[Symbol.asyncIterator]().next();
    const waiting = subscription.ready();
    subscription.close();
    expect(await ended).toEqual({ done: true, value: undefined });
    await expect(waiting).rejects.toMatchObject({ code: 'SR_CLIENT_CLOSED' });

    const abort = new AbortController();
    const aborted = registry.subscribe({ dataId: 'other', signal: abort.signal });
    const next = aborted[Symbol.asyncIterator]().next();
    abort.abort();
    expect((await next).done).toBe(true);
    expect(aborted.closed).toBe(true);

    const patient = registry.subscribe({ dataId: 'third' });
    const impatience = new AbortController();
    const ready = patient.ready(impatience.signal);
    impatience.abort();
    await expect(ready).rejects.toMatchObject({ code: 'SR_CLIENT_ABORTED' });
    expect(patient.closed).toBe(false);
    const last = patient[Symbol.asyncIterator]().next();
    await world.run(registry.close());
    expect((await last).done).toBe(true);
  });

  it('leaves the subscription open when a loop is left, and lets another one start', async () => {
    const { world, session, subscription, to } = await subscribed();
    await world.run(session.push(to, { version: V1, entries: [entry('p1', 'x')] }));
    for await (const list of subscription) {
      expect(list.all).toEqual(['x']);
      break;
    }
    expect(subscription.closed).toBe(false);
    for await (const list of subscription) {
      expect(list.all).toEqual(['x']);
      break;
    }
  });

  it('does not take a list that is over its limit', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a'], { limits: { listEntriesMax: 2 } });
    const warnings: string[] = [];
    registry.on('warning', (error) => warnings.push(error.code));
    const subscription = registry.subscribe({ dataId: 'pay' });
    await world.clock.settle();
    const to = session.last('subscriber', 'pay');
    await world.run(session.push(to, { version: V1, entries: [entry('p1', 'x'), entry('p2', 'y')] }));
    const entries = [entry('p1', 'x'), entry('p2', 'y'), entry('p3', 'z')];
    await world.run(session.push(to, { version: V1 + 1, entries }));
    expect(subscription.current?.all).toEqual(['x', 'y']);
    expect(warnings).toEqual(['SR_CLIENT_LIMIT']);
    expect(() => {
      for (let i = 0; i < 20_001; i++) registry.subscribe({ dataId: 'pay' });
    }).toThrow(expect.objectContaining({ code: 'SR_CLIENT_LIMIT' }));
  });

  it('refuses a push it cannot read and goes on', async () => {
    const { world, session, subscription, to, registry } = await subscribed();
    const warnings: string[] = [];
    registry.on('warning', (error) => warnings.push(error.code));
    const broken = { registerId: 'p1', zone: 'Z', payload: Buffer.from([9, 9]) };
    await expect(world.run(session.push(to, { version: V1, entries: [broken] }))).rejects.toMatchObject({
      code: 'SR_RPC_STATUS',
      status: 0x12,
    });
    const unknown = to.channel.call('com.example.Nonsense', 1, Buffer.alloc(3), 1000);
    await expect(world.run(unknown)).rejects.toMatchObject({ code: 'SR_RPC_STATUS', status: 2 });
    await world.run(session.push(to, { version: V1, entries: [entry('p1', 'x')] }));
    expect(subscription.current?.all).toEqual(['x']);
    expect(warnings).toEqual(['SR_CLIENT_PUSH']);
  });
});

describe('a subscription the registry refuses for good', () => {
  it('ends with the reason, and may be asked for again', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    session.verdict = () => ({ refused: true, message: 'no' });
    const subscription = registry.subscribe({ dataId: 'pay' });
    const ready = subscription.ready();
    const next = subscription[Symbol.asyncIterator]().next();
    const refused = { code: 'SR_CLIENT_REFUSED', message: expect.stringMatching(/pay.*: no$/) };
    const both = [expect(ready).rejects.toMatchObject(refused), expect(next).rejects.toMatchObject(refused)];
    await world.run(Promise.all(both));
    expect(subscription.closed).toBe(true);
    session.verdict = () => ({});
    registry.subscribe({ dataId: 'pay' });
    await world.clock.advance(1000);
    expect(session.arrived.map((one) => one.eventType)).toEqual(['REGISTER', 'REGISTER']);
  });
});

describe('subscribing at a server that does not know the SDK', () => {
  const data = (...values: string[]) => new Map([['DEFAULT_ZONE', packBoxes(values)]]);

  it('takes protobuf and Hessian pushes, and acknowledges each in its own form', async () => {
    const { world, session, subscription, to } = await subscribed({ hello: 'refuse' });
    expect(session.hellos).toEqual([]);
    const version = versionToWire(V1);
    const pb = await world.run(session.pushPlain(to, { version, data: data('x', 'y') }));
    expect(pb.className).toBe(RESULT_PB);
    expect(subscription.current).toMatchObject({ version: V1, all: ['x', 'y'] });
    const hessian = await world.run(
      session.pushPlain(to, { version: versionToWire(V1 + 1), data: data('z') }, true),
    );
    expect(hessian.className).toBe(RESULT);
    expect(subscription.current).toMatchObject({ version: V1 + 1, all: ['z'] });
  });

  it('keeps the version guard to the last bit of a reference version', async () => {
    const { world, session, subscription, to } = await subscribed({ hello: 'refuse' });
    const high = 2n ** 53n + 2n;
    await world.run(session.pushPlain(to, { version: high, data: data('new') }));
    await world.run(session.pushPlain(to, { version: high - 1n, data: data('old') }));
    await world.run(session.pushPlain(to, { version: 1, data: new Map() }));
    expect(subscription.current?.all).toEqual(['new']);
    await world.run(session.pushPlain(to, { version: high + 1n, data: data('newer') }));
    expect(subscription.current?.all).toEqual(['newer']);
  });

  it('acknowledges and ignores a push without data', async () => {
    const { world, session, subscription, to } = await subscribed({ hello: 'refuse' });
    const ack = await world.run(session.pushPlain(to, { version: 5, data: null }, true));
    expect(ack.className).toBe(RESULT);
    expect(subscription.current).toBeNull();
  });

  it('asks for all data centres with scope global, and merges them', async () => {
    const world = new World();
    const session = await world.session('a', { hello: 'refuse' });
    const registry = await world.connect(['a']);
    const subscription = registry.subscribe({ dataId: 'pay', scope: 'global' });
    await world.clock.settle();
    const to = session.last('subscriber', 'pay');
    expect(to.acceptMulti).toBe(true);
    await world.run(session.pushPlain(to, { segment: 'dc1', version: 80, data: data('x') }));
    await world.run(session.pushPlain(to, { segment: 'dc2', version: 40, data: data('y') }));
    expect(subscription.current).toMatchObject({ version: 10, all: ['x', 'y'] });
  });
});
