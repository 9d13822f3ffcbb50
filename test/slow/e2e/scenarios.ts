/** What must hold whatever form the registry has. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect, type Registry, type ServiceList, type Subscription } from '@sofa-registry/client';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { E2eRegistry, type Form } from './registry.ts';
import { clientThrough, startRelay } from './relay.ts';
import { eventually, throughout } from './waiting.ts';

let serial = 0;
/** A service nobody used before. */
const freshId = (): string => `e2e.service.${process.pid}.${serial++}`;
const idOf = (dataId: string): string =>
  encodeURIComponent(`${dataId}#@#DEFAULT_INSTANCE_ID#@#DEFAULT_GROUP`);
const sorted = (list: ServiceList | null): string[] => (list === null ? ['(none)'] : list.all.toSorted());

/** Every list a subscription showed, checked on arrival: versions never go back. */
class Sight {
  readonly lists: ServiceList[] = [];
  readonly subscription: Subscription;

  constructor(registry: Registry, dataId: string) {
    this.subscription = registry.subscribe({ dataId, scope: 'global' }, (list) => {
      const before = this.lists.at(-1);
      if (before !== undefined && list.version < before.version) throw new Error('a version went back');
      this.lists.push(list);
    });
  }

  shows(values: readonly string[], limitMs?: number): Promise<boolean> {
    const wanted = values.toSorted().join();
    return eventually(
      `the list is ${wanted}`,
      () => sorted(this.subscription.current).join() === wanted,
      limitMs,
    );
  }

  /** Fewest values of any list since `from`. */
  fewestSince(from: number): number {
    return Math.min(...this.lists.slice(from).map(({ all }) => all.length), Infinity);
  }
}

/** Declares the suite for one form. */
export function e2eSuite(form: Form): void {
  describe(`registry, ${form}`, () => {
    let registry: E2eRegistry;
    const clients: Registry[] = [];
    const children: ChildProcess[] = [];

    const keep = (opened: Registry): Registry => {
      clients.push(opened);
      return opened;
    };
    /** A client that finds its session by itself. */
    const client = async (): Promise<Registry> =>
      keep(await connect({ servers: [registry.http('session')], app: 'e2e' }));
    /** A client of exactly this session. */
    const clientOf = async (session: string): Promise<Registry> =>
      keep(await connect({ sessions: [session], app: 'e2e' }));

    beforeAll(async () => {
      registry = await E2eRegistry.start(form);
    });
    afterEach(async () => {
      for (const child of children.splice(0)) child.kill('SIGKILL');
      await Promise.all(clients.splice(0).map((opened) => opened.close()));
    });
    afterAll(() => registry.stop());

    const scenario = (name: string, run: () => Promise<void>): void => {
      it(name, async () => {
        onTestFailed(() => console.error(registry.output));
        await run();
      });
    };

    scenario('publish, subscribe, republish, unregister', async () => {
      const dataId = freshId();
      const [provider, consumer] = await Promise.all([client(), client()]);
      const sight = new Sight(consumer, dataId);
      expect((await sight.subscription.ready()).all).toEqual([]);
      const first = await provider.publish({ dataId }, '10.0.0.1:1');
      await sight.shows(['10.0.0.1:1']);
      const second = await provider.publish({ dataId }, ['10.0.0.2:2', '10.0.0.3:3']);
      await sight.shows(['10.0.0.1:1', '10.0.0.2:2', '10.0.0.3:3']);
      await first.update('10.0.0.1:9');
      await sight.shows(['10.0.0.1:9', '10.0.0.2:2', '10.0.0.3:3']);
      await second.close();
      await sight.shows(['10.0.0.1:9']);
      await first.close();
      await sight.shows([]);
      expect([...new Set(sight.lists.map(({ version }) => version))]).toHaveLength(sight.lists.length);
    });

    scenario('a killed publisher process leaves the list', async () => {
      const dataId = freshId();
      const consumer = await client();
      const sight = new Sight(consumer, dataId);
      const stays = await client();
      await stays.publish({ dataId }, 'stays');
      const script = join(import.meta.dirname, 'publisher.ts');
      const child = spawn(process.execPath, [
        '--conditions=development',
        script,
        registry.http('session'),
        dataId,
        'doomed',
      ]);
      children.push(child);
      await once(child.stdout, 'data');
      await sight.shows(['doomed', 'stays']);
      child.kill('SIGKILL');
      await sight.shows(['stays'], 5000);
    });

    scenario('the push switch stops and resumes pushes', async () => {
      const dataId = freshId();
      const [provider, consumer] = await Promise.all([client(), client()]);
      const publication = await provider.publish({ dataId }, 'one');
      const sight = new Sight(consumer, dataId);
      await sight.shows(['one']);
      expect(await registry.json('meta', '/stopPushDataSwitch/open')).toEqual({
        success: true,
        message: null,
      });
      await eventually(
        'the session has stopped',
        async () => (await registry.get('session', '/digest/pushSwitch')).body === '{"pushSwitch":"closed"}',
      );
      const before = sight.lists.length;
      await publication.update('two');
      await throughout('nothing is pushed', () => sight.lists.length === before, 1000);
      expect(await registry.json('meta', '/digest/pushSwitch')).toMatchObject({ stopPush: 'true' });
      expect(await registry.json('meta', '/stopPushDataSwitch/close')).toEqual({
        success: true,
        message: null,
      });
      await sight.shows(['two']);
      expect((await registry.get('session', '/digest/pushSwitch')).body).toBe('{"pushSwitch":"open"}');
    });

    scenario('an address is off by HTTP, over a restart of everything, until it is opened', async () => {
      const dataId = freshId();
      await using relay = await startRelay(registry.sessionAddress, '127.0.0.7');
      const [taken, stays, consumer] = await Promise.all([
        clientThrough(relay).then(keep),
        clientOf(registry.sessionAddress),
        client(),
      ]);
      const publication = await taken.publish({ dataId }, 'taken');
      const other = await stays.publish({ dataId }, 'stays');
      const sight = new Sight(consumer, dataId);
      const own = new Sight(taken, dataId);
      await sight.shows(['stays', 'taken']);
      const post = (path: string): Promise<unknown> =>
        registry.json('meta', `/api/clientManager/${path}`, {
          method: 'POST',
          body: new URLSearchParams({ ips: '127.0.0.7' }),
        });
      expect(await post('clientOff')).toEqual({ success: true, message: '' });
      await sight.shows(['stays'], 5000);
      await own.shows(['stays'], 5000);
      expect(relay.links).toHaveLength(1);
      const from = sight.lists.length;
      await publication.update('taken again');
      await other.update('stays on');
      await sight.shows(['stays on']);
      // First pushes after the restart wait for as many publishers as there were.
      await eventually('meta remembers how many publishers there are', async () => {
        const doc = await registry.json<{ value: string }>('meta', '/registry/v1/doc?key=publisher-count');
        const { body } = await registry.get('session', '/digest/data/count');
        return body.includes(`Publisher count: ${(JSON.parse(doc.value) as { count: number }).count},`);
      });
      await registry.restartAll();
      await eventually('both are registered again', () => publication.acked && other.acked, 20_000);
      await other.update('stays on and on');
      await sight.shows(['stays on and on'], 20_000);
      expect(
        sight.lists
          .slice(from)
          .flatMap(({ all }) => all)
          .filter((value) => value.startsWith('taken')),
      ).toEqual([]);
      expect(await post('clientOpen')).toEqual({ success: true, message: '' });
      await sight.shows(['stays on and on', 'taken again'], 10_000);
      await own.shows(['stays on and on', 'taken again'], 10_000);
    });

    scenario('a new data process gets everything back and no list shrinks', async () => {
      const ids = Array.from({ length: 20 }, freshId);
      const [provider, consumer] = await Promise.all([client(), client()]);
      for (const dataId of ids)
        await Promise.all(['a', 'b', 'c'].map((value) => provider.publish({ dataId }, `${dataId}/${value}`)));
      const sights = ids.map((dataId) => new Sight(consumer, dataId));
      await Promise.all(
        sights.map((sight, i) => sight.shows(['a', 'b', 'c'].map((value) => `${ids[i]}/${value}`))),
      );
      const from = sights.map((sight) => sight.lists.length);
      await registry.kill('data');
      await registry.revive('data');
      await eventually(
        'the data node has everything',
        async () => {
          const counts = await registry.json<Record<string, number>>('data', '/datum/api/summary/query');
          return ids.every((dataId) => counts[`${dataId}#@#DEFAULT_INSTANCE_ID#@#DEFAULT_GROUP`] === 3);
        },
        20_000,
      );
      const extra = await provider.publish({ dataId: ids[0] }, 'late');
      await sights[0].shows([...['a', 'b', 'c'].map((value) => `${ids[0]}/${value}`), 'late']);
      await extra.close();
      sights.forEach((sight, i) => expect(sight.fewestSince(from[i])).toBeGreaterThanOrEqual(3));
    });

    scenario('everything killed and started again under its clients: no list shrinks', async () => {
      const ids = Array.from({ length: 20 }, freshId);
      const values = ['a', 'b', 'c'];
      const providers = await Promise.all(values.map(() => client()));
      const consumer = await client();
      const publications = await Promise.all(
        providers.flatMap((provider, i) => ids.map((dataId) => provider.publish({ dataId }, values[i]))),
      );
      const sights = ids.map((dataId) => new Sight(consumer, dataId));
      await Promise.all(sights.map((sight) => sight.shows(values)));
      // Meta writes down how many publishers there are when that changed, at most every few seconds.
      await eventually('meta remembers how many publishers there are', async () => {
        const doc = await registry.json<{ value: string }>('meta', '/registry/v1/doc?key=publisher-count');
        return (JSON.parse(doc.value) as { count: number }).count >= publications.length;
      });
      const from = sights.map((sight) => sight.lists.length);
      await registry.restartAll();
      await eventually(
        'everything is registered again',
        () => publications.every(({ acked }) => acked),
        20_000,
      );
      await publications[0].update('news');
      await sights[0].shows(['news', 'b', 'c'], 20_000);
      for (const [i, sight] of sights.entries()) expect(sight.fewestSince(from[i])).toBeGreaterThanOrEqual(3);
      await providers[2].close();
      await sights[0].shows(['news', 'b'], 20_000);
    });

    scenario('two sessions show the same lists', async () => {
      const dataId = freshId();
      const other = await registry.addSession();
      const servers = await eventually('both are listed', async () => {
        const list = await registry.json<string[]>('session', '/api/servers/query.json');
        return list.length === 2 && list;
      });
      expect(servers).toHaveLength(2);
      const [provider, consumer] = await Promise.all([clientOf(registry.sessionAddress), clientOf(other)]);
      const sight = new Sight(consumer, dataId);
      const publication = await provider.publish({ dataId }, 'across');
      await sight.shows(['across']);
      await publication.close();
      await sight.shows([]);
    });

    httpShapes(
      () => registry,
      () => clientOf(registry.sessionAddress),
    );
  });
}

/** The HTTP answers that scripts and clients depend on. */
function httpShapes(registryOf: () => E2eRegistry, client: () => Promise<Registry>): void {
  it('answers health, lists, counts and digests in the shapes of the reference', async () => {
    const registry = registryOf();
    const dataId = freshId();
    const provider = await client();
    const publication = await provider.publish({ dataId }, '10.10.1.1:12200?xx=yy');
    const sight = new Sight(provider, dataId);
    await sight.shows(['10.10.1.1:12200?xx=yy']);
    for (const role of ['meta', 'data', 'session'] as const) {
      const health = await registry.get(role, '/health/check');
      expect([health.status, health.type]).toEqual([200, 'application/json']);
      expect(JSON.parse(health.body)).toMatchObject({ success: true });
      expect((await registry.get(role, '/health/ready')).status).toBe(200);
      expect((await registry.get(role, '/health/live')).status).toBe(200);
      expect((await registry.get(role, '/metrics')).type).toBe('text/plain;charset=utf-8;version=0.0.4');
      expect(await registry.get(role, '/no/such/path')).toEqual({ status: 404, type: null, body: '' });
      expect((await registry.get(role, '/health/check', { method: 'POST', body: '{}' })).status).toBe(405);
    }
    const query = await registry.get('session', '/api/servers/query?zone=default_zone&instanceId=null');
    expect(query.type).toBe('text/plain');
    expect(query.body.split(';')).toContain(`127.0.0.1:${registry.ports.session.port}`);
    expect((await registry.get('session', '/api/servers/query?zone=NOSUCH')).body).toBe('');
    expect((await registry.get('session', '/api/servers/queryWithWeight')).body).toMatch(
      /^127\.0\.0\.1:\d+\?weight=\d+(;|$)/,
    );
    expect((await registry.get('session', '/digest/data/count')).body).toMatch(
      /^Subscriber count: \d+, Publisher count: \d+, Watcher count: \d+$/,
    );
    expect((await registry.get('data', '/digest/datum/count')).body).toMatch(
      /^CacheDigest \[Datum\] size of datum in DefaultDataCenter is \d+,\[Publisher\] size of publisher in DefaultDataCenter is \d+$/,
    );
    const digest = await registry.json<{ PUB: Record<string, unknown>[] }>(
      'session',
      `/digest/pub/data/query?dataInfoId=${idOf(dataId)}`,
    );
    expect(Object.keys(digest.PUB[0])).toEqual([
      'dataInfoId',
      'dataId',
      'clientId',
      'instanceId',
      'cell',
      'appName',
      'processId',
      'registerId',
      'version',
      'sourceAddress',
      'targetAddress',
      'clientVersion',
      'group',
      'registerTimestamp',
      'clientRegisterTimestamp',
      'attributes',
      'dataList',
      'publishType',
      'publishSource',
    ]);
    expect(digest.PUB[0]['dataList']).toEqual([
      { bytes: 'rO0ABXQAFTEwLjEwLjEuMToxMjIwMD94eD15eQ==', serialization: 1, object: null },
    ]);
    const datum = await registry.json<Record<string, { pubMap: object }>>(
      'data',
      `/digest/datum/query?dataId=${dataId}&group=DEFAULT_GROUP`,
    );
    expect(Object.keys(datum['DefaultDataCenter'].pubMap)).toEqual([publication.registerId]);
    const status = await registry.json<{ data: { leaderCount: Record<string, number> } }>(
      'meta',
      '/openapi/v1/slot/table/status',
    );
    expect(Object.values(status.data.leaderCount).reduce((sum, count) => sum + count, 0)).toBe(256);
    const nodes = await registry.json<Record<string, object>>('meta', '/digest/SESSION/node/query');
    expect(Object.keys(nodes['DefaultDataCenter']).length).toBeGreaterThan(0);
    expect((await registry.get('data', '/digest/datum/query?dataId=x')).status).toBe(400);
  });
}
