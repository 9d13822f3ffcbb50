/** A backend that reports every call to an observer: what was asked, how long it took, what became of it. */
import type { LeaseRow, RawChange, RawDoc, RawRecord, RawRow, StoreDriver } from './driver.ts';
import { isStoreError } from './errors.ts';
import type { StoreClock, StoreObserver, StoreOperation } from './ports.ts';

/** See above. */
export class MeasuredDriver implements StoreDriver {
  readonly kind: string;
  readonly address: string;
  readonly shared: boolean;
  private readonly driver: StoreDriver;
  private readonly clock: StoreClock;
  private readonly observer: StoreObserver;

  constructor(driver: StoreDriver, clock: StoreClock, observer: StoreObserver) {
    this.driver = driver;
    this.clock = clock;
    this.observer = observer;
    this.kind = driver.kind;
    this.address = driver.address;
    this.shared = driver.shared;
  }

  get watchPollMs(): number {
    return this.driver.watchPollMs;
  }

  open(): Promise<void> {
    return this.timed('open', this.driver.open());
  }

  close(): Promise<void> {
    return this.driver.close();
  }

  ping(): Promise<void> {
    return this.timed('ping', this.driver.ping());
  }

  leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow> {
    return this.timed('lease_acquire', this.driver.leaseAcquire(me, ttlMs));
  }

  leaseRenew(term: number): Promise<LeaseRow> {
    return this.timed('lease_renew', this.driver.leaseRenew(term));
  }

  leaseRelease(term: number): Promise<void> {
    return this.timed('lease_release', this.driver.leaseRelease(term));
  }

  leaseObserve(): Promise<LeaseRow> {
    return this.timed('lease_observe', this.driver.leaseObserve());
  }

  docGet(key: string): Promise<RawDoc | null> {
    return this.timed('doc_get', this.driver.docGet(key));
  }

  docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }> {
    return this.timed('doc_list', this.driver.docList(prefix));
  }

  docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number> {
    return this.timed('doc_write', this.driver.docWrite(key, value, expect, fence));
  }

  changesAfter(from: number): Promise<RawChange[] | null> {
    return this.timed('doc_changes', this.driver.changesAfter(from));
  }

  onHint(hint: () => void): void {
    this.driver.onHint(hint);
  }

  recordUpsert(log: string, rows: readonly RawRow[], fence: number | undefined): Promise<number> {
    return this.timed('record_upsert', this.driver.recordUpsert(log, rows, fence));
  }

  recordTouch(log: string, keys: readonly string[], fence: number | undefined): Promise<number> {
    return this.timed('record_touch', this.driver.recordTouch(log, keys, fence));
  }

  recordGet(log: string, key: string): Promise<RawRecord | null> {
    return this.timed('record_get', this.driver.recordGet(log, key));
  }

  recordScan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    return this.timed('record_scan', this.driver.recordScan(log, after, limit));
  }

  recordExpire(log: string, olderThanMs: number, limit: number, fence: number): Promise<string[]> {
    return this.timed('record_expire', this.driver.recordExpire(log, olderThanMs, limit, fence));
  }

  private timed<T>(operation: StoreOperation, call: Promise<T>): Promise<T> {
    const { clock, observer } = this;
    const startMs = clock.monoMs();
    const done = (error: unknown): void => {
      const code = error === null ? null : isStoreError(error) ? error.code : 'other';
      observer.called(this.kind, operation, clock.monoMs() - startMs, code);
    };
    call.then(
      () => done(null),
      (error: unknown) => done(error ?? 'rejected'),
    );
    return call;
  }
}
