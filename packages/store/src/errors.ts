/**
 * The one error type a store throws. Callers decide by `outcome`, operators read `message`, tests and metrics use `code`.
 * Source: reference/meta-and-admin.md 12.4 (three kinds of error), 12.5 (6, 7).
 */

/** What is known about the effect of the failed call. */
export type StoreOutcome =
  /** The store answered and refused. Nothing was written. The same call will be refused again: do not retry it. */
  | 'refused'
  /** The store could not be asked. Nothing was written. The call may be retried later. */
  | 'not-done'
  /** The answer was lost: the write may or may not have happened. Read again before deciding anything. */
  | 'unknown';

/** Every code a store error can carry, with its outcome. One row per code, so that documentation can be generated. */
export const STORE_ERRORS = {
  /** A compare-and-set lost: the document is not at the expected version (or is not absent). */
  SR_STORE_CONFLICT: 'refused',
  /** The write carried a term that is not the live term of the lock any more. */
  SR_STORE_FENCED: 'refused',
  /** renew() by somebody who does not hold the lock any more (other term, other process, or expired). */
  SR_STORE_LEASE_LOST: 'refused',
  /** A value, batch or collection is over its limit (`limits.ts`). */
  SR_STORE_TOO_LARGE: 'refused',
  /** A key or value that no store can hold: empty key, lone surrogate, bad number. */
  SR_STORE_INVALID: 'refused',
  /** The store cannot be reached, is overloaded or closed; nothing was done. */
  SR_STORE_UNAVAILABLE: 'not-done',
  /** The answer did not come in time or the connection broke after the write was sent. */
  SR_STORE_UNKNOWN: 'unknown',
  /** What the store holds cannot be read: a damaged file, or a row that is not in our format. */
  SR_STORE_CORRUPT: 'refused',
  /** The data directory cannot be created, read or written. */
  SR_STORE_PATH: 'refused',
  /** Another process has the store's file open (SQLite only). */
  SR_STORE_IN_USE: 'refused',
  /** The schema in the store was written by a newer release or has been changed by hand. */
  SR_STORE_SCHEMA: 'refused',
  /** The store address cannot be understood, its driver is not installed, or the credentials were refused. */
  SR_STORE_CONFIG: 'refused',
} as const satisfies Record<string, StoreOutcome>;

/** A code of {@link STORE_ERRORS}. */
export type StoreErrorCode = keyof typeof STORE_ERRORS;

/** Error of every method of the store port. `message` is one line and never holds a credential. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** Stable code, see {@link STORE_ERRORS}. */
  readonly code: StoreErrorCode;
  /** What is known about the effect, see {@link StoreOutcome}. */
  readonly outcome: StoreOutcome;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.outcome = STORE_ERRORS[code];
  }
}

/** True when `error` is a {@link StoreError}, optionally with one of the given codes. */
export function isStoreError(error: unknown, ...codes: StoreErrorCode[]): error is StoreError {
  return error instanceof StoreError && (codes.length === 0 || codes.includes(error.code));
}

/** The text of anything thrown, on one line. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s+/g, ' ').trim();
}
