/**
 * The first half of a planned move: where new copies are made. Every copy added goes from a node above its target to one below
 * it; copies that only spread slots over zones are in `slot-spread.ts`. A round makes those that lower the outcome, so it ends.
 */
import { compareCosts, NOBODY, type SlotPlan } from './slot-plan.ts';
import { placeForCopy } from './slot-repair.ts';
import { spreadCopies } from './slot-spread.ts';
import { outcome, type Surplus, surplus } from './slot-surplus.ts';
import { copyTargets } from './slot-targets.ts';

/** Copies of the smallest step: two slots exchange one each. */
const SMALLEST_EXCHANGE = 2;

/**
 * The plan with new copies, if the outcome gets better by them; else with the smallest step, if that one does; else null.
 * Counts first: copies that spread slots over zones are made when no other new copy helps and no surplus copy is left.
 */
export function betterCopies(
  plan: SlotPlan,
  extra: Surplus,
  movesMax: number,
): { plan: SlotPlan; moves: number } | null {
  const before = outcome(plan, extra);
  for (const spread of extra.victims.size === 0 ? [false, true] : [false]) {
    for (const max of [movesMax, SMALLEST_EXCHANGE]) {
      if (max > movesMax) break;
      const tried = plan.copy();
      const moves = spread ? spreadCopies(tried, max) : addCopies(tried, extra, max);
      if (moves === 0) break;
      if (compareCosts(outcome(tried, surplus(tried)), before) < 0) return { plan: tried, moves };
    }
  }
  return null;
}

/** Slots in which a planned move may start or go on: the leader serves, and the copies that stay are complete. */
export function stable(plan: SlotPlan): boolean {
  for (let slot = 0; slot < plan.slotCount; slot++) {
    if (!plan.serving(slot)) return false;
    const followers = plan.followers[slot];
    if (followers.length < plan.want && !followers.every((node) => plan.complete(slot, node))) return false;
  }
  return true;
}

/** Adds copies on nodes below their target of slots held by nodes above it. Returns copies added. */
function addCopies(plan: SlotPlan, { victims, counts }: Surplus, movesMax: number): number {
  const targets = copyTargets(plan, counts);
  const busy = new Set(victims.keys());
  const after = counts.slice();
  let moves = 0;
  while (moves < movesMax && addCopy(plan, after, targets, busy)) moves++;
  return moves;
}

function addCopy(plan: SlotPlan, counts: Int32Array, targets: Int32Array, busy: Set<number>): boolean {
  const nodes = plan.nodes.map((_, i) => i);
  const givers = nodes.filter((i) => counts[i] > targets[i]);
  const takers = nodes.filter((i) => counts[i] < targets[i]);
  givers.sort((a, b) => counts[b] - targets[b] - (counts[a] - targets[a]) || a - b);
  takers.sort((a, b) => counts[a] - targets[a] - (counts[b] - targets[b]) || a - b);
  for (const taker of takers) {
    for (const giver of givers) {
      const slot = slotToMove(plan, giver, taker, busy);
      if (slot === NOBODY) continue;
      plan.addFollower(slot, taker);
      busy.add(slot);
      counts[taker]++;
      counts[giver]--;
      return true;
    }
  }
  return givers.some((giver) => plan.active[giver] === 0 && evacuate(plan, giver, counts, targets, busy));
}

/**
 * The nodes below their target hold already what is left on a draining node: it goes to another one, which then is above its
 * target by one and gives something else away.
 */
function evacuate(
  plan: SlotPlan,
  giver: number,
  counts: Int32Array,
  targets: Int32Array,
  busy: Set<number>,
): boolean {
  for (let slot = 0; slot < plan.slotCount; slot++) {
    if (busy.has(slot) || !plan.holds(slot, giver)) continue;
    const taker = placeForCopy(plan, slot, counts, targets);
    if (taker === NOBODY) continue;
    plan.addFollower(slot, taker);
    busy.add(slot);
    counts[taker]++;
    counts[giver]--;
    return true;
  }
  return false;
}

/** The slot whose copy goes from `giver` to `taker` at the least cost: crowding, then a hand-over, then shared fate. */
function slotToMove(plan: SlotPlan, giver: number, taker: number, busy: ReadonlySet<number>): number {
  let best = NOBODY;
  let bestCost: readonly number[] = [];
  for (let slot = 0; slot < plan.slotCount; slot++) {
    if (busy.has(slot) || !plan.holds(slot, giver) || plan.holds(slot, taker)) continue;
    const copies = plan.copies(slot);
    const rest = copies.filter((node) => node !== giver);
    const cost = [
      plan.crowding([...rest, taker]) - plan.crowding(copies),
      Number(plan.leaders[slot] === giver),
      plan.led(plan.leaders[slot], taker),
      rest.reduce((sum, node) => sum + plan.pairs(node, taker), 0),
    ];
    if (best === NOBODY || compareCosts(cost, bestCost) < 0) {
      best = slot;
      bestCost = cost;
    }
  }
  return best;
}
