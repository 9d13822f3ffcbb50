/** Random lives of clients against a naive model: at the end everybody has exactly the live publishers, and nobody saw a version go back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessCode } from '@sofa-registry/wire';
import { idOf, TestCluster } from './support/test-cluster.ts';
import type { Push, TestClient } from './support/test-client.ts';

const SERVICES = ['a', 'b', '__proto__'];
const PROVIDERS = 4;
const CONSUMERS = 3;

type Step =
  | { kind: 'publish'; who: number; service: number; value: number }
  | { kind: 'unpublish'; who: number; service: number }
  | { kind: 'drop'; who: number; back: boolean }
  | { kind: 'dropConsumer'; who: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'killData'; empty: boolean; downMs: number }
  | { kind: 'refuse'; code: number; ms: number }
  | { kind: 'silent'; ms: number }
  | { kind: 'clock'; ms: number };

const nat = (max: number) => fc.nat(max - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      who: nat(PROVIDERS),
      service: nat(3),
      value: nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('unpublish' as const), who: nat(PROVIDERS), service: nat(3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('drop' as const), who: nat(PROVIDERS), back: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('dropConsumer' as const), who: nat(CONSUMERS) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(900) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('killData' as const),
      empty: fc.boolean(),
      downMs: fc.nat(3000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refuse' as const),
      code: fc.constantFrom(AccessCode.migrating, AccessCode.moved, AccessCode.misMatch),
      ms: fc.nat(2000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('silent' as const), ms: fc.nat(2000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('clock' as const),
      ms: fc.integer({ min: -20_000, max: 20_000 }),
    }),
  },
);

interface Provider {
  client: TestClient;
  /** Service to (version, value) it publishes. */
  readonly wanted: Map<number, { version: number; value: string }>;
  readonly versions: Map<number, number>;
}

class World {
  readonly cluster: TestCluster;
  readonly providers: Provider[] = [];
  readonly consumers: TestClient[] = [];
  readonly pushes: Push[][] = [];

  constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  async setUp(): Promise<void> {
    for (let i = 0; i < PROVIDERS; i++) {
      this.providers.push({ client: await this.cluster.client(), wanted: new Map(), versions: new Map() });
    }
    for (let i = 0; i < CONSUMERS; i++) this.consumers.push(await this.#consumer(i));
  }

  async #consumer(i: number): Promise<TestClient> {
    const client = await this.cluster.client();
    if (i === 0) await this.cluster.run(client.hello(20_000));
    for (const dataId of SERVICES) {
      await this.cluster.run(client.subscribe({ dataId, registId: `c${i}-${dataId}` }, i === 0));
    }
    return client;
  }

  async act(each: Step): Promise<void> {
    const { cluster, providers } = this;
    const node = cluster.data[0];
    if (each.kind === 'publish' || each.kind === 'unpublish') {
      const provider = providers[each.who];
      const version = (provider.versions.get(each.service) ?? 0) + 1;
      provider.versions.set(each.service, version);
      const registration = {
        dataId: SERVICES[each.service],
        registId: `p${each.who}-${each.service}`,
        version,
      };
      if (each.kind === 'publish') {
        const value = `${each.who}/${each.value}`;
        provider.wanted.set(each.service, { version, value });
        void provider.client.publish(registration, [value]);
      } else {
        provider.wanted.delete(each.service);
        void provider.client.unpublish(registration);
      }
      await cluster.clock.settle();
    } else if (each.kind === 'drop') {
      providers[each.who].client.channel.destroy('drop');
      if (!each.back) providers[each.who].wanted.clear();
      await cluster.clock.advance(50);
      await this.#providerBack(providers[each.who], each.who);
    } else if (each.kind === 'dropConsumer') {
      this.consumers[each.who].channel.destroy('drop');
      this.consumers[each.who] = await this.#consumer(each.who);
    } else if (each.kind === 'wait') await cluster.clock.advance(each.ms);
    else if (each.kind === 'killData') {
      if (each.empty) await cluster.run(node.kill());
      else for (const channel of node.channels) channel.destroy('link cut');
      await cluster.clock.advance(each.downMs);
      if (!each.empty) return;
      // As a real leader does: no reads before the session was heard.
      node.refuse = AccessCode.migrating;
      await node.start();
      await cluster.clock.advance(1200);
      node.refuse = null;
    } else if (each.kind === 'refuse') {
      node.refuse = each.code;
      await cluster.clock.advance(each.ms);
      node.refuse = null;
    } else if (each.kind === 'silent') {
      node.silent = true;
      await cluster.clock.advance(each.ms);
      node.silent = false;
    } else cluster.clock.stepWall(each.ms);
  }

  async #providerBack(provider: Provider, who: number): Promise<void> {
    provider.client = await this.cluster.client();
    for (const [service, { version, value }] of provider.wanted) {
      const registration = { dataId: SERVICES[service], registId: `p${who}-${service}`, version };
      await this.cluster.run(provider.client.publish(registration, [value]));
    }
  }

  check(): void {
    for (const [index, dataId] of SERVICES.entries()) {
      const truth = this.providers
        .map((provider) => provider.wanted.get(index)?.value)
        .filter((value) => value !== undefined);
      for (const [i, consumer] of this.consumers.entries()) {
        const id = `c${i}-${dataId}`;
        expect(consumer.list(id), id).toEqual(truth.toSorted());
        const versions = consumer.pushesTo(id).map((push) => Number(push.version));
        for (let at = 1; at < versions.length; at++)
          expect(versions[at], id).toBeGreaterThanOrEqual(versions[at - 1]);
      }
      expect(this.cluster.data[0].live(idOf(dataId))).toHaveLength(truth.length);
    }
    expect(this.cluster.session.inspect.held()).toEqual([]);
    expect(this.cluster.metric('write_pending')).toBe(0);
    expect(this.cluster.metric('push_in_flight')).toBe(0);
    expect(this.cluster.logger.lines.filter((line) => line.level === 'error')).toEqual([]);
  }
}

describe('model', () => {
  it('every subscriber ends with exactly the live publishers', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const world = new World(await TestCluster.start({ idleCloseMs: 600_000 }));
        try {
          await world.setUp();
          for (const each of steps) await world.act(each);
          await world.cluster.clock.advance(16_000);
          world.check();
        } finally {
          world.cluster.session.kill();
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  });
});
