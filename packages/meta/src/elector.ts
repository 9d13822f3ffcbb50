/**
 * Takes part in the election: tries for the store's lock, renews it, and knows by its own monotonic clock when it must stop
 * leading (meta-and-admin 12.5 (2)). Events come in strict turn: `elected`, `deposed`, `elected`...
 */
import type { Clock, Logger, Timer } from '@sofa-registry/runtime';
import { errorText, isStoreError, type LeaseInfo, type MetaStore } from '@sofa-registry/store';
import type { MetaMetrics } from './metrics.ts';

/** Share of the ttl between two renewals. */
const RENEW_SHARE = 1 / 5;
/** Shortest time between two questions, ms, when there is a reason to ask early. */
const LOOK_MS = 100;
/** A free lock is tried for so long after it should have run out, ms, spread so that contenders do not collide. */
const RETRY_SLACK_MS = 20;

/** What the owner hears. */
export interface ElectorEvents {
  elected(term: number): void;
  deposed(reason: DeposedReason): void;
}

/** Why a meta stopped leading: its own clock ran out, the store said so, it stops, or it gave up itself. */
export type DeposedReason = 'expired' | 'lost' | 'stopped' | 'stepped-down';

/** The election as this process sees it. */
export class Elector {
  /** Highest term seen. */
  term = 0;
  /** False while the store does not answer. */
  storeAvailable = true;
  /** Last trouble with the store, '' when it answers. */
  storeError = '';
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #store: MetaStore;
  readonly #metrics: MetaMetrics;
  readonly #ttlMs: number;
  readonly #events: ElectorEvents;
  readonly #jitter: () => number;
  #me = '';
  #leading = false;
  #leadUntilMs = 0;
  #ledTerm = 0;
  #timer: Timer | null = null;
  #expiry: Timer | null = null;
  #running = false;
  #restUntilMs = 0;
  /** True while the store is being asked. */
  #turning = false;
  #turnedMs = -Infinity;
  #owner = '';
  /** Until when the lock may be its owner's as far as the last answer of the store said. */
  #ownerUntilMs = 0;

  constructor(
    ports: { clock: Clock; logger: Logger; store: MetaStore; random: { next(): number } },
    metrics: MetaMetrics,
    ttlMs: number,
    events: ElectorEvents,
  ) {
    this.#clock = ports.clock;
    this.#logger = ports.logger;
    this.#store = ports.store;
    this.#metrics = metrics;
    this.#ttlMs = ttlMs;
    this.#events = events;
    this.#jitter = () => ports.random.next();
  }

  /** Holder of the lock as last seen; '' when free or unknown, and once its lease has run out while the store was silent. */
  get owner(): string {
    return this.storeAvailable || this.#clock.monoMs() < this.#ownerUntilMs ? this.#owner : '';
  }

  /** True while this process may act as the leader. Ask before each act: time alone can end it. */
  get leading(): boolean {
    return this.#leading && this.#clock.monoMs() < this.#leadUntilMs;
  }

  /** Takes part from now on. @param me advertised address */
  start(me: string): Promise<void> {
    this.#me = me;
    this.#running = true;
    return this.#turn();
  }

  /** Leaves the election; releases the lock when `graceful`. */
  async stop(graceful: boolean): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
    const term = this.#leading ? this.term : 0;
    this.#depose('stopped');
    if (!graceful || term === 0) return;
    try {
      await this.#store.lease.release(term);
    } catch (error) {
      this.#logger.warn('meta: the lock was not released, it will run out', { error: errorText(error) });
    }
  }

  /** Gives the leadership up and rests for two ttls, so that another meta takes it. */
  async stepDown(): Promise<void> {
    if (!this.#leading) return;
    const { term } = this;
    this.#restUntilMs = this.#clock.monoMs() + 2 * this.#ttlMs;
    this.#depose('stepped-down');
    await this.#store.lease.release(term).catch(() => undefined);
  }

  /** Asks the store soon: the leader may just have released the lock. At most every {@link LOOK_MS}. */
  look(): void {
    const sinceMs = this.#clock.monoMs() - this.#turnedMs;
    if (!this.#running || this.#leading || this.#turning) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(Math.max(0, LOOK_MS - sinceMs), () => void this.#turn());
  }

  /** The store refused a write of this term: somebody else leads. */
  fenced(): void {
    this.#depose('lost');
  }

  async #turn(): Promise<void> {
    this.#timer?.cancel();
    this.#turning = true;
    this.#turnedMs = this.#clock.monoMs();
    let nextMs = this.#ttlMs * RENEW_SHARE;
    try {
      const resting = this.#clock.monoMs() < this.#restUntilMs;
      const info = this.#leading
        ? await this.#store.lease.renew(this.term)
        : resting
          ? await this.#store.lease.observe()
          : await this.#store.lease.tryAcquire(this.#me, this.#ttlMs);
      this.storeAvailable = true;
      this.storeError = '';
      nextMs = this.#answered(info, nextMs);
    } catch (error) {
      this.#failed(error);
      nextMs = Math.min(nextMs, 1000);
    }
    this.#turning = false;
    if (this.#running) this.#timer = this.#clock.setTimer(nextMs, () => void this.#turn());
  }

  /** Returns when to ask again, ms. */
  #answered(info: LeaseInfo, renewMs: number): number {
    if (!this.#running) {
      // Stopped while the store was asked: do not sit on a lock nobody uses.
      if (info.mine) void this.#store.lease.release(info.term).catch(() => undefined);
      return renewMs;
    }
    this.#owner = info.owner ?? '';
    this.#ownerUntilMs = this.#clock.monoMs() + info.remainingMs;
    this.term = Math.max(this.term, info.term);
    const usable =
      info.mine && info.leadUntilMonoMs > this.#clock.monoMs() && this.#clock.monoMs() >= this.#restUntilMs;
    if (usable && !this.#leading && info.term === this.#ledTerm) {
      // Still ours, but it has been given up once: what was done in this term may not all be stored, so it is not resumed.
      void this.#store.lease.release(info.term).catch(() => undefined);
      return Math.min(renewMs, 100);
    }
    if (usable) {
      this.#leadUntilMs = info.leadUntilMonoMs;
      this.#armExpiry();
      if (!this.#leading) this.#elect(info.term);
      return renewMs;
    }
    if (this.#leading) this.#depose('lost');
    if (info.owner === null || info.mine) return Math.min(renewMs, 100);
    return Math.min(renewMs, info.remainingMs + RETRY_SLACK_MS * (1 + this.#jitter()));
  }

  #elect(term: number): void {
    this.term = term;
    this.#ledTerm = term;
    this.#leading = true;
    this.#metrics.elections.value++;
    this.#logger.info('meta: leads', { term });
    this.#events.elected(term);
  }

  #depose(reason: DeposedReason): void {
    if (!this.#leading) return;
    this.#leading = false;
    this.#expiry?.cancel();
    if (this.#owner === this.#me) this.#owner = '';
    this.#metrics.depositions.with(reason).value++;
    this.#logger.warn('meta: leads no more', { term: this.term, reason });
    this.#events.deposed(reason);
  }

  #armExpiry(): void {
    this.#expiry?.cancel();
    const inMs = this.#leadUntilMs - this.#clock.monoMs();
    this.#expiry = this.#clock.setTimer(Math.max(0, inMs), () => {
      if (!this.leading) this.#depose('expired');
    });
  }

  #failed(error: unknown): void {
    if (isStoreError(error, 'SR_STORE_LEASE_LOST')) {
      this.#depose('lost');
      return;
    }
    this.#metrics.storeFailures.value++;
    if (this.storeAvailable)
      this.#logger.warn('meta: the store does not answer', { error: errorText(error) });
    this.storeAvailable = false;
    this.storeError = errorText(error);
  }
}
