/**
 * What the store needs from the outside, as the smallest structural interfaces. The `Clock`, `Random` and `Logger` ports of
 * the runtime package satisfy them, and so does the simulator's clock.
 */

/** A timer that was set. */
export interface StoreTimer {
  /** Stops the timer; harmless when it has fired. */
  cancel(): void;
}

/** Time as the store sees it. */
export interface StoreClock {
  /** Monotonic milliseconds since an arbitrary start. */
  monoMs(): number;
  /** Milliseconds since 1970-01-01 UTC. May step; only memory and SQLite read it, to stamp ages and floor counters. */
  wallMs(): number;
  /** Calls `fn` once after `delayMs`. */
  setTimer(delayMs: number, fn: () => void): StoreTimer;
}

/** Randomness for the identity of a store handle. */
export interface StoreRandom {
  /** An integer from 0 to 2^32 - 1. */
  uint32(): number;
}

/** Where the store reports what it survives: reconnects, failed polls. */
export interface StoreLogger {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
}

/** The ports together, as {@link openStore} takes them. */
export interface StorePorts {
  readonly clock: StoreClock;
  readonly random: StoreRandom;
  readonly logger?: StoreLogger;
}
