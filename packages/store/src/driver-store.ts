/**
 * The MetaStore every caller gets: checks input, turns values into bytes, stamps leases with local time, runs watches; the
 * backend (`driver.ts`) does the rest.
 */
import { DocFacade } from './doc-facade.ts';
import type { DriverContext, LeaseRow, StoreDriver } from './driver.ts';
import { isStoreError, StoreError } from './errors.ts';
import { STORE_LIMITS } from './limits.ts';
import type { LeaderLease, LeaseInfo, MetaStore } from './meta-store.ts';
import { RecordFacade } from './record-facade.ts';
import { APP_REVISIONS, CLIENT_ADDRESSES, INTERFACE_APPS } from './records.ts';
import { checkName } from './validate.ts';

class LeaseFacade implements LeaderLease {
  private readonly driver: StoreDriver;
  private readonly ctx: DriverContext;
  private readonly gate: () => void;
  private ttlMs = 0;

  constructor(driver: StoreDriver, ctx: DriverContext, gate: () => void) {
    this.driver = driver;
    this.ctx = ctx;
    this.gate = gate;
  }

  async tryAcquire(me: string, ttlMs: number): Promise<LeaseInfo> {
    this.gate();
    checkName('address of the holder', me, STORE_LIMITS.holderBytesMax);
    if (!(ttlMs >= STORE_LIMITS.leaseTtlMsMin && ttlMs <= STORE_LIMITS.leaseTtlMsMax)) {
      const { leaseTtlMsMin: min, leaseTtlMsMax: max } = STORE_LIMITS;
      throw new StoreError('SR_STORE_INVALID', `lease ttl must be ${min} to ${max} ms, got ${ttlMs}`);
    }
    const sentMs = this.ctx.clock.monoMs();
    const row = await this.driver.leaseAcquire(me, Math.ceil(ttlMs));
    if (row.mine) this.ttlMs = ttlMs;
    return this.info(row, sentMs);
  }

  async renew(term: number): Promise<LeaseInfo> {
    this.gate();
    const sentMs = this.ctx.clock.monoMs();
    return this.info(await this.driver.leaseRenew(term), sentMs);
  }

  async release(term: number): Promise<void> {
    this.gate();
    await this.driver.leaseRelease(term);
  }

  async observe(): Promise<LeaseInfo> {
    this.gate();
    const sentMs = this.ctx.clock.monoMs();
    const row = await this.driver.leaseObserve();
    // Looking does not extend the lock: what is left may be less than half a ttl.
    return this.info(row, sentMs, Math.min(this.ttlMs / 2, row.remainingMs - this.ttlMs / 2));
  }

  private info(row: LeaseRow, sentMs: number, trustMs = this.ttlMs / 2): LeaseInfo {
    const leadUntilMonoMs = row.mine ? sentMs + Math.max(0, trustMs) : 0;
    return { ...row, remainingMs: Math.max(0, row.remainingMs), leadUntilMonoMs };
  }
}

/** Wraps a backend. */
export class DriverStore implements MetaStore {
  readonly kind: string;
  readonly address: string;
  readonly shared: boolean;
  readonly lease: LeaderLease;
  readonly docs: DocFacade;
  readonly revisions: MetaStore['revisions'];
  readonly interfaces: MetaStore['interfaces'];
  readonly clientAddresses: MetaStore['clientAddresses'];
  private readonly driver: StoreDriver;
  private state: 'new' | 'opening' | 'open' | 'closed' = 'new';

  constructor(driver: StoreDriver, ctx: DriverContext) {
    const gate = (): void => {
      if (this.state !== 'open')
        throw new StoreError('SR_STORE_UNAVAILABLE', `the ${driver.kind} store is not open`);
    };
    this.driver = driver;
    this.kind = driver.kind;
    this.address = driver.address;
    this.shared = driver.shared;
    this.lease = new LeaseFacade(driver, ctx, gate);
    this.docs = new DocFacade(driver, ctx, gate);
    this.revisions = new RecordFacade(driver, APP_REVISIONS, gate);
    this.interfaces = new RecordFacade(driver, INTERFACE_APPS, gate);
    this.clientAddresses = new RecordFacade(driver, CLIENT_ADDRESSES, gate);
  }

  async open(): Promise<void> {
    if (this.state !== 'new') throw new StoreError('SR_STORE_INVALID', 'a store handle is opened once');
    this.state = 'opening';
    try {
      await this.driver.open();
      if (this.state === 'opening') this.state = 'open';
    } catch (error) {
      this.state = 'closed';
      await this.driver.close().catch(() => {});
      // Opening may be repeated whatever became of it.
      if (isStoreError(error, 'SR_STORE_UNKNOWN')) {
        throw new StoreError('SR_STORE_UNAVAILABLE', error.message, error);
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.docs.stop();
    await this.driver.close();
  }

  async ping(): Promise<void> {
    if (this.state !== 'open')
      throw new StoreError('SR_STORE_UNAVAILABLE', `the ${this.kind} store is not open`);
    await this.driver.ping();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
