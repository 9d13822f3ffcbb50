import { describe, expect, it } from 'vitest';
import { CLIENT_ERRORS, connect, type ConnectOptions, RegistryClientError } from '../src/index.ts';
import { EVENT_LISTENERS_MAX, PAYLOAD_VALUES_MAX } from '../src/limits.ts';
import { World } from './world.ts';

async function messageOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof RegistryClientError && error.code === 'SR_CLIENT_ARGUMENT') return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('misuse is answered at once, in one line that names the field and the rule', () => {
  const sessions = ['127.0.0.1:1'];

  it.each<[Record<string, unknown>, string]>([
    [{ sessions }, 'bad argument: app must be a string'],
    [{ sessions, app: ' ' }, 'bad argument: app must be a string that is not blank'],
    [{ sessions, app: 'a\nb' }, 'bad argument: app must not contain control characters'],
    [{ sessions, app: 'x'.repeat(257) }, 'bad argument: app must have at most 256 characters'],
    [{ app: 'a' }, 'bad argument: servers or sessions must be given, one of the two'],
    [
      { app: 'a', servers: sessions, sessions },
      'bad argument: servers or sessions must be given, one of the two',
    ],
    [
      { app: 'a', servers: [] },
      "bad argument: servers must be a list of 'host:port' with at least one entry",
    ],
    [
      { app: 'a', servers: 'h:1' },
      "bad argument: servers must be a list of 'host:port' with at least one entry",
    ],
    [{ app: 'a', servers: ['http://h:1'] }, `bad argument: servers[0] must be 'host:port', not "http://h:1"`],
    [{ app: 'a', servers: ['h:1', 'h:x'] }, `bad argument: servers[1] must be 'host:port', not "h:x"`],
    [{ app: 'a', sessions, waitMs: -1 }, 'bad argument: waitMs must be a number of ms, 0 or more'],
    [{ app: 'a', sessions, beatMs: 10 }, 'bad argument: beatMs must be an integer from 500 to 20000'],
    [{ app: 'a', sessions, zone: 7 }, 'bad argument: zone must be a string'],
    [
      { app: 'a', sessions, limits: { typo: 1 } },
      'bad argument: limits.typo is unknown; known: publicationsMax, subscriptionsMax, payloadBytesMax, listEntriesMax',
    ],
    [
      { app: 'a', sessions, limits: { listEntriesMax: 0 } },
      'bad argument: limits.listEntriesMax must be an integer, 1 or more',
    ],
    [{ app: 'a', sessions, instanceId: '' }, 'bad argument: instanceId must be a string that is not blank'],
  ])('connect(%j)', async (options, message) => {
    expect(await messageOf(() => connect(options as unknown as ConnectOptions))).toBe(message);
  });

  it('publish and subscribe', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a'], { limits: { payloadBytesMax: 10 } });
    const any = (value: unknown) => value as never;
    const cases: [() => unknown, string][] = [
      [() => registry.publish(any(undefined), 'v'), 'service must be an object with a dataId'],
      [() => registry.publish({ dataId: '' }, 'v'), 'dataId must be a string that is not blank'],
      [() => registry.publish({ dataId: 'a#@#b' }, 'v'), "dataId must not contain '#@#'"],
      [() => registry.publish({ dataId: 'a\ud800' }, 'v'), 'dataId must not contain lone surrogates'],
      [() => registry.publish({ dataId: 'a', group: ' ' }, 'v'), 'group must be a string that is not blank'],
      [
        () => registry.publish({ dataId: 'x'.repeat(65_536) }, 'v'),
        'dataId with group and instanceId must be at most 16384 characters',
      ],
      [() => registry.publish({ dataId: 'a' }, any(7)), 'value must be a string or a list of strings'],
      [
        () => registry.publish({ dataId: 'a' }, any([7])),
        'value must consist of strings without lone surrogates',
      ],
      [() => registry.publish({ dataId: 'a' }, 'ééééé!'), 'value must be at most 10 bytes long, not 11'],
      [
        () =>
          registry.publish(
            { dataId: 'a' },
            Array.from({ length: PAYLOAD_VALUES_MAX + 1 }, () => ''),
          ),
        'value must have at most 10000 entries',
      ],
      [
        () => registry.subscribe({ dataId: 'a', scope: any('galaxy') }),
        `scope must be 'zone', 'dataCenter' or 'global', not "galaxy"`,
      ],
      [() => registry.subscribe({ dataId: 'a' }, any('f')), 'listener must be a function'],
      [() => registry.on(any('states'), () => undefined), "event must be 'state' or 'warning'"],
    ];
    for (const [run, message] of cases) expect(await messageOf(run)).toBe(`bad argument: ${message}`);
    expect(session.arrived).toEqual([]);
  });

  it('takes names that look like properties of every object', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    await world.run(registry.publish({ dataId: '__proto__', group: 'constructor' }, 'v'));
    registry.subscribe({ dataId: '__proto__' });
    await world.clock.settle();
    expect(session.arrived.map((one) => one.dataId)).toEqual(['__proto__', '__proto__']);
  });
});

describe('events', () => {
  it('have a bounded number of listeners, can be left, and survive what a listener throws', async () => {
    const world = new World();
    const session = await world.session('a');
    const registry = await world.connect(['a']);
    const states: string[] = [];
    const warnings: string[] = [];
    registry.on('warning', (error) => warnings.push(error.code));
    registry.on('state', () => {
      throw new Error('boom');
    });
    const leave = registry.on('state', (change) => states.push(change.state));
    for (let i = 2; i < EVENT_LISTENERS_MAX; i++) registry.on('state', () => undefined);
    expect(() => registry.on('state', () => undefined)).toThrow(
      expect.objectContaining({ code: 'SR_CLIENT_LIMIT' }),
    );
    await session.kill();
    await world.clock.advance(100);
    leave();
    await world.session('a');
    await world.clock.advance(10_000);
    expect(registry.state).toBe('connected');
    expect(states).toEqual(['reconnecting']);
    expect(warnings).toEqual(['SR_CLIENT_LISTENER']);
  });

  it('name only codes of the closed table', () => {
    expect(Object.keys(CLIENT_ERRORS).every((code) => /^SR_CLIENT_[A-Z_]+$/.test(code))).toBe(true);
  });
});
