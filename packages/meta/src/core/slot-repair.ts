/** Repairs: leaders for slots that lost theirs, copies for slots that have too few, and the first placement. */
import { compareCosts, NOBODY, type SlotPlan } from './slot-plan.ts';
import { copyTargets } from './slot-targets.ts';

/** True if the node's copies of the table died with another process. */
function fresh(plan: SlotPlan, node: number): boolean {
  return plan.nodes[node].fresh === true;
}

/** Nodes that may have the slot's data: followers of the table, and nodes that still report a copy the table gave up. */
function heirs(plan: SlotPlan, slot: number): number[] {
  const heirs: number[] = [];
  for (let node = 0; node < plan.nodes.length; node++) {
    if (fresh(plan, node) || plan.leaders[slot] === node) continue;
    if (plan.followers[slot].includes(node) || plan.report(slot, node) !== undefined) heirs.push(node);
  }
  return heirs;
}

/**
 * Order of heirs: a complete copy before any other, then the later leader epoch, then the higher op-log sequence; among equals
 * one that the table names, one that stays, the one with the fewest leaderships. Never a cap: balance comes later.
 */
function better(plan: SlotPlan, slot: number, a: number, b: number): number {
  const ra = plan.report(slot, a);
  const rb = plan.report(slot, b);
  return (
    Number(rb?.complete ?? false) - Number(ra?.complete ?? false) ||
    (rb?.leaderEpoch ?? 0) - (ra?.leaderEpoch ?? 0) ||
    (rb?.sequence ?? 0) - (ra?.sequence ?? 0) ||
    Number(plan.followers[slot].includes(b)) - Number(plan.followers[slot].includes(a)) ||
    plan.active[b] - plan.active[a] ||
    plan.leaderCount[a] - plan.leaderCount[b] ||
    a - b
  );
}

/** The active node with the fewest leaderships, then the fewest copies; copies in the table first. */
function leastLeader(plan: SlotPlan, slot: number): number {
  let best = NOBODY;
  for (let node = 0; node < plan.nodes.length; node++) {
    if (plan.active[node] === 0) continue;
    if (best === NOBODY) best = node;
    const order =
      Number(plan.holds(slot, node)) - Number(plan.holds(slot, best)) ||
      plan.leaderCount[best] - plan.leaderCount[node] ||
      plan.copyCount[best] - plan.copyCount[node];
    if (order > 0) best = node;
  }
  return best;
}

/**
 * Gives every slot a live leader that has the data, if any live node has it (I15), and forgets nodes that are gone. A leader
 * that restarted keeps its slots only where nobody else has them.
 * @returns slots changed
 */
export function failOver(plan: SlotPlan): number {
  let moves = 0;
  for (let slot = 0; slot < plan.slotCount; slot++) {
    const leader = plan.leaders[slot];
    const lost = leader === NOBODY;
    if (!lost && !fresh(plan, leader)) {
      if (plan.bereaved.has(slot)) moves++;
      continue;
    }
    const [heir] = heirs(plan, slot).sort((a, b) => better(plan, slot, a, b));
    if (heir !== undefined) plan.lead(slot, heir);
    else if (lost) plan.lead(slot, leastLeader(plan, slot));
    if (heir !== undefined || lost || plan.bereaved.has(slot)) moves++;
  }
  return moves;
}

/** The best node for one more copy of a slot, or NOBODY. */
export function placeForCopy(
  plan: SlotPlan,
  slot: number,
  counts: ArrayLike<number>,
  targets: Int32Array,
): number {
  const copies = plan.copies(slot);
  let best = NOBODY;
  let bestCost: readonly number[] = [];
  for (let node = 0; node < plan.nodes.length; node++) {
    if (plan.active[node] === 0 || copies.includes(node)) continue;
    const cost = [
      Number(counts[node] >= targets[node]),
      plan.crowding([...copies, node]),
      plan.leaders[slot] === NOBODY ? 0 : plan.led(plan.leaders[slot], node),
      counts[node] - targets[node],
      copies.reduce((sum, other) => sum + plan.pairs(other, node), 0),
    ];
    if (best === NOBODY || compareCosts(cost, bestCost) < 0) {
      best = node;
      bestCost = cost;
    }
  }
  return best;
}

/**
 * Adds followers until each slot has the copies it should have; the neediest slots first.
 * @returns copies added
 */
export function refill(plan: SlotPlan): number {
  const needy: number[] = [];
  for (let slot = 0; slot < plan.slotCount; slot++)
    if (plan.copies(slot).length < plan.want) needy.push(slot);
  if (needy.length === 0) return 0;
  needy.sort((a, b) => plan.copies(a).length - plan.copies(b).length || a - b);
  const targets = copyTargets(plan, plan.copyCount);
  let moves = 0;
  for (const slot of needy) {
    while (plan.copies(slot).length < plan.want) {
      const node = placeForCopy(plan, slot, plan.copyCount, targets);
      if (node === NOBODY) break;
      plan.addFollower(slot, node);
      moves++;
    }
  }
  return moves;
}

/** Leaders for all slots of an empty table, in turn over the active nodes, zones mixed. */
export function placeLeaders(plan: SlotPlan): void {
  const byZone: number[][] = Array.from({ length: plan.zoneCount }, () => []);
  for (let node = 0; node < plan.nodes.length; node++) {
    if (plan.active[node] === 1) byZone[plan.zoneOf[node]].push(node);
  }
  const order: number[] = [];
  for (let i = 0; order.length < plan.activeCount; i++) {
    for (const zone of byZone) if (i < zone.length) order.push(zone[i]);
  }
  for (let slot = 0; slot < plan.slotCount; slot++) plan.lead(slot, order[slot % order.length]);
}
