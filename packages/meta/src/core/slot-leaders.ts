/** Evening out of leaderships. Each chain lowers the sum of squares of the leader counts, so it ends. */
import type { SlotPlan } from './slot-plan.ts';

/**
 * Evens out leaderships by hand-overs along chains of slots, without any copying. With copies even, this reaches counts that
 * differ by at most one (a flow argument: every set of nodes holds enough copies, and not too many). Returns hand-overs.
 * @param free true when nothing is served yet (first placement): no report is asked for
 */
export function evenLeaders(plan: SlotPlan, movesMax: number, free = false): number {
  const moved = new Set<number>();
  while (moved.size < movesMax) {
    // Cut to the limit a chain loses its beginning; what is left of it is a shorter chain for the next round.
    const chain = shortestChain(plan, moved, free).slice(0, movesMax - moved.size);
    if (chain.length === 0) break;
    for (const { slot, to } of chain) {
      plan.lead(slot, to);
      moved.add(slot);
    }
  }
  return moved.size;
}

interface Step {
  readonly slot: number;
  readonly to: number;
  readonly from: number;
}

/** Hand-overs that take one leadership from a node with many to one with at least two fewer. */
function shortestChain(plan: SlotPlan, moved: ReadonlySet<number>, free: boolean): Step[] {
  const ledBy: number[][] = plan.nodes.map(() => []);
  for (let slot = 0; slot < plan.slotCount; slot++)
    if (!moved.has(slot)) ledBy[plan.leaders[slot]].push(slot);
  const load = (node: number): number =>
    plan.leaderCount[node] + (plan.active[node] === 1 ? 0 : plan.slotCount);
  const starts = plan.nodes.map((_, i) => i).sort((a, b) => load(b) - load(a) || a - b);
  const fewest = Math.min(...starts.filter((i) => plan.active[i] === 1).map(load));
  const dead = new Set<number>();
  for (const start of starts) {
    if (load(start) < fewest + 2) break;
    const chain = search(plan, start, ledBy, load(start) - 2, dead, free);
    if (chain.length > 0) return chain;
  }
  return [];
}

/** Breadth first from `start` to a node with at most `loadMax` leaderships. Nodes a failed search reached are `dead` ends. */
function search(
  plan: SlotPlan,
  start: number,
  ledBy: readonly (readonly number[])[],
  loadMax: number,
  dead: Set<number>,
  free: boolean,
): Step[] {
  const cameBy = new Map<number, Step>();
  const queue = [start];
  const seen = new Set(queue);
  for (let at = 0; at < queue.length; at++) {
    const from = queue[at];
    for (const slot of ledBy[from]) {
      for (const to of plan.followers[slot]) {
        if (seen.has(to) || dead.has(to) || plan.active[to] === 0) continue;
        if (!free && !(plan.serving(slot) && plan.complete(slot, to))) continue;
        seen.add(to);
        cameBy.set(to, { slot, to, from });
        if (plan.leaderCount[to] <= loadMax) return trace(cameBy, to);
        queue.push(to);
      }
    }
  }
  // A later start has a lower bar, so what did not reach a light node from here will not from there.
  for (const node of seen) dead.add(node);
  return [];
}

function trace(cameBy: ReadonlyMap<number, Step>, end: number): Step[] {
  const chain: Step[] = [];
  for (let step = cameBy.get(end); step !== undefined; step = cameBy.get(step.from)) chain.push(step);
  return chain;
}
