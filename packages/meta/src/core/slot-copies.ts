/**
 * The first half of a planned move: where new copies are made. Every copy added goes from a node above its target to one below
 * it, or is half of an exchange that keeps all counts and lowers crowding in zones; so it ends.
 */
import { compareCosts, NOBODY, type SlotPlan } from './slot-plan.ts';
import { placeForCopy } from './slot-repair.ts';
import { type Surplus, surplus } from './slot-surplus.ts';
import { copyTargets } from './slot-targets.ts';

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
export function addCopies(plan: SlotPlan, { victims, counts }: Surplus, movesMax: number): number {
  const targets = copyTargets(plan, counts);
  const busy = new Set(victims.keys());
  const after = counts.slice();
  let moves = 0;
  while (moves < movesMax && addCopy(plan, after, targets, busy)) moves++;
  if (moves > 0 || victims.size > 0) return moves;
  return exchangeCopies(plan, busy, movesMax);
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

/** Two slots swap a copy so that both, together, are less crowded in one zone; counts stay. Returns copies added. */
function exchangeCopies(plan: SlotPlan, busy: Set<number>, movesMax: number): number {
  if (plan.zoneCount < 2) return 0;
  let moves = 0;
  for (let slot = 0; slot < plan.slotCount && moves + 2 <= movesMax; slot++) {
    if (busy.has(slot) || plan.crowding(plan.copies(slot)) === 0) continue;
    if (exchange(plan, slot, busy)) moves += 2;
  }
  return moves;
}

function exchange(plan: SlotPlan, slot: number, busy: Set<number>): boolean {
  const own = plan.copies(slot);
  for (let other = 0; other < plan.slotCount; other++) {
    if (other === slot || busy.has(other)) continue;
    const theirs = plan.copies(other);
    const before = plan.crowding(own) + plan.crowding(theirs);
    for (const mine of own) {
      for (const their of theirs) {
        if (plan.zoneOf[mine] === plan.zoneOf[their] || own.includes(their) || theirs.includes(mine))
          continue;
        const after =
          plan.crowding(own.map((node) => (node === mine ? their : node))) +
          plan.crowding(theirs.map((node) => (node === their ? mine : node)));
        if (after >= before) continue;
        plan.addFollower(slot, their);
        plan.addFollower(other, mine);
        if (!endsBetter(plan, slot, other, before)) {
          plan.dropFollower(slot, their);
          plan.dropFollower(other, mine);
          continue;
        }
        busy.add(slot).add(other);
        return true;
      }
    }
  }
  return false;
}

/** True if the copies that will be judged surplus are such that the exchange lowers crowding: else it would be repeated for ever. */
function endsBetter(plan: SlotPlan, slot: number, other: number, before: number): boolean {
  const { victims } = surplus(plan);
  let after = 0;
  for (const s of [slot, other])
    after += plan.crowding(plan.copies(s).filter((node) => node !== victims.get(s)));
  return after < before;
}
