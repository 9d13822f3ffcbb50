/**
 * What a simulation does, made from its seed before it starts, so that it can be printed, replayed and shrunk: the cluster, what
 * clients do, and the faults. Names are indices; what an index means is settled when the step runs.
 */
import type { Scope } from '@sofa-registry/model';
import type { Random } from '@sofa-registry/runtime';
import { seededRandom } from '@sofa-registry/runtime';
import { makeClientOffs } from './client-off.ts';
import { type Fault, type FaultLevel, makeFaults } from './faults.ts';
import { makeMetaFaults } from './meta-faults.ts';
import { makeOperatorFaults, makeSettings } from './operator-faults.ts';
import type { SimTierSettings } from './sim-tiers.ts';

/** A step of the clients. `client`, `pick` count modulo what there is. */
export type ClientStep =
  | { readonly atMs: number; readonly do: 'join'; readonly kind: number }
  | {
      readonly atMs: number;
      readonly do: 'publish' | 'publishTemporary';
      readonly client: number;
      readonly service: number;
    }
  | {
      readonly atMs: number;
      readonly do: 'update' | 'unpublish' | 'unsubscribe';
      readonly client: number;
      readonly pick: number;
    }
  | {
      readonly atMs: number;
      readonly do: 'subscribe';
      readonly client: number;
      readonly service: number;
      readonly scope: Scope;
    }
  | {
      readonly atMs: number;
      readonly do: 'leave' | 'die';
      readonly client: number;
      readonly silent: boolean;
    };

/** Size of a simulation. */
export interface SimSize {
  readonly metas: number;
  readonly data: number;
  readonly sessions: number;
  readonly zones: number;
  readonly clients: number;
  readonly services: number;
  readonly slotCount: number;
  readonly replicas: number;
  /** Simulated time with steps and faults, ms. */
  readonly activeMs: number;
  /** Mean time between two steps of the clients, ms. */
  readonly stepMs: number;
}

/** Tunables that differ from the defaults. */
export interface SimSettings {
  readonly meta?: SimTierSettings['metaSettings'];
  readonly data?: SimTierSettings['dataSettings'];
  readonly session?: SimTierSettings['sessionSettings'];
}

/** A whole simulation. */
export interface SimPlan {
  readonly seed: number;
  readonly level: FaultLevel;
  readonly size: SimSize;
  readonly steps: readonly ClientStep[];
  readonly faults: readonly Fault[];
  readonly settings?: SimSettings;
}

/** Time from the start of all nodes to the first step, ms. */
export const SETTLE_MS = 5000;

/** Makes the randomness of clients that are taken off another than that of the rest. */
const CLIENT_OFFS = 0x0b5e_55ed;

/** Makes the plan of a seed. */
export function makePlan(seed: number, level: FaultLevel, size: Partial<SimSize> = {}): SimPlan {
  const random = seededRandom(seed);
  const sizes = { ...randomSize(random, level), ...size };
  const steps = makeSteps(seededRandom(random.uint32()), sizes);
  // A dice of its own, and not for all: the other seeds stay what they were.
  if (level !== 'meta' && seed % 4 === 0) addTemporaries(seededRandom(seed), sizes, steps);
  const fromMs = SETTLE_MS;
  const toMs = fromMs + sizes.activeMs;
  const forFaults = seededRandom(random.uint32());
  const plan = { seed, level, size: sizes, steps };
  if (level === 'operator') {
    const settings = makeSettings(forFaults);
    return { ...plan, faults: makeOperatorFaults(forFaults, sizes, fromMs, toMs), settings };
  }
  const faults =
    level === 'meta'
      ? makeMetaFaults(forFaults, sizes, fromMs, toMs)
      : makeFaults(forFaults, level, sizes, fromMs, toMs);
  if (level === 'single' || level === 'combo') {
    // Randomness of their own: what else a seed does is not shifted.
    faults.push(...makeClientOffs(seededRandom(seed ^ CLIENT_OFFS), fromMs, toMs));
    faults.sort((a, b) => a.atMs - b.atMs);
  }
  return { ...plan, faults };
}

/** An integer from `min` to `max`. */
export function between(random: Random, min: number, max: number): number {
  return min + (random.uint32() % (max - min + 1));
}

/** One of the items. */
export function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[random.uint32() % items.length];
}

function randomSize(random: Random, level: FaultLevel): SimSize {
  const calm = level === 'none';
  const metas = oneOf(random, level === 'meta' ? [2, 3, 3] : [1, 1, 3]);
  return {
    metas,
    data: oneOf(random, calm ? [1, 2, 3] : level === 'meta' ? [3, 4, 5] : [1, 2, 3, 3, 4]),
    sessions: oneOf(random, [1, 2, 2, 3]),
    zones: oneOf(random, [1, 1, 2]),
    clients: between(random, 4, 24),
    services: between(random, 1, 8),
    slotCount: oneOf(random, [4, 16, 64]),
    replicas: oneOf(random, [2, 2, 2, 3]),
    activeMs: calm ? 20_000 : between(random, 20_000, 90_000),
    stepMs: oneOf(random, [50, 200, 1000]),
  };
}

function makeSteps(random: Random, size: SimSize): ClientStep[] {
  const steps: ClientStep[] = [];
  const scopes: readonly Scope[] = ['zone', 'dataCenter', 'dataCenter', 'global'];
  const service = (): number => Math.floor(random.next() ** 2 * size.services);
  for (let i = 0; i < size.clients; i++) {
    const atMs = SETTLE_MS * random.next();
    steps.push({ atMs, do: 'join', kind: random.uint32() });
    for (let n = between(random, 0, 3); n > 0; n--)
      steps.push({ atMs: atMs + 1, do: 'publish', client: i, service: service() });
    for (let n = between(random, 0, 3); n > 0; n--) {
      steps.push({
        atMs: atMs + 1,
        do: 'subscribe',
        client: i,
        service: service(),
        scope: oneOf(random, scopes),
      });
    }
  }
  let atMs = SETTLE_MS;
  const endMs = SETTLE_MS + size.activeMs;
  for (;;) {
    atMs += -Math.log(1 - random.next()) * size.stepMs;
    if (atMs > endMs) break;
    steps.push(randomStep(random, atMs, service, scopes));
  }
  return steps.sort((a, b) => a.atMs - b.atMs);
}

/** Temporary publications among the other steps. */
function addTemporaries(random: Random, size: SimSize, steps: ClientStep[]): void {
  for (let n = between(random, 5, 40); n > 0; n--) {
    const atMs = SETTLE_MS + size.activeMs * random.next();
    const client = random.uint32();
    steps.push({ atMs, do: 'publishTemporary', client, service: between(random, 0, size.services - 1) });
  }
  steps.sort((a, b) => a.atMs - b.atMs);
}

function randomStep(
  random: Random,
  atMs: number,
  service: () => number,
  scopes: readonly Scope[],
): ClientStep {
  const client = random.uint32();
  const pick = random.uint32();
  const dice = random.next();
  if (dice < 0.25) return { atMs, do: 'publish', client, service: service() };
  if (dice < 0.6) return { atMs, do: 'update', client, pick };
  if (dice < 0.77) return { atMs, do: 'unpublish', client, pick };
  if (dice < 0.87) return { atMs, do: 'subscribe', client, service: service(), scope: oneOf(random, scopes) };
  if (dice < 0.93) return { atMs, do: 'unsubscribe', client, pick };
  if (dice < 0.965) return { atMs, do: 'join', kind: pick };
  return { atMs, do: dice < 0.98 ? 'leave' : 'die', client, silent: random.uint32() % 2 === 0 };
}
