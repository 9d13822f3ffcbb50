/** The weights of `queryWithWeight`: load balance that can never keep clients at a dead session. */
import type { NodeRecord } from '@sofa-registry/model';

/**
 * Sessions up to this many shares above or below the mean count as equal. Official clients prefer any smaller weight, however
 * small the difference, and try an equal one next when the first does not answer.
 */
const EQUAL_SHARE = 0.25;
/** With so few sessions all are equal, see {@link offeredWeights}. */
const EQUAL_SESSIONS_MAX = 2;

/**
 * Weight to hand out for each session, in the order given.
 *
 * An official client takes the lighter one of two neighbours in its shuffled list and keeps its list for 30 s. With two sessions of
 * which the lighter one has died it tries that one again and again and never the other, until its publishers' lease is over
 * (reference/wire.md 3.2, data-and-slots.md 15). So two sessions always weigh the same, and more than two differ only when their
 * load does by much.
 */
export function offeredWeights(nodes: readonly Pick<NodeRecord, 'weight'>[]): number[] {
  const sum = nodes.reduce((total, { weight }) => total + weight, 0);
  const mean = nodes.length === 0 ? 0 : Math.round(sum / nodes.length);
  return nodes.map(({ weight }) =>
    nodes.length <= EQUAL_SESSIONS_MAX || Math.abs(weight - mean) <= mean * EQUAL_SHARE ? mean : weight,
  );
}
