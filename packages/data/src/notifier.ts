/**
 * Hot path. Tells interested links of changed data (F122, design section 5 "Propagate"): at the end of the turn, one step per
 * datum and link, from what the link was last told to the present version. A link with too much unsent gets nothing until it
 * has drained, then the newest of each datum.
 */
import {
  BinaryWriter,
  CODEC_INTERNAL,
  Changed,
  datumUpdate,
  list,
  message,
  type OnceShown,
  UpdateKind,
} from '@sofa-registry/wire';
import type { PublisherRecord } from '@sofa-registry/model';
import type { Timer } from '@sofa-registry/runtime';
import { type Datum, NOBODY } from './datum.ts';
import { Outcome } from './datum-store.ts';
import { deltaUpdate, versionUpdate } from './delta.ts';
import type { HeldSlot } from './held-slot.ts';
import { type Interest, type InterestHolder, versionMoved } from './interests.ts';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import { NOTHING_SHOWN, Temporaries } from './temporaries.ts';

/** How often slow links are looked at beside their drain events, in ms. */
const SLOW_LINK_MS = 100;

/** sr.Changed with updates that are encoded already: each is encoded once for all links. */
const EncodedChanged = message<readonly Buffer[]>(
  Changed.className,
  list<Buffer>({
    write: (out, update) => out.raw(update),
    read: () => {
      throw new Error('write only');
    },
  }),
);

/** Sends change notices. */
export class Notifier {
  readonly #temporaries: Temporaries;
  readonly #state: NodeState;
  readonly #holders = new Map<InterestHolder, Link>();
  #due: Link[] = [];
  #deferred = false;
  #slowTimer: Timer | null = null;
  readonly #writer = new BinaryWriter();
  /** What this flush shows once. A link that is slow now does not get it. */
  #once: ReadonlyMap<Datum, OnceShown> = NOTHING_SHOWN;
  /** The update encoded last: all links of a datum usually need the same one. */
  #memoDatum: Datum | null = null;
  #memoFrom = 0;
  #memoTo = 0;
  #memo: Buffer = Buffer.alloc(0);
  #memoDelta = false;

  constructor(state: NodeState) {
    this.#state = state;
    this.#temporaries = new Temporaries(state);
    state.onChanged = (datum, from) => this.#changed(datum, from);
  }

  /** A temporary publication: whoever follows its service is shown it with the next notice, and never again (F027). */
  showOnce(slot: HeldSlot, dataInfoId: string, record: PublisherRecord): Outcome {
    const outcome = this.#temporaries.add(slot, dataInfoId, record);
    if (outcome === Outcome.applied) this.#flushSoon();
    return outcome;
  }

  /** A link may have interests from now on. */
  attach(link: Link): void {
    this.#holders.set(link.interests, link);
  }

  /** The link is gone. */
  detach(link: Link): void {
    this.#holders.delete(link.interests);
    link.interests.clear();
  }

  /** The link can take more. */
  drained(link: Link): void {
    if (!link.slow) return;
    link.slow = false;
    this.#schedule(link);
  }

  /**
   * A slot began to answer, or all its sessions are known: tells everybody interested what they do not have. Who has a version
   * that is not ours and above it makes us raise it first (reference/data-and-slots.md 4).
   */
  slotOpened(slot: HeldSlot): void {
    const { store } = slot;
    if (store === null) return;
    for (const datum of store.data.values()) {
      if (datum.interests === NOBODY) continue;
      if (slot.decided) this.#raiseAbove(slot, datum);
      this.#enqueueAll(datum);
    }
  }

  /** Raises a datum's version above `version` if it is below. */
  raiseAbove(slot: HeldSlot, datum: Datum, version: number): void {
    if (version <= datum.version || slot.store === null) return;
    this.#state.observe(version);
    this.#state.metrics.versionsRaised.value++;
    this.#state.store.raise(slot.store, datum);
  }

  #raiseAbove(slot: HeldSlot, datum: Datum): void {
    let top = datum.version;
    for (const interest of datum.interests) if (interest.told > top) top = interest.told;
    this.raiseAbove(slot, datum, top);
  }

  #changed(datum: Datum, from: number): void {
    if (datum.interests === NOBODY) return;
    versionMoved(datum, from);
    if (this.#state.slots[datum.slot].readable) this.#enqueueAll(datum);
  }

  #enqueueAll(datum: Datum): void {
    const { interests } = datum;
    for (let i = 0; i < interests.length; i++) {
      const interest = interests[i];
      if (interest.queued || interest.told === datum.version) continue;
      const link = this.#holders.get(interest.holder);
      if (link === undefined) continue;
      interest.queued = true;
      interest.holder.queue.push(interest);
      this.#schedule(link);
    }
  }

  #schedule(link: Link): void {
    if (link.noticesDue || link.slow) return;
    link.noticesDue = true;
    this.#due.push(link);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.#state.ports.clock.defer(this.#flush);
  }

  readonly #flush = (): void => {
    this.#once = this.#temporaries.settle();
    this.#deferred = false;
    const due = this.#due;
    this.#due = [];
    for (let i = 0; i < due.length; i++) {
      due[i].noticesDue = false;
      this.#send(due[i]);
    }
    this.#memoDatum = null;
    this.#once = NOTHING_SHOWN;
  };

  #send(link: Link): void {
    const { tunables, metrics } = this.#state;
    const queue = link.interests.queue;
    let updates: Buffer[] = [];
    let bytes = 0;
    for (let i = 0; i < queue.length; i++) {
      if (link.channel.bufferedBytes > tunables.linkHighWaterBytes) {
        if (updates.length > 0) this.#write(link, updates);
        link.interests.queue = queue.slice(i);
        link.slow = true;
        metrics.noticesHeldBack.value++;
        this.#watchSlow();
        return;
      }
      const interest = queue[i];
      interest.queued = false;
      if (!this.#wanted(interest)) continue;
      const update = this.#encoded(interest.datum, interest.told);
      interest.told = interest.datum.version;
      updates.push(update);
      bytes += update.length;
      if (this.#memoDelta) metrics.noticesDelta.value++;
      else metrics.noticesVersion.value++;
      if (bytes < tunables.noticeFrameBytesMax) continue;
      this.#write(link, updates);
      updates = [];
      bytes = 0;
    }
    link.interests.queue = [];
    if (updates.length > 0) this.#write(link, updates);
  }

  #wanted(interest: Interest): boolean {
    const { datum, told } = interest;
    if (interest.dropped || told === datum.version) return false;
    const slot = this.#state.slots[datum.slot];
    return slot.readable && !slot.aheadOf(datum, told);
  }

  #write(link: Link, updates: readonly Buffer[]): void {
    link.channel.oneway(Changed.className, CODEC_INTERNAL, EncodedChanged.encode(updates));
  }

  #encoded(datum: Datum, from: number): Buffer {
    if (this.#memoDatum === datum && this.#memoFrom === from && this.#memoTo === datum.version)
      return this.#memo;
    const delta = deltaUpdate(datum, from, this.#state.tunables.noticeDeltaBytesMax);
    const update =
      delta === null ? versionUpdate(datum, from) : { ...delta, once: this.#once.get(datum) ?? null };
    this.#memoDelta = update.kind === UpdateKind.delta;
    datumUpdate.write(this.#writer, update);
    this.#memo = this.#writer.take();
    this.#memoDatum = datum;
    this.#memoFrom = from;
    this.#memoTo = datum.version;
    return this.#memo;
  }

  readonly #retrySlow = (): void => {
    this.#slowTimer = null;
    for (const link of this.#state.links) {
      if (!link.slow) continue;
      if (link.channel.bufferedBytes <= this.#state.tunables.linkHighWaterBytes) this.drained(link);
      else this.#watchSlow();
    }
  };

  #watchSlow(): void {
    if (this.#slowTimer !== null) return;
    this.#slowTimer = this.#state.ports.clock.setTimer(SLOW_LINK_MS, this.#retrySlow);
  }
}
