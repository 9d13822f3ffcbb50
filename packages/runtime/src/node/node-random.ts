/** Randomness of the Node.js process. */
import { randomUUID } from 'node:crypto';
import type { Random } from '../ports.ts';

const RANDOM: Random = Object.freeze({
  next: () => Math.random(),
  uint32: () => Math.floor(Math.random() * 4_294_967_296),
  uuid: () => randomUUID(),
});

/** The process's randomness. Not for secrets. */
export function nodeRandom(): Random {
  return RANDOM;
}
