/** Makes faults happen to a cluster, and knows which of them still last. */
import type { Fault } from './faults.ts';
import { faultText, META_LEADER } from './faults.ts';
import { Misfit } from './misfit.ts';
import type { ModelClient } from './model-client.ts';
import { metaOf, type SimCluster, type SimNode } from './sim-cluster.ts';
import { simDelay } from './sim-clock.ts';
import type { SimWorld } from './sim-host.ts';
import type { StoreWay } from './sim-store.ts';

/** What the driver needs beside the cluster. */
export interface FaultDriverPorts {
  /** Clients that live, in order of joining. */
  clients(): readonly ModelClient[];
  /** A service gets busy. */
  hot(service: number, everyMs: number, forMs: number): void;
  stopping(node: SimNode): void;
  /** All client connections of a node were reset. */
  reset(node: string): void;
  violated(invariant: string, detail: string): void;
}

/** A store that takes so long still answers within the deadline of its calls, ms. */
const STORE_SLOW_MS = 1500;
/** Time for resets to arrive, ms. */
const RESETS_MS = 3;

/** The driver. */
export class FaultDriver {
  /** Faults that have begun, by kind. */
  readonly injected = new Map<string, number>();
  /** When clients that did not read began to again; Infinity while they do not. */
  readonly slowMs = new Map<string, number>();
  /** When the last fault of the store ended; Infinity while one lasts. */
  storeSoundMs = -Infinity;
  /** When it last was so that a write may not be answered in time; Infinity while it is. */
  storeTroubledMs = -Infinity;
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #ports: FaultDriverPorts;
  /** Disturbances that last, per node. */
  readonly #lasting = new Map<string, number>();
  readonly #misfits = new Set<Misfit>();
  #storeHeld: (() => void) | null = null;
  #over = false;

  constructor(world: SimWorld, cluster: SimCluster, ports: FaultDriverPorts) {
    this.#world = world;
    this.#cluster = cluster;
    this.#ports = ports;
  }

  /** Lets a fault begin; its end is a timer. */
  begin(fault: Fault): void {
    if (this.#over) return;
    this.injected.set(fault.kind, (this.injected.get(fault.kind) ?? 0) + 1);
    this.#world.trace.add('FAULT', () => faultText(fault).trim());
    const end = this.#apply(fault);
    if (end === null) return;
    this.#world.clock.setTimer(simDelay(fault.forMs), () => {
      if (this.#over) return;
      this.#world.trace.add('FAULT', () => `over: ${fault.kind}`);
      end();
    });
  }

  /** Ends all faults: the network is whole, everybody runs, the store answers. */
  heal(): void {
    this.#over = true;
    this.#world.trace.add('FAULT', 'all faults end');
    this.#world.network.heal();
    const { backend } = this.#cluster;
    backend.setAvailable(true);
    backend.setDelayMs(0);
    for (const meta of this.#cluster.of('meta'))
      Object.assign(meta.store, { cut: false, lateMs: 0, deaf: false } satisfies StoreWay);
    for (const misfit of this.#misfits) misfit.end();
    this.#misfits.clear();
    this.#storeHeld?.();
    if (this.storeSoundMs === Infinity) this.storeSoundMs = this.#world.clock.monoMs();
    if (this.storeTroubledMs === Infinity) this.storeTroubledMs = this.#world.clock.monoMs();
    for (const node of this.#cluster.nodes.values()) {
      node.host?.clock.resume();
      node.host?.clock.drift(0);
      this.#lasting.delete(node.name);
      if (node.disturbedMs === Infinity) node.disturbedMs = this.#world.clock.monoMs();
      if (node.tornMs === Infinity) node.tornMs = this.#world.clock.monoMs();
      this.#cluster.start(node.name);
    }
    for (const client of this.#ports.clients()) {
      client.host.clock.resume();
      if (this.slowMs.has(client.name)) this.slowMs.set(client.name, this.#world.clock.monoMs());
    }
  }

  #apply(fault: Fault): (() => void) | null {
    const { network } = this.#world;
    const cluster = this.#cluster;
    switch (fault.kind) {
      case 'crash':
        return this.#down([this.#node(fault.node).name], fault.silent);
      case 'restart':
        return this.#down(
          fault.roles.flatMap((role) => cluster.of(role).map((node) => node.name)),
          fault.silent,
        );
      case 'stop':
        return this.#stop(this.#node(fault.node));
      case 'pause':
        return this.#pause(this.#node(fault.node));
      case 'cut':
        return this.#cut(fault);
      case 'slow':
        return this.#slow(fault);
      case 'reset':
        network.reset(fault.node, fault.other === '' ? undefined : fault.other);
        if (fault.other === '') this.#ports.reset(fault.node);
        return null;
      case 'clientsLost':
        return this.#clientsLost(fault.node, fault.forMs);
      case 'roam':
        this.#roam(fault.client, fault.count);
        return null;
      case 'slowClient':
        return this.#slowClient(fault.client);
      case 'clockStep':
        this.#node(fault.node).host?.clock.stepWall(fault.ms);
        return null;
      case 'clockDrift':
        return this.#drift(this.#node(fault.node), fault.msPerSecond);
      case 'hot':
        this.#ports.hot(fault.service, fault.everyMs, fault.forMs);
        return null;
      case 'join':
        if (cluster.of(fault.role).length < 12) cluster.start(cluster.grow(fault.role).name);
        return null;
      case 'split':
        return this.#split(this.#node(fault.node), fault.nodes);
      case 'misfit':
        return this.#misfit(fault);
      default:
        return this.#store(fault);
    }
  }

  /** The meta keeps `nodes` on its side; to the store and the other metas, which the rest can reach, it cannot talk. */
  #split(meta: SimNode, nodes: readonly string[]): () => void {
    const others = this.#cluster.of('meta').filter((other) => other !== meta);
    const end = this.#cut({ a: [meta.name, ...nodes], b: others.map(({ name }) => name), oneWay: false });
    meta.store.cut = true;
    this.storeTroubledMs = Infinity;
    return () => {
      meta.store.cut = false;
      this.storeTroubledMs = this.#world.clock.monoMs();
      end();
    };
  }

  #misfit({ role, what }: Extract<Fault, { kind: 'misfit' }>): () => void {
    const misfit = new Misfit(this.#world, this.#cluster, role, what, (detail) =>
      this.#ports.violated('refusal', detail),
    );
    this.#misfits.add(misfit);
    return () => {
      this.#misfits.delete(misfit);
      misfit.end();
    };
  }

  /** The node of this name; {@link META_LEADER} is the meta that leads now. */
  #node(name: string): SimNode {
    if (name !== META_LEADER) return this.#cluster.node(name);
    const metas = this.#cluster.of('meta');
    return metas.find((meta) => metaOf(meta)?.inspect.leader().isLeader === true) ?? metas[0];
  }

  /** `torn`: the process lives on, but does not hear of the others. */
  #disturb(node: SimNode, torn = false): () => void {
    if (torn) node.tornMs = Infinity;
    this.#lasting.set(node.name, (this.#lasting.get(node.name) ?? 0) + 1);
    node.disturbedMs = Infinity;
    return () => {
      const left = (this.#lasting.get(node.name) ?? 1) - 1;
      this.#lasting.set(node.name, left);
      if (left > 0) return;
      node.disturbedMs = this.#world.clock.monoMs();
      if (node.tornMs === Infinity) node.tornMs = node.disturbedMs;
    };
  }

  #down(names: readonly string[], silent: boolean): () => void {
    const ends = names.map((name) => this.#disturb(this.#cluster.node(name)));
    for (const name of names) this.#cluster.crash(name, silent);
    return () => {
      for (const end of ends) end();
      for (const name of names) this.#cluster.start(name);
    };
  }

  #stop(node: SimNode): () => void {
    const end = this.#disturb(node);
    this.#ports.stopping(node);
    this.#cluster.stop(node.name);
    return () => {
      end();
      this.#cluster.start(node.name);
    };
  }

  #pause(node: SimNode): (() => void) | null {
    const { host } = node;
    if (host === null || host.clock.paused) return null;
    const end = this.#disturb(node, true);
    host.clock.pause();
    return () => {
      end();
      host.clock.resume();
    };
  }

  #clientsLost(node: string, forMs: number): (() => void) | null {
    const { network, clock } = this.#world;
    const clients = this.#ports.clients().map((client) => client.host.name);
    for (const client of clients) network.reset(node, client);
    this.#ports.reset(node);
    if (forMs === 0) return null;
    const pairs: [string, string][] = [];
    for (const session of this.#cluster.of('session'))
      for (const client of clients) pairs.push([client, session.name]);
    // The resets get through, what comes after them does not.
    clock.setTimer(RESETS_MS, () => {
      for (const [client, session] of pairs) network.block(client, session);
    });
    return () => {
      for (const [client, session] of pairs) network.unblock(client, session);
    };
  }

  #roam(index: number, count: number): void {
    const clients = this.#ports.clients();
    for (let i = 0; i < Math.min(count, clients.length); i++) {
      this.#world.network.roam(clients[(index + i) % clients.length].host.name);
    }
  }

  #slowClient(index: number): (() => void) | null {
    const clients = this.#ports.clients();
    if (clients.length === 0) return null;
    const { name, clock } = clients[index % clients.length].host;
    if (clock.paused) return null;
    clock.pause();
    this.slowMs.set(name, Infinity);
    return () => {
      clock.resume();
      this.slowMs.set(name, this.#world.clock.monoMs());
    };
  }

  #drift(node: SimNode, msPerSecond: number): (() => void) | null {
    const { host } = node;
    if (host === null) return null;
    host.clock.drift(msPerSecond);
    return () => host.clock.drift(0);
  }

  #pairs(fault: { readonly a: readonly string[]; readonly b: readonly string[] }): [string, string][] {
    const nodes = [...this.#cluster.nodes.keys()];
    const clients = this.#ports.clients().map((client) => client.host.name);
    const metas = this.#cluster.of('meta').map((meta) => meta.name);
    const expand = (name: string): readonly string[] => {
      if (name === '*') return nodes;
      if (name === 'metas') return metas;
      return name === 'clients' ? clients : [name === META_LEADER ? this.#node(name).name : name];
    };
    const pairs: [string, string][] = [];
    for (const a of fault.a.flatMap(expand))
      for (const b of fault.b.flatMap(expand)) if (a !== b) pairs.push([a, b]);
    return pairs;
  }

  #disturbAll(pairs: readonly [string, string][]): () => void {
    const names = new Set(pairs.flat().filter((name) => this.#cluster.nodes.has(name)));
    const ends = [...names].map((name) => this.#disturb(this.#cluster.node(name), true));
    return () => {
      for (const end of ends) end();
    };
  }

  #cut(fault: {
    readonly a: readonly string[];
    readonly b: readonly string[];
    readonly oneWay: boolean;
  }): () => void {
    const { network } = this.#world;
    const pairs = this.#pairs(fault);
    const end = this.#disturbAll(pairs);
    for (const [a, b] of pairs) {
      network.block(a, b);
      if (!fault.oneWay) network.block(b, a);
    }
    return () => {
      for (const [a, b] of pairs) {
        network.unblock(a, b);
        if (!fault.oneWay) network.unblock(b, a);
      }
      end();
    };
  }

  #slow(fault: Extract<Fault, { kind: 'slow' }>): () => void {
    const { network } = this.#world;
    const pairs = this.#pairs(fault);
    const end = this.#disturbAll(pairs);
    for (const [a, b] of pairs) {
      network.slow(a, b, fault.ms);
      network.slow(b, a, fault.ms);
    }
    return () => {
      for (const [a, b] of pairs) {
        network.slow(a, b, 0);
        network.slow(b, a, 0);
      }
      end();
    };
  }

  #store(fault: Fault): (() => void) | null {
    const end = this.#storeFault(fault);
    if (end === null) return null;
    this.storeSoundMs = Infinity;
    const late = fault.kind !== 'storeSlow' || fault.ms > STORE_SLOW_MS;
    if (late) this.storeTroubledMs = Infinity;
    return () => {
      end();
      this.storeSoundMs = this.#world.clock.monoMs();
      if (late) this.storeTroubledMs = this.storeSoundMs;
    };
  }

  #storeFault(fault: Fault): (() => void) | null {
    const { backend } = this.#cluster;
    switch (fault.kind) {
      case 'storeDown':
        backend.setAvailable(false);
        return () => backend.setAvailable(true);
      case 'storeSlow':
        backend.setDelayMs(fault.ms);
        return () => backend.setDelayMs(0);
      case 'storeCut':
        return this.#way(fault.node, { cut: true }, { cut: false });
      case 'storeLate':
        return this.#way(fault.node, { lateMs: fault.ms }, { lateMs: 0 });
      case 'storeDeaf':
        return this.#way(fault.node, { deaf: true }, { deaf: false });
      case 'storeHeld': {
        const release = backend.holdWrites();
        this.#storeHeld = release;
        return release;
      }
      default:
        return null;
    }
  }

  #way(name: string, during: Partial<StoreWay>, after: Partial<StoreWay>): () => void {
    const { store } = this.#node(name);
    Object.assign(store, during);
    return () => void Object.assign(store, after);
  }
}
