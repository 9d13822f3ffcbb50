/**
 * The slot table as document `slot-table` of the store: compact JSON, addresses by number, so that 16,384 slots stay below the
 * store's 1 MiB. With it go the records of the data nodes it names: a new leader knows from the process ids whose copies died
 * with a process it never met.
 */
import type { NodeRecord, Slot, SlotConfig, SlotTable } from '@sofa-registry/model';

/** Key of the document. */
export const TABLE_DOC = 'slot-table';
const FORMAT = 1;

/** What is stored. */
export interface StoredTable {
  readonly config: SlotConfig;
  readonly table: SlotTable;
  /** Data nodes, as they were when the table was made. */
  readonly nodes: readonly NodeRecord[];
}

interface Form {
  readonly format: number;
  readonly config: SlotConfig;
  readonly epoch: number;
  readonly addresses: readonly string[];
  /** Per slot: leader, leader epoch, followers. */
  readonly slots: readonly (readonly number[])[];
  readonly nodes: readonly NodeRecord[];
}

/** Text of the document. */
export function encodeTable({ config, table, nodes }: StoredTable): string {
  const numbers = new Map<string, number>();
  const numberOf = (address: string): number => {
    let number = numbers.get(address);
    if (number === undefined) numbers.set(address, (number = numbers.size));
    return number;
  };
  const slots = table.slots.map((s) => [numberOf(s.leader), s.leaderEpoch, ...s.followers.map(numberOf)]);
  const form: Form = {
    format: FORMAT,
    config,
    epoch: table.epoch,
    addresses: [...numbers.keys()],
    slots,
    nodes,
  };
  return JSON.stringify(form);
}

/** @throws Error for text that is not such a document */
export function decodeTable(text: string): StoredTable {
  const form = JSON.parse(text) as Form;
  if (form.format !== FORMAT)
    throw new Error(`${TABLE_DOC}: format ${form.format}, this release reads ${FORMAT}`);
  const { addresses } = form;
  const address = (number: number): string => {
    const found = addresses[number];
    if (typeof found !== 'string') throw new Error(`${TABLE_DOC}: no address ${number}`);
    return found;
  };
  const slots = form.slots.map(([leader, leaderEpoch, ...followers], id): Slot => {
    if (!Number.isSafeInteger(leaderEpoch)) throw new Error(`${TABLE_DOC}: slot ${id} has no leader epoch`);
    return { id, leader: address(leader), leaderEpoch, followers: followers.map(address) };
  });
  if (!Number.isSafeInteger(form.epoch) || slots.length !== form.config.slotCount) {
    throw new Error(`${TABLE_DOC}: ${slots.length} slots where ${form.config.slotCount} belong`);
  }
  return { config: form.config, table: { epoch: form.epoch, slots }, nodes: form.nodes };
}
