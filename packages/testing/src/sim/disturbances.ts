/** Which nodes something keeps from doing their work now, and until when it did: the excuses rest on it. */
import type { SimCluster, SimNode } from './sim-cluster.ts';
import type { SimWorld } from './sim-host.ts';

/** Two groups of hosts; `clients`, `metas`, `*` stand for all clients, metas, nodes. */
export interface Groups {
  readonly a: readonly string[];
  readonly b: readonly string[];
}

/** The disturbances. */
export class Disturbances {
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  /** Those that last, per node. */
  readonly #lasting = new Map<string, number>();

  constructor(world: SimWorld, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  /** One begins; ends with what is returned. `torn`: the process lives on, but does not hear of the others. */
  begin(node: SimNode, torn = false): () => void {
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

  /** One begins for all nodes of these pairs. */
  beginAll(pairs: readonly (readonly [string, string])[]): () => void {
    const names = new Set(pairs.flat().filter((name) => this.#cluster.nodes.has(name)));
    const ends = [...names].map((name) => this.begin(this.#cluster.node(name), true));
    return () => {
      for (const end of ends) end();
    };
  }

  /** All end. */
  end(): void {
    const nowMs = this.#world.clock.monoMs();
    this.#lasting.clear();
    for (const node of this.#cluster.nodes.values()) {
      if (node.disturbedMs === Infinity) node.disturbedMs = nowMs;
      if (node.tornMs === Infinity) node.tornMs = nowMs;
    }
  }
}
