/**
 * A simulated cluster: metas over one shared memory store, data nodes, sessions. Nodes are started, killed, stopped, paused by
 * name; a restart is another process at the same address.
 */
import { type Random, seededRandom } from '@sofa-registry/runtime';
import { isStoreError, MemoryStoreBackend } from '@sofa-registry/store';
import type { SimHost, SimWorld } from './sim-host.ts';
import { SimHost as Host } from './sim-host.ts';
import { openWay, type StoreWay } from './sim-store.ts';
import {
  makeServer,
  simAddress,
  startServer,
  type SimRole,
  type SimServer,
  type SimTierSettings,
} from './sim-tiers.ts';

/** What a cluster consists of. */
export interface SimClusterOptions extends SimTierSettings {
  readonly metas: number;
  readonly data: number;
  readonly sessions: number;
  /** Zones given to sessions (and as labels to data nodes if `zonedData`), in turn. */
  readonly zones: readonly string[];
}

/** State of a node. */
export type SimNodeState = 'down' | 'starting' | 'up' | 'stopping';

/** One node. */
export interface SimNode {
  readonly role: SimRole;
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  state: SimNodeState;
  host: SimHost | null;
  tier: SimServer | null;
  /** A meta's way to the store. */
  readonly store: StoreWay;
  /** How far the machine's wall clock is off, as of the last process. */
  wallOffsetMs: number;
  /** Processes so far. */
  incarnation: number;
  /** The last process that was asked to stop in good order: meta may hear of it also when it is killed meanwhile. */
  left: number;
  /** To be started when it has stopped. */
  again: boolean;
  /** When the present or last process started, was lost, began to answer badly (paused or cut off). */
  startedMs: number;
  downMs: number;
  /** When it was last paused, cut off, slowed or down; Infinity while it is. */
  disturbedMs: number;
  /** When it was last paused or cut off; Infinity while it is. */
  tornMs: number;
  /** Since when disturbances have lasted without a break; Infinity if none lasts. */
  isolatedMs: number;
}

/** Tells what happens to nodes. */
export interface SimClusterEvents {
  /** A process ended; `graceful` when it said goodbye. */
  down(node: SimNode, graceful: boolean): void;
  /** A process serves. */
  up(node: SimNode): void;
  /** A process could not start or crashed by an error of its own. */
  failed(node: SimNode, error: unknown): void;
}

/** After this a supervisor starts a process again that ended by itself, ms. */
const SUPERVISOR_MS = 500;

/** The cluster. */
export class SimCluster {
  readonly nodes = new Map<string, SimNode>();
  readonly backend: MemoryStoreBackend;
  readonly options: SimClusterOptions;
  /** Called when a call of the meta at this address has taken effect. */
  storeCalled: (address: string) => void = () => {};
  readonly #world: SimWorld;
  readonly #events: SimClusterEvents;
  readonly #metas: readonly string[];

  constructor(world: SimWorld, options: SimClusterOptions, events: SimClusterEvents) {
    this.#world = world;
    this.options = options;
    this.#events = events;
    this.backend = new MemoryStoreBackend({ clock: world.clock });
    this.#metas = Array.from({ length: options.metas }, (_, i) => simAddress('meta', `meta-${i + 1}`));
    for (const [role, count] of [
      ['meta', options.metas],
      ['data', options.data],
      ['session', options.sessions],
    ] as const) {
      for (let i = 1; i <= count; i++) this.#addNode(role, i);
    }
  }

  /** Nodes of one role. */
  of(role: SimRole): SimNode[] {
    return [...this.nodes.values()].filter((node) => node.role === role);
  }

  /** The node of this name. */
  node(name: string): SimNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** Adds a node of a role that is not started yet: the next number. */
  grow(role: SimRole): SimNode {
    return this.#addNode(role, this.of(role).length + 1);
  }

  /** Starts a node that is down, or as soon as it has stopped. */
  start(name: string): void {
    const node = this.node(name);
    if (node.state === 'stopping') node.again = true;
    if (node.state !== 'down') return;
    node.again = false;
    const host = new Host(this.#world, name);
    // The clock belongs to the machine, not to the process.
    host.clock.stepWall(node.wallOffsetMs);
    node.host = host;
    node.incarnation++;
    node.state = 'starting';
    node.startedMs = this.#world.clock.monoMs();
    this.#world.trace.add('sim', () => `${name} starts`);
    const tier = makeServer(
      node.role,
      host,
      this.#metas,
      node.zone,
      this.options,
      this.backend,
      node.store,
      () => this.storeCalled(node.address),
    );
    node.tier = tier;
    startServer(tier).then(
      () => {
        if (node.host !== host || node.state !== 'starting') return;
        node.state = 'up';
        this.#world.trace.add('sim', () => `${name} is up`);
        this.#events.up(node);
      },
      (error: unknown) => {
        if (node.host !== host || node.state !== 'starting') return;
        // A meta without a store ends; its supervisor starts it again.
        if (isStoreError(error)) this.#world.clock.setTimer(SUPERVISOR_MS, () => this.start(name));
        else this.#events.failed(node, error);
        this.crash(name, false);
      },
    );
  }

  /** Starts all nodes that are down. */
  startAll(): void {
    for (const node of this.nodes.values()) this.start(node.name);
  }

  /** Ends the process: SIGKILL, or with `silent` a power loss. */
  crash(name: string, silent: boolean): void {
    const node = this.node(name);
    if (node.host === null) return;
    this.#world.trace.add('sim', () => `${name} ${silent ? 'loses power' : 'is killed'}`);
    this.#ended(node, node.host, silent, false);
  }

  /** Stops the process in good order. */
  stop(name: string): void {
    const node = this.node(name);
    const { host, tier } = node;
    if (host === null || tier === null || node.state === 'stopping') return;
    node.state = 'stopping';
    node.left = node.incarnation;
    this.#world.trace.add('sim', () => `${name} is asked to stop`);
    tier.server.stop().then(
      () => {
        if (node.host !== host) return;
        this.#world.trace.add('sim', () => `${name} has stopped`);
        this.#ended(node, host, false, true);
      },
      (error: unknown) => {
        if (node.host !== host) return;
        this.#events.failed(node, error);
        this.#ended(node, host, false, true);
      },
    );
  }

  /** Processes that serve now. */
  up(role: SimRole): SimNode[] {
    return this.of(role).filter((node) => node.state === 'up');
  }

  #addNode(role: SimRole, number: number): SimNode {
    const name = `${role}-${number}`;
    const { zones } = this.options;
    const node: SimNode = {
      role,
      name,
      address: simAddress(role, name),
      zone: role === 'session' ? zones[(number - 1) % zones.length] : '',
      state: 'down',
      host: null,
      tier: null,
      store: openWay(),
      wallOffsetMs: 0,
      again: false,
      left: 0,
      incarnation: 0,
      startedMs: 0,
      downMs: -Infinity,
      disturbedMs: -Infinity,
      tornMs: -Infinity,
      isolatedMs: Infinity,
    };
    this.nodes.set(name, node);
    return node;
  }

  #ended(node: SimNode, host: SimHost, silent: boolean, graceful: boolean): void {
    node.wallOffsetMs = host.clock.wallOffsetMs;
    host.die(silent);
    node.host = null;
    node.tier = null;
    node.state = 'down';
    node.downMs = this.#world.clock.monoMs();
    this.#events.down(node, graceful);
    if (node.again) this.start(node.name);
  }
}

/** The data server of a node, or null. */
export function dataOf(node: SimNode): Extract<SimServer, { role: 'data' }>['server'] | null {
  return node.tier?.role === 'data' ? node.tier.server : null;
}

/** The session server of a node, or null. */
export function sessionOf(node: SimNode): Extract<SimServer, { role: 'session' }>['server'] | null {
  return node.tier?.role === 'session' ? node.tier.server : null;
}

/** True for a meta that says that it leads. */
export function leads(node: SimNode): boolean {
  return metaOf(node)?.inspect.leader().isLeader === true;
}

/** True while a meta holds evictions back: slots of a dead leader stay its own. */
export function evictionsHeld(cluster: SimCluster): boolean {
  return cluster.up('meta').some((meta) => metaOf(meta)?.inspect.tableStatus().protectionMode === true);
}

/** The meta server of a node, or null. */
export function metaOf(node: SimNode): Extract<SimServer, { role: 'meta' }>['server'] | null {
  return node.tier?.role === 'meta' ? node.tier.server : null;
}

/** Independent randomness for a purpose, so that one purpose's use does not shift another's. */
export function fork(random: Random): Random {
  return seededRandom(random.uint32());
}
