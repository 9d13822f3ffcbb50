/** Anti-entropy with sessions: sr.Compare, sr.Listing, sr.Interests (wire: compare; F151, F153, F155). */
import { compareRegisterVersion } from '@sofa-registry/model';
import {
  AccessCode,
  Compare,
  CompareReply,
  digestIs,
  EMPTY,
  type Frame,
  Interests,
  InterestsReply,
  Listing as ListingMessage,
  ListingReply,
  type MessageOf,
} from '@sofa-registry/wire';
import { ledSlot, noteEpoch, readCode, refusalCode } from './access.ts';
import type { Datum } from './datum.ts';
import type { StoredPublisher } from './stored-publisher.ts';
import type { HeldSlot } from './held-slot.ts';
import type { LateRemovals } from './late-removals.ts';
import { NEVER_ASKED_MS } from './interests.ts';
import type { Link } from './link.ts';
import type { Listing } from './listing.ts';
import type { NodeState } from './node-state.ts';
import type { Notifier } from './notifier.ts';
import type { Owner } from './owner.ts';
import type { ParkedRequests } from './parked.ts';
import type { SlotBoard } from './slot-board.ts';
import type { SlotStore } from './slot-store.ts';

type RecordVersion = MessageOf<typeof ListingReply>['missing'][number];
type InterestVersion = MessageOf<typeof InterestsReply>['differing'][number];

const EMPTY_DIGEST = { words: new Uint32Array(4) };
/** An interest that began with a read so lately is kept though a set does not name it, in ms. */
const READ_ON_ITS_WAY_MS = 2000;
/** How long a comparison waits for the table its sender has, in ms. */
const TABLE_WAIT_MS = 1000;

/** Answers comparisons. */
export class CompareHandler {
  readonly #state: NodeState;
  readonly #board: SlotBoard;
  readonly #notifier: Notifier;
  readonly #parked: ParkedRequests;
  readonly #late: LateRemovals;

  constructor(
    state: NodeState,
    board: SlotBoard,
    notifier: Notifier,
    parked: ParkedRequests,
    late: LateRemovals,
  ) {
    this.#state = state;
    this.#board = board;
    this.#notifier = notifier;
    this.#parked = parked;
    this.#late = late;
  }

  /** sr.Compare. A sender with a newer table is answered when the table has arrived here, so that gained slots are heard early. */
  compare(link: Link, owner: Owner, frame: Frame): void {
    const message = Compare.decode(frame.content);
    this.#state.observe(message.clock);
    noteEpoch(this.#state, message.tableEpoch);
    if (message.tableEpoch > this.#state.tableEpoch) {
      const head: Frame = { ...frame, header: EMPTY, content: EMPTY };
      const parked = this.#parked.park({
        link,
        deadlineMs: this.#state.nowMs() + TABLE_WAIT_MS,
        attempt: (final) => {
          if (!final && message.tableEpoch > this.#state.tableEpoch) return false;
          this.#answer(link, owner, head, message);
          return true;
        },
      });
      if (parked) return;
      this.#state.metrics.limit('parked_reads').value++;
    }
    this.#answer(link, owner, frame, message);
  }

  #answer(link: Link, owner: Owner, frame: Frame, message: MessageOf<typeof Compare>): void {
    const { metrics, hybrid } = this.#state;
    const slots: MessageOf<typeof CompareReply>['slots'][number][] = [];
    for (const { slot: id, publishers, interests } of message.slots) {
      const slot = ledSlot(this.#state, id);
      metrics.compares.value++;
      if (slot === null) {
        const code = refusalCode(this.#state, id, message.tableEpoch);
        slots.push({ slot: id, code, publishersDiffer: false, interestsDiffer: false });
        continue;
      }
      const share = (slot.store as SlotStore).shares.get(owner) ?? EMPTY_DIGEST;
      const publishersDiffer = !digestIs(publishers, share);
      if (!publishersDiffer) this.#board.heard(slot, link.processId);
      const believed = link.interests.slots.get(id)?.digest ?? EMPTY_DIGEST;
      const interestsDiffer = !digestIs(interests, believed);
      const code = readCode(slot);
      if (publishersDiffer || interestsDiffer) metrics.compareDiffers.value++;
      else if (code === AccessCode.accept) continue;
      slots.push({ slot: id, code, publishersDiffer, interestsDiffer });
    }
    const reply = { tableEpoch: this.#state.tableEpoch, clock: hybrid.last, slots };
    link.channel.respond(frame, CompareReply.className, CompareReply.encode(reply));
  }

  /** sr.Listing: one page. */
  listing(link: Link, owner: Owner, frame: Frame): void {
    const page = ListingMessage.decode(frame.content);
    const slot = ledSlot(this.#state, page.slot);
    if (slot === null) {
      this.#listed(link, frame, refusalCode(this.#state, page.slot, 0), []);
      return;
    }
    const { tunables, metrics } = this.#state;
    if (link.listings.records() + page.records.length > tunables.listingRecordsMax) {
      metrics.limit('listing_records').value++;
      link.listings.forget(page.slot);
      this.#listed(link, frame, AccessCode.unSupported, []);
      return;
    }
    const listing = link.listings.page(page.slot, page.asOfStamp, this.#state.nowMs());
    const missing: RecordVersion[] = [];
    for (const record of page.records) {
      listing.named.add(record.dataInfoId, record.registerId);
      if (!this.#lacks(slot.store as SlotStore, owner, record)) continue;
      listing.awaited.add(record.dataInfoId, record.registerId);
      missing.push(record);
    }
    metrics.listingMissing.value += missing.length;
    if (page.last) this.#endListing(link, owner, slot, listing);
    this.#listed(link, frame, readCode(slot), missing);
  }

  #listed(link: Link, frame: Frame, code: AccessCode, missing: readonly RecordVersion[]): void {
    link.channel.respond(frame, ListingReply.className, ListingReply.encode({ code, missing }));
  }

  /** True if the session should write this record of its own again. */
  #lacks(store: SlotStore, owner: Owner, record: RecordVersion): boolean {
    const held = store.data.get(record.dataInfoId)?.publishers.get(record.registerId);
    if (held === undefined) return true;
    const order = compareRegisterVersion(record.version, record.stamp, held.version, held.stamp);
    return order > 0 || (order === 0 && held.owner !== owner);
  }

  #endListing(link: Link, owner: Owner, slot: HeldSlot, listing: Listing): void {
    const store = slot.store as SlotStore;
    const surplus: [Datum, StoredPublisher][] = [];
    if (store.shares.has(owner))
      for (const datum of store.data.values())
        for (const record of datum.publishers.values())
          if (
            record.owner === owner &&
            record.stamp <= listing.asOfStamp &&
            !listing.named.has(datum.dataInfoId, record.registerId)
          )
            surplus.push([datum, record]);
    if (slot.decided) {
      this.#state.store.beginBatch();
      for (const [datum, record] of surplus) this.#state.store.expire(store, datum, record);
    } else
      for (const [{ dataInfoId }, { registerId, version, stamp }] of surplus)
        if (!this.#late.add(slot.id, { dataInfoId, registerId, version, stamp, owner }))
          this.#state.metrics.limit('late_removals').value++;
    this.#state.metrics.listingRemoved.value += surplus.length;
    listing.ended = true;
    if (!listing.settled) return;
    link.listings.forget(slot.id);
    this.#board.heard(slot, link.processId);
  }

  /** sr.Interests: the whole set of one slot. */
  interests(link: Link, frame: Frame): void {
    const message = Interests.decode(frame.content);
    const slot = ledSlot(this.#state, message.slot);
    let code: AccessCode;
    let differing: InterestVersion[] = [];
    if (slot === null) {
      link.interests.clearSlot(message.slot);
      code = refusalCode(this.#state, message.slot, 0);
    } else {
      this.#replaceInterests(link, slot, message.ids);
      code = readCode(slot);
      if (code === AccessCode.accept) differing = this.#differing(link, slot, message.ids);
    }
    link.channel.respond(frame, InterestsReply.className, InterestsReply.encode({ code, differing }));
  }

  #replaceInterests(link: Link, slot: HeldSlot, ids: readonly InterestVersion[]): void {
    const { store, tunables, metrics } = this.#state;
    // A read that is on its way back is not in the set yet.
    const freshMs = this.#state.nowMs() - READ_ON_ITS_WAY_MS;
    const named = new Set<string>();
    for (const { dataInfoId } of ids) named.add(dataInfoId);
    const known = link.interests.slots.get(slot.id);
    if (known !== undefined)
      for (const [dataInfoId, { askedMs }] of known.ids)
        if (!named.has(dataInfoId) && askedMs < freshMs) link.interests.remove(slot.id, dataInfoId);
    for (const { dataInfoId, version } of ids) {
      const datum = store.shell(slot.store as SlotStore, dataInfoId);
      if (typeof datum === 'number') continue;
      if (link.interests.add(datum, version, tunables.interestsPerLinkMax, NEVER_ASKED_MS) === null)
        metrics.limit('interests_per_link').value++;
    }
  }

  #differing(link: Link, slot: HeldSlot, ids: readonly InterestVersion[]): InterestVersion[] {
    const differing: InterestVersion[] = [];
    const { data } = slot.store as SlotStore;
    for (const { dataInfoId, version } of ids) {
      const datum = data.get(dataInfoId);
      // A session that is ahead of a leader that is not settled hears of it when the leader is.
      if (datum === undefined || slot.aheadOf(datum, version)) continue;
      this.#notifier.raiseAbove(slot, datum, version);
      if (datum.version !== version) differing.push({ dataInfoId, version: datum.version });
      // The answer tells it: no notice for this.
      const interest = link.interests.slots.get(slot.id)?.ids.get(dataInfoId);
      if (interest !== undefined && !datum.knows(version)) interest.told = datum.version;
    }
    return differing;
  }
}
