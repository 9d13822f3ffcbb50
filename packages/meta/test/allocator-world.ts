/** Data nodes as the allocator sees them: who is there, what copies they really have, what they report. Used by tests and bench. */
import type { SlotTable } from '@sofa-registry/model';
import { NO_SLOT_TABLE } from '@sofa-registry/model';
import { ALLOCATOR_LIMITS, type AllocatorLimits, type Arrangement, decide } from '../src/index.ts';

interface Copy {
  complete: boolean;
  leaderEpoch: number;
  role: number;
  sequence: number;
}

export interface WorldNode {
  readonly address: string;
  readonly zone: string;
  draining: boolean;
  fresh: boolean;
  readonly copies: Map<number, Copy>;
}

/** Counts of what rounds did. */
export interface Tally {
  rounds: number;
  leaderMoves: number;
  copies: number;
  blindLeaders: number;
}

export class World {
  table: SlotTable = NO_SLOT_TABLE;
  term = 7;
  readonly nodes = new Map<string, WorldNode>();
  readonly config;
  readonly limits: AllocatorLimits;
  tally: Tally = { rounds: 0, leaderMoves: 0, copies: 0, blindLeaders: 0 };
  onTable: (before: SlotTable, made: Arrangement) => void = () => {};

  constructor(slotCount = 256, replicas = 2, limits: AllocatorLimits = ALLOCATOR_LIMITS) {
    this.config = { slotCount, replicas, slotFunction: 'crc32c' };
    this.limits = limits;
  }

  join(name: number | string, zone = ''): void {
    const address = typeof name === 'number' ? `10.0.0.${name}:9621` : name;
    this.nodes.set(address, { address, zone, draining: false, fresh: true, copies: new Map() });
  }

  /** The process was replaced by one on the same address before anybody noticed. */
  restart(address: string): void {
    const node = this.nodes.get(address);
    if (node === undefined) return;
    node.copies.clear();
    node.fresh = true;
  }

  remove(...addresses: string[]): void {
    for (const address of addresses) this.nodes.delete(address);
  }

  /** One round. Null when the allocator has nothing to do now. */
  round(): Arrangement | null {
    const made = decide({
      table: this.table,
      nodes: [...this.nodes.values()],
      reports: (address, slot) => this.nodes.get(address)?.copies.get(slot),
      term: this.term,
      config: this.config,
      limits: this.limits,
    });
    for (const node of this.nodes.values()) node.fresh = false;
    if (made === null) {
      this.applyRoles();
      return null;
    }
    this.count(made.table);
    const before = this.table;
    this.onTable(before, made);
    this.table = made.table;
    this.applyRoles();
    return made;
  }

  /** Nodes apply the table: new copies start empty, dropped ones are deleted, leaders with a complete copy serve. */
  private applyRoles(): void {
    for (const node of this.nodes.values()) {
      for (const slot of node.copies.keys()) {
        const { leader, followers } = this.table.slots[slot];
        if (leader !== node.address && !followers.includes(node.address)) node.copies.delete(slot);
      }
    }
    for (const slot of this.table.slots) {
      for (const address of [slot.leader, ...slot.followers]) {
        const copies = this.nodes.get(address)?.copies;
        if (copies === undefined) continue;
        let copy = copies.get(slot.id);
        if (copy === undefined)
          copies.set(slot.id, (copy = { complete: false, leaderEpoch: 0, role: 0, sequence: 0 }));
        const leads = slot.leader === address;
        if (!leads) copy.role = 0;
        else if (copy.role < 2 || copy.leaderEpoch !== slot.leaderEpoch) copy.role = copy.complete ? 2 : 1;
        if (leads || copy.complete) copy.leaderEpoch = slot.leaderEpoch;
      }
    }
  }

  /** Some copies catch up: each with probability `share`, decided by `random`. */
  sync(share = 1, random: () => number = () => 0): void {
    for (const slot of this.table.slots) {
      const lead = this.nodes.get(slot.leader)?.copies.get(slot.id);
      if (lead === undefined) continue;
      if (lead.role === 1 && random() < share) lead.role = 2;
      if (lead.role < 2) continue;
      lead.complete = true;
      for (const address of slot.followers) {
        const copy = this.nodes.get(address)?.copies.get(slot.id);
        if (copy === undefined || random() >= share) continue;
        copy.complete = true;
        copy.leaderEpoch = slot.leaderEpoch;
        copy.sequence = lead.sequence;
      }
    }
  }

  /** Rounds with everything catching up in between, until nothing is left to do. Returns the rounds that changed the table. */
  settle(roundsMax = 2000): number {
    let changed = 0;
    for (let i = 0; i < roundsMax; i++) {
      const made = this.round();
      this.sync();
      if (made === null && this.round() === null) return changed;
      changed++;
    }
    throw new Error(`no fixpoint after ${roundsMax} rounds`);
  }

  startTally(): void {
    this.tally = { rounds: 0, leaderMoves: 0, copies: 0, blindLeaders: 0 };
  }

  private count(next: SlotTable): void {
    this.tally.rounds++;
    for (const slot of next.slots) {
      const before = this.table.slots[slot.id];
      if (before === undefined) continue;
      const had = [before.leader, ...before.followers];
      for (const a of [slot.leader, ...slot.followers]) if (!had.includes(a)) this.tally.copies++;
      if (before.leader === slot.leader) continue;
      this.tally.leaderMoves++;
      if (!had.includes(slot.leader)) this.tally.blindLeaders++;
    }
  }

  leaderCounts(): number[] {
    return this.countsOf((slot) => [slot.leader]);
  }

  copyCounts(): number[] {
    return this.countsOf((slot) => [slot.leader, ...slot.followers]);
  }

  private countsOf(of: (slot: SlotTable['slots'][number]) => string[]): number[] {
    const counts = new Map([...this.nodes.values()].filter((n) => !n.draining).map((n) => [n.address, 0]));
    for (const slot of this.table.slots) {
      for (const a of of(slot)) if (counts.has(a)) counts.set(a, (counts.get(a) ?? 0) + 1);
    }
    return [...counts.values()];
  }
}
