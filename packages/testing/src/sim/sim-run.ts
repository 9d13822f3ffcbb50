/** One run of the simulator: a plan, executed on a cluster, watched by the model and the checks, brought to rest, judged. */
import { DATA_DEFAULTS } from '@sofa-registry/data';
import { ManualClock, seededRandom } from '@sofa-registry/runtime';
import { SESSION_DEFAULTS } from '@sofa-registry/session';
import { ClusterChecks } from './cluster-checks.ts';
import { DataChecks } from './data-checks.ts';
import { Excuses } from './excuses.ts';
import { FaultDriver } from './fault-driver.ts';
import { MetaChecks } from './meta-checks.ts';
import { SimModel } from './model.ts';
import type { ModelHolds } from './model-world.ts';
import { type SimPlan, type SimSettings, SETTLE_MS } from './plan.ts';
import { Settling } from './settling.ts';
import { SimClients } from './sim-clients.ts';
import { fork, SimCluster } from './sim-cluster.ts';
import { simDelay } from './sim-clock.ts';
import type { SimWorld } from './sim-host.ts';
import { SimNetwork } from './sim-network.ts';
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
  /** Instead of those of the plan. */
  readonly settings?: SimSettings;
  /** Stop at the first broken invariant. Default true. */
  readonly stopAtFirst?: boolean;
  /** Called once before anything starts: tests break things on purpose here. */
  readonly prepare?: (run: SimRun) => void;
}

const TICK_MS = 100;
const CHECK_EVERY_TICKS = 5;
/** How often tables are looked at: no table lives shorter. */
const TABLES_MS = 16;
const VIOLATIONS_MAX = 20;
/** A table that could not be stored in time is published, and stored later. */
const STORE_TROUBLE_MS = 4000;

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
  readonly clients: SimClients;
  readonly faults: FaultDriver;
  readonly violations: Violation[] = [];
  readonly #clock = new ManualClock({ microtaskHops: 16 });
  readonly #excuses: Excuses;
  readonly #stopAtFirst: boolean;

  constructor(plan: SimPlan, options: SimRunOptions = {}) {
    this.plan = plan;
    this.#stopAtFirst = options.stopAtFirst ?? true;
    const random = seededRandom(plan.seed ^ 0x5157_1a7e);
    const forClients = fork(random);
    this.world = {
      clock: this.#clock,
      random: fork(random),
      network: new SimNetwork(this.#clock, fork(random)),
      trace: new Trace(options.trace ?? false, () => this.#clock.monoMs()),
      crashed: (name, error) => this.violated('crash', `${name}: ${errorText(error)}`),
      loggedError: (name, message) => this.violated('log', `${name}: ${message}`),
    };
    const settings = options.settings ?? plan.settings;
    this.cluster = this.#makeCluster(settings);
    this.#excuses = new Excuses(this.world, this.cluster, {
      storeSoundMs: () => this.faults.store.soundMs,
      slowMs: (client) => this.faults.slowMs.get(client),
      clientPaused: (client) => this.model.clients.get(client)?.client.host.clock.paused === true,
      violated: (invariant, detail) => this.violated(invariant, detail),
    });
    this.model = new SimModel(this.#excuses, holdsOf(settings));
    this.clients = new SimClients(this.world, this.cluster, this.model, forClients, () => this.done());
    this.checks = new ClusterChecks(this.cluster, this.#judge());
    this.#ways = new Ways(this.cluster, {
      blocked: (from, to) => this.world.network.blocked(from, to),
      slowed: (from, to) => this.world.network.slowed(from, to),
    });
    this.#metaChecks = new MetaChecks(this.cluster, {
      ...this.#judge(),
      frozenMs: () => this.faults.operator.frozenMs,
      storeExcused: () => this.faults.store.troubledMs > this.#clock.monoMs() - STORE_TROUBLE_MS,
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
      clients: () => this.clients.living(),
      hot: (service, everyMs, forMs) => this.clients.hot(service, everyMs, forMs),
      stopping: (node) => {
        if (node.role === 'session') this.model.absences.sessionStopping(node.name);
      },
      reset: (node) => this.model.absences.socketsReset(node),
      restoring: (restore) => this.#metaChecks.restoring(restore),
      violated: (invariant, detail) => this.violated(invariant, detail),
      takenOff: () => this.model.takenOff,
    });
    options.prepare?.(this);
  }

  /** Runs the plan to its end, or to the first broken invariant. */
  async run(): Promise<SimResult> {
    const { plan } = this;
    this.cluster.startAll();
    this.#watchTables();
    for (const step of plan.steps)
      this.#clock.setTimer(simDelay(SETTLE_MS / 2 + step.atMs), () => this.clients.step(step));
    for (const fault of plan.faults)
      this.#clock.setTimer(simDelay(SETTLE_MS / 2 + fault.atMs), () => this.faults.begin(fault));
    const last = Math.max(
      0,
      ...plan.steps.map((step) => step.atMs),
      ...plan.faults.map((fault) => fault.atMs + fault.forMs),
    );
    await this.advance(SETTLE_MS + Math.min(last, SETTLE_MS + plan.size.activeMs));
    let convergedMs = -1;
    const settling = new Settling(this);
    if (!this.done()) {
      this.faults.heal();
      convergedMs = await settling.converge();
    }
    if (!this.done()) await settling.quiet();
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
      if (this.done()) return;
      this.checks.checkTables();
      this.#ways.watch(this.#clock.monoMs());
      this.#metaChecks.look();
      this.#watchTables();
    });
  }

  nowMs(): number {
    return this.#clock.monoMs();
  }

  /** Moves time, watching. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#clock.monoMs() + ms;
    for (let tick = 0; this.#clock.monoMs() < untilMs && !this.done(); tick++) {
      await this.#clock.advance(simDelay(Math.min(TICK_MS, untilMs - this.#clock.monoMs())));
      this.#excuses.watchCalm(this.#clock.monoMs() - TICK_MS);
      this.model.sample();
      if (tick % CHECK_EVERY_TICKS === 0) {
        this.checks.check();
        this.#metaChecks.sampleCopies();
        this.#dataChecks.look();
      }
    }
  }

  /** True once the run has found what it stops at. */
  done(): boolean {
    return this.#stopAtFirst && this.violations.length > 0;
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

  #makeCluster(settings: SimSettings | undefined): SimCluster {
    const { metas, data, sessions, zones, slotCount, replicas } = this.plan.size;
    return new SimCluster(
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
          if (node.role === 'session') this.model.absences.sessionDown(node.name, graceful);
          else if (node.role === 'data') this.model.absences.dataDown();
        },
        up: (node) => {
          if (node.role === 'session') this.model.absences.sessionUp(node.name);
        },
        failed: (node, error) => this.violated('start', `${node.name}: ${errorText(error)}`),
      },
    );
  }
}

/** Runs a plan. */
export function runPlan(plan: SimPlan, options?: SimRunOptions): Promise<SimResult> {
  return new SimRun(plan, options).run();
}

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function holdsOf(settings: SimSettings | undefined): ModelHolds {
  const { graceMs, holdMs, massCloseShare, massCloseMin } = { ...SESSION_DEFAULTS, ...settings?.session };
  const { leaseMs } = { ...DATA_DEFAULTS, ...settings?.data };
  return { graceMs, holdMs, leaseMs, massShare: massCloseShare, massMin: massCloseMin };
}
