/** What official clients must see, whatever form the registry has. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JavaDriver, type SeenData, valuesOf } from './driver.ts';
import { MISSING } from './java.ts';
import { type Form, TestRegistry } from './registry.ts';

const GROUP = 'DEFAULT_GROUP';
/** The client asks for its settings this long after it started (wire 3.3), and a little. */
const SYNC_CONFIG_MS = 33_000;
/** Clients notice a lost connection in 500 ms, and may sleep up to 5 s and 5 s again before they are back. */
const RECONNECT_LIMIT_MS = 30_000;
/** Grace of a closed connection (500 ms) and the time a busy machine takes. */
const KILLED_LIMIT_MS = 2_000;
/** Data center with a name of its own: the segment filter of SyncConfig must agree with the pushes. */
const DATA_CENTER = 'dc-interop';

const holds =
  (...values: string[]) =>
  (data: SeenData): boolean =>
    JSON.stringify(valuesOf(data)) === JSON.stringify(values.toSorted());

/** Declares the suite for one form. */
export function officialClientSuite(form: Form): void {
  describe.skipIf(MISSING !== null)(`official Java client, ${form}`, () => {
    let registry: TestRegistry;
    let java: JavaDriver;
    let startedAt = 0;

    beforeAll(async () => {
      registry = await TestRegistry.start(form, [`dataCenter=${DATA_CENTER}`]);
      java = await JavaDriver.start();
      await java.connect('pub', { httpPort: registry.httpPort, dataCenter: DATA_CENTER });
      await java.connect('sub', { httpPort: registry.httpPort, dataCenter: DATA_CENTER });
      startedAt = performance.now();
      await java.publish('pub', 'long', 'long-lived', GROUP, ['stays']);
      await java.subscribe('sub', 'long-sub', 'long-lived', GROUP, 'dataCenter');
    });

    afterAll(async () => {
      await java?.stop();
      await registry?.stop();
    });

    test('a subscriber gets what is published, before and after it came', async () => {
      await java.publish('pub', 'early', 'orders', GROUP, ['10.0.0.1:80']);
      await java.registered('early');
      await java.subscribe('sub', 'orders-sub', 'orders', GROUP, 'dataCenter');
      const first = await java.sees('orders-sub', holds('10.0.0.1:80'));
      expect(first.localZone).toBe('DEFAULT_ZONE');
      expect(Object.keys(first.zones)).toEqual(['DEFAULT_ZONE']);
      await java.publish('pub', 'late', 'orders', GROUP, ['10.0.0.2:80', '10.0.0.3:80']);
      await java.sees('orders-sub', holds('10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'));
      expect(valuesOf(await java.peek('orders-sub'))).toEqual(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']);
    });

    test('a republish replaces the values of its publisher only', async () => {
      await java.publish('pub', 'r1', 'republished', GROUP, ['one']);
      await java.publish('pub', 'r2', 'republished', GROUP, ['other']);
      await java.subscribe('sub', 'r-sub', 'republished', GROUP, 'global');
      await java.sees('r-sub', holds('one', 'other'));
      await java.republish('r1', ['two', 'three']);
      await java.sees('r-sub', holds('other', 'three', 'two'));
      await java.republish('r1', []);
      await java.sees('r-sub', holds('other'));
    });

    test('an unregistered publisher leaves, an unregistered subscriber hears no more', async () => {
      await java.publish('pub', 'u1', 'unregistered', GROUP, ['goes']);
      await java.publish('pub', 'u2', 'unregistered', GROUP, ['stays']);
      await java.subscribe('sub', 'u-sub', 'unregistered', GROUP, 'global');
      await java.subscribe('sub', 'u-silent', 'unregistered', GROUP, 'global');
      await java.sees('u-silent', holds('goes', 'stays'));
      await java.unregister('u1');
      await java.sees('u-sub', holds('stays'));
      await java.sees('u-silent', holds('stays'));
      await java.unregister('u-silent');
      const before = java.data.get('u-silent')!.length;
      await java.publish('pub', 'u3', 'unregistered', GROUP, ['new']);
      await java.sees('u-sub', holds('new', 'stays'));
      expect(await java.unregisterId('pub', 'unregistered', GROUP, 'PUBLISHER')).toBe(2);
      await java.sees('u-sub', holds());
      // The silent one was told nothing: not even the emptying push, which came last.
      expect(
        java.data
          .get('u-silent')!
          .slice(before)
          .every((data) => valuesOf(data).includes('stays')),
      ).toBe(true);
      expect(java.data.get('u-silent')!.length - before).toBeLessThanOrEqual(1);
    });

    test('a subscriber of an unknown service is called with an empty list', async () => {
      await java.subscribe('sub', 'nobody', 'nobody-publishes-this', GROUP, 'global');
      expect(valuesOf(await java.sees('nobody', () => true))).toEqual([]);
    });

    test('groups are services of their own', async () => {
      await java.publish('pub', 'g1', 'grouped', 'GROUP_A', ['a']);
      await java.publish('pub', 'g2', 'grouped', 'GROUP_B', ['b']);
      await java.subscribe('sub', 'g-sub', 'grouped', 'GROUP_A', 'global');
      await java.sees('g-sub', holds('a'));
    });

    test('a killed publisher leaves, the others stay', async () => {
      const doomed = await JavaDriver.start();
      await doomed.connect('c', { httpPort: registry.httpPort });
      await doomed.publish('c', 'doomed', 'killed', GROUP, ['doomed']);
      await java.publish('pub', 'survivor', 'killed', GROUP, ['survivor']);
      await java.subscribe('sub', 'k-sub', 'killed', GROUP, 'global');
      await java.sees('k-sub', holds('doomed', 'survivor'));
      await doomed.kill();
      await java.sees('k-sub', holds('survivor'), KILLED_LIMIT_MS);
    });

    test('a configurator is called once, with no data', async () => {
      await java.configure('sub', 'conf', 'some.configuration');
      expect(await java.seesConfig('conf')).toEqual([{ value: null }]);
    });

    test('any text arrives as it was sent', async () => {
      const texts = [
        '中文 ünïcödé',
        '😀 emoji 👩‍👩‍👧‍👦',
        'tab\tnew\nline\r\0nul',
        '',
        '\u{10FFFF}￿',
        '__proto__',
        ' ',
      ];
      await java.publish('pub', 'text', '服务.😀', '组', texts);
      await java.subscribe('sub', 'text-sub', '服务.😀', '组', 'global');
      const seen = await java.sees('text-sub', (data) => valuesOf(data).length === texts.length);
      expect(seen.zones['DEFAULT_ZONE']).toEqual(texts);
    });

    test('large payloads arrive whole', async () => {
      const big = Array.from({ length: 300 }, (_, i) => `${i}:${'xyz€😀'.repeat(80 + i)}`);
      await java.publish('pub', 'big', 'large', GROUP, big);
      await java.subscribe('sub', 'big-sub', 'large', GROUP, 'global');
      const seen = await java.sees('big-sub', (data) => valuesOf(data).length === big.length, 20_000);
      expect(seen.zones['DEFAULT_ZONE']).toEqual(big);
      const one = 'a'.repeat(40_000) + '😀'.repeat(20_000);
      await java.republish('big', [one]);
      await java.sees('big-sub', holds(one), 20_000);
    });

    test('scopes: a zone sees itself, a data center and global see all zones', async () => {
      const httpPort = await registry.addSession('ZONE_B');
      await java.connect('b', { httpPort, zone: 'ZONE_B', dataCenter: DATA_CENTER });
      await java.publish('b', 'zb', 'scoped', GROUP, ['in-b']);
      await java.publish('pub', 'za', 'scoped', GROUP, ['in-default']);
      for (const [client, scope] of [
        ['sub', 'zone'],
        ['sub', 'dataCenter'],
        ['sub', 'global'],
        ['b', 'zone'],
        ['b', 'global'],
      ]) {
        await java.subscribe(client, `scope-${client}-${scope}`, 'scoped', GROUP, scope);
      }
      const inDefault = await java.sees('scope-sub-zone', holds('in-default'));
      expect(inDefault.zones).toEqual({ DEFAULT_ZONE: ['in-default'] });
      expect((await java.sees('scope-b-zone', holds('in-b'))).localZone).toBe('ZONE_B');
      for (const name of ['scope-sub-dataCenter', 'scope-sub-global', 'scope-b-global']) {
        const seen = await java.sees(name, holds('in-b', 'in-default'));
        expect(seen.zones).toEqual({ DEFAULT_ZONE: ['in-default'], ZONE_B: ['in-b'] });
      }
    });

    test('one client with 1,000 registrations', async () => {
      await java.bulkPublish('pub', 'bulk', GROUP, 500);
      await java.bulkSubscribe('sub', 'bulk', GROUP, 500);
      for (let i = 0; i < 500; i++) await java.sees(`bulk.${i}`, holds(`value-${i}`), 60_000);
      expect(await java.bulkRegistered('bulk')).toBe(1000);
    });

    // Half a minute of waiting: in one form.
    if (form === 'three processes')
      test('SyncConfig, 30 s after the start, does not blank a list', async () => {
        await new Promise((resolve) =>
          setTimeout(resolve, Math.max(0, SYNC_CONFIG_MS - (performance.now() - startedAt))),
        );
        expect(valuesOf(await java.peek('long-sub'))).toEqual(['stays']);
        const seen = java.data.get('long-sub')!;
        // Once a list was there it never went away, whatever the client was told since.
        const first = seen.findIndex((data) => valuesOf(data).length > 0);
        expect(seen.slice(first).map(valuesOf)).toEqual(seen.slice(first).map(() => ['stays']));
      });

    test('after a restart of the session the clients come back and nothing was lost or emptied', async () => {
      await java.publish('pub', 'back', 'restarted', GROUP, ['v1']);
      await java.subscribe('sub', 'back-sub', 'restarted', GROUP, 'global');
      await java.sees('back-sub', holds('v1'));
      const before = java.data.get('back-sub')!.length;
      await registry.restartSession();
      // The client only answers this once it is connected again and has replayed everything.
      await java.republish('back', ['v2']);
      await java.sees('back-sub', holds('v2'), RECONNECT_LIMIT_MS);
      await java.sees('long-sub', holds('stays'), RECONNECT_LIMIT_MS);
      const since = java.data.get('back-sub')!.slice(before).map(valuesOf);
      expect(since.filter((values) => values.length === 0)).toEqual([]);
    });

    test('a service name that can never be taken is refused for good: the application is told', async () => {
      await java.publish('pub', 'never', 'a#@#b', GROUP, ['x']);
      const end = performance.now() + 5000;
      const told = (): Promise<boolean> =>
        java.republish('never', ['y']).then(
          () => false,
          (error: Error) => /refused/i.test(error.message),
        );
      while (!(await told())) expect(performance.now()).toBeLessThan(end);
    });

    test('its address taken off by HTTP, a client leaves the lists and stays connected; opened, it is back', async () => {
      const post = async (path: string): Promise<number> => {
        const url = `http://127.0.0.1:${registry.httpPort}/api/clientManager/persistence/${path}`;
        const answer = await fetch(url, { method: 'POST', body: new URLSearchParams({ ips: '127.0.0.1' }) });
        return ((await answer.json()) as { data: number }).data;
      };
      const connections = async (): Promise<string[]> => {
        const answer = await fetch(`http://127.0.0.1:${registry.httpPort}/connections/query`);
        return ((await answer.json()) as string[]).toSorted();
      };
      await java.publish('pub', 'off', 'taken-off', GROUP, ['v1']);
      await java.registered('off');
      await java.subscribe('sub', 'off-sub', 'taken-off', GROUP, 'global');
      await java.sees('off-sub', holds('v1'));
      const before = await connections();
      const version = await post('clientOff');
      await java.sees('off-sub', holds(), 5000);
      expect(await connections()).toEqual(before);
      // What is withheld is acknowledged, so that the client is content.
      await java.republish('off', ['v2']);
      await java.publish('pub', 'off-2', 'taken-off', GROUP, ['new']);
      await java.registered('off-2');
      expect(valuesOf(await java.peek('off-sub'))).toEqual([]);
      expect(await post('clientOpen')).toBeGreaterThan(version);
      await java.sees('off-sub', holds('new', 'v2'), RECONNECT_LIMIT_MS);
      await java.sees('long-sub', holds('stays'), RECONNECT_LIMIT_MS);
    });
  });
}
