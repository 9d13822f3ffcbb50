/**
 * Amends the choice of copies that are to go. Slots choose one after another, so an early choice may take from the wrong node or
 * leave a zone crowded. Targets cannot tell: which nodes of a zone get the larger ones is decided before the choice. So the
 * amendments go by what `outcome` measures: evenness first, then crowding, then hand-overs.
 */
import { compareCosts, NOBODY, type SlotPlan } from './slot-plan.ts';
import { ROUNDING } from './slot-targets.ts';

/** Slots whose choices are compared pair by pair. */
const SWAP_SLOTS_MAX = 256;

/** A choice under amendment: the copy to go per surplus slot, the counts that leaves, and the exact share of each node. */
export interface Choice {
  readonly victims: Map<number, number>;
  readonly counts: Int32Array;
  readonly shares: Float64Array;
}

/** Amends in place. Nodes that drain keep being chosen. */
export function amendChoice(plan: SlotPlan, choice: Choice): void {
  while (evenOut(plan, choice));
  uncrowd(plan, choice);
  swapVictims(plan, choice.victims);
}

/** By how much a node will be above its share. */
function excess({ counts, shares }: Choice, node: number): number {
  return counts[node] - shares[node];
}

/**
 * Turns choices over along chains of slots, from each node that could keep a copy to one that could give it with the counts
 * evener after. Each chain lowers the sum of squares, so it ends; where no chain does, no other choice is evener.
 * @returns true if something changed
 */
function evenOut(plan: SlotPlan, choice: Choice): boolean {
  let changed = false;
  let highest = Number.NEGATIVE_INFINITY;
  for (let node = 0; node < plan.nodes.length; node++)
    if (plan.active[node] === 1) highest = Math.max(highest, excess(choice, node));
  for (let node = 0; node < plan.nodes.length; node++) {
    // No node rises above `highest` here, so what is within one copy of it has nobody to take from.
    while (plan.active[node] === 1 && highest - excess(choice, node) > 1 + ROUNDING) {
      const end = turnChain(plan, node, choice);
      if (end === NOBODY) break;
      choice.counts[node]++;
      choice.counts[end]--;
      changed = true;
    }
  }
  return changed;
}

/** Breadth first over "this copy could go instead of that one". Returns the node that gives one copy more, or NOBODY. */
function turnChain(plan: SlotPlan, start: number, choice: Choice): number {
  const { victims } = choice;
  const enough = excess(choice, start) + 1 + ROUNDING;
  const cameBy = new Map<number, { slot: number; from: number }>();
  const queue = [start];
  for (let at = 0; at < queue.length; at++) {
    for (const [slot, victim] of victims) {
      if (victim !== queue[at]) continue;
      for (const node of plan.copies(slot).toSorted((a, b) => a - b)) {
        if (node === start || cameBy.has(node) || plan.active[node] === 0) continue;
        cameBy.set(node, { slot, from: victim });
        queue.push(node);
        if (excess(choice, node) <= enough) continue;
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

/** A surplus slot: the nodes that may go, and how crowded it is without each of them. */
interface Options {
  readonly slot: number;
  readonly nodes: readonly number[];
  readonly crowding: readonly number[];
}

/**
 * Where a slot would stay crowded, it chooses anew, alone or together with another one, if the two are less crowded then and the
 * counts no less even. So the one or two copies of a spreading move go as meant. Who leads plays no part.
 */
function uncrowd(plan: SlotPlan, choice: Choice): void {
  if (plan.zoneCount < 2) return;
  const all: Options[] = [];
  for (const [slot, victim] of choice.victims) {
    if (all.length === SWAP_SLOTS_MAX) break;
    if (plan.active[victim] === 0) continue;
    const copies = plan.copies(slot);
    const nodes = copies.filter((node) => plan.active[node] === 1).sort((a, b) => a - b);
    all.push({ slot, nodes, crowding: nodes.map((n) => plan.crowding(copies.filter((c) => c !== n))) });
  }
  for (const one of all) {
    if (crowdingNow(choice, one) === 0) continue;
    chooseAnew(choice, one, NOTHING);
    for (const other of all) {
      if (crowdingNow(choice, one) === 0) break;
      if (other !== one) chooseAnew(choice, one, other);
    }
  }
}

/** Stands for the second slot where one chooses alone. */
const NOTHING: Options = { slot: NOBODY, nodes: [NOBODY], crowding: [0] };

function crowdingNow({ victims }: Choice, { slot, nodes, crowding }: Options): number {
  return crowding[nodes.indexOf(victims.get(slot) ?? NOBODY)];
}

/** Gives the two slots the best pair of choices there is. */
function chooseAnew(choice: Choice, one: Options, other: Options): void {
  const { victims } = choice;
  const x = victims.get(one.slot) ?? NOBODY;
  const y = victims.get(other.slot) ?? NOBODY;
  give(choice, x, y, -1);
  const before = rise(choice, x, y);
  let best = [x, y];
  let bestCost = [0, crowdingNow(choice, one) + crowdingNow(choice, other)];
  for (const [i, a] of one.nodes.entries()) {
    for (const [j, b] of other.nodes.entries()) {
      const cost = [Math.round((rise(choice, a, b) - before) * 1e6), one.crowding[i] + other.crowding[j]];
      if (compareCosts(cost, bestCost) >= 0) continue;
      best = [a, b];
      bestCost = cost;
    }
  }
  give(choice, best[0], best[1], 1);
  victims.set(one.slot, best[0]);
  if (other !== NOTHING) victims.set(other.slot, best[1]);
}

/** `by` copies fewer on each of two nodes. */
function give({ counts }: Choice, a: number, b: number, by: number): void {
  counts[a] -= by;
  if (b !== NOBODY) counts[b] -= by;
}

/** What giving up one copy each on `a` and `b` does to the sum of squares. */
function rise(choice: Choice, a: number, b: number): number {
  const lost = (node: number, copies: number): number => copies * copies - 2 * copies * excess(choice, node);
  if (a === b) return lost(a, 2);
  return lost(a, 1) + (b === NOBODY ? 0 : lost(b, 1));
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
