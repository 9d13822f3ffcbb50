/**
 * Leases of sessions (F120, F131, reference/data-and-slots.md 9.1). A session is alive while a link of it has been heard lately, or
 * meta lists it, or meta cannot say. Its publishers leave after `leaseMs` of neither; in slices, on the leader, never while
 * either source says alive (I11). Those that an operator took out of the traffic do not wait: no session is left that would withdraw
 * them (F192).
 */
import { parseAddress, parseDataInfoId, TrafficRules } from '@sofa-registry/model';
import { every, type Timer } from '@sofa-registry/runtime';
import type { Datum } from './datum.ts';
import type { HeldSlot } from './held-slot.ts';
import type { StoredPublisher } from './stored-publisher.ts';
import type { NodeState } from './node-state.ts';
import type { Owner } from './owner.ts';

/** Data looked at between two looks at the clock. */
const STRIDE = 64;
/** A tick that is late by so many intervals means that this process slept: nobody's silence counts. */
const LATE_TICKS = 3;

/** Sessions that came within so long of one another started together: their clients know them all. */
const TOGETHER_MS = 5000;
/** An official client that has learnt of a session takes up to so long to be registered there (wire 3.2: waits of 5 s and 5 s). */
const RETURN_MS = 15_000;

/** Which records of an owner leave. */
interface Removal {
  readonly from: (slot: HeldSlot) => boolean;
  readonly go: (datum: Datum, record: StoredPublisher) => boolean;
  /** Counts them. */
  readonly removed: { value: number };
}

/** Watches owners and removes what dead ones left. */
export class LeaseKeeper {
  readonly #state: NodeState;
  readonly #rules = new TrafficRules();
  /** Sessions that are gone and have nothing left here that the rules forbid. */
  readonly #obeyed = new Set<Owner>();
  /** Table for which that is so. */
  #obeyedEpoch = 0;
  #timer: Timer | null = null;
  #lastTickMs = 0;

  constructor(state: NodeState) {
    this.#state = state;
  }

  start(): void {
    this.#lastTickMs = this.#state.nowMs();
    this.#timer = every(this.#state.ports.clock, this.#state.tunables.leaseTickMs, () => this.tick());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Renews who is alive, expires who is not. */
  tick(): void {
    const state = this.#state;
    const { leaseTickMs } = state.tunables;
    const nowMs = state.nowMs();
    const slept = nowMs - this.#lastTickMs > LATE_TICKS * leaseTickMs;
    this.#lastTickMs = nowMs;
    const alive = slept || this.#metaCannotSay() ? null : this.#alive(nowMs);
    if (this.#rules.update(state.cluster.view.docs) || this.#obeyedEpoch !== state.tableEpoch)
      this.#obeyed.clear();
    this.#obeyedEpoch = state.tableEpoch;
    for (const owner of state.owners.values()) {
      if (alive === null || alive.has(owner.processId)) this.#renew(owner, nowMs);
      else if (owner.publishers === 0) this.#forget(owner);
      else if (owner.leaving) continue;
      else if (nowMs - owner.aliveMs >= this.#leaseOf(owner)) this.#expire(owner);
      else if (this.#rules.active && !this.#obeyed.has(owner)) this.#obey(owner);
    }
  }

  #renew(owner: Owner, nowMs: number): void {
    owner.aliveMs = nowMs;
    this.#obeyed.delete(owner);
  }

  #forget(owner: Owner): void {
    this.#state.owners.drop(owner);
    this.#obeyed.delete(owner);
  }

  /**
   * Clients of a dead session come back through the sessions they know, and ask for those only now and then. When all that are left
   * came after it and lately, some know none of them: two faults in a row must not shorten lists by clients that are on their way.
   */
  #leaseOf(owner: Owner): number {
    const { cluster, owners, tunables } = this.#state;
    const { leaseMs, listRefreshMs } = tunables;
    let left = 0;
    for (const { role, processId } of cluster.view.members) {
      if (role !== 'session' || processId === owner.processId) continue;
      left++;
      const sinceMs = owners.find(processId)?.sinceMs ?? Infinity;
      if (sinceMs <= owner.sinceMs + TOGETHER_MS || sinceMs <= owner.aliveMs - listRefreshMs) return leaseMs;
    }
    return left === 0 ? leaseMs : Math.max(leaseMs, listRefreshMs + RETURN_MS);
  }

  /** While meta is silent or has only just begun to listen, not being listed proves nothing. */
  #metaCannotSay(): boolean {
    const { view } = this.#state.cluster;
    return view.heardMetaMsAgo > this.#state.tunables.metaSilentMs || !view.warm;
  }

  #alive(nowMs: number): Set<string> {
    const alive = new Set<string>();
    for (const member of this.#state.cluster.view.members) alive.add(member.processId);
    const silentMs = nowMs - this.#state.tunables.linkSilentMs;
    for (const link of this.#state.links) if (link.provesAlive(silentMs)) alive.add(link.processId);
    return alive;
  }

  #expire(owner: Owner): void {
    const { metrics, ports, slots } = this.#state;
    // What a follower holds leaves through its leader; on a slot that is not decided the clients may be at a session not heard yet.
    const from = (slot: HeldSlot): boolean => slot.decided && leadsOf(slot, owner);
    if (!slots.some(from)) return;
    owner.leaving = true;
    metrics.leasesExpired.value++;
    ports.logger.info('lease of a session ended', { session: owner.processId, publishers: owner.publishers });
    const removed = metrics.leaseRemoved;
    this.#slice(owner, this.#records(owner, { from, go: () => true, removed }));
  }

  /**
   * What operators took out of the traffic goes at once, also from a slot that is not decided: no session stores it. Looked for again
   * there, for more may come from other copies.
   */
  #obey(owner: Owner): void {
    const { metrics, slots } = this.#state;
    if (slots.every((slot) => !slot.leads || slot.decided)) this.#obeyed.add(owner);
    owner.leaving = true;
    const go = ({ dataInfoId }: Datum, { clientAddress }: StoredPublisher): boolean => {
      const host = parseAddress(clientAddress)?.host ?? clientAddress;
      const dataId = parseDataInfoId(dataInfoId)?.dataId ?? dataInfoId;
      return !this.#rules.allows('publish', host, { dataId, dataInfoId });
    };
    const removed = metrics.forbiddenRemoved;
    this.#slice(owner, this.#records(owner, { from: (slot) => leadsOf(slot, owner), go, removed }));
  }

  #slice(owner: Owner, records: Generator<void>): void {
    const state = this.#state;
    const nowMs = state.nowMs();
    const alive = this.#metaCannotSay() || this.#alive(nowMs).has(owner.processId);
    if (alive) owner.aliveMs = nowMs;
    let done = alive;
    state.store.beginBatch();
    while (!done && state.nowMs() - nowMs < state.tunables.sliceMs) done = records.next().done === true;
    if (done) owner.leaving = false;
    else state.ports.clock.defer(() => this.#slice(owner, records));
  }

  /** Removes the owner's records; yields every few data. */
  *#records(owner: Owner, { from, go, removed }: Removal): Generator<void> {
    const { store, slots } = this.#state;
    for (const slot of slots) {
      const held = slot.store;
      if (held === null || !from(slot)) continue;
      let looked = 0;
      for (const datum of held.data.values()) {
        // Between slices the slot may have been lost.
        if (!slot.leads || slot.store !== held) break;
        for (const record of ownedBy(datum, owner)) {
          if (!go(datum, record)) continue;
          store.expire(held, datum, record);
          removed.value++;
        }
        if (++looked % STRIDE === 0) yield;
      }
      yield;
    }
  }
}

function leadsOf(slot: HeldSlot, owner: Owner): boolean {
  return slot.leads && slot.store?.shares.has(owner) === true;
}

function ownedBy(datum: Datum, owner: Owner): StoredPublisher[] {
  const owned: StoredPublisher[] = [];
  for (const record of datum.publishers.values()) if (record.owner === owner) owned.push(record);
  return owned;
}
