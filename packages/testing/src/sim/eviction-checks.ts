/**
 * Who may be evicted: never more than the guard allows within one lease, and nobody before its lease whom the peers that could be
 * asked hear. Read from the member list of the leader.
 */
import type { MetaTunables } from '@sofa-registry/meta';
import type { MetaChecksWorld } from './meta-checks.ts';
import { metaOf, type SimCluster, type SimNode } from './sim-cluster.ts';
import { SOUND_MS } from './ways.ts';

/** What the last beat, a pause of the leader and its ticks may add to a lease, ms. */
const LATE_MS = 4000;

interface Known {
  readonly address: string;
  readonly node: SimNode | undefined;
  readonly incarnation: number;
  /** It joined in this term; otherwise the leader may know it only from the table it took over. */
  readonly joined: boolean;
  /** When it was first seen to be a member: what a dead node has said may arrive late, and it counts from then. */
  readonly sinceMs: number;
  leaving: boolean;
}

/** The checks. */
export class EvictionChecks {
  readonly #cluster: SimCluster;
  readonly #world: MetaChecksWorld;
  readonly #settings: MetaTunables;
  /** Term and process whose members these are. */
  #of = '';
  readonly #known = new Map<string, Known>();
  #evictions: number[] = [];
  /** Since when it is this term. */
  #ofMs = 0;
  /** When this leader last could not evict whoever it wanted to, or began. */
  #freeMs = 0;

  constructor(cluster: SimCluster, world: MetaChecksWorld, settings: MetaTunables) {
    this.#cluster = cluster;
    this.#world = world;
    this.#settings = settings;
  }

  /** Compares the leader's members with those of the last look. */
  look(leader: SimNode, heldBack: boolean): void {
    const inspect = metaOf(leader)?.inspect;
    if (inspect === undefined) return;
    const members = inspect.members('data');
    const of = `${leader.name}/${leader.incarnation}/${inspect.leader().term}`;
    const first = of !== this.#of;
    if (first) {
      this.#of = of;
      this.#known.clear();
      this.#evictions = [];
      this.#ofMs = this.#world.nowMs();
      this.#freeMs = this.#ofMs;
    }
    const present = new Set<string>();
    const addresses = new Set<string>();
    for (const { processId, address } of members) {
      present.add(processId);
      addresses.add(address);
      if (!this.#known.has(processId)) this.#join(processId, address, !first);
    }
    for (const known of this.#known.values())
      if (known.node?.left === known.incarnation) known.leaving = true;
    this.#late(leader, inspect.leader().warm && !heldBack);
    for (const [processId, known] of this.#known) {
      if (present.has(processId)) continue;
      this.#known.delete(processId);
      if (!known.leaving && !addresses.has(known.address)) this.#evicted(leader, known, members.length);
    }
  }

  /** Who is dead is no member when its lease is over, or soon after its death if everybody who lives can be asked. */
  #late(leader: SimNode, mayEvict: boolean): void {
    const nowMs = this.#world.nowMs();
    if (!mayEvict) this.#freeMs = nowMs;
    const asked = this.#allSound(leader, nowMs);
    for (const { address, node, incarnation, joined, sinceMs: knownMs } of this.#known.values()) {
      if (node === undefined || node.state !== 'down' || node.incarnation !== incarnation) continue;
      const sinceMs = Math.max(node.downMs, this.#freeMs, knownMs);
      const boundMs =
        asked && joined && node.downMs > this.#ofMs ? SOUND_MS : this.#settings.nodeLeaseMs + LATE_MS;
      if (nowMs - sinceMs > boundMs)
        this.#world.violated(
          'eviction',
          `${address} is a member ${((nowMs - node.downMs) / 1000).toFixed(1)} s after it died`,
        );
    }
  }

  /** True if the leader hears all nodes that run, sessions among them, and they it. */
  #allSound(leader: SimNode, nowMs: number): boolean {
    let sessions = 0;
    for (const peer of this.#cluster.nodes.values()) {
      if (peer === leader || peer.state === 'down') continue;
      if (peer.state !== 'up' || !this.#world.ways.sound(peer, leader, nowMs)) return false;
      if (peer.role === 'session') sessions++;
    }
    return sessions > 0;
  }

  #join(processId: string, address: string, joined: boolean): void {
    const node = this.#cluster.of('data').find((one) => one.address === address);
    this.#known.set(processId, {
      address,
      node,
      incarnation: node?.incarnation ?? 0,
      joined,
      sinceMs: this.#world.nowMs(),
      leaving: false,
    });
  }

  #evicted(leader: SimNode, { address, node, incarnation }: Known, left: number): void {
    const { nodeLeaseMs, evictShareMax } = this.#settings;
    const nowMs = this.#world.nowMs();
    this.#world.count('eviction');
    this.#evictions = this.#evictions.filter((atMs) => nowMs - atMs < nodeLeaseMs - 100);
    this.#evictions.push(nowMs);
    const allowed = Math.max(1, Math.floor((left + this.#evictions.length) * evictShareMax));
    if (this.#evictions.length > allowed)
      this.#world.violated(
        'eviction',
        `${address} is the ${this.#evictions.length}th data node evicted within a lease, ${allowed} are allowed`,
      );
    if (node === undefined || node.state !== 'up' || node.incarnation !== incarnation) return;
    if (node.tier?.role !== 'data') return;
    const silentMs = node.tier.server.inspect.view().heardMetaMsAgo;
    if (silentMs < nodeLeaseMs - 2000 && this.#heard(leader, node, nowMs))
      this.#world.violated(
        'eviction',
        `${address} was evicted ${silentMs.toFixed(0)} ms after it last heard of meta, though its peers hear it`,
      );
  }

  /**
   * True if somebody can be asked, and everybody who can hears the node. That takes a session: each has a link to every data node,
   * while a data node has one only to those it shares slots with.
   */
  #heard(leader: SimNode, node: SimNode, nowMs: number): boolean {
    let asked = 0;
    for (const peer of this.#cluster.nodes.values()) {
      if (peer === node || peer.role === 'meta' || peer.state === 'down') continue;
      if (!this.#world.ways.sound(peer, leader, nowMs)) continue;
      if (!this.#world.ways.sound(peer, node, nowMs)) return false;
      if (peer.role === 'session') asked++;
    }
    return asked > 0;
  }
}
