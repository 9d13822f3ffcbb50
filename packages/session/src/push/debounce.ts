/**
 * When a changed list is pushed: the first change of a quiet list at once, then no more often than a wait that grows with the
 * load (design section 5 "Push"). Pure.
 */

/** How loaded the session is. */
export interface PushLoad {
  /** Bytes of pushes not yet acknowledged. */
  readonly outstandingBytes: number;
  /** How late deferred work runs, in ms, smoothed. */
  readonly lagMs: number;
}

/** Bytes outstanding at which the wait is longest. */
const FULL_BYTES = 64 * 1024 * 1024;
/** Lag at which the wait is longest. */
const FULL_LAG_MS = 200;

/** Least time between two pushes of one list, in ms. */
export function debounceMs(load: PushLoad, minMs: number, maxMs: number): number {
  const pressure = Math.min(1, load.outstandingBytes / FULL_BYTES + load.lagMs / FULL_LAG_MS);
  return minMs + Math.max(0, maxMs - minMs) * pressure;
}

/** Monotonic time at which a change that is noticed now is pushed; `nowMs` = at once. */
export function fanoutDueMs(nowMs: number, lastFanoutMs: number, waitMs: number): number {
  return Math.max(nowMs, lastFanoutMs + waitMs);
}
