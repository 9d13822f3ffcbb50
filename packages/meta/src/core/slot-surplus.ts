/**
 * The second half of a planned move. A copy moves in three tables: the new copy is added (`slot-copies.ts`); once it is
 * complete, the leadership leaves the copy that is to go (the old leader follows in the same table); then the surplus copy is
 * dropped. Which copy is to go is not remembered: it is derived anew each round from the counts, so a new meta leader goes on
 * where the old one stopped.
 */
import { compareCosts, NOBODY, type SlotPlan } from './slot-plan.ts';
import { copyShares, copyTargets } from './slot-targets.ts';

/** Slots whose choices are compared pair by pair. */
const SWAP_SLOTS_MAX = 256;

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
  amendVictims(plan, victims, counts, targets);
  swapVictims(plan, victims);
  return { victims, counts };
}

/**
 * A choice made early may take from the wrong node. Where a node would end below its target, the choices along a chain of
 * slots are turned over, up to a node that would end above its own.
 */
function amendVictims(
  plan: SlotPlan,
  victims: Map<number, number>,
  counts: Int32Array,
  targets: Int32Array,
): void {
  for (let node = 0; node < counts.length; node++) {
    while (plan.active[node] === 1 && counts[node] < targets[node]) {
      const end = amendOne(plan, node, victims, counts, targets);
      if (end === NOBODY) break;
      counts[node]++;
      counts[end]--;
    }
  }
}

/** Breadth first over "this copy could go instead of that one". Returns the node that gives one copy more, or NOBODY. */
function amendOne(
  plan: SlotPlan,
  start: number,
  victims: Map<number, number>,
  counts: Int32Array,
  targets: Int32Array,
): number {
  const cameBy = new Map<number, { slot: number; from: number }>();
  const queue = [start];
  for (let at = 0; at < queue.length; at++) {
    for (const [slot, victim] of victims) {
      if (victim !== queue[at]) continue;
      for (const node of plan.copies(slot).toSorted((a, b) => a - b)) {
        if (node === start || cameBy.has(node) || plan.active[node] === 0) continue;
        cameBy.set(node, { slot, from: victim });
        queue.push(node);
        if (counts[node] <= targets[node]) continue;
        let end = node;
        for (let step = cameBy.get(end); step !== undefined; step = cameBy.get(step.from)) {
          victims.set(step.slot, end);
          end = step.from;
        }
        return node;
      }
    }
  }
  return NOBODY;
}

/**
 * Two slots that hold each other's victim turn over their choices where that spreads them better over zones, or spares a
 * hand-over; counts stay. Repeated hand-overs cannot follow: what a hand-over changes only takes away reasons to turn over.
 */
function swapVictims(plan: SlotPlan, victims: Map<number, number>): void {
  const slots = [...victims.keys()].slice(0, SWAP_SLOTS_MAX);
  const leads = (slot: number, node: number): number => Number(plan.leaders[slot] === node);
  const without = (slot: number, node: number): number =>
    plan.crowding(plan.copies(slot).filter((copy) => copy !== node));
  for (const [i, a] of slots.entries()) {
    for (const b of slots.slice(i + 1)) {
      const x = victims.get(a) ?? NOBODY;
      const y = victims.get(b) ?? NOBODY;
      if (x === y || !plan.holds(a, y) || !plan.holds(b, x)) continue;
      const now = [without(a, x) + without(b, y), leads(a, x) + leads(b, y)];
      const then = [without(a, y) + without(b, x), leads(a, y) + leads(b, x)];
      if (compareCosts(then, now) >= 0) continue;
      victims.set(a, y);
      victims.set(b, x);
    }
  }
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
