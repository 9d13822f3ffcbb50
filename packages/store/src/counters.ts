/**
 * How counters rise. Each value is above the last one and not below the store's clock, so that a store that went back to a
 * backup goes on above everything it ever handed out (reference/meta-and-admin.md 12.5, 4).
 */

/** 2019-01-01 UTC in ms; terms count seconds from here. */
export const TERM_EPOCH_MS = 1_546_300_800_000;

/** Largest floor the clock may give a term: a store whose clock is centuries ahead must not use up the terms. */
export const TERM_FLOOR_MAX = 2_147_483_647;

/** Largest floor the clock may give a sequence, ms (year 2255); leaves 2^52 more for counting. */
export const SEQ_FLOOR_MAX = 9_007_199_254_740;

/** The sequence after `last` on a store whose clock shows `nowMs`. */
export function nextSeq(last: number, nowMs: number): number {
  return Math.max(last + 1, Math.min(Math.floor(nowMs), SEQ_FLOOR_MAX));
}

/** The term after `last` on a store whose clock shows `nowMs`. */
export function nextTerm(last: number, nowMs: number): number {
  const floor = Math.min(Math.floor((nowMs - TERM_EPOCH_MS) / 1000), TERM_FLOOR_MAX);
  return Math.max(last + 1, floor);
}
