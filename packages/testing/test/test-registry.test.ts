/** The in-process registry that users' tests get. */
import { describe, expect, test } from 'vitest';
import { connect } from '@sofa-registry/client';
import { ManualClock } from '@sofa-registry/runtime';
import { startTestRegistry } from '@sofa-registry/testing';

const SERVICE = { dataId: 'com.example.Orders:1.0' };

describe('in memory, on real time', () => {
  test('publishes and finds', async () => {
    await using registry = await startTestRegistry();
    const provider = await registry.connect();
    const consumer = await registry.connect();
    await provider.publish(SERVICE, 'http://10.0.0.7:8080');
    const list = await consumer.subscribe(SERVICE).ready();
    expect(list.all).toEqual(['http://10.0.0.7:8080']);
  });

  test('closing it twice is harmless, connecting afterwards is refused', async () => {
    const registry = await startTestRegistry();
    await registry.close();
    await registry.close();
    await expect(registry.connect()).rejects.toThrow('the registry is closed');
  });
});

describe('on a manual clock', () => {
  test('a lost data role comes back from the session without anybody noticing', async () => {
    const clock = new ManualClock();
    await using registry = await startTestRegistry({ clock, seed: 1 });
    const client = await registry.connect();
    const publishing = client.publish(SERVICE, 'a');
    await clock.advance(50);
    await publishing;
    const seen: string[][] = [];
    client.subscribe(SERVICE, (list) => void seen.push([...list.all]));
    await clock.advance(50);
    await registry.restartData();
    await clock.advance(20_000);
    expect(registry.data.inspect.counts().publishers).toBe(1);
    expect(seen).toEqual([['a']]);
  });

  test('clients survive a restart of the session', async () => {
    const clock = new ManualClock();
    await using registry = await startTestRegistry({ clock, seed: 2 });
    const client = await registry.connect();
    const publishing = client.publish(SERVICE, 'a');
    await clock.advance(50);
    const publication = await publishing;
    await registry.restartSession();
    await clock.advance(10_000);
    expect([client.state, publication.acked, registry.session.inspect.counts().publishers]).toEqual([
      'connected',
      true,
      1,
    ]);
  });
});

describe('with a real port', () => {
  test('any client can connect', async () => {
    await using registry = await startTestRegistry({ network: 'tcp' });
    await using client = await connect({ sessions: [registry.address], app: 'test' });
    await using publication = await client.publish(SERVICE, 'a');
    expect(publication.acked).toBe(true);
  });

  test('manual time is refused', async () => {
    await expect(startTestRegistry({ network: 'tcp', clock: new ManualClock() })).rejects.toThrow(
      'a manual clock needs network memory',
    );
  });
});
