/**
 * New copies that spread slots over zones and leave the counts as even as they are. Counts alone do not bring this about: repairs,
 * drains and rounding leave slots with copies in one zone although every node holds its share.
 */
import type { SlotPlan } from './slot-plan.ts';
import { surplus } from './slot-surplus.ts';
import { copyShares, ROUNDING } from './slot-targets.ts';

/** A new copy of `slot` on `to`. */
interface NewCopy {
  readonly slot: number;
  readonly to: number;
}

/** State of one search: slots taken already, and by how much each node will be above its share. */
interface Search {
  readonly busy: Set<number>;
  readonly excess: Float64Array;
}

/**
 * For slots crowded in a zone: one copy goes to another zone, if need be together with a copy of another slot that makes up for
 * it. Only for tables without surplus copies. Returns copies added.
 */
export function spreadCopies(plan: SlotPlan, movesMax: number): number {
  if (plan.zoneCount < 2) return 0;
  const search: Search = {
    busy: new Set(),
    excess: copyShares(plan).map((share, node) => plan.copyCount[node] - share),
  };
  let moves = 0;
  for (let slot = 0; slot < plan.slotCount && moves + 2 <= movesMax; slot++) {
    if (search.busy.has(slot) || plan.crowding(plan.copies(slot)) === 0) continue;
    moves += spreadSlot(plan, slot, search);
  }
  return moves;
}

/** Copies added for the sake of `slot`: 0, 1 or 2. */
function spreadSlot(plan: SlotPlan, slot: number, search: Search): number {
  const own = plan.copies(slot);
  const before = plan.crowding(own);
  for (const mine of own) {
    for (let to = 0; to < plan.nodes.length; to++) {
      if (plan.active[to] === 0 || own.includes(to)) continue;
      const gain = before - plan.crowding(replaced(own, mine, to));
      if (gain <= 0) continue;
      const added = goes(search, mine, to)
        ? attempt(plan, search, mine, [{ slot, to }])
        : withPartner(plan, search, { slot, to }, mine, gain);
      if (added > 0) return added;
    }
  }
  return 0;
}

/** True if the counts are no less even with a copy less on `from` and one more on `to`. */
function goes({ excess }: Search, from: number, to: number): boolean {
  return from === to || excess[from] - excess[to] >= 1 - ROUNDING;
}

/** A second slot makes up for the copy that `mine` loses: it gets that one, and gives one that may go. */
function withPartner(plan: SlotPlan, search: Search, first: NewCopy, mine: number, gain: number): number {
  for (let other = 0; other < plan.slotCount; other++) {
    if (other === first.slot || search.busy.has(other) || plan.holds(other, mine)) continue;
    const theirs = plan.copies(other);
    for (const giver of theirs) {
      if (!goes(search, giver, first.to)) continue;
      if (plan.crowding(replaced(theirs, giver, mine)) - plan.crowding(theirs) >= gain) continue;
      const added = attempt(plan, search, giver, [first, { slot: other, to: mine }]);
      if (added > 0) return added;
    }
  }
  return 0;
}

/** Adds the copies, unless the ones that will be judged surplus are others than meant: else it would be repeated for ever. */
function attempt(plan: SlotPlan, search: Search, giver: number, copies: readonly NewCopy[]): number {
  const crowding = (): number => copies.reduce((sum, { slot }) => sum + plan.crowding(plan.copies(slot)), 0);
  const before = crowding();
  for (const { slot, to } of copies) plan.addFollower(slot, to);
  const { victims } = surplus(plan);
  let after = 0;
  for (const { slot } of copies)
    after += plan.crowding(plan.copies(slot).filter((node) => node !== victims.get(slot)));
  if (after >= before) {
    for (const { slot, to } of copies) plan.dropFollower(slot, to);
    return 0;
  }
  for (const { slot } of copies) search.busy.add(slot);
  search.excess[giver]--;
  search.excess[copies[0].to]++;
  return copies.length;
}

function replaced(copies: readonly number[], old: number, by: number): number[] {
  return copies.map((node) => (node === old ? by : node));
}
