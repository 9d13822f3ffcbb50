/**
 * Model-based property: whatever clients do, and whatever happens to the roles meanwhile, every subscriber ends with exactly the
 * live publishers, versions never going back. The real tiers, in the simulator; the bigger sets are in test/slow/sim.
 */
import { describe, expect, test } from 'vitest';
import {
  type Fault,
  makePlan,
  runPlan,
  SETTLE_MS,
  type SimPlan,
  type SimResult,
  type SimRun,
  type SimSize,
} from '@sofa-registry/testing';

const ALONE: Partial<SimSize> = { metas: 1, data: 1, sessions: 1, zones: 1, slotCount: 16, replicas: 2 };

/** One process of each role; the data role, or its clients' sockets, are lost now and then. */
function alone(seed: number): SimPlan {
  const plan = makePlan(seed, 'none', { ...ALONE, activeMs: 12_000, stepMs: 100 });
  const faults: Fault[] = [];
  for (let i = 0; i < 3; i++) {
    const atMs = SETTLE_MS + 1000 + i * 3500 + ((seed * 997) % 1500);
    if ((seed + i) % 3 === 0) faults.push({ atMs, forMs: 0, kind: 'clientsLost', node: 'session-1' });
    else faults.push({ atMs, forMs: 20 + ((seed * 31) % 400), kind: 'crash', node: 'data-1', silent: false });
  }
  return { ...plan, faults };
}

function expectClean(result: SimResult): void {
  expect(
    result.violations.map(({ invariant, atMs, detail }) => `${invariant} at ${atMs}: ${detail}`),
  ).toEqual([]);
  expect(result.convergedMs).toBeGreaterThanOrEqual(0);
}

describe('one process of each role', () => {
  test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
    'seed %i: data restarts and lost sockets',
    async (seed) => {
      const result = await runPlan(alone(seed));
      expectClean(result);
      expect(result.judged).toBeGreaterThan(10);
    },
  );
});

describe('a cluster', () => {
  test.each([101, 102])('seed %i: single faults', async (seed) => {
    expectClean(await runPlan(makePlan(seed, 'single', { activeMs: 20_000 })));
  });
});

describe('sessions that balance', () => {
  /** Two of three sessions are away for a while: when they are back, empty, the third sends clients to them. */
  function plan(seed: number, official: boolean): SimPlan {
    const made = makePlan(seed, 'none', {
      metas: 1,
      data: 2,
      sessions: 3,
      zones: 1,
      clients: 30,
      activeMs: 75_000,
      stepMs: 200,
    });
    return {
      ...made,
      // Our SDKs go first, so officials are only sent away if there are no others.
      steps: made.steps.map((step) =>
        step.do === 'join' && official ? { ...step, kind: step.kind % 2 } : step,
      ),
      faults: [
        { atMs: SETTLE_MS + 1000, forMs: 12_000, kind: 'crash', node: 'session-2', silent: false },
        { atMs: SETTLE_MS + 2000, forMs: 11_000, kind: 'crash', node: 'session-3', silent: false },
        {
          atMs: SETTLE_MS + 50_000,
          forMs: 100,
          kind: 'crash',
          node: `data-${(seed % 2) + 1}`,
          silent: false,
        },
      ],
    };
  }
  const plans = [1, 5].map((seed) => plan(seed, seed > 1));

  test(
    'no list shrinks while clients are sent to the lighter one',
    { timeout: 120_000 },
    async () => {
      let shed = 0;
      for (const each of plans) {
        const runs: SimRun[] = [];
        // A grace shorter than official clients stay away: only the hold of those sent away keeps them listed.
        const session = { graceMs: 250, shedSurplusMin: 1, shedQuietMs: 3000, shedPerSecondMax: 4 };
        expectClean(await runPlan(each, { settings: { session }, prepare: (run) => void runs.push(run) }));
        for (const { tier } of runs[0].cluster.nodes.values()) {
          if (tier?.role !== 'session') continue;
          const family = tier.server.metrics.families().find(({ name }) => name.endsWith('_shed_total'));
          shed += family?.samples()[0]?.value ?? 0;
        }
      }
      expect(shed).toBeGreaterThan(10);
    },
    120_000,
  );
});

describe('an operator takes a client out of the traffic', () => {
  const OFF_MS = 8000;
  const OPEN_MS = 20_000;

  function plan(faults: readonly Fault[]): SimPlan {
    const made = makePlan(3, 'none', { metas: 1, data: 2, sessions: 2, zones: 1, clients: 6, slotCount: 16 });
    const steps: SimPlan['steps'] = Array.from({ length: 6 }, (_, client) => [
      { atMs: client * 10, do: 'join', kind: client } as const,
      { atMs: client * 10 + 1, do: 'publish', client, service: 0 } as const,
      { atMs: client * 10 + 1, do: 'subscribe', client, service: 0, scope: 'dataCenter' } as const,
    ]).flat();
    const off: Fault = { atMs: OFF_MS, forMs: OPEN_MS - OFF_MS, kind: 'clientOff', client: 0, count: 1 };
    return { ...made, steps, faults: [off, ...faults] };
  }

  /** How many clients see the first one's publication at these times after the start, and to how many sessions it is connected. */
  async function seen(faults: readonly Fault[], times: readonly number[]): Promise<string[]> {
    const looks: string[] = [];
    const look = ({ model }: SimRun): void => {
      const views = [...model.clients.values()].flatMap(({ client }) => [...client.subscriptions.values()]);
      const keys = views.map(({ view }) => JSON.stringify([...(view?.zones.values() ?? [])]));
      const connected = model.clients.get('client-1')?.session !== '';
      looks.push(
        `${keys.filter((key) => key.includes('client-1/')).length} of ${keys.length}${connected ? '' : ', lost'}`,
      );
    };
    const result = await runPlan(plan(faults), {
      prepare: (run) => {
        for (const atMs of times) run.world.clock.setTimer(SETTLE_MS / 2 + atMs, () => look(run));
      },
    });
    expectClean(result);
    return looks;
  }

  test('nobody sees it a moment later, itself included, and everybody when it is opened', async () => {
    const looks = await seen([], [OFF_MS - 1, OFF_MS + 50, OPEN_MS - 1, OPEN_MS + 1000]);
    expect(looks).toEqual(['6 of 6', '0 of 6', '0 of 6', '6 of 6']);
  });

  test('nor after restarts of data nodes, sessions and meta', async () => {
    const crash = (atMs: number, node: string): Fault => ({
      atMs,
      forMs: 300,
      kind: 'crash',
      node,
      silent: false,
    });
    const faults = ['data-1', 'session-1', 'meta-1', 'session-2', 'data-2'].map((node, i) =>
      crash(OFF_MS + 500 + i * 2000, node),
    );
    const looks = await seen(faults, [OFF_MS - 1, OFF_MS + 50, OPEN_MS - 1, OPEN_MS + 1000]);
    expect(looks).toEqual(['6 of 6', '0 of 6', '0 of 6', '6 of 6']);
  });
});

describe('replay', () => {
  test('two runs of one seed are the same, event by event', async () => {
    const first = await runPlan(makePlan(7, 'combo', { activeMs: 20_000 }));
    const second = await runPlan(makePlan(7, 'combo', { activeMs: 20_000 }));
    const other = await runPlan(makePlan(9, 'combo', { activeMs: 20_000 }));
    expect([second.hash, second.simulatedMs, second.judged]).toEqual([
      first.hash,
      first.simulatedMs,
      first.judged,
    ]);
    expect(other.hash).not.toBe(first.hash);
  });

  test('a traced run is the same as one without', async () => {
    const plain = await runPlan(makePlan(11, 'single', { activeMs: 10_000 }));
    const traced = await runPlan(makePlan(11, 'single', { activeMs: 10_000 }), { trace: true });
    expect(traced.hash).toBe(plain.hash);
    expect(traced.trace.lines.length).toBeGreaterThan(100);
  });
});
