/**
 * What a backend implements: the port of `meta-store.ts` in bytes, without validation, record formats and watch loops (those
 * are the same for all backends and live in `driver-store.ts`). Internal to this package.
 */
import type { StoreClock, StoreLogger } from './ports.ts';

/** The lock row; `LeaseInfo` without the local time. */
export interface LeaseRow {
  readonly owner: string | null;
  readonly term: number;
  readonly remainingMs: number;
  readonly mine: boolean;
}

/** A document in bytes. */
export interface RawDoc {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: number;
}

/** A change of a document; value null = removed. */
export interface RawChange {
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly version: number;
}

/** A record to write. */
export interface RawRow {
  readonly key: string;
  readonly body: Uint8Array;
  /** Must survive expire. */
  readonly keep: boolean;
}

/** A stored record. */
export interface RawRecord {
  readonly key: string;
  readonly body: Uint8Array;
  readonly seq: number;
}

/** What every driver is made with. */
export interface DriverContext {
  readonly clock: StoreClock;
  readonly logger: StoreLogger;
  /** Cluster id; part of every key in the store. */
  readonly cluster: string;
  /** Identity of this handle: random, new for every process and handle. */
  readonly token: string;
  /** Longest time a call may take before it is given up, ms. */
  readonly opTimeoutMs: number;
}

/** A backend. Terms in `fence` positions are undefined for unfenced writes. All errors are StoreErrors. */
export interface StoreDriver {
  readonly kind: string;
  /** For people; no credentials. */
  readonly address: string;
  readonly shared: boolean;
  /** How often a watch asks for changes when no hint comes, ms; 0 = hints are enough. */
  readonly watchPollMs: number;

  open(): Promise<void>;
  close(): Promise<void>;
  ping(): Promise<void>;

  leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow>;
  leaseRenew(term: number): Promise<LeaseRow>;
  leaseRelease(term: number): Promise<void>;
  leaseObserve(): Promise<LeaseRow>;

  docGet(key: string): Promise<RawDoc | null>;
  docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }>;
  /** Writes, or removes when `value` is null. Returns the version; 0 when there was nothing to remove. */
  docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number>;
  /** Changes after `from` in commit order (a page of them); null when the chain from `from` is broken. */
  changesAfter(from: number): Promise<RawChange[] | null>;
  /** The driver calls `hint` when documents may have changed (any writer it can hear of). Set before open. */
  onHint(hint: () => void): void;

  recordUpsert(log: string, rows: readonly RawRow[], fence: number | undefined): Promise<number>;
  recordTouch(log: string, keys: readonly string[], fence: number | undefined): Promise<number>;
  recordGet(log: string, key: string): Promise<RawRecord | null>;
  recordScan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }>;
  recordExpire(log: string, olderThanMs: number, limit: number, fence: number): Promise<string[]>;
}
