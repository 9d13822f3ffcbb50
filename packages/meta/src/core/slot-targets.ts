/**
 * How many copies each node should hold. Without zone labels every active node gets an equal share. With labels the shares of
 * zones are such that the copies of a slot can lie in different zones: a zone holds at most its part of each slot, and the
 * smaller zones carry the rest, up to twice the mean load per node ({@link ZONE_SKEW_MAX}).
 */
import type { SlotPlan } from './slot-plan.ts';

/** A node of a small zone is loaded with at most so many times the mean for the sake of spreading over zones. */
export const ZONE_SKEW_MAX = 2;

/** Shares differ by rounding if by less than this. */
export const ROUNDING = 1e-9;

/** Copies per zone, before rounding to whole ones, summing up to all copies. */
function zoneShares(plan: SlotPlan): number[] {
  const { slotCount, want, zoneCount, activeCount } = plan;
  const total = slotCount * want;
  const sizes = Array.from({ length: zoneCount }, () => 0);
  for (let i = 0; i < plan.nodes.length; i++) if (plan.active[i] === 1) sizes[plan.zoneOf[i]]++;
  const shares = sizes.map((size) => (total * size) / activeCount);
  const perZoneMax = slotCount * Math.ceil(want / zoneCount);
  const skewMax = sizes.map((size, z) =>
    Math.min(slotCount * size, Math.max(shares[z], shares[z] * ZONE_SKEW_MAX)),
  );
  const capped = shares.map((share) => share > perZoneMax);
  let spare = 0;
  shares.forEach((share, z) => {
    if (!capped[z]) return;
    spare += share - perZoneMax;
    shares[z] = perZoneMax;
  });
  // What the big zones may not hold goes to the others, as far as they may be loaded; the rest stays with the big ones.
  for (let round = 0; round < zoneCount && spare > ROUNDING; round++)
    spare = pour(shares, sizes, skewMax, capped, spare);
  const bigSize = sizes.reduce((sum, size, z) => sum + (capped[z] ? size : 0), 0);
  if (spare > ROUNDING) shares.forEach((_, z) => capped[z] && (shares[z] += (spare * sizes[z]) / bigSize));
  return shares;
}

/** Adds `spare` to the zones that are not capped, by their size, up to `max`; returns what is left. */
function pour(
  shares: number[],
  sizes: readonly number[],
  max: readonly number[],
  capped: readonly boolean[],
  spare: number,
): number {
  const open = shares.map((share, z) => !capped[z] && share < max[z] - ROUNDING);
  const size = sizes.reduce((sum, s, z) => sum + (open[z] ? s : 0), 0);
  if (size === 0) return spare;
  let left = spare;
  for (let z = 0; z < shares.length; z++) {
    if (!open[z]) continue;
    const add = Math.min((spare * sizes[z]) / size, max[z] - shares[z]);
    shares[z] += add;
    left -= add;
  }
  return left;
}

/** Rounds shares so that they still sum up to `total`: the largest fractions go up. */
function wholeNumbers(shares: readonly number[], total: number): number[] {
  const whole = shares.map((share) => Math.floor(share + ROUNDING));
  let missing = total - whole.reduce((sum, w) => sum + w, 0);
  const byFraction = shares.map((share, z) => ({ z, fraction: share - whole[z] }));
  byFraction.sort((a, b) => b.fraction - a.fraction || a.z - b.z);
  for (let i = 0; missing > 0; i = (i + 1) % byFraction.length, missing--) whole[byFraction[i].z]++;
  return whole;
}

/**
 * Target of each node; 0 for draining ones. Within a zone targets differ by at most one, and the nodes that hold most now get
 * the larger ones, so that the fewest copies move.
 * @param counts copies each node holds, or will hold when pending drops are done
 */
export function copyTargets(plan: SlotPlan, counts: ArrayLike<number>): Int32Array {
  const targets = new Int32Array(plan.nodes.length);
  if (plan.zoneCount === 0) return targets;
  const quotas = wholeNumbers(zoneShares(plan), plan.slotCount * plan.want);
  for (let zone = 0; zone < plan.zoneCount; zone++) {
    const members = plan.nodes
      .map((_, i) => i)
      .filter((i) => plan.active[i] === 1 && plan.zoneOf[i] === zone);
    members.sort((a, b) => counts[b] - counts[a] || a - b);
    const low = Math.floor(quotas[zone] / members.length);
    const larger = quotas[zone] - low * members.length;
    members.forEach((node, i) => (targets[node] = low + (i < larger ? 1 : 0)));
  }
  return targets;
}

/**
 * The exact share of each active node; 0 for draining ones. Not rounded to whole copies per zone: rounded shares would favour one
 * zone for no reason, at the price of slots with all copies in it.
 */
export function copyShares(plan: SlotPlan): Float64Array {
  const shares = new Float64Array(plan.nodes.length);
  if (plan.zoneCount === 0) return shares;
  const perZone = zoneShares(plan);
  const sizes = perZone.map(
    (_, z) => plan.nodes.filter((__, i) => plan.active[i] === 1 && plan.zoneOf[i] === z).length,
  );
  for (let node = 0; node < shares.length; node++) {
    if (plan.active[node] === 1) shares[node] = perZone[plan.zoneOf[node]] / sizes[plan.zoneOf[node]];
  }
  return shares;
}
