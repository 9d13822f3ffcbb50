/** Brings a run to rest when its faults are over, and judges what it has come to: L1-L3, L7, I13. */
import type { ClusterChecks } from './cluster-checks.ts';
import type { FaultDriver } from './fault-driver.ts';
import type { SimModel } from './model.ts';
import { dataOf, type SimCluster } from './sim-cluster.ts';
import type { SimClients } from './sim-clients.ts';

/** Longest time to converge in: a session's lease, meta's, and a scan. */
const CONVERGE_MS_MAX = 75_000;
/** After convergence nothing may be pushed for so long (L7). */
const QUIET_MS = 12_000;
/** It is looked again when clients were sent to other sessions meanwhile. */
const QUIET_TRIES_MAX = 8;
/** What is still on its way at convergence may arrive. */
const QUIET_FROM_MS = 4000;
/** A client that died without a word may be noticed just now: its publishers leave after the hold at the latest. */
const LEAVING_MS = 11_000;
/** Time for what is published again to be told, were it told. */
const REPUBLISH_MS = 1000;

/** The run that comes to rest. */
export interface SettlingRun {
  readonly cluster: SimCluster;
  readonly model: SimModel;
  readonly checks: ClusterChecks;
  readonly clients: SimClients;
  readonly faults: FaultDriver;
  nowMs(): number;
  /** True once nothing more is to be found out. */
  done(): boolean;
  /** Moves time, watching. */
  advance(ms: number): Promise<void>;
  violated(invariant: string, detail: string): void;
}

/** The way to rest. */
export class Settling {
  readonly #run: SettlingRun;

  constructor(run: SettlingRun) {
    this.#run = run;
  }

  /** Waits until everybody sees the truth. Returns how long that took, ms; -1 if it did not come. */
  async converge(): Promise<number> {
    const fromMs = this.#run.nowMs();
    let wrong: string[] = [];
    for (let step = 0; this.#run.nowMs() < fromMs + CONVERGE_MS_MAX && !this.#run.done(); step++) {
      await this.#run.advance(step < 20 ? 500 : 2000);
      wrong = this.#unsettled();
      if (wrong.length === 0) return this.#run.nowMs() - fromMs;
    }
    if (!this.#run.done()) for (const what of wrong) this.#run.violated(whichLaw(what), what);
    return -1;
  }

  /** What was true stays so, and nothing is pushed any more. */
  async quiet(): Promise<void> {
    await this.#run.advance(QUIET_FROM_MS);
    for (let tries = 1; ; tries++) {
      const { pushes, connects } = this.#run.model;
      await this.#run.advance(QUIET_MS);
      if (this.#run.done()) return;
      if (this.#run.model.pushes === pushes) break;
      // Sessions even out their clients a while after a fault: who moves is pushed to.
      if (this.#run.model.connects !== connects && tries < QUIET_TRIES_MAX) continue;
      this.#run.violated('L7', `${this.#run.model.pushes - pushes} pushes while nothing happened`);
      break;
    }
    let wrong = this.#unsettled();
    if (wrong.some((what) => whichLaw(what) === 'L2')) {
      await this.#run.advance(LEAVING_MS);
      wrong = this.#unsettled();
    }
    for (const what of wrong.filter((line) => !line.includes(' is partial ')))
      this.#run.violated(whichLaw(what), `after it had converged: ${what}`);
    if (!this.#run.done()) await this.#republish();
  }

  /** I13: the same content once more is no news to anybody. A slot may move its versions by itself meanwhile, but not twice. */
  async #republish(): Promise<void> {
    const { pushes, connects } = this.#run.model;
    const seen = [this.#versions()];
    for (let round = 0; round < 2; round++) {
      for (const client of this.#run.clients.living()) client.republish();
      await this.#run.advance(REPUBLISH_MS);
      if (this.#run.done() || this.#run.model.connects !== connects) return;
      seen.push(this.#versions());
    }
    this.#run.checks.count('I13');
    if (this.#run.model.pushes !== pushes)
      this.#run.violated(
        'I13',
        `${this.#run.model.pushes - pushes} pushes because the same was published again`,
      );
    for (const [key, { version, publishers }] of seen[2]) {
      const before = seen[1].get(key)?.version;
      // A client that died without a word is noticed now.
      if (publishers !== seen[1].get(key)?.publishers) continue;
      if (before !== version && before !== seen[0].get(key)?.version)
        this.#run.violated('I13', `${key} went from version ${before} to ${version}, with the same content`);
    }
  }

  #versions(): Map<string, { readonly version: number; readonly publishers: string }> {
    const versions = new Map<string, { readonly version: number; readonly publishers: string }>();
    for (const node of this.#run.cluster.up('data')) {
      const inspect = dataOf(node)?.inspect;
      for (const [dataInfoId, version] of inspect?.versions() ?? []) {
        const registerIds = inspect?.datum(dataInfoId)?.publishers.map(({ registerId }) => registerId) ?? [];
        versions.set(`${dataInfoId} at ${node.name}`, { version, publishers: registerIds.sort().join() });
      }
    }
    return versions;
  }

  #unsettled(): string[] {
    const wrong = this.#run.model.unsettled(5);
    if (this.#run.faults.operator.busy) wrong.push('the operator is not obeyed');
    if (wrong.length < 5) wrong.push(...this.#run.checks.unsettled(5 - wrong.length));
    return wrong;
  }
}

function whichLaw(what: string): string {
  if (what.startsWith('client-')) return 'L1';
  return what.startsWith('service-') ? 'L2' : 'L3';
}
