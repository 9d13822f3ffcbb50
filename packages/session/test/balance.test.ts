import { seededRandom } from '@sofa-registry/runtime';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { chooseToShed, LoadShedder, type LoadShedderOptions } from '../src/load-shedder.ts';
import { SESSION_BALANCE_KEY } from '../src/session-balancer.ts';
import { TestCluster } from './support/test-cluster.ts';
import type { TestClient } from './support/test-client.ts';

const OPTIONS: LoadShedderOptions = { perSecondMax: 4, overShare: 0.2, surplusMin: 10, quietMs: 30_000 };
const shedder = (options: Partial<LoadShedderOptions> = {}) => new LoadShedder({ ...OPTIONS, ...options });
const calm = { busy: false, lightest: 90 };

describe('load shedder', () => {
  it('asks nobody at a usual difference, and nobody without another session', () => {
    const core = shedder();
    for (let ms = 0; ms < 10_000; ms += 250) {
      expect(core.step(ms, { ...calm, own: 120, mean: 100 })).toBe(0);
      expect(core.step(ms, { ...calm, own: 500, mean: 500, lightest: Infinity })).toBe(0);
      expect(core.step(ms, { ...calm, own: 14, mean: 5, lightest: 1 })).toBe(0);
    }
  });

  it('keeps its last client, also when the mean of a few was rounded to none', () => {
    const core = shedder({ surplusMin: 1 });
    for (let ms = 0; ms < 10_000; ms += 250)
      expect(core.step(ms, { ...calm, own: 1, mean: 0, lightest: 0 })).toBe(0);
  });

  it('asks at the rate and stops just above the mean', () => {
    const core = shedder();
    let own = 150;
    for (let ms = 0; ms <= 10_000; ms += 250) own -= core.step(ms, { ...calm, own, mean: 100 });
    expect(own).toBe(110);
    for (let ms = 10_250; ms < 60_000; ms += 250) own -= core.step(ms, { ...calm, own, mean: 100 });
    expect(own).toBe(102);
    expect(core.active).toBe(false);
  });

  it('begins earlier for a newcomer', () => {
    const core = shedder();
    expect(core.step(0, { own: 111, mean: 100, lightest: 50, busy: false })).toBe(0);
    expect(core.active).toBe(false);
    core.step(250, { own: 111, mean: 100, lightest: 10, busy: false });
    expect(core.active).toBe(true);
  });

  it('asks nobody while something is under way and for a while after it', () => {
    const core = shedder();
    const facts = { ...calm, own: 300, mean: 100 };
    expect(core.step(0, { ...facts, busy: true })).toBe(0);
    for (let ms = 250; ms < 30_000; ms += 250) expect(core.step(ms, facts)).toBe(0);
    core.step(30_000, facts);
    expect(core.step(30_250, facts)).toBe(1);
    core.disturbed(30_300);
    expect(core.step(31_000, facts)).toBe(0);
  });

  it('does not make up for a pause', () => {
    const core = shedder();
    core.step(0, { ...calm, own: 300, mean: 100 });
    expect(core.step(600_000, { ...calm, own: 300, mean: 100 })).toBe(4);
  });

  it('evens out any sessions without ever pulling one below the mean, wherever the clients go', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(400), { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer(),
        (loads, perSecondMax, seed) => {
          const random = seededRandom(seed);
          const cores = loads.map(() => shedder({ perSecondMax }));
          const own = [...loads];
          const mean = Math.round(own.reduce((sum, load) => sum + load, 0) / own.length);
          let asked = 0;
          for (let ms = 0; ms < 1_200_000; ms += 250) {
            const before = [...own];
            for (const [i, core] of cores.entries()) {
              const lightest = Math.min(...before.filter((_, k) => k !== i));
              const count = core.step(ms, { own: before[i], mean, lightest, busy: false });
              if (count > 0) expect(before[i] - count).toBeGreaterThanOrEqual(mean);
              asked += count;
              own[i] -= count;
              for (let n = 0; n < count; n++) own[Math.floor(random.next() * own.length)]++;
            }
            expect(asked).toBeLessThanOrEqual(((ms / 1000) * perSecondMax + 1) * cores.length);
          }
          for (const load of own) expect(load).toBeLessThanOrEqual(Math.max(mean * 1.2, mean + 10));
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('who is asked', () => {
  const sdk = { sdk: {}, publishers: new Set([1]) };
  const subscriber = { sdk: null, publishers: null };
  const provider = { sdk: null, publishers: new Set([1]) };

  it('those that move most cheaply', () => {
    const all = [provider, subscriber, sdk, provider, subscriber, sdk];
    const random = () => 0.5;
    expect(chooseToShed(all, 2, random)).toEqual([sdk, sdk]);
    expect(chooseToShed(all, 5, random)).toEqual([sdk, sdk, subscriber, subscriber, provider]);
    expect(chooseToShed(all, 9, random)).toHaveLength(6);
    expect(chooseToShed([], 3, random)).toEqual([]);
  });

  it('any of equals', () => {
    const random = seededRandom(7);
    const all = Array.from({ length: 20 }, () => ({ ...subscriber }));
    const seen = new Set<unknown>();
    for (let i = 0; i < 400; i++) for (const one of chooseToShed(all, 2, () => random.next())) seen.add(one);
    expect(seen.size).toBe(20);
  });
});

describe('a session with more than its share', () => {
  let cluster: TestCluster;
  afterEach(() => cluster.session.kill());

  const SETTINGS = { shedPerSecondMax: 2, shedSurplusMin: 1, shedQuietMs: 1000, idleCloseMs: 600_000 };

  function tellSessions(): void {
    const common = { role: 'session' as const, httpAddress: '', zone: 'ZONEA', dataCenter: '', startedMs: 1 };
    const { meta, session } = cluster;
    meta.members = [
      ...cluster.meta.members.filter(({ role }) => role !== 'session'),
      { ...common, processId: session.processId, address: session.address, weight: 8, draining: false },
      { ...common, processId: 'other', address: 'other:9600', weight: 0, draining: false },
    ];
    meta.push();
  }

  async function overloaded(sdks: number, official: number): Promise<TestClient[]> {
    cluster = await TestCluster.start(SETTINGS);
    const clients: TestClient[] = [];
    for (let i = 0; i < sdks + official; i++) {
      const client = await cluster.client();
      clients.push(client);
      if (i < sdks) await cluster.run(client.hello(60_000));
      await cluster.run(client.publish({ dataId: 's', registId: `p${i}` }, [`v${i}`]));
    }
    tellSessions();
    return clients;
  }

  it('asks SDKs first, names the lighter session, and does not disconnect them', async () => {
    const clients = await overloaded(3, 5);
    cluster.meta.meanWeight = 4;
    await cluster.clock.advance(14_000);
    const asked = clients.filter(({ reconnects }) => reconnects.length > 0);
    expect(asked.length).toBeGreaterThan(0);
    for (const { reconnects } of asked) expect(reconnects[0].sessions).toEqual(['other:9600']);
    expect(clients.slice(0, 3).every(({ closedReason }) => closedReason === null)).toBe(true);
    // Those that do not move are counted as leaving for a while only; nobody is asked in their place beyond the mean.
    expect(cluster.metric('shed_total')).toBeLessThanOrEqual(4);
  });

  it('keeps the publishers of official clients listed until they are back elsewhere', async () => {
    const clients = await overloaded(0, 8);
    const watcher = clients[0];
    await cluster.run(watcher.subscribe({ dataId: 's', registId: 'watcher' }));
    cluster.meta.meanWeight = 4;
    // The other session is new: official clients do not have it on their lists.
    await cluster.clock.advance(30_000);
    expect(cluster.metric('shed_total')).toBe(0);
    await cluster.clock.advance(6_000);
    const closed = clients.filter(({ closedReason }) => closedReason !== null);
    // Down to the mean with the hysteresis, and no further.
    expect(closed).toHaveLength(3);
    expect(cluster.session.inspect.counts().publishers).toBe(8);
    const lists = clients.flatMap((client) => client.pushesTo('watcher'));
    expect(lists.at(-1)?.values).toHaveLength(8);
    await cluster.clock.advance(20_000);
    expect(cluster.session.inspect.counts().publishers).toBe(5);
  });

  it('asks nobody when the operator says so, or while it is drained', async () => {
    const clients = await overloaded(4, 4);
    cluster.meta.meanWeight = 4;
    cluster.meta.docs = [{ key: SESSION_BALANCE_KEY, value: 'off', version: 1 }];
    cluster.meta.push();
    await cluster.clock.advance(15_000);
    expect(cluster.metric('shed_total')).toBe(0);
    cluster.meta.docs = [];
    cluster.meta.members = cluster.meta.members.map((node) =>
      node.processId === 'other' ? node : { ...node, draining: true },
    );
    cluster.meta.push();
    await cluster.clock.advance(15_000);
    expect(cluster.metric('shed_total')).toBe(0);
    expect(clients.every(({ closedReason }) => closedReason === null)).toBe(true);
  });
});
