/** Where a slot's leader is, as the newest known table says. */
import type { SlotTable } from '@sofa-registry/model';

/** Routing of one session. */
export interface Routing {
  /** The newest table known. */
  readonly table: SlotTable;
  /** Address of the slot's leader; '' while there is none. */
  leaderOf(slot: number): string;
  /** A data node answered Moved or MisMatch, or names a newer table: ask meta. */
  tableIsOld(): void;
}
