/** Which ways between nodes have been sound for long enough that nobody may plead the network. */
import type { SimCluster, SimNode } from './sim-cluster.ts';

/** Peers answer for what they have heard within peerHeardMs; ways that were sound for so long leave no doubt, ms. */
export const SOUND_MS = 8000;

/** What the network does to a way now. */
interface Network {
  blocked(from: string, to: string): boolean;
  slowed(from: string, to: string): boolean;
}

/** The ways between all nodes of a cluster. */
export class Ways {
  readonly #cluster: SimCluster;
  readonly #network: Network;
  /** When two nodes last could not hear each other well, by `a>b`. */
  readonly #unsoundMs = new Map<string, number>();

  constructor(cluster: SimCluster, network: Network) {
    this.#cluster = cluster;
    this.#network = network;
  }

  /** Notes how the ways are; call more often than anybody asks. */
  watch(nowMs: number): void {
    const nodes = [...this.#cluster.nodes.values()];
    for (let i = 0; i < nodes.length; i++)
      for (let j = 0; j < i; j++)
        if (this.#troubled(nodes[i], nodes[j])) this.#unsoundMs.set(pair(nodes[i], nodes[j]), nowMs);
  }

  /** True if both have run, and heard each other well, for {@link SOUND_MS}. */
  sound(a: SimNode, b: SimNode, nowMs: number): boolean {
    const sinceMs = Math.max(
      this.#unsoundMs.get(pair(a, b)) ?? -Infinity,
      a.startedMs,
      b.startedMs,
      a.downMs,
      b.downMs,
    );
    return nowMs - sinceMs >= SOUND_MS;
  }

  #troubled(a: SimNode, b: SimNode): boolean {
    if (a.host?.clock.paused !== false || b.host?.clock.paused !== false) return true;
    const network = this.#network;
    if (network.blocked(a.name, b.name) || network.blocked(b.name, a.name)) return true;
    return network.slowed(a.name, b.name) || network.slowed(b.name, a.name);
  }
}

function pair(a: SimNode, b: SimNode): string {
  return a.name < b.name ? `${a.name}>${b.name}` : `${b.name}>${a.name}`;
}
