/**
 * Publishers that something newer is held of elsewhere: their client has moved on, or only seems to have because clocks differ. No
 * clock can tell, the client can: it is asked. Until it answers the registration counts for nothing, for a client that moved on may
 * have left this end half open; one that is here all the same is stamped anew (design section 4).
 */
import type { HybridClock } from '@sofa-registry/model';
import type { Clock } from '@sofa-registry/runtime';
import type { ClientConnection } from '../client-connection.ts';
import type { SessionMetrics } from '../metrics.ts';
import type { WriteForwarder } from '../write/write-forwarder.ts';
import type { PendingWrite } from '../write/write-queue.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { SessionPublisher } from './registrations.ts';
import type { RegistrationStamps } from './registration-stamps.ts';
import { standingOf } from './version-rule.ts';

/** A client that sent anything so lately is here: what was refused is most likely its newest registration. */
const SPOKE_MS = 300;
/** Shortest time between two proofs of one connection that its client is here. */
const RESTAMP_MS = 2000;
/** Wait before a registration that no stamp of ours can outdo is tried again. */
const UNREACHABLE_RETRY_MS = 60_000;

/** What the doubts work with. */
export interface DoubtParts {
  readonly clock: Clock;
  readonly stamps: HybridClock;
  readonly registrationStamps: RegistrationStamps;
  readonly metrics: SessionMetrics;
  readonly store: RegistrationStore;
  readonly forwarder: WriteForwarder;
}

/** The doubtful publishers of one session. */
export class Doubts {
  readonly #parts: DoubtParts;
  /**
   * Hidden publishers whose client may have moved on, with the monotonic ms after which a byte of it proves that it has not. No more
   * than there are publishers.
   */
  readonly #doubtful = new Map<SessionPublisher, number>();

  constructor(parts: DoubtParts) {
    this.#parts = parts;
  }

  /**
   * A data leader holds something newer than this write. A newer client version: the registration here is history. A newer stamp
   * alone: the client has registered elsewhere since, or clocks differ.
   */
  stale(write: PendingWrite, version: number, stamp: number): void {
    const { clock, store, stamps, registrationStamps } = this.#parts;
    const reachable = stamps.observe(stamp);
    const publisher = store.find(write.dataInfoId)?.publishers?.get(write.registerId);
    if (publisher === undefined || standingOf(publisher, write.version, write.stamp) !== 'same') return;
    const { connection } = publisher;
    // What was removed is this very registration, after our lease: nobody else has it.
    const own = standingOf(publisher, version, stamp) === 'same';
    const spoke = connection !== null && clock.monoMs() - connection.channel.lastReceivedMonoMs < SPOKE_MS;
    const here = spoke && registrationStamps.awake;
    if (own && connection === null) return;
    if (reachable && version === publisher.version && (own || here)) this.#restamp(publisher);
    else this.#outdone(publisher, version, reachable);
  }

  /** Another session has registered the publisher anew (wire: sr.Superseded): the client has moved on, or only seems to have. */
  superseded(dataInfoId: string, registerId: string, version: number, stamp: number): void {
    const { store, stamps } = this.#parts;
    const reachable = stamps.observe(stamp);
    const publisher = store.find(dataInfoId)?.publishers?.get(registerId);
    if (publisher === undefined || publisher.hidden) return;
    if (standingOf(publisher, version, stamp) === 'newer') this.#outdone(publisher, version, reachable);
  }

  /** Looks whether clients of doubtful publishers have shown themselves; call it now and then. */
  recheck(): void {
    const { clock, store, registrationStamps } = this.#parts;
    const nowMs = clock.monoMs();
    const provesFromMs = nowMs + registrationStamps.wakingMs;
    for (const [publisher, sinceMs] of this.#doubtful) {
      const { connection } = publisher;
      if (connection === null || !store.holds(publisher)) {
        this.#doubtful.delete(publisher);
      } else if (provesFromMs > nowMs) {
        this.#doubtful.set(publisher, Math.max(sinceMs, provesFromMs));
      } else if (connection.channel.lastReceivedMonoMs >= sinceMs) {
        this.#doubtful.delete(publisher);
        this.#restamp(publisher);
      } else if (nowMs >= sinceMs && connection.askedMs < sinceMs) ask(connection, nowMs);
    }
  }

  /** Something newer is held elsewhere: ours counts no more. By stamp alone, the client is asked whether it is here all the same. */
  #outdone(publisher: SessionPublisher, version: number, reachable: boolean): void {
    const { clock, store, registrationStamps } = this.#parts;
    store.hide(publisher);
    const { connection } = publisher;
    if (connection === null || version > publisher.version) return;
    const nowMs = clock.monoMs();
    // A stamp that the clock refuses (a day ahead) cannot be outrun: not before whoever made it is gone. Nor do two connections of one
    // client take it from each other for ever.
    const waitMs = reachable ? connection.restampedMs + RESTAMP_MS - nowMs : UNREACHABLE_RETRY_MS;
    // Nor is it a proof of the client what waited for this process to wake up.
    this.#doubtful.set(publisher, nowMs + Math.max(0, waitMs, registrationStamps.wakingMs));
    ask(connection, nowMs);
  }

  #restamp(publisher: SessionPublisher): void {
    const { clock, store, stamps, forwarder, metrics } = this.#parts;
    metrics.writeRestamped.value++;
    if (publisher.connection !== null) publisher.connection.restampedMs = clock.monoMs();
    const renewed: SessionPublisher = { ...publisher, stamp: stamps.next(), hidden: false };
    store.putPublisher(renewed);
    forwarder.publish(renewed);
  }
}

function ask(connection: ClientConnection, nowMs: number): void {
  if (connection.askedMs === nowMs) return;
  connection.askedMs = nowMs;
  connection.channel.sendHeartbeat();
}
