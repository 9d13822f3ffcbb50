import { BoltStatus } from '@sofa-registry/wire';
import { describe, expect, it } from 'vitest';
import { CLOSE_WAIT_MS, REGISTRATIONS_IN_FLIGHT_MAX, RESEND_MS, UPDATE_WAITERS_MAX } from '../src/limits.ts';
import type { Arrived } from './fake-session.ts';
import { World } from './world.ts';

const told = (arrived: readonly Arrived[]) =>
  arrived.map(({ eventType, version, values }) => [eventType, version, ...values]);

describe('publishing', () => {
  it('registers, updates and unregisters with versions 1, 2, 3 under one registerId', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const publication = await world.run(
      registry.publish({ dataId: 'pay', group: 'g' }, 'http://10.0.0.7:80'),
    );
    expect(publication.acked).toBe(true);
    await world.run(publication.update(['x', 'y']));
    await world.run(publication.close());
    expect(told(session.arrived)).toEqual([
      ['REGISTER', 1, 'http://10.0.0.7:80'],
      ['REGISTER', 2, 'x', 'y'],
      ['UNREGISTER', 3],
    ]);
    expect(new Set(session.arrived.map((one) => one.registerId))).toEqual(new Set([publication.registerId]));
    expect(session.arrived[0].app).toBe('orders');
    expect(session.arrived[2].timestamp).toBe(session.arrived[1].timestamp);
    expect(publication.closed).toBe(true);
  });

  it('sends it again until it is acknowledged, and not after', async () => {
    const world = new World();
    const session = await world.session('a');
    const verdicts = [{ success: false, message: 'busy' }, BoltStatus.serverException, { version: 99 }];
    session.verdict = () => verdicts.shift() ?? {};
    const registry = await world.connect(['a']);
    const warnings: string[] = [];
    registry.on('warning', (error) => warnings.push(error.code));
    await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    expect(told(session.arrived)).toEqual(Array.from({ length: 4 }, () => ['REGISTER', 1, 'v']));
    expect(warnings).toEqual(['SR_CLIENT_NOT_ACKED']);
    await world.clock.advance(60_000);
    expect(session.arrived).toHaveLength(4);
  });

  it('sends it again when no answer comes, waiting at least the resend time', async () => {
    const world = new World();
    const session = await world.session('a');
    const atMs: number[] = [];
    session.verdict = () => (atMs.push(world.clock.monoMs()) < 3 ? null : {});
    const registry = await world.connect(['a']);
    await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    expect(atMs).toHaveLength(3);
    expect(atMs[1] - atMs[0]).toBeGreaterThanOrEqual(RESEND_MS);
  });

  it('fails with the reason when the registry refuses for good, and never sends it again', async () => {
    const world = new World();
    const session = await world.session('a');
    session.verdict = () => ({ refused: true, message: 'too many' });
    const registry = await world.connect(['a']);
    const publishing = world.run(registry.publish({ dataId: 'pay' }, 'v'));
    await expect(publishing).rejects.toMatchObject({
      code: 'SR_CLIENT_REFUSED',
      message: expect.stringContaining('too many'),
    });
    for (const channel of session.channels) channel.destroy('cut');
    await world.clock.advance(10_000);
    expect(registry.state).toBe('connected');
    expect(session.arrived).toHaveLength(1);
  });

  it('has many registrations on the way at once, and matches answers in any order', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    let most = 0;
    session.verdict = () => {
      most++;
      return null;
    };
    const all = Array.from({ length: 1000 }, (_, i) => registry.publish({ dataId: `s${i}` }, 'v'));
    await world.clock.settle();
    expect(most).toBe(REGISTRATIONS_IN_FLIGHT_MAX);
    session.verdict = () => ({});
    const publications = await world.run(Promise.all(all), 50);
    expect(publications.every((one) => one.acked)).toBe(true);
    expect(new Set(session.arrived.map((one) => one.dataId)).size).toBe(1000);
  });

  it('sends only the newest of many updates that came while answers were missing', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const publication = await world.run(registry.publish({ dataId: 'pay' }, '1'));
    const updates = Array.from({ length: 100 }, (_, i) => publication.update(String(i + 2)));
    await world.run(Promise.all(updates));
    expect(told(session.arrived).at(-1)).toEqual(['REGISTER', 101, '101']);
    expect(session.arrived.length).toBeLessThan(10);
  });

  it('keeps only the newest update while there is no connection', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const publication = await world.run(registry.publish({ dataId: 'pay' }, '1'));
    await session.kill();
    await world.clock.advance(1000);
    expect(registry.state).toBe('reconnecting');
    const updates = [publication.update('2'), publication.update('3'), publication.update('4')];
    const again = await world.session('a');
    await world.run(Promise.all(updates));
    expect(told(again.arrived)).toEqual([['REGISTER', 4, '4']]);
  });

  it('takes a publication back when the wait for it is aborted', async () => {
    const world = new World();
    const session = await world.session('a');
    session.verdict = (one) => (one.eventType === 'REGISTER' ? null : {});
    const registry = await world.connect(['a']);
    const abort = new AbortController();
    const publishing = registry.publish({ dataId: 'pay' }, 'v', { signal: abort.signal });
    await world.clock.settle();
    abort.abort(new Error('enough'));
    await expect(publishing).rejects.toMatchObject({ code: 'SR_CLIENT_ABORTED', message: 'aborted: enough' });
    await world.clock.advance(100);
    expect(told(session.arrived).at(-1)).toEqual(['UNREGISTER', 2]);
    const already = registry.publish({ dataId: 'pay' }, 'v', { signal: AbortSignal.abort() });
    await expect(already).rejects.toMatchObject({ code: 'SR_CLIENT_ABORTED' });
  });

  it('keeps an update whose wait was aborted', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const publication = await world.run(registry.publish({ dataId: 'pay' }, '1'));
    session.verdict = () => null;
    const abort = new AbortController();
    const updating = publication.update('2', { signal: abort.signal });
    await world.clock.settle();
    abort.abort();
    await expect(updating).rejects.toMatchObject({ code: 'SR_CLIENT_ABORTED' });
    expect(publication.values).toEqual(['2']);
    session.verdict = () => ({});
    await world.clock.advance(10_000);
    expect(publication.acked).toBe(true);
  });

  it('ends close in bounded time when nobody answers, and at once without a connection', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const silent = await world.run(registry.publish({ dataId: 'a' }, 'v'));
    const away = await world.run(registry.publish({ dataId: 'b' }, 'v'));
    session.verdict = () => null;
    const startMs = world.clock.monoMs();
    await world.run(silent.close());
    expect(world.clock.monoMs() - startMs).toBeLessThanOrEqual(CLOSE_WAIT_MS + 5);
    await session.kill();
    await world.clock.advance(100);
    await away.close();
    const again = await world.session('a');
    await world.clock.advance(10_000);
    expect(registry.state).toBe('connected');
    expect(again.arrived).toEqual([]);
  });

  it('refuses calls after close with one clear error', async () => {
    const world = new World();
    await world.session('a');
    const registry = await world.connect(['a']);
    const publication = await world.run(registry.publish({ dataId: 'pay' }, 'v'));
    await world.run(publication.close());
    await expect(publication.update('w')).rejects.toMatchObject({ code: 'SR_CLIENT_CLOSED' });
    await world.run(registry.close());
    expect(registry.state).toBe('closed');
    await expect(registry.publish({ dataId: 'pay' }, 'v')).rejects.toMatchObject({
      code: 'SR_CLIENT_CLOSED',
    });
    expect(() => registry.subscribe({ dataId: 'pay' })).toThrow(
      expect.objectContaining({ code: 'SR_CLIENT_CLOSED' }),
    );
  });

  it('withdraws everything when the registry connection is disposed', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    await world.run(registry.publish({ dataId: 'a' }, 'v'));
    await world.run(registry.publish({ dataId: 'b' }, 'v'));
    await world.run(Promise.resolve(registry[Symbol.asyncDispose]()));
    const left = session.arrived.filter((one) => one.eventType === 'UNREGISTER').map((one) => one.dataId);
    expect(left).toEqual(['a', 'b']);
    await world.clock.advance(1000);
    expect(session.channels.size).toBe(0);
  });

  it('gives publishers the zone of the session when the application names none', async () => {
    const world = new World();
    const session = await world.session('a', { zone: 'EAST' });
    const registry = await world.connect(['a']);
    await world.run(registry.publish({ dataId: 'a' }, 'v'));
    const named = await world.connect(['a'], { zone: 'west' });
    await world.run(named.publish({ dataId: 'b' }, 'v'));
    expect(session.arrived.map((one) => one.zone)).toEqual(['EAST', 'WEST']);
  });

  it('bounds publications and waiting updates, and counts what hits the bounds', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a'], { limits: { publicationsMax: 2 } });
    const publication = await world.run(registry.publish({ dataId: 'a' }, 'v'));
    await world.run(registry.publish({ dataId: 'b' }, 'v'));
    await expect(registry.publish({ dataId: 'c' }, 'v')).rejects.toMatchObject({ code: 'SR_CLIENT_LIMIT' });
    session.verdict = () => null;
    const waiting = Array.from({ length: UPDATE_WAITERS_MAX }, () => publication.update('w'));
    await expect(publication.update('w')).rejects.toMatchObject({ code: 'SR_CLIENT_LIMIT' });
    session.verdict = () => ({});
    await world.run(Promise.all(waiting), 50);
    const hits = registry.metrics.families().find((family) => family.name.endsWith('limit_hits_total'));
    expect(hits?.samples()).toEqual([
      { labelValues: ['publications'], value: 1 },
      { labelValues: ['updateWaiters'], value: 1 },
    ]);
  });
});
