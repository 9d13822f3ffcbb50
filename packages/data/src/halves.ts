/**
 * Hot path. A safe integer in two fields of 32 bits. A stamp in one field would be a number of its own on the heap: 24 B with the
 * reference to it instead of 16 B.
 */

const HALF = 2 ** 32;

/** The upper half, to be kept. */
export function highHalf(value: number): number {
  return Math.floor(value / HALF);
}

/** The lower half, to be kept. */
export function lowHalf(value: number): number {
  return value | 0;
}

/** The number of two halves. */
export function joined(high: number, low: number): number {
  return high * HALF + (low >>> 0);
}
