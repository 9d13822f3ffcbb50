/** The weights of `queryWithWeight`: load balance that can never keep clients at a dead session. */
import type { NodeRecord } from '@sofa-registry/model';

/** A session weighs its load when it has so much more than the mean; below that all weigh the same. */
const OVERLOADED_SHARE = 0.1;
/** With so few sessions all weigh the same, see {@link offeredWeights}. */
const EQUAL_SESSIONS_MAX = 2;

/**
 * Weight to hand out for each session, in the order given.
 *
 * A session that dies leaves the list within 3 s, but an official client keeps the list it has for 30 s, and takes the lighter one of
 * two neighbours in its shuffled order (reference/wire.md 3.2). With two sessions of which the lighter one dies it tries that one
 * again and again and never the other, until its publishers' lease is over (data-and-slots.md 15). Hence nobody is ever favoured:
 * two sessions weigh the same, and of more only those with too much are made heavier. Then a dead session costs a client one vain
 * attempt, and a second one (each up to 5 s) only if it follows right behind an overloaded one at the head of the order: with one
 * overloaded session one client of six of three sessions, one of twelve of four. Equal load of two is the business of the sessions (session.shedPerSecondMax).
 *
 * @param fresh false while the answering session does not hear from meta: then nobody's load is known
 */
export function offeredWeights(nodes: readonly Pick<NodeRecord, 'weight'>[], fresh: boolean): number[] {
  const sum = nodes.reduce((total, { weight }) => total + weight, 0);
  const mean = nodes.length === 0 ? 0 : Math.round(sum / nodes.length);
  const differ = fresh && nodes.length > EQUAL_SESSIONS_MAX;
  return nodes.map(({ weight }) => (differ && weight > mean * (1 + OVERLOADED_SHARE) ? weight : mean));
}
