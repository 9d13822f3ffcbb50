/**
 * The guarantee between a session and the data leaders (design section 5): compares rolling digests of what the session
 * holds and watches, slot by slot, when a link comes up, when the table changes and every few seconds; lists only what differs. What
 * the leader lacks is written again, what it holds for this process and the session does not is removed there.
 */
import type { BoltChannel, Clock, ReplyHandler, RpcError, Timer } from '@sofa-registry/runtime';
import { NO_DATUM_VERSION } from '@sofa-registry/model';
import {
  AccessCode,
  CODEC_INTERNAL,
  Compare,
  CompareReply,
  digestBytes,
  type Frame,
  Interests,
  InterestsReply,
  Listing,
  LISTING_ITEMS_MAX,
  ListingReply,
  type MessageOf,
} from '@sofa-registry/wire';
import type { Routing } from './data/routing.ts';
import type { SessionMetrics } from './metrics.ts';
import type { RegistrationStore } from './registry/registration-store.ts';
import type { SessionPublisher } from './registry/registrations.ts';
import type { SessionTunables } from './settings.ts';

/** Wait before a leader that does not serve a slot yet is compared with again. */
const RECHECK_MS = 250;

/** What the comparison needs. */
export interface AntiEntropyPorts {
  readonly clock: Clock;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly store: RegistrationStore;
  readonly routing: Routing;
  channel(leader: string): BoltChannel | null;
  lastStamp(): number;
  /** A stamp that all registrations to come are above. */
  registrationStamp(): number;
  observe(stamp: number): void;
  /** The leader lacks this publisher: write it again. */
  resend(publisher: SessionPublisher): void;
  /** The leader's version of this id differs from the cached one. */
  differs(dataInfoId: string, version: number): void;
}

interface ListingRun {
  readonly leader: string;
  readonly slot: number;
  readonly asOfStamp: number;
  readonly publishers: readonly SessionPublisher[];
  at: number;
}

/** The driver. */
export class AntiEntropy implements ReplyHandler<string> {
  readonly #ports: AntiEntropyPorts;
  /** Leaders a comparison is under way with. */
  readonly #comparing = new Set<string>();
  /** Leaders to be compared again when it ends. */
  readonly #again = new Set<string>();
  /** Slots a listing is under way for. */
  readonly #listing = new Set<number>();
  readonly #interesting = new Set<number>();
  /** Leaders that do not serve a slot yet. */
  readonly #collecting = new Set<string>();
  #recheck: Timer | null = null;
  readonly #listings: ReplyHandler<ListingRun>;
  readonly #interests: ReplyHandler<number>;

  constructor(ports: AntiEntropyPorts) {
    this.#ports = ports;
    this.#listings = {
      reply: (run, frame) => this.#listed(run, frame),
      failed: (run) => void this.#listing.delete(run.slot),
    };
    this.#interests = {
      reply: (slot, frame) => this.#told(slot, frame),
      failed: (slot) => void this.#interesting.delete(slot),
    };
  }

  /** Compares with every leader there is a link to. */
  compareAll(): void {
    const leaders = new Set<string>();
    for (const slot of this.#ports.routing.table.slots) if (slot.leader !== '') leaders.add(slot.leader);
    for (const leader of leaders) this.compare(leader);
  }

  /** Compares the slots this node leads. */
  compare(leader: string): void {
    const channel = this.#ports.channel(leader);
    if (channel === null) return;
    if (this.#comparing.has(leader)) {
      this.#again.add(leader);
      return;
    }
    const { routing, store, metrics, settings } = this.#ports;
    const slots: MessageOf<typeof Compare>['slots'][number][] = [];
    for (const { id, leader: slotLeader } of routing.table.slots) {
      const state = store.slots[id];
      if (slotLeader !== leader || state === undefined) continue;
      slots.push({
        slot: id,
        publishers: digestBytes(state.publishers),
        interests: digestBytes(state.interests),
      });
    }
    if (slots.length === 0) return;
    metrics.compares.value++;
    this.#comparing.add(leader);
    const content = Compare.encode({
      tableEpoch: routing.table.epoch,
      clock: this.#ports.lastStamp(),
      slots,
    });
    channel.request(Compare.className, CODEC_INTERNAL, content, settings.writeTimeoutMs, this, leader);
  }

  /** Tells the leader of a slot the whole set of watched ids; it raises versions that are behind ours. */
  tellInterests(slot: number): void {
    const { routing, store, settings } = this.#ports;
    const channel = this.#ports.channel(routing.leaderOf(slot));
    if (channel === null || this.#interesting.has(slot)) return;
    this.#interesting.add(slot);
    const ids: { dataInfoId: string; version: number }[] = [];
    for (const { datum, dataInfoId } of store.slots[slot].services) {
      if (datum === null || datum.version === 0) continue;
      // Ahead of the node on purpose, also if the newest stamp of all is the version that the id has got meanwhile.
      const confirms = datum.confirmEmpty && datum.version === NO_DATUM_VERSION;
      ids.push({ dataInfoId, version: confirms ? this.#ports.lastStamp() + 1 : datum.version });
    }
    const content = Interests.encode({ slot, ids });
    channel.request(
      Interests.className,
      CODEC_INTERNAL,
      content,
      settings.writeTimeoutMs,
      this.#interests,
      slot,
    );
  }

  reply(leader: string, frame: Frame): void {
    this.#compared(leader);
    const reply = CompareReply.decode(frame.content);
    const { routing, metrics } = this.#ports;
    this.#ports.observe(reply.clock);
    if (reply.tableEpoch > routing.table.epoch) routing.tableIsOld();
    for (const { slot, code, publishersDiffer, interestsDiffer } of reply.slots) {
      if (code === AccessCode.moved || code === AccessCode.misMatch) {
        routing.tableIsOld();
        // One of us has an old table. If it is the leader, no new one will come here to make us compare again.
        this.#recheckSoon(leader);
        continue;
      }
      if (this.#ports.store.slots[slot] === undefined) continue;
      if (code === AccessCode.migrating) this.#recheckSoon(leader);
      if (publishersDiffer || interestsDiffer) metrics.compareDiffer.value++;
      if (publishersDiffer) this.#list(leader, slot);
      if (interestsDiffer) this.tellInterests(slot);
    }
  }

  /** Stops the timer. */
  stop(): void {
    this.#recheck?.cancel();
  }

  /** The leader does not serve the slot yet: what it will say then cannot wait for the next round. */
  #recheckSoon(leader: string): void {
    this.#collecting.add(leader);
    this.#recheck ??= this.#ports.clock.setTimer(RECHECK_MS, () => {
      this.#recheck = null;
      const leaders = [...this.#collecting];
      this.#collecting.clear();
      for (const each of leaders) this.compare(each);
    });
  }

  failed(leader: string, _error: RpcError): void {
    this.#compared(leader);
  }

  #compared(leader: string): void {
    this.#comparing.delete(leader);
    if (!this.#again.delete(leader)) return;
    this.#ports.clock.defer(() => this.compare(leader));
  }

  #list(leader: string, slot: number): void {
    if (this.#listing.has(slot)) return;
    this.#listing.add(slot);
    const publishers: SessionPublisher[] = [];
    for (const service of this.#ports.store.slots[slot].services) {
      if (service.publishers === null) continue;
      for (const publisher of service.publishers.values()) if (!publisher.hidden) publishers.push(publisher);
    }
    this.#page({ leader, slot, asOfStamp: this.#ports.registrationStamp(), publishers, at: 0 });
  }

  #page(run: ListingRun): void {
    const channel = this.#ports.channel(run.leader);
    if (channel === null) {
      this.#listing.delete(run.slot);
      return;
    }
    const end = Math.min(run.publishers.length, run.at + LISTING_ITEMS_MAX);
    const records: MessageOf<typeof Listing>['records'][number][] = [];
    for (let i = run.at; i < end; i++) {
      const { service, registerId, version, stamp } = run.publishers[i];
      records.push({ dataInfoId: service.dataInfoId, registerId, version, stamp });
    }
    run.at = end;
    const { slot, asOfStamp } = run;
    const last = end === run.publishers.length;
    const content = Listing.encode({ slot, asOfStamp, last, records });
    channel.request(
      Listing.className,
      CODEC_INTERNAL,
      content,
      this.#ports.settings.writeTimeoutMs,
      this.#listings,
      run,
    );
  }

  #listed(run: ListingRun, frame: Frame): void {
    // Until the next page is on its way: an answer that cannot be read must not end listings for ever.
    this.#listing.delete(run.slot);
    const reply = ListingReply.decode(frame.content);
    const { store, metrics } = this.#ports;
    for (const { dataInfoId, registerId } of reply.missing) {
      const publisher = store.find(dataInfoId)?.publishers?.get(registerId);
      if (publisher === undefined) continue;
      metrics.resent.value++;
      this.#ports.resend(publisher);
    }
    const refused = reply.code === AccessCode.moved || reply.code === AccessCode.misMatch;
    if (refused) this.#ports.routing.tableIsOld();
    if (refused || run.at >= run.publishers.length) return;
    this.#listing.add(run.slot);
    this.#page(run);
  }

  #told(slot: number, frame: Frame): void {
    this.#interesting.delete(slot);
    const reply = InterestsReply.decode(frame.content);
    for (const { dataInfoId, version } of reply.differing) this.#ports.differs(dataInfoId, version);
  }
}
