/**
 * What data nodes last said about their copies. A report about a copy counts only if the node made it after it knew the table
 * that gave it the copy: an older one speaks of a copy that has been dropped since.
 */
import type { SlotTable } from '@sofa-registry/model';
import type { CopyReport } from './allocator-types.ts';

interface NodeReports {
  tableEpoch: number;
  copies: Map<number, CopyReport>;
  /** Slot -> epoch of the table that gave the node this copy. */
  readonly givenAt: Map<number, number>;
}

/** Reports by node address. Pure state. */
export class ReportBook {
  readonly #nodes = new Map<string, NodeReports>();

  /**
   * A beat of a data node that knows the table of `tableEpoch`.
   * @returns true if something changed that the allocator decides by
   */
  beat(
    address: string,
    tableEpoch: number,
    reports: Iterable<CopyReport & { readonly slot: number }>,
  ): boolean {
    const node = this.#node(address);
    const before = node.copies;
    const copies = new Map<number, CopyReport>();
    let changed = node.tableEpoch !== tableEpoch;
    for (const report of reports) {
      if ((node.givenAt.get(report.slot) ?? 0) > tableEpoch) continue;
      copies.set(report.slot, report);
      const old = before.get(report.slot);
      changed ||=
        old === undefined ||
        old.role !== report.role ||
        old.leaderEpoch !== report.leaderEpoch ||
        old.complete !== report.complete;
    }
    node.tableEpoch = tableEpoch;
    node.copies = copies;
    return changed || copies.size !== before.size;
  }

  /** The table changed: remembers which copies are new, and forgets what was said about them before. */
  tableChanged(before: SlotTable, after: SlotTable): void {
    for (const slot of after.slots) {
      const old = before.slots[slot.id];
      for (const address of [slot.leader, ...slot.followers]) {
        if (old !== undefined && (old.leader === address || old.followers.includes(address))) continue;
        const node = this.#node(address);
        node.copies.delete(slot.id);
        node.givenAt.set(slot.id, after.epoch);
      }
    }
  }

  /** The node is gone, or another process has its address. */
  forget(address: string): void {
    this.#nodes.delete(address);
  }

  /** Last report about a copy; undefined when there is none that counts. */
  get(address: string, slot: number): CopyReport | undefined {
    return this.#nodes.get(address)?.copies.get(slot);
  }

  /** Epoch of the table a node last said it knows; 0 when unknown. */
  tableEpoch(address: string): number {
    return this.#nodes.get(address)?.tableEpoch ?? 0;
  }

  /** All reports of a node, for operators. */
  of(address: string): ReadonlyMap<number, CopyReport> {
    return this.#nodes.get(address)?.copies ?? new Map();
  }

  #node(address: string): NodeReports {
    let node = this.#nodes.get(address);
    if (node === undefined) {
      node = { tableEpoch: 0, copies: new Map(), givenAt: new Map() };
      this.#nodes.set(address, node);
    }
    return node;
  }
}
