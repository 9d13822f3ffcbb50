/** Hot path. sr.Fetch and sr.Forget: reads and interest (wire: fetch; F071, F108, reference/data-and-slots.md 4). */
import { slotOf } from '@sofa-registry/model';
import {
  AccessCode,
  EMPTY,
  Fetch,
  FETCH_ITEMS_MAX,
  FetchReply,
  Forget,
  type Frame,
  type MessageOf,
  UpdateKind,
} from '@sofa-registry/wire';
import { ledSlot, noteEpoch, readCode, refusalCode } from './access.ts';
import { type Datum, entryBytes } from './datum.ts';
import { deltaUpdate, fullUpdate, type StoredUpdate, versionUpdate } from './delta.ts';
import type { HeldSlot } from './held-slot.ts';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import type { Notifier } from './notifier.ts';
import type { ParkedRequests } from './parked.ts';
import type { SlotStore } from './slot-store.ts';

type FetchItem = MessageOf<typeof Fetch>['items'][number];
/** An answer whose entries are stored records. */
interface FetchAnswer {
  readonly code: AccessCode;
  readonly update: StoredUpdate | null;
}

/** Answers reads. */
export class FetchHandler {
  readonly #state: NodeState;
  readonly #notifier: Notifier;
  readonly #parked: ParkedRequests;

  constructor(state: NodeState, notifier: Notifier, parked: ParkedRequests) {
    this.#state = state;
    this.#notifier = notifier;
    this.#parked = parked;
  }

  handle(link: Link, frame: Frame): void {
    const { metrics } = this.#state;
    const fetch = Fetch.decode(frame.content);
    metrics.fetches.value += fetch.items.length;
    noteEpoch(this.#state, fetch.tableEpoch);
    if (fetch.items.length > FETCH_ITEMS_MAX) metrics.limit('fetch_items').value++;
    if (!this.#mustWait(fetch) || !this.#park(link, frame, fetch)) this.#answer(link, frame, fetch);
  }

  forget(link: Link, frame: Frame): void {
    const { slotCount } = this.#state.identity.slotConfig;
    for (const dataInfoId of Forget.decode(frame.content).dataInfoIds)
      link.interests.remove(slotOf(dataInfoId, slotCount), dataInfoId);
  }

  #park(link: Link, frame: Frame, fetch: MessageOf<typeof Fetch>): boolean {
    const { metrics, tunables } = this.#state;
    const head: Frame = { ...frame, header: EMPTY, content: EMPTY };
    const parked = this.#parked.park({
      link,
      deadlineMs: this.#state.nowMs() + tunables.parkedReadMs,
      attempt: (final) => {
        if (!final && this.#mustWait(fetch)) return false;
        this.#answer(link, head, fetch);
        return true;
      },
    });
    if (parked) metrics.readsParked.value++;
    else metrics.limit('parked_reads').value++;
    return parked;
  }

  #mustWait(fetch: MessageOf<typeof Fetch>): boolean {
    const { items, tableEpoch } = fetch;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      const slot = item.slot < this.#state.slots.length ? this.#state.slots[item.slot] : null;
      if (slot === null) continue;
      // The caller's table is newer: whatever ours says of the slot may be over.
      if (tableEpoch > this.#state.tableEpoch) return true;
      if (!slot.leads) continue;
      if (!slot.readable || slot.aheadOf(slot.store?.data.get(item.dataInfoId), item.since)) return true;
    }
    return false;
  }

  #answer(link: Link, frame: Frame, fetch: MessageOf<typeof Fetch>): void {
    const { tableEpoch } = fetch;
    const { hybrid, tunables } = this.#state;
    const answers: FetchAnswer[] = [];
    let room = tunables.fetchReplyBytesMax;
    for (let i = 0; i < fetch.items.length; i++) {
      const item = fetch.items[i];
      const answer = this.#one(link, item, tableEpoch, i < FETCH_ITEMS_MAX, room, i === 0);
      if (answer.update !== null) room -= sizeOf(answer.update);
      answers.push(answer);
    }
    const reply = { tableEpoch: this.#state.tableEpoch, clock: hybrid.last, items: answers };
    link.channel.respond(frame, FetchReply.className, FetchReply.encode(reply));
  }

  #one(
    link: Link,
    item: FetchItem,
    callerEpoch: number,
    within: boolean,
    room: number,
    first: boolean,
  ): FetchAnswer {
    const slot = within ? ledSlot(this.#state, item.slot) : null;
    if (slot === null) {
      const code = within ? refusalCode(this.#state, item.slot, callerEpoch) : AccessCode.unSupported;
      return this.#refused(code);
    }
    if (callerEpoch > this.#state.tableEpoch) return this.#refused(AccessCode.misMatch);
    const code = readCode(slot);
    if (code !== AccessCode.accept) return this.#refused(code);
    const known = (slot.store as SlotStore).data.get(item.dataInfoId);
    if (slot.aheadOf(known, item.since)) return this.#refused(AccessCode.migrating);
    const datum = known ?? this.#state.store.shell(slot.store as SlotStore, item.dataInfoId);
    if (typeof datum === 'number') return this.#refused(AccessCode.unSupported);
    return { code: AccessCode.accept, update: this.#read(link, slot, datum, item.since, room, first) };
  }

  #read(link: Link, slot: HeldSlot, datum: Datum, since: number, room: number, first: boolean): StoredUpdate {
    const { metrics, tunables } = this.#state;
    this.#notifier.raiseAbove(slot, datum, since);
    // A delta that is larger than the list saves nothing.
    const delta = since === 0 ? null : deltaUpdate(datum, since, Math.min(room, datum.bytes));
    let update: StoredUpdate;
    if (delta !== null) {
      metrics.fetchedDeltas.value++;
      update = delta;
    } else if (first || datum.bytes <= room) {
      metrics.fetchedFull.value++;
      update = fullUpdate(datum, since);
    } else update = versionUpdate(datum, since);
    const told = update.kind === UpdateKind.version ? since : datum.version;
    const nowMs = Math.floor(this.#state.nowMs());
    if (link.interests.add(datum, told, tunables.interestsPerLinkMax, nowMs) === null)
      metrics.limit('interests_per_link').value++;
    return update;
  }

  #refused(code: AccessCode): FetchAnswer {
    this.#state.metrics.readsRefused.value++;
    return { code, update: null };
  }
}

function sizeOf(update: StoredUpdate): number {
  let bytes = 0;
  for (const entry of update.entries) bytes += entryBytes(entry);
  return bytes;
}
