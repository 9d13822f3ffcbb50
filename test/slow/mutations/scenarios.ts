/**
 * Fault schedules written by hand: what a random seed draws too seldom to be relied on. Each is a plan like that of a seed, clean
 * without a bug, and named by the deliberate bugs it finds (`mutations.ts`).
 */
import type { Scope } from '@sofa-registry/model';
import type { ClientStep, Fault, SimPlan, SimRunOptions, SimSize } from '@sofa-registry/testing';

/** A schedule. */
export interface Scenario {
  readonly name: string;
  /** What happens, for people. */
  readonly what: string;
  readonly options?: SimRunOptions;
  plan(): SimPlan;
}

const SIZE: SimSize = {
  metas: 1,
  data: 3,
  sessions: 2,
  zones: 1,
  clients: 6,
  services: 2,
  slotCount: 16,
  replicas: 2,
  activeMs: 30_000,
  stepMs: 1000,
};

/** Kinds of clients (the plan's `join`). */
const OFFICIAL = 0;
const SDK = 2;

/** Writes down what clients do. Clients are numbered in order of joining, from 0. */
class Script {
  readonly steps: ClientStep[] = [];
  readonly faults: Fault[] = [];

  /** Clients that publish every service, and subscribe them. */
  crowd(
    count: number,
    services: number,
    kind: (client: number) => number = (i) => [OFFICIAL, SDK][i % 2],
    subscribe = true,
  ): this {
    for (let client = 0; client < count; client++) {
      const atMs = client * 20;
      this.steps.push({ atMs, do: 'join', kind: kind(client) });
      for (let service = 0; service < services; service++) {
        this.steps.push({ atMs: atMs + 1, do: 'publish', client, service });
        if (subscribe) this.subscribe(atMs + 1, client, service);
      }
    }
    return this;
  }

  /** Clients that only publish every service. */
  publishers(count: number, services: number): this {
    return this.crowd(count, services, undefined, false);
  }

  subscribe(atMs: number, client: number, service: number, scope: Scope = 'dataCenter'): this {
    this.steps.push({ atMs, do: 'subscribe', client, service, scope });
    return this;
  }

  /** One update of a publication each `everyMs`, clients and publications in turn. */
  updates(fromMs: number, toMs: number, everyMs: number, clients: number): this {
    for (let atMs = fromMs, i = 0; atMs < toMs; atMs += everyMs, i++)
      this.steps.push({ atMs, do: 'update', client: i % clients, pick: Math.floor(i / clients) });
    return this;
  }

  fault(...faults: Fault[]): this {
    this.faults.push(...faults);
    return this;
  }

  plan(seed: number, size: Partial<SimSize>): SimPlan {
    return {
      seed,
      level: 'combo',
      size: { ...SIZE, ...size },
      steps: this.steps.toSorted((a, b) => a.atMs - b.atMs),
      faults: this.faults.toSorted((a, b) => a.atMs - b.atMs),
    };
  }
}

const s = 1000;
const DATA = ['data-1', 'data-2', 'data-3'];

/** All of them. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'answers that come too late',
    what: 'slots move while one session hears of the data nodes so late that it gives its reads up',
    options: { settings: { session: { fetchTimeoutMs: 500 } } },
    plan: () => {
      const script = new Script().crowd(6, 10).updates(8 * s, 14 * s, 50, 6);
      const all = ['data-1', 'data-2', 'data-3', 'data-4'];
      script.fault(
        { atMs: 8 * s, forMs: 20 * s, kind: 'slow', a: ['session-1'], b: all, ms: 300 },
        // What the old leader tells is lost, then it hands its slots over.
        { atMs: 10 * s, forMs: 20 * s, kind: 'cut', a: ['session-1'], b: ['data-1'], oneWay: false },
        { atMs: 12 * s, forMs: 20 * s, kind: 'stop', node: 'data-1' },
      );
      return script.plan(1, { clients: 6, services: 10, data: 4 });
    },
  },
  {
    name: 'restart of everything',
    what: 'all sessions and data nodes are killed and at once started again; clients come back within half a second',
    plan: () =>
      new Script()
        .crowd(24, 2)
        .fault({ atMs: 30 * s, forMs: 100, kind: 'restart', roles: ['data', 'session'], silent: false })
        .plan(2, { sessions: 2, clients: 24 }),
  },
  {
    name: 'everything dies right after a session',
    what: 'a session is killed with half of the clients on it, and everything while these are on their way to the other one',
    plan: () =>
      new Script()
        .crowd(24, 2)
        .fault({ atMs: 30 * s, forMs: 300, kind: 'crash', node: 'session-1', silent: false })
        .fault({ atMs: 30.6 * s, forMs: 200, kind: 'restart', roles: ['data', 'session'], silent: false })
        .plan(2, { sessions: 2, clients: 24 }),
  },
  {
    name: 'moved to a session that is behind',
    what: 'a client moves to a session whose clock is behind and which is cut off from the data nodes meanwhile',
    plan: () => {
      const cut = (a: string, b: string[], atMs: number, forMs: number): Fault[] => [
        { atMs, forMs, kind: 'cut', a: [a], b, oneWay: false },
        { atMs: atMs + 1, forMs: 0, kind: 'reset', node: a, other: b[0] },
      ];
      const script = new Script()
        .crowd(4, 1, (i) => (i === 0 ? OFFICIAL : SDK))
        .fault({ atMs: 6 * s, forMs: 0, kind: 'clockStep', node: 'session-1', ms: -60 * s })
        .fault(...cut('client-1', ['session-1'], 8 * s, 4 * s))
        .fault({ atMs: 11 * s, forMs: 19 * s, kind: 'cut', a: ['session-1'], b: DATA, oneWay: false })
        .fault(...cut('client-1', ['session-2'], 12.5 * s, 20 * s));
      script.steps.push({ atMs: 12.3 * s, do: 'update', client: 0, pick: 0 });
      return script.plan(3, { clients: 4 });
    },
  },
  {
    name: 'an old write comes late',
    what: 'a session cannot pass a write on; its client moves, unnoticed, and takes the publication back elsewhere; then the write arrives',
    plan: () => {
      const script = new Script()
        .crowd(4, 8, (i) => (i === 0 ? OFFICIAL : SDK))
        .fault({ atMs: 0, forMs: 10 * s, kind: 'cut', a: ['client-1'], b: ['session-2'], oneWay: false })
        .fault({ atMs: 9 * s, forMs: 27 * s, kind: 'cut', a: ['session-1'], b: ['data-1'], oneWay: false })
        .fault({ atMs: 10 * s, forMs: 36 * s, kind: 'cut', a: ['client-1'], b: ['session-1'], oneWay: false })
        .fault({ atMs: 10 * s + 1, forMs: 0, kind: 'reset', node: 'client-1', other: 'session-1' });
      for (let pick = 0; pick < 8; pick++) {
        for (const atMs of [9.5 * s, 22 * s]) script.steps.push({ atMs, do: 'update', client: 0, pick });
        if (pick % 2 === 0) script.steps.push({ atMs: 24 * s, do: 'unpublish', client: 0, pick: pick / 2 });
      }
      return script.plan(9, { services: 8, clients: 4, activeMs: 46 * s });
    },
  },
  {
    name: 'small buffers',
    what: 'publications come and go with room for four tombstones only, and two reads that wait',
    options: { settings: { data: { tombstonesMax: 4, parkedReadsMax: 2 } } },
    plan: () => {
      const script = new Script().crowd(6, 4).updates(8 * s, 30 * s, 100, 6);
      for (let i = 0; i < 20; i++)
        script.steps.push({ atMs: (9 + i / 10) * s, do: 'unpublish', client: i, pick: i });
      script.fault({ atMs: 14 * s, forMs: 10 * s, kind: 'crash', node: 'data-2', silent: false });
      return script.plan(10, { clients: 6, services: 4 });
    },
  },
  {
    name: 'one of two followers has no copy yet',
    what: 'a follower restarts and does not reach the other data nodes; then a leader dies',
    plan: () =>
      new Script()
        .crowd(4, 4)
        .fault({ atMs: 10 * s, forMs: 500, kind: 'crash', node: 'data-3', silent: false })
        .fault({
          atMs: 10 * s,
          forMs: 20 * s,
          kind: 'cut',
          a: ['data-3'],
          b: ['data-1', 'data-2'],
          oneWay: false,
        })
        .fault({ atMs: 18 * s, forMs: 20 * s, kind: 'crash', node: 'data-1', silent: false })
        .plan(8, { replicas: 3, services: 4, clients: 4, activeMs: 30 * s }),
  },
  {
    name: 'the clock is set back when a data node dies',
    what: "a data node loses power, and right after that the leading meta's wall clock is set back by five minutes",
    plan: () =>
      new Script()
        .crowd(4, 1)
        .fault({ atMs: 10 * s, forMs: 60 * s, kind: 'crash', node: 'data-2', silent: true })
        .fault({ atMs: 10.3 * s, forMs: 0, kind: 'clockStep', node: 'meta-1', ms: -300 * s })
        .plan(5, { clients: 4, activeMs: 60 * s }),
  },
  {
    name: 'the store answers late, then not at all',
    what: 'the leader of the metas hears of a renewal 1.2 s later, when it does not reach the store any more',
    options: { settings: { meta: { listenMs: 500 } } },
    plan: () =>
      new Script()
        .crowd(4, 1)
        .fault({ atMs: 10 * s, forMs: 20 * s, kind: 'storeDeaf', node: 'meta-leader', ms: 1200 })
        .fault({ atMs: 11.8 * s, forMs: 18 * s, kind: 'storeCut', node: 'meta-leader' })
        .plan(19, { metas: 3, clients: 4, activeMs: 40 * s }),
  },
  {
    name: 'most data nodes are cut off from the metas',
    what: 'three of four data nodes do not reach the meta for longer than a lease, though everybody else',
    plan: () =>
      new Script()
        .crowd(4, 2)
        .updates(8 * s, 50 * s, 200, 4)
        .fault({ atMs: 10 * s, forMs: 40 * s, kind: 'cut', a: DATA, b: ['metas'], oneWay: false })
        .plan(6, { data: 4, clients: 4, activeMs: 50 * s }),
  },
  {
    name: 'a client is off while everything restarts',
    what: 'two clients are taken out of the traffic; data nodes, a session and the meta restart; one is opened again, one stays off',
    plan: () =>
      new Script()
        .crowd(6, 2)
        .updates(8 * s, 45 * s, 400, 6)
        .fault({ atMs: 8 * s, forMs: 30 * s, kind: 'clientOff', client: 0, count: 1 })
        .fault({ atMs: 9 * s, forMs: 0, kind: 'clientOff', client: 1, count: 1 })
        .fault({ atMs: 12 * s, forMs: 500, kind: 'crash', node: 'data-1', silent: false })
        .fault({ atMs: 18 * s, forMs: 500, kind: 'crash', node: 'session-1', silent: false })
        .fault({ atMs: 24 * s, forMs: 500, kind: 'crash', node: 'meta-1', silent: false })
        .fault({ atMs: 30 * s, forMs: 0, kind: 'clientsLost', node: 'session-2' })
        .plan(11, { clients: 6, activeMs: 60 * s }),
  },
  {
    name: 'a session that stood still reads old bytes',
    what: 'what clients sent it waits meanwhile; their network changes, they move on to the other session, and die there',
    plan: () => {
      const script = new Script()
        .crowd(6, 2)
        .updates(10.5 * s, 11 * s, 20, 6)
        .fault({ atMs: 10 * s, forMs: 25 * s, kind: 'pause', node: 'session-1' })
        .fault({ atMs: 12 * s, forMs: 0, kind: 'roam', client: 0, count: 6 });
      for (let client = 0; client < 4; client++)
        script.steps.push({ atMs: 30 * s + client, do: 'die', client, silent: false });
      return script.plan(3, { clients: 6, activeMs: 45 * s });
    },
  },
  {
    name: 'a data node joins while evictions are held back',
    what: 'two of five data nodes have been evicted, a third one is cut off from everybody, then another one joins',
    plan: () =>
      new Script()
        .crowd(4, 2)
        .fault({ atMs: 10 * s, forMs: 60 * s, kind: 'crash', node: 'data-4', silent: false })
        .fault({ atMs: 10 * s, forMs: 60 * s, kind: 'crash', node: 'data-5', silent: false })
        .fault({ atMs: 16 * s, forMs: 12 * s, kind: 'cut', a: ['data-1'], b: ['*'], oneWay: false })
        .fault({ atMs: 23 * s, forMs: 0, kind: 'join', role: 'data' })
        .plan(7, { data: 5, clients: 4, activeMs: 40 * s }),
  },
  {
    name: 'a data node joins a frozen table',
    what: 'an operator freezes the slot table, then a data node joins',
    plan: () =>
      new Script()
        .crowd(4, 2)
        .fault({ atMs: 8 * s, forMs: 20 * s, kind: 'freeze' })
        .fault({ atMs: 14 * s, forMs: 0, kind: 'join', role: 'data' })
        .plan(11, { clients: 4, activeMs: 30 * s }),
  },
  {
    name: 'the store is restored from a backup',
    what: 'a data node dies after the backup, so nodes have a later table than the store that comes back',
    plan: () =>
      new Script()
        .crowd(4, 2)
        .fault({ atMs: 8 * s, forMs: 8 * s, kind: 'restore' })
        .fault({ atMs: 10 * s, forMs: 30 * s, kind: 'crash', node: 'data-3', silent: false })
        .plan(12, { clients: 4, activeMs: 30 * s }),
  },
  {
    name: 'a suspended machine leads on',
    what: "the leader's machine is suspended past its lease; when it is back it reaches no store, and no other meta lives",
    plan: () =>
      new Script()
        .crowd(4, 2)
        .fault({ atMs: 10 * s, forMs: 16 * s, kind: 'suspend', node: 'meta-1' })
        .fault({ atMs: 25 * s, forMs: 12 * s, kind: 'storeCut', node: 'meta-1' })
        .fault(
          ...['meta-2', 'meta-3'].map((node): Fault => {
            return { atMs: 25.5 * s, forMs: 5 * s, kind: 'crash', node, silent: false };
          }),
        )
        .plan(13, { metas: 3, clients: 4, activeMs: 40 * s }),
  },
  {
    name: 'published while its leader is away',
    what: 'nobody publishes for long; then the session reaches no data node, somebody does, and nothing else happens any more',
    plan: () => {
      const script = new Script();
      for (const atMs of [0, 10]) script.steps.push({ atMs, do: 'join', kind: OFFICIAL });
      script.subscribe(10 * s, 0, 0);
      script.steps.push({ atMs: 24 * s, do: 'publish', client: 1, service: 0 });
      return script
        .fault({ atMs: 12 * s, forMs: 20 * s, kind: 'cut', a: ['session-1'], b: DATA, oneWay: false })
        .plan(17, { sessions: 1, services: 1, clients: 2, activeMs: 40 * s });
    },
  },
  {
    name: 'nothing happens, and nobody subscribes',
    what: 'clients only publish, for longer than a lease',
    plan: () =>
      new Script()
        .publishers(6, 4)
        .updates(60 * s, 61 * s, 500, 6)
        .plan(16, { services: 4, activeMs: 60 * s }),
  },
  {
    name: 'the only copy is lost, and nobody subscribes',
    what: 'clients only publish, so no list tells what is missing',
    plan: () => {
      const script = new Script().publishers(6, 4);
      return script
        .fault({ atMs: 15 * s, forMs: 20 * s, kind: 'crash', node: 'data-1', silent: false })
        .plan(14, { services: 4, replicas: 1, activeMs: 30 * s });
    },
  },
  {
    name: 'one session remembers a clock that was ahead',
    what: 'the clocks of the data nodes are set back; they and one session restart while the other session, cut off, has the versions of before',
    plan: () => {
      const script = new Script()
        .publishers(1, 1)
        .fault({ atMs: 0, forMs: 60 * s, kind: 'cut', a: ['client-1'], b: ['session-2'], oneWay: false })
        .fault({ atMs: 0, forMs: 60 * s, kind: 'cut', a: ['client-2'], b: ['session-1'], oneWay: false })
        .fault({ atMs: 10 * s, forMs: 20 * s, kind: 'cut', a: ['session-2'], b: DATA, oneWay: false });
      script.steps.push({ atMs: 20, do: 'join', kind: OFFICIAL });
      script.subscribe(21, 1, 0);
      for (const node of DATA)
        script.fault(
          { atMs: 7 * s, forMs: 0, kind: 'clockStep', node, ms: 120 * s },
          { atMs: 10.5 * s, forMs: 0, kind: 'clockStep', node, ms: -120 * s },
          { atMs: 11 * s, forMs: 500, kind: 'crash', node, silent: false },
        );
      script.fault({ atMs: 11 * s, forMs: 500, kind: 'crash', node: 'session-1', silent: false });
      for (const atMs of [9 * s, 20 * s]) script.steps.push({ atMs, do: 'update', client: 0, pick: 0 });
      return script.plan(15, { services: 1, clients: 2, activeMs: 40 * s });
    },
  },
];

/** The scenario of this name. */
export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return scenario;
}
