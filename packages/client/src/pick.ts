/** Choice of a session server. */
import type { Random } from '@sofa-registry/runtime';
import type { SessionAddress } from './server-list.ts';

/**
 * Index of the next session to try: of two different random ones the one with fewer connections. Unlike "the lowest", this
 * spreads clients that decide at the same time on the same numbers (wire 3.2 tells what happens otherwise).
 * @param candidates not empty
 */
export function pickSession(candidates: readonly SessionAddress[], random: Random): number {
  const count = candidates.length;
  const one = Math.floor(random.next() * count);
  if (count === 1) return one;
  const two = (one + 1 + Math.floor(random.next() * (count - 1))) % count;
  return candidates[two].weight < candidates[one].weight ? two : one;
}
