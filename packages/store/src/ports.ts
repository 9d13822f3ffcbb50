/**
 * What the store needs from the outside, as the smallest structural interfaces. The `Clock`, `Random` and `Logger` ports of
 * the runtime package satisfy them, and so does the simulator's clock.
 */

import type { StoreErrorCode } from './errors.ts';

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

/** What a store is asked, by the call of the backend. */
export type StoreOperation =
  | 'open'
  | 'ping'
  | 'lease_acquire'
  | 'lease_renew'
  | 'lease_release'
  | 'lease_observe'
  | 'doc_get'
  | 'doc_list'
  | 'doc_write'
  | 'doc_changes'
  | 'record_upsert'
  | 'record_touch'
  | 'record_get'
  | 'record_scan'
  | 'record_expire';

/** Hears of every call of a store. */
export interface StoreObserver {
  /**
   * A call has ended.
   * @param backend kind of the store
   * @param ms how long it took
   * @param code null when it was answered, else the code of its error; 'other' for one that is no StoreError
   */
  called(backend: string, operation: StoreOperation, ms: number, code: StoreErrorCode | 'other' | null): void;
}

/** The ports together, as {@link openStore} takes them. */
export interface StorePorts {
  readonly clock: StoreClock;
  readonly random: StoreRandom;
  readonly logger?: StoreLogger;
  readonly observer?: StoreObserver;
}
