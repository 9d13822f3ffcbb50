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
import type { AnswerTo, RelayPart, RequestRelay } from './relay.ts';
import type { SlotStore } from './slot-store.ts';

type FetchItem = MessageOf<typeof Fetch>['items'][number];
/** An answer whose entries are stored records. */
interface FetchAnswer {
  readonly code: AccessCode;
  readonly update: StoredUpdate | null;
}
type RelayedAnswer = MessageOf<typeof FetchReply>['items'][number];
/** A message and what is needed to answer it later. */
interface Request {
  readonly link: Link;
  readonly fetch: MessageOf<typeof Fetch>;
  readonly to: AnswerTo;
  /** Without content. */
  readonly head: Frame;
}
const UNANSWERED: RelayedAnswer = Object.freeze({ code: AccessCode.moved, update: null });
const NOT_RELAYED: ReadonlyMap<number, RelayedAnswer> = new Map();

/** Answers reads. */
export class FetchHandler {
  readonly #state: NodeState;
  readonly #notifier: Notifier;
  readonly #parked: ParkedRequests;
  readonly #relay: RequestRelay;

  constructor(state: NodeState, notifier: Notifier, parked: ParkedRequests, relay: RequestRelay) {
    this.#state = state;
    this.#notifier = notifier;
    this.#parked = parked;
    this.#relay = relay;
  }

  handle(link: Link, frame: Frame, to: AnswerTo = link.channel): void {
    const { metrics } = this.#state;
    const fetch = Fetch.decode(frame.content);
    metrics.fetches.value += fetch.items.length;
    noteEpoch(this.#state, fetch.tableEpoch);
    if (fetch.items.length > FETCH_ITEMS_MAX) metrics.limit('fetch_items').value++;
    const request = { link, fetch, to, head: { ...frame, header: EMPTY, content: EMPTY } };
    if (!this.#mustWait(fetch) || !this.#park(request)) this.#proceed(request);
  }

  forget(link: Link, frame: Frame): void {
    const { slotCount } = this.#state.identity.slotConfig;
    for (const dataInfoId of Forget.decode(frame.content).dataInfoIds)
      link.interests.remove(slotOf(dataInfoId, slotCount), dataInfoId);
  }

  #park(request: Request): boolean {
    const { metrics, tunables } = this.#state;
    const parked = this.#parked.park({
      link: request.link,
      deadlineMs: this.#state.nowMs() + tunables.parkedReadMs,
      attempt: (final) => {
        if (!final && this.#mustWait(request.fetch)) return false;
        this.#proceed(request);
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

  /** Answers, when the new leaders of slots that were just handed over have said their part. `relayed`: what they said so far. */
  #proceed(request: Request, relayed: Map<number, RelayedAnswer> | null = null): void {
    const { link, fetch, to } = request;
    // What another node passed on goes no further.
    const parts = to === link.channel ? this.#relay.parts(fetch.items, open(fetch.items, relayed)) : [];
    if (parts.length === 0) {
      this.#answer(request, relayed ?? NOT_RELAYED);
      return;
    }
    const answers = relayed ?? new Map<number, RelayedAnswer>();
    // Our own table, so that a new leader that has not got it yet lets the request wait.
    const { tableEpoch } = this.#state;
    let waits = parts.length;
    const answered = ({ indices }: RelayPart, reply: Frame | null): void => {
      const said = reply === null ? null : FetchReply.decode(reply.content);
      if (said !== null) this.#state.observe(said.clock);
      indices.forEach((index, i) => answers.set(index, said?.items[i] ?? UNANSWERED));
      // Other slots may have been handed over meanwhile.
      if (--waits === 0) this.#proceed(request, answers);
    };
    for (const part of parts) {
      const items = part.indices.map((index) => fetch.items[index]);
      this.#relay.send(link, { part, answered }, Fetch.className, Fetch.encode({ tableEpoch, items }));
    }
  }

  #answer({ link, fetch, to, head }: Request, relayed: ReadonlyMap<number, RelayedAnswer>): void {
    const { tableEpoch } = fetch;
    const { hybrid, tunables } = this.#state;
    const answers: (FetchAnswer | RelayedAnswer)[] = [];
    let room = tunables.fetchReplyBytesMax;
    for (let i = 0; i < fetch.items.length; i++) {
      const passed = relayed.get(i);
      if (passed !== undefined) {
        if (passed.code !== AccessCode.accept) this.#state.metrics.readsRefused(passed.code).value++;
        // Bounded by the room of the node that read it: two such answers fit a frame.
        answers.push(passed);
        continue;
      }
      const answer = this.#one(link, fetch.items[i], tableEpoch, i < FETCH_ITEMS_MAX, room, i === 0);
      if (answer.update !== null) room -= sizeOf(answer.update);
      answers.push(answer);
    }
    const reply = { tableEpoch: this.#state.tableEpoch, clock: hybrid.last, items: answers };
    to.respond(head, FetchReply.className, FetchReply.encode(reply));
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
    this.#state.metrics.readsRefused(code).value++;
    return { code, update: null };
  }
}

/** Positions that no other node has answered. */
function open(items: readonly unknown[], relayed: ReadonlyMap<number, unknown> | null): number[] {
  return [...items.keys()].filter((index) => relayed?.has(index) !== true);
}

function sizeOf(update: StoredUpdate): number {
  let bytes = 0;
  for (const entry of update.entries) bytes += entryBytes(entry);
  return bytes;
}
