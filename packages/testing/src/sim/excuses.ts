/** What the faults of a run excuse: who is cut off, since when all is not calm, whether copies of data may be gone. */
import type { ModelWorld } from './model-world.ts';
import { evictionsHeld, sessionOf, type SimCluster } from './sim-cluster.ts';
import type { SimWorld } from './sim-host.ts';

/** Data nodes that were disturbed so recently do not count as safe keepers of copies. */
const RISK_MS = 20_000;
/** What was disturbed so recently may not have caught up yet. */
const CALM_MS = 10_000;
/** A session cut off for so long is about to lose its lease. */
const ISOLATED_MS = 20_000;
/** A client that read again so lately may be shown what is old. */
const SLOW_MS = 1000;

/** What the excuses rest on beside the cluster. */
export interface ExcusesPorts {
  /** When the last fault of the store ended; Infinity while one lasts. */
  storeSoundMs(): number;
  /** When a client that did not read began to again; Infinity while it does not; undefined if it always did. */
  slowMs(client: string): number | undefined;
  clientPaused(client: string): boolean;
  violated(invariant: string, detail: string): void;
}

/** The excuses. */
export class Excuses implements ModelWorld {
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #ports: ExcusesPorts;
  #disturbedSinceMs = Infinity;
  /** When all copies of data were last at risk. */
  #lostMs = -Infinity;

  constructor(world: SimWorld, cluster: SimCluster, ports: ExcusesPorts) {
    this.#world = world;
    this.#cluster = cluster;
    this.#ports = ports;
  }

  nowMs(): number {
    return this.#world.clock.monoMs();
  }

  violated(invariant: string, detail: string): void {
    this.#ports.violated(invariant, detail);
  }

  trace(who: string, text: () => string): void {
    this.#world.trace.add(who, text);
  }

  zoneOf(session: string): string {
    return this.#cluster.nodes.get(session)?.zone ?? '';
  }

  openAt(name: string): number {
    const node = this.#cluster.nodes.get(name);
    const server = node === undefined || node.state !== 'up' ? null : sessionOf(node);
    return server?.inspect.counts().connections ?? 0;
  }

  anySession(): boolean {
    return this.#cluster.of('session').some((node) => node.state !== 'down' && node.state !== 'starting');
  }

  withholds(session: string, client: string): boolean {
    const node = this.#cluster.nodes.get(session);
    return node !== undefined && sessionOf(node)?.traffic.state().off.includes(client) === true;
  }

  withheldEverywhere(client: string): boolean {
    // One that starts hears of it before it lets clients in.
    return this.#cluster
      .of('session')
      .every(({ name, state }) => state === 'down' || state === 'starting' || this.withholds(name, client));
  }

  sound(client: string, session: string): boolean {
    const { network } = this.#world;
    const node = this.#cluster.nodes.get(session);
    if (node === undefined || node.host === null || node.host.clock.paused) return false;
    if (this.#ports.clientPaused(client)) return false;
    return !network.blocked(client, session) && !network.blocked(session, client);
  }

  isolated(name: string): boolean {
    const node = this.#cluster.nodes.get(name);
    if (node === undefined) return false;
    const lasts = node.disturbedMs === Infinity;
    if (!lasts) {
      node.isolatedMs = Infinity;
      return false;
    }
    if (node.isolatedMs === Infinity) node.isolatedMs = this.nowMs();
    return this.nowMs() > node.isolatedMs + ISOLATED_MS;
  }

  dataAtRisk(): boolean {
    return this.#atRisk(true);
  }

  dataLostMs(): number {
    if (this.#atRisk(false)) this.#lostMs = this.nowMs();
    return this.#lostMs;
  }

  /** @param young nodes that have just been started for the first time count as well */
  #atRisk(young: boolean): boolean {
    const nowMs = this.nowMs();
    let disturbed = 0;
    let count = 0;
    for (const node of this.#cluster.of('data')) {
      count++;
      if (!young && node.incarnation <= 1 && node.disturbedMs === -Infinity) continue;
      if (node.state !== 'up' || node.disturbedMs > nowMs - RISK_MS || node.startedMs > nowMs - RISK_MS)
        disturbed++;
    }
    return disturbed >= Math.min(count, this.#cluster.options.replicas);
  }

  cutOff(session: string): boolean {
    return (this.#cluster.nodes.get(session)?.tornMs ?? 0) > this.nowMs() - RISK_MS;
  }

  slow(client: string): boolean {
    return (this.#ports.slowMs(client) ?? -Infinity) > this.nowMs() - SLOW_MS;
  }

  torn(session: string): boolean {
    const sinceMs = this.nowMs() - RISK_MS;
    if ((this.#cluster.nodes.get(session)?.tornMs ?? 0) <= sinceMs) return false;
    return this.#cluster.of('data').some((node) => node.tornMs > sinceMs);
  }

  disturbedSince(): number {
    return this.#disturbedSinceMs;
  }

  /** Notes whether all is calm; `sinceMs`: when it was looked last. */
  watchCalm(sinceMs: number): void {
    this.dataLostMs();
    if (this.#calm()) this.#disturbedSinceMs = Infinity;
    else if (this.#disturbedSinceMs === Infinity) this.#disturbedSinceMs = sinceMs;
  }

  /** One crash of a data node counts as calm if its slots fail over: that must not be seen by anybody. */
  #calm(): boolean {
    const nowMs = this.nowMs();
    if (evictionsHeld(this.#cluster)) return false;
    let data = 0;
    for (const node of this.#cluster.nodes.values()) {
      if (node.state === 'up' && node.disturbedMs < nowMs - CALM_MS) continue;
      if (node.role === 'data') data++;
      else return false;
    }
    return data <= 1 && !this.dataAtRisk() && this.#ports.storeSoundMs() < nowMs - CALM_MS;
  }
}
