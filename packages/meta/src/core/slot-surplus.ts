/**
 * The second half of a planned move. A copy moves in three tables: the new copy is added (`slot-copies.ts`); once it is
 * complete, the leadership leaves the copy that is to go (the old leader follows in the same table); then the surplus copy is
 * dropped. Which copy is to go is not remembered: it is derived anew each round from the counts, so a new meta leader goes on
 * where the old one stopped.
 */
import { amendChoice } from './slot-amend.ts';
import { compareCosts, type SlotPlan } from './slot-plan.ts';
import { copyShares, copyTargets } from './slot-targets.ts';

/** Surplus slots with the copy that is to go, and the counts there will be when all of them have gone. */
export interface Surplus {
  readonly victims: ReadonlyMap<number, number>;
  readonly counts: Int32Array;
}

/**
 * Decides for each slot with too many copies which one is to go. Who leads does not matter: the choice would change with each
 * hand-over it causes.
 */
export function surplus(plan: SlotPlan): Surplus {
  const counts = plan.copyCount.slice();
  const slots: number[] = [];
  for (let slot = 0; slot < plan.slotCount; slot++)
    if (plan.copies(slot).length > plan.want) slots.push(slot);
  const victims = new Map<number, number>();
  if (slots.length === 0) return { victims, counts };
  const targets = copyTargets(plan, counts);
  // Slots for whose spread over zones the choice matters choose first.
  const stakes = new Map(slots.map((slot) => [slot, stakeOf(plan, slot)]));
  slots.sort((a, b) => (stakes.get(b) ?? 0) - (stakes.get(a) ?? 0) || a - b);
  for (const slot of slots) {
    const victim = victimOf(plan, slot, counts, targets);
    victims.set(slot, victim);
    counts[victim]--;
  }
  amendChoice(plan, { victims, counts, shares: copyShares(plan) });
  return { victims, counts };
}

/** By how much the wrong choice crowds a zone. */
function stakeOf(plan: SlotPlan, slot: number): number {
  if (plan.zoneCount < 2) return 0;
  const copies = plan.copies(slot);
  const without = copies.map((node) => plan.crowding(copies.filter((copy) => copy !== node)));
  return Math.max(...without) - Math.min(...without);
}

function victimOf(plan: SlotPlan, slot: number, counts: Int32Array, targets: Int32Array): number {
  const copies = plan.copies(slot);
  const rank = (node: number): number[] => [
    plan.active[node],
    Number(counts[node] <= targets[node]),
    plan.crowding(copies.filter((copy) => copy !== node)),
    targets[node] - counts[node],
    node,
  ];
  return copies.map((node) => ({ node, rank: rank(node) })).sort((a, b) => compareCosts(a.rank, b.rank))[0]
    .node;
}

/**
 * Where things stand when all surplus copies have gone, as costs: copies on draining nodes, unevenness, crowding in zones. A
 * planned copy must lower it, or the allocator might go round in circles.
 */
export function outcome(plan: SlotPlan, { victims, counts }: Surplus): readonly number[] {
  const shares = copyShares(plan);
  let leftBehind = 0;
  let unevenness = 0;
  for (let node = 0; node < counts.length; node++) {
    if (plan.active[node] === 0) leftBehind += counts[node];
    else unevenness += (counts[node] - shares[node]) ** 2;
  }
  let crowding = 0;
  for (let slot = 0; slot < plan.slotCount; slot++) {
    const victim = victims.get(slot);
    const copies = plan.copies(slot);
    crowding += plan.crowding(victim === undefined ? copies : copies.filter((node) => node !== victim));
  }
  return [leftBehind, Math.round(unevenness * 1e6), crowding];
}

/** Complete copies of a slot that stay when `victim` goes. */
function staying(plan: SlotPlan, slot: number, victim: number): number[] {
  return plan.copies(slot).filter((node) => node !== victim && plan.complete(slot, node));
}

/** Moves leadership away from leaders that are to go. Returns hand-overs. */
export function handOverVictims(plan: SlotPlan, { victims }: Surplus, movesMax: number): number {
  let moves = 0;
  for (const [slot, victim] of victims) {
    if (moves === movesMax) break;
    if (plan.leaders[slot] !== victim || !plan.serving(slot)) continue;
    const stay = staying(plan, slot, victim);
    if (stay.length < plan.want) continue;
    stay.sort(
      (a, b) => plan.active[b] - plan.active[a] || plan.leaderCount[a] - plan.leaderCount[b] || a - b,
    );
    plan.lead(slot, stay[0]);
    moves++;
  }
  return moves;
}

/** Drops followers that are to go and are no longer needed. Returns drops. */
export function dropVictims(plan: SlotPlan, { victims }: Surplus, movesMax: number): number {
  let moves = 0;
  for (const [slot, victim] of victims) {
    if (moves === movesMax) break;
    if (plan.leaders[slot] === victim || !plan.serving(slot)) continue;
    if (staying(plan, slot, victim).length < plan.copies(slot).length - 1) continue;
    plan.dropFollower(slot, victim);
    moves++;
  }
  return moves;
}
