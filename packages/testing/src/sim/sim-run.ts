/** One run of the simulator: a plan, executed on a cluster, watched by the model and the checks, brought to rest, judged. */
import { DATA_DEFAULTS } from '@sofa-registry/data';
import { ManualClock, seededRandom } from '@sofa-registry/runtime';
import { SESSION_DEFAULTS } from '@sofa-registry/session';
import { ClusterChecks } from './cluster-checks.ts';
import { DataChecks } from './data-checks.ts';
import { FaultDriver } from './fault-driver.ts';
import { SimModel } from './model.ts';
import { MetaChecks } from './meta-checks.ts';
import type { ModelClient } from './model-client.ts';
import { OfficialClient } from './official-client.ts';
import { type ClientStep, oneOf, type SimPlan, SETTLE_MS } from './plan.ts';
import { SdkClient } from './sdk-client.ts';
import { dataOf, fork, sessionOf, SimCluster } from './sim-cluster.ts';
import { simDelay } from './sim-clock.ts';
import { SimHost, type SimWorld } from './sim-host.ts';
import { SimNetwork } from './sim-network.ts';
import type { SimTierSettings } from './sim-tiers.ts';
import { Trace } from './trace.ts';
import { Ways } from './ways.ts';

/** A broken invariant. */
export interface Violation {
  readonly invariant: string;
  readonly atMs: number;
  readonly detail: string;
}

/** What a run found and how big it was. */
export interface SimResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Hash of all that was delivered, when. */
  readonly hash: string;
  readonly simulatedMs: number;
  /** From the end of the faults until everybody saw the truth, ms; -1 if that did not come. */
  readonly convergedMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly pushes: number;
  readonly judged: number;
  readonly checks: ReadonlyMap<string, number>;
  readonly trace: Trace;
}

/** Options of {@link runPlan}. */
export interface SimRunOptions {
  readonly trace?: boolean;
  /** Tunables that differ from the defaults. */
  readonly settings?: {
    readonly meta?: SimTierSettings['metaSettings'];
    readonly data?: SimTierSettings['dataSettings'];
    readonly session?: SimTierSettings['sessionSettings'];
  };
  /** Stop at the first broken invariant. Default true. */
  readonly stopAtFirst?: boolean;
  /** Called once before anything starts: tests break things on purpose here. */
  readonly prepare?: (run: SimRun) => void;
}

const TICK_MS = 100;
const CHECK_EVERY_TICKS = 5;
/** How often tables are looked at: no table lives shorter. */
const TABLES_MS = 16;
/** Longest time to converge in: a session's lease, meta's, and a scan. */
const CONVERGE_MS_MAX = 75_000;
/** After convergence nothing may be pushed for so long (L7). */
const QUIET_MS = 12_000;
/** It is looked again when clients were sent to other sessions meanwhile. */
const QUIET_TRIES_MAX = 8;
/** What is still on its way at convergence may arrive. */
const QUIET_FROM_MS = 4000;
/** Time for what is published again to be told, were it told. */
const REPUBLISH_MS = 1000;
const VIOLATIONS_MAX = 20;
/** Data nodes that were disturbed so recently do not count as safe keepers of copies. */
const RISK_MS = 20_000;
/** What was disturbed so recently may not have caught up yet. */
const CALM_MS = 10_000;
/** A table that could not be stored in time is published, and stored later. */
const STORE_TROUBLE_MS = 4000;
/** A session cut off for so long is about to lose its lease. */
const ISOLATED_MS = 20_000;

/** One run. */
export class SimRun {
  readonly plan: SimPlan;
  readonly world: SimWorld;
  readonly cluster: SimCluster;
  readonly model: SimModel;
  readonly checks: ClusterChecks;
  readonly #ways: Ways;
  readonly #metaChecks: MetaChecks;
  readonly #dataChecks: DataChecks;
  readonly faults: FaultDriver;
  readonly violations: Violation[] = [];
  readonly #clock = new ManualClock({ microtaskHops: 16 });
  readonly #clients: ModelClient[] = [];
  readonly #stopAtFirst: boolean;
  readonly #random;
  #joined = 0;
  #disturbedSinceMs = Infinity;

  constructor(plan: SimPlan, options: SimRunOptions = {}) {
    this.plan = plan;
    this.#stopAtFirst = options.stopAtFirst ?? true;
    const random = seededRandom(plan.seed ^ 0x5157_1a7e);
    this.#random = fork(random);
    this.world = {
      clock: this.#clock,
      random: fork(random),
      network: new SimNetwork(this.#clock, fork(random)),
      trace: new Trace(options.trace ?? false, () => this.#clock.monoMs()),
      crashed: (name, error) => this.#crashed(name, error),
      loggedError: (name, message) => this.violated('log', `${name}: ${message}`),
    };
    const { metas, data, sessions, zones, slotCount, replicas } = plan.size;
    const { settings } = options;
    this.cluster = new SimCluster(
      this.world,
      {
        metas,
        data,
        sessions,
        slotCount,
        replicas,
        zones: ['ZONEA', 'ZONEB', 'ZONEC'].slice(0, zones),
        metaSettings: settings?.meta ?? {},
        dataSettings: settings?.data ?? {},
        sessionSettings: settings?.session ?? {},
      },
      {
        down: (node, graceful) => {
          if (node.role === 'session') this.model.sessionDown(node.name, graceful);
        },
        up: (node) => {
          if (node.role === 'session') this.model.sessionUp(node.name);
        },
        failed: (node, error) => this.violated('start', `${node.name}: ${errorText(error)}`),
      },
    );
    this.model = this.#makeModel(settings);
    this.checks = new ClusterChecks(this.cluster, this.#judge());
    this.#ways = new Ways(this.cluster, {
      blocked: (from, to) => this.world.network.blocked(from, to),
      slowed: (from, to) => this.world.network.slowed(from, to),
    });
    this.#metaChecks = new MetaChecks(this.cluster, {
      ...this.#judge(),
      storeExcused: () => this.faults.storeTroubledMs > this.#clock.monoMs() - STORE_TROUBLE_MS,
      ways: this.#ways,
      count: (invariant) => this.checks.count(invariant),
    });
    this.#dataChecks = new DataChecks(this.cluster, {
      ...this.#judge(),
      ways: this.#ways,
      count: (invariant) => this.checks.count(invariant),
      sessionOfClient: (name) => this.model.clients.get(name)?.client.session ?? '',
    });
    this.faults = new FaultDriver(this.world, this.cluster, {
      clients: () => this.#living(),
      hot: (service, everyMs, forMs) => this.#hot(service, everyMs, forMs),
      stopping: (node) => {
        if (node.role === 'session') this.model.sessionStopping(node.name);
      },
      reset: (node) => this.model.socketsReset(node),
      violated: (invariant, detail) => this.violated(invariant, detail),
    });
    options.prepare?.(this);
  }

  /** Runs the plan to its end, or to the first broken invariant. */
  async run(): Promise<SimResult> {
    const { plan } = this;
    this.cluster.startAll();
    this.#watchTables();
    for (const step of plan.steps)
      this.#clock.setTimer(simDelay(SETTLE_MS / 2 + step.atMs), () => this.#step(step));
    for (const fault of plan.faults)
      this.#clock.setTimer(simDelay(SETTLE_MS / 2 + fault.atMs), () => this.faults.begin(fault));
    const last = Math.max(
      0,
      ...plan.steps.map((step) => step.atMs),
      ...plan.faults.map((fault) => fault.atMs + fault.forMs),
    );
    await this.#advance(SETTLE_MS + Math.min(last, SETTLE_MS + plan.size.activeMs));
    let convergedMs = -1;
    if (!this.#done()) {
      this.faults.heal();
      convergedMs = await this.#converge();
    }
    if (!this.#done()) await this.#quiet();
    return this.#result(convergedMs);
  }

  /** Notes a broken invariant. */
  violated(invariant: string, detail: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return;
    this.world.trace.add('BROKEN', () => `${invariant}: ${detail}`);
    this.violations.push({ invariant, atMs: this.#clock.monoMs(), detail });
  }

  #watchTables(): void {
    this.#clock.setTimer(TABLES_MS, () => {
      if (this.#done()) return;
      this.checks.checkTables();
      this.#ways.watch(this.#clock.monoMs());
      this.#metaChecks.look();
      this.#watchTables();
    });
  }

  /** Moves time, watching. */
  async #advance(ms: number): Promise<void> {
    const untilMs = this.#clock.monoMs() + ms;
    for (let tick = 0; this.#clock.monoMs() < untilMs && !this.#done(); tick++) {
      await this.#clock.advance(simDelay(Math.min(TICK_MS, untilMs - this.#clock.monoMs())));
      this.#watchCalm();
      this.model.sample();
      if (tick % CHECK_EVERY_TICKS === 0) {
        this.checks.check();
        this.#metaChecks.sampleCopies();
        this.#dataChecks.look();
      }
    }
  }

  #done(): boolean {
    return this.#stopAtFirst && this.violations.length > 0;
  }

  async #converge(): Promise<number> {
    const fromMs = this.#clock.monoMs();
    let wrong: string[] = [];
    for (let step = 0; this.#clock.monoMs() < fromMs + CONVERGE_MS_MAX && !this.#done(); step++) {
      await this.#advance(step < 20 ? 500 : 2000);
      wrong = this.#unsettled();
      if (wrong.length === 0) return this.#clock.monoMs() - fromMs;
    }
    if (!this.#done()) for (const what of wrong) this.violated(whichLaw(what), what);
    return -1;
  }

  async #quiet(): Promise<void> {
    await this.#advance(QUIET_FROM_MS);
    for (let tries = 1; ; tries++) {
      const { pushes, connects } = this.model;
      await this.#advance(QUIET_MS);
      if (this.#done()) return;
      if (this.model.pushes === pushes) break;
      // Sessions even out their clients a while after a fault: who moves is pushed to.
      if (this.model.connects !== connects && tries < QUIET_TRIES_MAX) continue;
      this.violated('L7', `${this.model.pushes - pushes} pushes while nothing happened`);
      break;
    }
    for (const what of this.#unsettled().filter((line) => !line.includes(' is partial ')))
      this.violated(whichLaw(what), `after it had converged: ${what}`);
    if (!this.#done()) await this.#republish();
  }

  /** I13: the same content once more is no news to anybody. A slot may move its versions by itself meanwhile, but not twice. */
  async #republish(): Promise<void> {
    const { pushes, connects } = this.model;
    const seen = [this.#versions()];
    for (let round = 0; round < 2; round++) {
      for (const client of this.#living()) client.republish();
      await this.#advance(REPUBLISH_MS);
      if (this.#done() || this.model.connects !== connects) return;
      seen.push(this.#versions());
    }
    this.checks.count('I13');
    if (this.model.pushes !== pushes)
      this.violated('I13', `${this.model.pushes - pushes} pushes because the same was published again`);
    for (const [key, version] of seen[2]) {
      const before = seen[1].get(key);
      if (before !== version && before !== seen[0].get(key))
        this.violated('I13', `${key} went from version ${before} to ${version}, with the same content`);
    }
  }

  #versions(): Map<string, number> {
    const versions = new Map<string, number>();
    for (const node of this.cluster.up('data'))
      for (const [dataInfoId, version] of dataOf(node)?.inspect.versions() ?? [])
        versions.set(`${dataInfoId} at ${node.name}`, version);
    return versions;
  }

  #unsettled(): string[] {
    const wrong = this.model.unsettled(5);
    if (wrong.length < 5) wrong.push(...this.checks.unsettled(5 - wrong.length));
    return wrong;
  }

  #result(convergedMs: number): SimResult {
    const { network, trace } = this.world;
    return {
      seed: this.plan.seed,
      violations: this.violations,
      hash: network.hash.toString(),
      simulatedMs: this.#clock.monoMs(),
      convergedMs,
      faults: this.faults.injected,
      pushes: this.model.pushes,
      judged: this.model.judged,
      checks: this.checks.made,
      trace,
    };
  }

  #judge() {
    return {
      nowMs: () => this.#clock.monoMs(),
      violated: (invariant: string, detail: string) => this.violated(invariant, detail),
    };
  }

  #makeModel(settings: SimRunOptions['settings']): SimModel {
    const session = { ...SESSION_DEFAULTS, ...settings?.session };
    const data = { ...DATA_DEFAULTS, ...settings?.data };
    return new SimModel(
      {
        ...this.#judge(),
        openAt: (name) => this.#openAt(name),
        zoneOf: (name) => this.cluster.nodes.get(name)?.zone ?? '',
        sound: (client, session) => this.#sound(client, session),
        isolated: (name) => this.#isolated(name),
        cutOff: (name) => (this.cluster.nodes.get(name)?.tornMs ?? 0) > this.#clock.monoMs() - RISK_MS,
        dataAtRisk: () => this.#dataAtRisk(),
        slow: (name) => (this.faults.slowMs.get(name) ?? -Infinity) > this.#clock.monoMs() - 1000,
        torn: (name) => this.#torn(name),
        disturbedSince: () => this.#disturbedSinceMs,
        anySession: () =>
          this.cluster.of('session').some((node) => node.state !== 'down' && node.state !== 'starting'),
        trace: (who, text) => this.world.trace.add(who, text),
      },
      {
        graceMs: session.graceMs,
        holdMs: session.holdMs,
        leaseMs: data.leaseMs,
        massShare: session.massCloseShare,
        massMin: session.massCloseMin,
      },
    );
  }

  #sound(client: string, session: string): boolean {
    const { network } = this.world;
    const node = this.cluster.nodes.get(session);
    if (node === undefined || node.host === null || node.host.clock.paused) return false;
    if (this.model.clients.get(client)?.client.host.clock.paused) return false;
    return !network.blocked(client, session) && !network.blocked(session, client);
  }

  #isolated(name: string): boolean {
    const node = this.cluster.nodes.get(name);
    if (node === undefined) return false;
    const lasts = node.disturbedMs === Infinity;
    if (!lasts) {
      node.isolatedMs = Infinity;
      return false;
    }
    if (node.isolatedMs === Infinity) node.isolatedMs = this.#clock.monoMs();
    return this.#clock.monoMs() > node.isolatedMs + ISOLATED_MS;
  }

  #dataAtRisk(): boolean {
    const nowMs = this.#clock.monoMs();
    let disturbed = 0;
    let count = 0;
    for (const node of this.cluster.of('data')) {
      count++;
      if (node.state !== 'up' || node.disturbedMs > nowMs - RISK_MS || node.startedMs > nowMs - RISK_MS)
        disturbed++;
    }
    return disturbed >= Math.min(count, this.plan.size.replicas);
  }

  #openAt(name: string): number {
    const node = this.cluster.nodes.get(name);
    const server = node === undefined || node.state !== 'up' ? null : sessionOf(node);
    return server?.inspect.counts().connections ?? 0;
  }

  #torn(session: string): boolean {
    const sinceMs = this.#clock.monoMs() - RISK_MS;
    if ((this.cluster.nodes.get(session)?.tornMs ?? 0) <= sinceMs) return false;
    return this.cluster.of('data').some((node) => node.tornMs > sinceMs);
  }

  #watchCalm(): void {
    if (this.#calm()) this.#disturbedSinceMs = Infinity;
    else if (this.#disturbedSinceMs === Infinity) this.#disturbedSinceMs = this.#clock.monoMs() - TICK_MS;
  }

  /** One crash of a data node with its fail-over counts as calm: that must not be seen by anybody. */
  #calm(): boolean {
    const nowMs = this.#clock.monoMs();
    let data = 0;
    for (const node of this.cluster.nodes.values()) {
      if (node.state === 'up' && node.disturbedMs < nowMs - CALM_MS) continue;
      if (node.role === 'data') data++;
      else return false;
    }
    return data <= 1 && !this.#dataAtRisk() && this.faults.storeSoundMs < nowMs - CALM_MS;
  }

  #crashed(name: string, error: unknown): void {
    this.violated('crash', `${name}: ${errorText(error)}`);
  }

  #living(): readonly ModelClient[] {
    return this.#clients.filter((client) => client.alive);
  }

  #pick(index: number): ModelClient | null {
    const living = this.#living();
    return living.length === 0 ? null : living[index % living.length];
  }

  #step(step: ClientStep): void {
    if (this.#done()) return;
    if (step.do === 'join') {
      this.#join(step.kind);
      return;
    }
    const client = this.#pick(step.client);
    if (client === null) return;
    switch (step.do) {
      case 'publish':
        client.publish(`service-${step.service}`);
        break;
      case 'subscribe':
        client.subscribe(`service-${step.service}`, step.scope);
        break;
      case 'leave':
        client.leave();
        break;
      case 'die':
        client.die(step.silent);
        break;
      default:
        this.#change(client, step.do, step.pick);
    }
    this.world.trace.add(client.name, () => `application: ${step.do}`);
  }

  #change(client: ModelClient, what: 'update' | 'unpublish' | 'unsubscribe', pick: number): void {
    const items = what === 'unsubscribe' ? client.subscriptions : client.publications;
    const wanted = [...items.values()].filter((item) => item.wanted);
    if (wanted.length > 0) client[what](wanted[pick % wanted.length].key);
  }

  #join(kind: number): void {
    const host = new SimHost(this.world, `client-${++this.#joined}`);
    const zone = oneOf(this.#random, this.cluster.options.zones);
    const sessions = (): readonly string[] => this.#sessionsOf(zone);
    const kinds = ['official-hessian', 'official-pb', 'sdk', 'sdk'] as const;
    const chosen = kinds[kind % kinds.length];
    const client: ModelClient =
      chosen === 'sdk'
        ? new SdkClient(host, zone, sessions, this.model)
        : new OfficialClient(host, chosen, zone, sessions, this.model);
    this.#clients.push(client);
    this.model.add(client);
    this.world.trace.add(host.name, () => `joins (${chosen}, ${zone})`);
    client.start();
  }

  /** Client addresses as the server list of a zone tells them. */
  #sessionsOf(zone: string): readonly string[] {
    const all = this.cluster.of('session');
    const near = all.filter((node) => node.zone === zone);
    return (near.length > 0 ? near : all).map((node) => node.address);
  }

  #hot(service: number, everyMs: number, forMs: number): void {
    const name = `service-${service}`;
    for (let atMs = 0; atMs < forMs; atMs += everyMs) {
      this.#clock.setTimer(atMs, () => {
        const client = this.#pick(this.#random.uint32());
        if (client === null || this.#done()) return;
        const own = [...client.publications.values()].filter((item) => item.wanted && item.service === name);
        if (own.length > 0) client.update(oneOf(this.#random, own).key);
        else if (this.#random.uint32() % 8 === 0) client.publish(name);
      });
    }
  }
}

/** Runs a plan. */
export function runPlan(plan: SimPlan, options?: SimRunOptions): Promise<SimResult> {
  return new SimRun(plan, options).run();
}

function whichLaw(what: string): string {
  if (what.startsWith('client-')) return 'L1';
  return what.startsWith('service-') ? 'L2' : 'L3';
}

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
