/** The session's links to the data nodes: one to each node that is a member or has a part in the slot table. */
import { type ClusterPorts, PeerLink, type PeerLinkEvents } from '@sofa-registry/cluster';
import type { NodeRecord, SlotTable } from '@sofa-registry/model';
import type { BoltChannel } from '@sofa-registry/runtime';
import type { Hello, MessageOf } from '@sofa-registry/wire';

/** Links by address. */
export class DataLinks {
  readonly #ports: ClusterPorts;
  readonly #hello: () => MessageOf<typeof Hello>;
  readonly #events: PeerLinkEvents;
  readonly #links = new Map<string, PeerLink>();

  constructor(ports: ClusterPorts, hello: () => MessageOf<typeof Hello>, events: PeerLinkEvents) {
    this.#ports = ports;
    this.#hello = hello;
    this.#events = events;
  }

  /** Opens links to the nodes that are there now and closes the others. */
  sync(members: readonly NodeRecord[], table: SlotTable): void {
    const wanted = new Set<string>();
    for (const node of members) if (node.role === 'data') wanted.add(node.address);
    for (const slot of table.slots) {
      if (slot.leader !== '') wanted.add(slot.leader);
      for (const follower of slot.followers) wanted.add(follower);
    }
    for (const [address, link] of this.#links) {
      if (wanted.has(address)) continue;
      this.#links.delete(address);
      const wasUp = link.up;
      link.close();
      if (wasUp) this.#events.down(link, 'not in the cluster any more');
    }
    for (const address of wanted) {
      const known = this.#links.get(address);
      if (known !== undefined) known.retrySoon();
      else {
        this.#links.set(
          address,
          new PeerLink(this.#ports, { address, hello: this.#hello, events: this.#events }),
        );
      }
    }
  }

  /** Channel to the node, or null while there is none. */
  channel(address: string): BoltChannel | null {
    return this.#links.get(address)?.channel ?? null;
  }

  /** Addresses of all links that are up. */
  up(): string[] {
    return [...this.#links.values()].filter((link) => link.up).map((link) => link.address);
  }

  /** Number of links, up or not. */
  get size(): number {
    return this.#links.size;
  }

  /** Ms since the node with this process id was heard; Infinity when there is no such link. */
  heardMsAgo(processId: string): number {
    let least = Infinity;
    for (const link of this.#links.values()) {
      if (link.processId === processId) least = Math.min(least, link.heardMsAgo);
    }
    return least;
  }

  /** Ends all links. */
  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}
