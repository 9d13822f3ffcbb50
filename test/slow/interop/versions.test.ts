/** Clients of several generations in one registry, each seeing the others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JavaDriver, valuesOf } from './driver.ts';
import { CLIENT_VERSIONS, MISSING } from './java.ts';
import { TestRegistry } from './registry.ts';

const GROUP = 'DEFAULT_GROUP';

describe.skipIf(MISSING !== null)('official Java clients of several versions', () => {
  let registry: TestRegistry;
  const drivers = new Map<string, JavaDriver>();

  beforeAll(async () => {
    registry = await TestRegistry.start('all-in-one');
    for (const version of CLIENT_VERSIONS) {
      const driver = await JavaDriver.start(version);
      drivers.set(version, driver);
      await driver.connect('c', { httpPort: registry.httpPort });
    }
  });

  afterAll(async () => {
    for (const driver of drivers.values()) await driver.stop();
    await registry?.stop();
  });

  /** What the registry and the session know, for a failure. */
  async function known(error: Error): Promise<never> {
    const id = encodeURIComponent(`mixed#@#DEFAULT_INSTANCE_ID#@#${GROUP}`);
    const lists = ['pub', 'sub'].map(async (kind) => {
      const url = `http://127.0.0.1:${registry.httpPort}/digest/${kind}/data/query?dataInfoId=${id}`;
      return (await fetch(url)).text();
    });
    throw new Error([error.message, ...(await Promise.all(lists)), registry.output].join('\n'), {
      cause: error,
    });
  }

  test('each publishes, all see all, and the killed one leaves', async () => {
    for (const [version, driver] of drivers) {
      await driver.publish('c', 'p', 'mixed', GROUP, [version]);
      await driver.subscribe('c', 's', 'mixed', GROUP, 'global');
      await driver.configure('c', 'conf', 'mixed');
    }
    const all = CLIENT_VERSIONS.toSorted();
    for (const driver of drivers.values()) {
      const seen = await driver.sees('s', (data) => valuesOf(data).length === all.length).catch(known);
      expect(valuesOf(seen)).toEqual(all);
      expect(await driver.seesConfig('conf')).toEqual([{ value: null }]);
    }
    const [killed, ...others] = CLIENT_VERSIONS.toReversed();
    await drivers.get(killed)!.kill();
    for (const version of others) {
      await drivers.get(version)!.sees('s', (data) => !valuesOf(data).includes(killed));
      expect(valuesOf(await drivers.get(version)!.peek('s'))).toEqual(others.toSorted());
    }
  });
});
