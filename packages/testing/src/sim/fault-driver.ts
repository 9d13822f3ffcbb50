/** Makes faults happen to a cluster, and knows which of them still last. */
import { ClientOffs } from './client-off.ts';
import { Disturbances } from './disturbances.ts';
import { type Fault, faultText, META_LEADER } from './faults.ts';
import { Misfit } from './misfit.ts';
import type { ModelClient } from './model-client.ts';
import { NetworkFaults } from './network-faults.ts';
import { Operator } from './operator.ts';
import { leads, type SimCluster, type SimNode } from './sim-cluster.ts';
import { simDelay } from './sim-clock.ts';
import type { SimWorld } from './sim-host.ts';
import { StoreFaults } from './store-faults.ts';
import type { TakenOff } from './taken-off.ts';

/** What the driver needs beside the cluster. */
export interface FaultDriverPorts {
  /** Clients that live, in order of joining. */
  clients(): readonly ModelClient[];
  /** A service gets busy. */
  hot(service: number, everyMs: number, forMs: number): void;
  stopping(node: SimNode): void;
  /** All client connections of a node were reset. */
  reset(node: string): void;
  /** Runs what restores the store from a backup. */
  restoring(restore: () => void): void;
  violated(invariant: string, detail: string): void;
  takenOff(): TakenOff;
}

/** The driver. */
export class FaultDriver {
  /** Faults that have begun, by kind. */
  readonly injected = new Map<string, number>();
  /** When clients that did not read began to again; Infinity while they do not. */
  readonly slowMs = new Map<string, number>();
  readonly store: StoreFaults;
  readonly operator: Operator;
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #ports: FaultDriverPorts;
  readonly #network: NetworkFaults;
  readonly #disturbances: Disturbances;
  readonly #misfits = new Set<Misfit>();
  readonly #clientOffs: ClientOffs;
  #over = false;

  constructor(world: SimWorld, cluster: SimCluster, ports: FaultDriverPorts) {
    this.#world = world;
    this.#cluster = cluster;
    this.#ports = ports;
    this.#disturbances = new Disturbances(world, cluster);
    this.#clientOffs = new ClientOffs(
      world,
      cluster,
      () => ports.takenOff(),
      () => ports.clients(),
    );
    this.store = new StoreFaults(world, cluster, (name) => this.#node(name));
    this.#network = new NetworkFaults(world, cluster, this.#disturbances, {
      clients: () => ports.clients(),
      reset: (node) => ports.reset(node),
      nameOf: (name) => (name === META_LEADER ? this.#node(name).name : name),
    });
    this.operator = new Operator(world, cluster, {
      client: (index) => ports.clients()[index]?.host.name ?? '',
      disturb: (node) => this.#disturbances.begin(node),
      restoring: (restore) => ports.restoring(restore),
    });
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
    this.store.end();
    this.operator.end();
    for (const misfit of this.#misfits) misfit.end();
    this.#misfits.clear();
    this.#disturbances.end();
    for (const node of this.#cluster.nodes.values()) {
      node.host?.clock.resume();
      node.host?.clock.drift(0);
      this.#cluster.start(node.name);
    }
    for (const client of this.#ports.clients()) {
      client.host.clock.resume();
      if (this.slowMs.has(client.name)) this.slowMs.set(client.name, this.#world.clock.monoMs());
    }
  }

  #apply(fault: Fault): (() => void) | null {
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
        return this.#pause(this.#node(fault.node), false);
      case 'suspend':
        return this.#pause(this.#node(fault.node), true);
      case 'cut':
        return this.#network.cut(fault, fault.oneWay);
      case 'slow':
        return this.#network.slow(fault, fault.ms);
      case 'reset':
        this.#network.reset(fault.node, fault.other);
        return null;
      case 'clientsLost':
        return this.#network.clientsLost(fault.node, fault.forMs);
      case 'roam':
        this.#network.roam(fault.client, fault.count);
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
      case 'clientOff':
        return this.#clientOffs.begin(fault);
      default:
        return this.#other(fault);
    }
  }

  /** The meta keeps `nodes` on its side; to the store and the other metas, which the rest can reach, it cannot talk. */
  #split(meta: SimNode, nodes: readonly string[]): () => void {
    const others = this.#cluster.of('meta').filter((other) => other !== meta);
    const end = this.#network.cut({ a: [meta.name, ...nodes], b: others.map(({ name }) => name) }, false);
    const reach = this.store.cut(meta);
    return () => {
      reach();
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
    return metas.find(leads) ?? metas[0];
  }

  #down(names: readonly string[], silent: boolean): () => void {
    const ends = names.map((name) => this.#disturbances.begin(this.#cluster.node(name)));
    for (const name of names) this.#cluster.crash(name, silent);
    return () => {
      for (const end of ends) end();
      for (const name of names) this.#cluster.start(name);
    };
  }

  #stop(node: SimNode): () => void {
    const end = this.#disturbances.begin(node);
    this.#ports.stopping(node);
    this.#cluster.stop(node.name);
    return () => {
      end();
      this.#cluster.start(node.name);
    };
  }

  #other(fault: Fault): (() => void) | null {
    const end = this.operator.begin(fault);
    return end === undefined ? this.store.begin(fault) : end;
  }

  #pause(node: SimNode, suspended: boolean): (() => void) | null {
    const { host } = node;
    if (host === null || host.clock.paused) return null;
    const end = this.#disturbances.begin(node, true);
    if (suspended) host.clock.suspend();
    else host.clock.pause();
    return () => {
      end();
      host.clock.resume();
    };
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
}
