/** Faults of the network: cuts, slow ways, sockets that are lost, clients that change their address. */
import type { Disturbances, Groups } from './disturbances.ts';
import type { ModelClient } from './model-client.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { SimWorld } from './sim-host.ts';

/** Time for resets to arrive, ms. */
const RESETS_MS = 3;

/** What they need beside the cluster. */
export interface NetworkFaultsPorts {
  /** Clients that live, in order of joining. */
  clients(): readonly ModelClient[];
  /** All client connections of a node were reset. */
  reset(node: string): void;
  /** The node that a name of a plan stands for. */
  nameOf(name: string): string;
}

/** The faults. Each returns its end. */
export class NetworkFaults {
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #disturbances: Disturbances;
  readonly #ports: NetworkFaultsPorts;

  constructor(world: SimWorld, cluster: SimCluster, disturbances: Disturbances, ports: NetworkFaultsPorts) {
    this.#world = world;
    this.#cluster = cluster;
    this.#disturbances = disturbances;
    this.#ports = ports;
  }

  cut(groups: Groups, oneWay: boolean): () => void {
    const { network } = this.#world;
    const pairs = this.#pairs(groups);
    const end = this.#disturbances.beginAll(pairs);
    for (const [a, b] of pairs) {
      network.block(a, b);
      if (!oneWay) network.block(b, a);
    }
    return () => {
      for (const [a, b] of pairs) {
        network.unblock(a, b);
        if (!oneWay) network.unblock(b, a);
      }
      end();
    };
  }

  slow(groups: Groups, ms: number): () => void {
    const { network } = this.#world;
    const pairs = this.#pairs(groups);
    const end = this.#disturbances.beginAll(pairs);
    const set = (latencyMs: number): void => {
      for (const [a, b] of pairs) {
        network.slow(a, b, latencyMs);
        network.slow(b, a, latencyMs);
      }
    };
    set(ms);
    return () => {
      set(0);
      end();
    };
  }

  /** Resets the connections of a node, all (`other` '') or those to one other. */
  reset(node: string, other: string): void {
    this.#world.network.reset(node, other === '' ? undefined : other);
    if (other === '') this.#ports.reset(node);
  }

  /** A session loses all client sockets; for `forMs` no client gets back to any. */
  clientsLost(node: string, forMs: number): (() => void) | null {
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

  roam(index: number, count: number): void {
    const clients = this.#ports.clients();
    for (let i = 0; i < Math.min(count, clients.length); i++)
      this.#world.network.roam(clients[(index + i) % clients.length].host.name);
  }

  #pairs(groups: Groups): [string, string][] {
    const nodes = [...this.#cluster.nodes.keys()];
    const clients = this.#ports.clients().map((client) => client.host.name);
    const metas = this.#cluster.of('meta').map((meta) => meta.name);
    const expand = (name: string): readonly string[] => {
      if (name === '*') return nodes;
      if (name === 'metas') return metas;
      return name === 'clients' ? clients : [this.#ports.nameOf(name)];
    };
    const pairs: [string, string][] = [];
    for (const a of groups.a.flatMap(expand))
      for (const b of groups.b.flatMap(expand)) if (a !== b) pairs.push([a, b]);
    return pairs;
  }
}
