/** Working copy of a slot table, with nodes as numbers and the counts that placement decides by. */
import { epochOf, type Slot, type SlotTable } from '@sofa-registry/model';
import type { AllocatorInput, AllocatorNode, CopyReport } from './allocator-types.ts';

/** No node. */
export const NOBODY = -1;
const ROLE_LEADER = 2;

/** Order of costs: the first part that differs decides. */
export function compareCosts(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

/** A table being changed. Nodes are indexes into `nodes`, which is sorted by address. */
export class SlotPlan {
  readonly input: AllocatorInput;
  readonly nodes: readonly AllocatorNode[];
  readonly slotCount: number;
  /** Copies a slot should have: the configured number, or one per node that may hold any. */
  readonly want: number;
  /** 1 = may get copies and leaderships. All nodes are when every one of them drains. */
  readonly active: Uint8Array;
  readonly activeCount: number;
  readonly zoneOf: Int32Array;
  readonly zoneCount: number;
  readonly leaders: Int32Array;
  readonly followers: number[][];
  readonly leaderCount: Int32Array;
  readonly copyCount: Int32Array;
  /** Slots that named a node which is gone. */
  readonly bereaved = new Set<number>();
  readonly #pairs: Int32Array;
  readonly #led: Int32Array;

  /** @param from the table to start with; epochs and reports are judged by the one of `input` in any case */
  constructor(input: AllocatorInput, from: SlotTable = input.table) {
    this.input = input;
    this.nodes = [...input.nodes].sort((a, b) => (a.address < b.address ? -1 : 1));
    const n = this.nodes.length;
    this.slotCount = input.config.slotCount;
    const anyActive = this.nodes.some((node) => !node.draining);
    this.active = Uint8Array.from(this.nodes, (node) => (anyActive && node.draining ? 0 : 1));
    this.activeCount = this.active.reduce((sum, one) => sum + one, 0);
    this.want = Math.min(input.config.replicas, this.activeCount);
    const zones = [...new Set(this.nodes.filter((_, i) => this.active[i] === 1).map((node) => node.zone))];
    this.zoneOf = Int32Array.from(this.nodes, (node) => zones.indexOf(node.zone));
    this.zoneCount = zones.length;
    this.leaders = new Int32Array(this.slotCount).fill(NOBODY);
    this.followers = Array.from({ length: this.slotCount }, () => []);
    this.leaderCount = new Int32Array(n);
    this.copyCount = new Int32Array(n);
    this.#pairs = new Int32Array(n * n);
    this.#led = new Int32Array(n * n);
    this.#load(from);
  }

  /** True when the table given places all slots. */
  get placed(): boolean {
    return this.input.table.slots.length === this.slotCount;
  }

  /** Another plan that stands where this one does, for trying something. */
  copy(): SlotPlan {
    const copy = new SlotPlan(this.input, this.toTable());
    for (const slot of this.bereaved) copy.bereaved.add(slot);
    return copy;
  }

  /** True if `node` holds a copy of `slot`. */
  holds(slot: number, node: number): boolean {
    return this.leaders[slot] === node || this.followers[slot].includes(node);
  }

  /** All copies of a slot, leader first. */
  copies(slot: number): number[] {
    const leader = this.leaders[slot];
    return leader === NOBODY ? this.followers[slot] : [leader, ...this.followers[slot]];
  }

  /** How many slots both nodes hold: what the one's failure costs the other. */
  pairs(a: number, b: number): number {
    return this.#pairs[a * this.nodes.length + b];
  }

  /** How many slots `leader` leads that `follower` follows: what the leader's failure hands to that follower. */
  led(leader: number, follower: number): number {
    return this.#led[leader * this.nodes.length + follower];
  }

  addFollower(slot: number, node: number): void {
    for (const other of this.copies(slot)) this.#pair(other, node, 1);
    this.followers[slot].push(node);
    this.copyCount[node]++;
    this.#lead(slot, node, 1);
  }

  dropFollower(slot: number, node: number): void {
    const list = this.followers[slot];
    list.splice(list.indexOf(node), 1);
    this.copyCount[node]--;
    this.#lead(slot, node, -1);
    for (const other of this.copies(slot)) this.#pair(other, node, -1);
  }

  /** Makes `node` lead; a live old leader becomes the last follower. */
  lead(slot: number, node: number): void {
    const old = this.leaders[slot];
    const list = this.followers[slot];
    for (const follower of list) this.#lead(slot, follower, -1);
    const at = list.indexOf(node);
    if (at >= 0) list.splice(at, 1);
    else {
      for (const other of this.copies(slot)) this.#pair(other, node, 1);
      this.copyCount[node]++;
    }
    this.leaders[slot] = node;
    this.leaderCount[node]++;
    if (old !== NOBODY) {
      this.leaderCount[old]--;
      list.push(old);
    }
    for (const follower of list) this.#lead(slot, follower, 1);
  }

  report(slot: number, node: number): CopyReport | undefined {
    return this.input.reports(this.nodes[node].address, slot);
  }

  /** Epoch under which the slot's leader in the table given was appointed. */
  leaderEpoch(slot: number): number {
    return this.input.table.slots[slot]?.leaderEpoch ?? 0;
  }

  /** True when the leader has reported that it serves, under the epoch of the table. */
  serving(slot: number): boolean {
    const report = this.report(slot, this.leaders[slot]);
    return (
      report !== undefined && report.role >= ROLE_LEADER && report.leaderEpoch === this.leaderEpoch(slot)
    );
  }

  /** True when the copy is known to have everything its present leader has. */
  complete(slot: number, node: number): boolean {
    if (this.leaders[slot] === node) return this.serving(slot);
    const report = this.report(slot, node);
    return report !== undefined && report.complete && report.leaderEpoch === this.leaderEpoch(slot);
  }

  /** How far a set of copies is from the best spread over zones: 0 = as spread as can be. */
  crowding(copies: readonly number[]): number {
    if (this.zoneCount < 2) return 0;
    const perZoneMax = Math.ceil(this.want / this.zoneCount);
    let crowded = 0;
    for (let i = 0; i < copies.length; i++) {
      let before = 0;
      for (let j = 0; j < i; j++) if (this.zoneOf[copies[j]] === this.zoneOf[copies[i]]) before++;
      if (before >= perZoneMax) crowded++;
    }
    return crowded;
  }

  /** The table with the changes, under the next epoch; a slot whose leader changed gets that epoch too (I2, I3). */
  toTable(): SlotTable {
    const { table, term } = this.input;
    const epoch = Math.max(epochOf(term, 1), table.epoch + 1);
    const slots: Slot[] = [];
    for (let id = 0; id < this.slotCount; id++) {
      const leader = this.nodes[this.leaders[id]].address;
      const before = table.slots[id];
      const leaderEpoch = before !== undefined && before.leader === leader ? before.leaderEpoch : epoch;
      slots.push({
        id,
        leader,
        leaderEpoch,
        followers: this.followers[id].map((f) => this.nodes[f].address),
      });
    }
    return { epoch, slots };
  }

  #pair(a: number, b: number, by: number): void {
    const n = this.nodes.length;
    this.#pairs[a * n + b] += by;
    this.#pairs[b * n + a] += by;
  }

  #lead(slot: number, follower: number, by: number): void {
    const leader = this.leaders[slot];
    if (leader !== NOBODY) this.#led[leader * this.nodes.length + follower] += by;
  }

  #load(table: SlotTable): void {
    if (table.slots.length !== this.slotCount) return;
    const index = new Map(this.nodes.map((node, i) => [node.address, i]));
    for (const slot of table.slots) {
      const leader = index.get(slot.leader) ?? NOBODY;
      if (leader === NOBODY) this.bereaved.add(slot.id);
      else this.lead(slot.id, leader);
      for (const address of slot.followers) {
        const follower = index.get(address);
        if (follower === undefined) this.bereaved.add(slot.id);
        else this.addFollower(slot.id, follower);
      }
    }
  }
}
