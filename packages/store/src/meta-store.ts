/**
 * The MetaStore port: everything the meta tier keeps outside its own memory. Only meta uses it; sessions and data nodes hold
 * no credentials (reference/meta-and-admin.md 12.2). Every sentence below holds on every backend and is a test of the
 * contract suite (`test/contract.ts`).
 *
 * Numbers. Versions, revisions, sequences and terms are safe integers, assigned by the store, and only rise: each is
 * `max(last + 1, the store's own clock)`, so they neither repeat nor run backwards after a backup is restored. Terms count in
 * seconds since 2019 (they stay below 2^31, so a term and a 20 bit counter fit one safe integer); the others in ms.
 *
 * Time. Durations are relative. No method takes or returns a wall clock; the store's clock decides about expiry and age.
 *
 * Errors. Every rejection is a `StoreError`; its `outcome` says whether nothing was written or nobody can tell. A call that
 * cannot be answered rejects within 2 s. No method turns an error into `false` or `null`.
 */
import type { AppRevisionRecord, ClientAddressRecord, InterfaceAppRecord } from './records.ts';

/** Makes a write conditional on still being the leader. Checked in the same transaction as the write. */
export interface Fence {
  /** The term under which the caller was elected ({@link LeaseInfo.term}). */
  readonly term: number;
}

/** The lock as the store sees it at one instant. */
export interface LeaseInfo {
  /** `host:port` of the holder, or null when the lock is free (never taken, released or expired). */
  readonly owner: string | null;
  /** Term of the holder, or of the last holder when free; 0 before the first. */
  readonly term: number;
  /** How long the store will keep the lock for the holder if nothing else happens, ms; 0 when free. */
  readonly remainingMs: number;
  /** True when this very store handle (process) is the holder. The same address alone proves nothing. */
  readonly mine: boolean;
  /**
   * Only when `mine`: until when the holder may act as the leader, on its own monotonic clock. It is the time *before* the
   * request plus half the ttl, so a paused or slow holder stops before the store can hand the lock on.
   */
  readonly leadUntilMonoMs: number;
}

/** One lock per cluster, with a fencing term. */
export interface LeaderLease {
  /**
   * Takes the lock if it is free, else tells who has it. Atomic: of any number of contenders exactly one gets a term. Each
   * grant to another holder, to another process with the same address, or after the lock ran out, has a higher term. Asked
   * by the live holder it extends the lock and keeps the term.
   * @param me advertised `host:port` of the caller
   * @param ttlMs lease from now, ms (100 to 3,600,000; etcd rounds up to whole seconds and to its own minimum)
   */
  tryAcquire(me: string, ttlMs: number): Promise<LeaseInfo>;
  /**
   * Extends the lock for the ttl it was acquired with.
   * @throws SR_STORE_LEASE_LOST when this handle does not hold `term`, even if nobody else took the lock since it ran out
   */
  renew(term: number): Promise<LeaseInfo>;
  /** Frees the lock if this handle holds it with `term`; does nothing otherwise. The next holder need not wait. */
  release(term: number): Promise<void>;
  /** The lock now. */
  observe(): Promise<LeaseInfo>;
}

/** A stored document. */
export interface Doc {
  readonly key: string;
  readonly value: string;
  /** Version of the last write; no two writes of a cluster share one. */
  readonly version: number;
}

/** A document was written (`value`) or removed (`value` null). */
export interface DocChange {
  readonly key: string;
  readonly value: string | null;
  readonly version: number;
}

/** What a watch yields. */
export type DocEvent =
  /** Changes in commit order. `revision` is where to resume. */
  | { readonly kind: 'changes'; readonly changes: readonly DocChange[]; readonly revision: number }
  /** Changes were lost (too far behind, or the store went back to a backup). List again and watch from there. Last event. */
  | { readonly kind: 'reset' };

/** Conditions of a write of a document. */
export interface DocWrite {
  /** 'any' overwrites, 'absent' creates, a number replaces exactly that version. */
  readonly expect: 'any' | 'absent' | number;
  readonly fence?: Fence;
}

/** Small named texts: operator switches, slot table, node blacklist, multi-cluster configuration. */
export interface DocStore {
  /** The document, or null. */
  get(key: string): Promise<Doc | null>;
  /** All documents whose key starts with `prefix`, in order of their UTF-8 bytes, and the revision to watch from. */
  list(prefix: string): Promise<{ readonly docs: readonly Doc[]; readonly revision: number }>;
  /**
   * Writes a document. Of N racers that expect the same version (or 'absent') exactly one succeeds.
   * @throws SR_STORE_CONFLICT, SR_STORE_FENCED, SR_STORE_TOO_LARGE
   */
  put(key: string, value: string, write: DocWrite): Promise<{ readonly version: number }>;
  /**
   * Removes a document. False when there was none (only with expect 'any').
   * @throws SR_STORE_CONFLICT, SR_STORE_FENCED
   */
  remove(key: string, write: { readonly expect: 'any' | number; readonly fence?: Fence }): Promise<boolean>;
  /**
   * Every change after revision `from` (0 = since the beginning) of keys with `prefix`, in commit order, then every later one. While the store
   * is away it waits and resumes without loss. Ends after a reset, when `signal` aborts, or when the store is closed.
   */
  watch(prefix: string, from: number, signal?: AbortSignal): AsyncIterable<DocEvent>;
}

/** A record with its place in the log. */
export interface StoredRecord<T> {
  readonly key: string;
  readonly value: T;
  readonly seq: number;
}

/** One page of a scan. */
export interface RecordPage<T> {
  readonly rows: readonly StoredRecord<T>[];
  /** Pass as `after` for the next page. */
  readonly next: number;
  /** True when more rows may follow now. */
  readonly more: boolean;
}

/** Many records with a natural key, read by followers in order of change. */
export interface RecordLog<T> {
  /**
   * Writes rows. A row equal to what is stored is only touched and keeps its seq; any other gets a new, higher seq and
   * leaves its old place. Idempotent; all rows or none, except on etcd, where a batch may be cut into parts.
   * @returns the highest seq of the given rows (new or kept); 0 for no rows
   * @throws SR_STORE_FENCED, SR_STORE_TOO_LARGE
   */
  upsert(rows: readonly T[], opt?: { readonly fence?: Fence }): Promise<{ readonly seq: number }>;
  /** Makes rows young again without a new seq. Returns how many of the keys exist. */
  touch(keys: readonly string[], opt?: { readonly fence?: Fence }): Promise<number>;
  /** The record, or null. */
  get(key: string): Promise<StoredRecord<T> | null>;
  /** Rows with seq > `after` in commit order, at most `limit`. A row never appears behind a `next` already handed out. */
  scan(after: number, limit: number): Promise<RecordPage<T>>;
  /**
   * Deletes up to `limit` rows not written or touched for `olderThanMs` by the store's clock, oldest first, except those
   * whose value says it must be kept (a traffic-off address). Returns their keys.
   * @throws SR_STORE_FENCED
   */
  expire(olderThanMs: number, limit: number, opt: { readonly fence: Fence }): Promise<string[]>;
  /** The natural key of a value. */
  keyOf(value: T): string;
}

/** A store, as one process sees it. */
export interface MetaStore {
  /** 'memory', 'sqlite', 'postgres', 'mysql' or 'etcd'. */
  readonly kind: string;
  /** The address for people and logs, without credentials. */
  readonly address: string;
  /** True when other processes can use the same store at the same time: then several metas may run. */
  readonly shared: boolean;
  readonly lease: LeaderLease;
  readonly docs: DocStore;
  readonly revisions: RecordLog<AppRevisionRecord>;
  readonly interfaces: RecordLog<InterfaceAppRecord>;
  readonly clientAddresses: RecordLog<ClientAddressRecord>;
  /** Connects, and creates or migrates the schema under a lock. Once per handle. */
  open(): Promise<void>;
  /** Ends watches and connections. Does not release the lock (call `lease.release` first). Idempotent. */
  close(): Promise<void>;
  /** Resolves when the store can answer a read now. */
  ping(): Promise<void>;
  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}
