/** The refusals every backend words alike. */
import { errorText, StoreError } from './errors.ts';
import { STORE_LIMITS } from './limits.ts';

/** Compare-and-set lost. `found` is the version that is there, 0 for none. */
export function conflict(key: string, expect: string | number, found: number): StoreError {
  const there = found === 0 ? 'does not exist' : `is at version ${found}`;
  return new StoreError('SR_STORE_CONFLICT', `document "${key}" ${there}, expected ${expect}; read it again`);
}

/** A write under a term that is over. */
export function fenced(term: number): StoreError {
  return new StoreError('SR_STORE_FENCED', `term ${term} is over: the write of a former leader was refused`);
}

/** A renewal of a lock that is not held. */
export function leaseLost(term: number): StoreError {
  return new StoreError('SR_STORE_LEASE_LOST', `the leader lock with term ${term} is not held any more`);
}

/** A new document over the bound. */
export function tooManyDocs(): StoreError {
  return new StoreError(
    'SR_STORE_TOO_LARGE',
    `the store holds ${STORE_LIMITS.docsMax} documents, the most it may`,
  );
}

/** New records over the bound. */
export function tooManyRecords(log: string): StoreError {
  return new StoreError(
    'SR_STORE_TOO_LARGE',
    `log "${log}" holds ${STORE_LIMITS.recordsMax} records, the most it may`,
  );
}

/** A server that cannot be reached or did not answer in time; `where` names it without credentials. Nothing was done. */
export function unavailable(where: string, why: string, cause?: unknown): StoreError {
  return new StoreError('SR_STORE_UNAVAILABLE', `${where} does not answer (${why}); nothing was done`, cause);
}

/** A write whose outcome nobody can tell. */
export function unconfirmed(where: string, why: string, cause?: unknown): StoreError {
  return new StoreError('SR_STORE_UNKNOWN', `${where} did not confirm a write (${why})`, cause);
}

/** A server that does not let us in, or not into this database. */
export function notAdmitted(where: string, error: unknown): StoreError {
  const text = errorText(error);
  return new StoreError(
    'SR_STORE_CONFIG',
    `${where} refused (${text}): check database, user and rights`,
    error,
  );
}

/** Tables that are not ours, or not of this release. */
export function foreignTables(where: string, error: unknown): StoreError {
  const text = errorText(error);
  return new StoreError(
    'SR_STORE_SCHEMA',
    `${where}: the tables of the store are not as expected (${text})`,
    error,
  );
}
