/**
 * Decides where slots live (F134-F139, F142-F145; reference/data-and-slots.md 11, 18.3). Pure: a round looks at the table, the live
 * nodes and their reports, and answers with the next table or null. At most one kind of change per round.
 *
 * Order: first placement; fail-over; refill; hand-over away from copies that are to go; drop of those; new copies where nodes
 * are below their share; leaderships evened out. Repairs are not limited, planned moves are (I16) and start only while every
 * slot is served and complete.
 *
 * 256 slots, 2 replicas, reference (11.4) -> ours: rounds / leader moves / new copies / leaders without a copy
 *   3 -> 4 nodes      35 / 57 / 171 / 0      ->  7 / 64 / 128 / 0    (128 copies is what the new node holds in the end)
 *   10 -> 11 nodes    14 / 20 / 60 / 0       ->  4 / 26 / 46 / 0
 *   1 -> 2 nodes      41 / 115 / 371 / 0     ->  5 / 128 / 256 / 0
 *   4, lose 1         6 / 64 / 138 / 33      ->  2 / 64 / 128 / 0
 *   10, lose 1        1 / 26 / 33 / 19       ->  3 / 27 / 52 / 0     (the reference leaves copies uneven)
 *   20, lose 1        1 / 13 / 17 / 9        ->  3 / 14 / 26 / 0
 *   4, lose 2 at once 1 / 128 / 128 / 128    ->  3 / 129 / 256 / 43  (43 slots had both copies there)
 * The test of the allocator asserts our column.
 */
import type { SlotTable } from '@sofa-registry/model';
import type { AllocatorInput, AllocatorLimits, Arrangement, MoveKind } from './allocator-types.ts';
import { betterCopies, stable } from './slot-copies.ts';
import { evenLeaders } from './slot-leaders.ts';
import { SlotPlan } from './slot-plan.ts';
import { failOver, placeLeaders, refill } from './slot-repair.ts';
import { dropVictims, handOverVictims, surplus } from './slot-surplus.ts';

/** Limits used unless configured otherwise. */
export const ALLOCATOR_LIMITS: AllocatorLimits = Object.freeze({
  copiesInFlightMax: 64,
  leaderMovesMax: 32,
  dropsMax: 128,
});

/** Rounds the first placement may take to even itself out; more means a defect, and what there is is valid. */
const PLACE_ROUNDS_MAX = 1000;

/** The next table with the kind of change, or null when nothing is to be done now. */
export function decide(input: AllocatorInput): Arrangement | null {
  if (input.nodes.length === 0) return null;
  const plan = new SlotPlan(input);
  if (!plan.placed) {
    return done(place(plan), 'place', plan.slotCount);
  }
  const failedOver = failOver(plan);
  if (failedOver > 0) return done(plan, 'fail-over', failedOver);
  const refilled = refill(plan);
  if (refilled > 0) return done(plan, 'refill', refilled);
  return planMoves(plan);
}

/** {@link decide}, the table alone. */
export function arrange(input: AllocatorInput): SlotTable | null {
  return decide(input)?.table ?? null;
}

function planMoves(plan: SlotPlan): Arrangement | null {
  const { limits } = plan.input;
  const extra = surplus(plan);
  let moves = handOverVictims(plan, extra, limits.leaderMovesMax);
  if (moves > 0) return done(plan, 'hand-over', moves);
  moves = dropVictims(plan, extra, limits.dropsMax);
  if (moves > 0) return done(plan, 'drop', moves);
  if (!stable(plan)) return null;
  const copied = betterCopies(plan, extra, limits.copiesInFlightMax - extra.victims.size);
  if (copied !== null) return done(copied.plan, 'copy', copied.moves);
  if (extra.victims.size > 0) return null;
  moves = evenLeaders(plan, limits.leaderMovesMax);
  return moves > 0 ? done(plan, 'hand-over', moves) : null;
}

function done(plan: SlotPlan, kind: MoveKind, moves: number): Arrangement {
  return { kind, moves, table: plan.toTable() };
}

/** First placement: nothing is stored anywhere yet, so moves are free and the result is what the rounds would lead to. */
function place(empty: SlotPlan): SlotPlan {
  placeLeaders(empty);
  refill(empty);
  let plan = empty;
  for (let round = 0; round < PLACE_ROUNDS_MAX; round++) {
    const better = betterCopies(plan, surplus(plan), plan.slotCount * 2);
    if (better === null) break;
    plan = better.plan;
    for (const [slot, victim] of surplus(plan).victims) {
      if (plan.leaders[slot] === victim) plan.lead(slot, plan.followers[slot][0]);
      plan.dropFollower(slot, victim);
    }
  }
  while (evenLeaders(plan, plan.slotCount, true) > 0);
  return plan;
}

/** Balance of a table over nodes, for status (F135). */
export interface TableBalance {
  readonly leaderCount: ReadonlyMap<string, number>;
  readonly followerCount: ReadonlyMap<string, number>;
  /** Leader counts of the nodes that stay differ by at most one. */
  readonly leaderBalanced: boolean;
  /** Follower counts differ by at most two: copies differ by one, and leaders by one. */
  readonly followerBalanced: boolean;
}

/** Counts per node; nodes without any copy count as zero. */
export function tableBalance(
  table: SlotTable,
  nodes: readonly { readonly address: string; readonly draining: boolean }[],
): TableBalance {
  const leaderCount = new Map<string, number>(nodes.map((node) => [node.address, 0]));
  const followerCount = new Map<string, number>(leaderCount);
  for (const slot of table.slots) {
    leaderCount.set(slot.leader, (leaderCount.get(slot.leader) ?? 0) + 1);
    for (const f of slot.followers) followerCount.set(f, (followerCount.get(f) ?? 0) + 1);
  }
  const stays = nodes.filter((node) => !node.draining).map((node) => node.address);
  const spread = (counts: ReadonlyMap<string, number>): number => {
    const values = stays.map((address) => counts.get(address) ?? 0);
    return values.length === 0 ? 0 : Math.max(...values) - Math.min(...values);
  };
  return {
    leaderCount,
    followerCount,
    leaderBalanced: spread(leaderCount) <= 1,
    followerBalanced: spread(followerCount) <= 2,
  };
}

/** True when every slot is served and every copy complete, and no copy is on its way. */
export function tableStable(input: AllocatorInput): boolean {
  if (input.nodes.length === 0) return false;
  const plan = new SlotPlan(input);
  return plan.placed && plan.bereaved.size === 0 && stable(plan) && surplus(plan).victims.size === 0;
}
