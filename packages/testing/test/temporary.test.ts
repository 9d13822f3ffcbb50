/** Temporary publications on real tiers (F027): shown once, never stored. */
import { describe, expect, test } from 'vitest';
import { ManualClock } from '@sofa-registry/runtime';
import { startTestRegistry } from '@sofa-registry/testing';

const SERVICE = { dataId: 'com.example.Orders:1.0' };

async function world(seed: number) {
  const clock = new ManualClock();
  const registry = await startTestRegistry({ clock, seed });
  const [provider, consumer] = [await registry.connect(), await registry.connect()];
  const seen: string[][] = [];
  const versions: number[] = [];
  consumer.subscribe(SERVICE, (list) => {
    seen.push([...list.all].sort());
    versions.push(list.version);
  });
  const run = async <T>(promise: Promise<T>): Promise<T> => {
    await clock.advance(50);
    return promise;
  };
  await clock.advance(1000);
  return { clock, registry, provider, consumer, seen, versions, run };
}

describe('a temporary publication', () => {
  test('is in one push to who follows the service, beside what is offered; the next list is without it', async () => {
    const { clock, registry, provider, seen, versions, run } = await world(11);
    await run(provider.publish(SERVICE, 'a'));
    await clock.advance(1000);
    seen.length = 0;
    await run(provider.publishTemporary(SERVICE, 'once'));
    expect(seen).toEqual([['a', 'once']]);
    await clock.advance(10_000);
    expect(seen).toEqual([['a', 'once'], ['a']]);
    expect(versions).toEqual([...versions].sort((x, y) => x - y));
    expect(new Set(versions).size).toBe(versions.length);
    const late = await run(registry.connect());
    const subscription = late.subscribe(SERVICE);
    await clock.advance(1000);
    expect(subscription.current?.all).toEqual(['a']);
    expect(registry.data.inspect.counts()).toMatchObject({ publishers: 1, data: 1 });
    expect(registry.session.inspect.counts().publishers).toBe(1);
    await registry.close();
  });

  test('of a service nobody offers is shown, and leaves an empty list', async () => {
    const { clock, registry, provider, seen, run } = await world(12);
    await run(provider.publishTemporary(SERVICE, 'once'));
    await clock.advance(10_000);
    expect(seen.filter((list) => list.length > 0)).toEqual([['once']]);
    expect(seen.at(-1)).toEqual([]);
    await registry.close();
  });

  test('several of one turn are shown together, a change of the list and later ones after them', async () => {
    const { clock, registry, provider, seen, run } = await world(13);
    await run(provider.publish(SERVICE, 'a'));
    await clock.advance(1000);
    seen.length = 0;
    await run(
      Promise.all([provider.publishTemporary(SERVICE, 'x'), provider.publishTemporary(SERVICE, 'y')]),
    );
    await run(provider.publishTemporary(SERVICE, 'z'));
    await run(provider.publish(SERVICE, 'b'));
    await clock.advance(10_000);
    expect(seen).toEqual([
      ['a', 'x', 'y'],
      ['a', 'z'],
      ['a', 'b'],
    ]);
    await registry.close();
  });

  test('does not wait for a subscriber that comes later, and is bound to no connection', async () => {
    const clock = new ManualClock();
    const registry = await startTestRegistry({ clock, seed: 14 });
    const provider = await registry.connect();
    const sent = provider.publishTemporary(SERVICE, 'once');
    await clock.advance(50);
    await sent;
    const consumer = await registry.connect();
    const subscription = consumer.subscribe(SERVICE);
    await clock.advance(1000);
    expect(subscription.current?.all).toEqual([]);
    await registry.close();
  });
});
