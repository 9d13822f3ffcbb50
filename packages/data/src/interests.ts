/** Hot path. Which link wants to hear of which datum, and a digest of what the link should have (reference/data-and-slots.md 18.3.14). */
import { RollingDigest } from '@sofa-registry/model';
import { type Datum, NOBODY } from './datum.ts';

/** `askedMs` of an interest that did not begin with a read. */
export const NEVER_ASKED_MS = -1_000_000_000;

/** One link's interest in one datum. */
export class Interest {
  readonly holder: InterestHolder;
  readonly datum: Datum;
  /** Version the link has or was last told. */
  told: number;
  /** True while it waits in the link's queue of notices. */
  queued = false;
  dropped = false;
  /** When the link last asked for the datum, monotonic ms, whole. */
  askedMs: number;

  constructor(holder: InterestHolder, datum: Datum, told: number, askedMs: number) {
    this.holder = holder;
    this.datum = datum;
    this.told = told;
    this.askedMs = askedMs;
  }
}

/** Interests of one link in one slot. */
export class SlotInterests {
  readonly ids = new Map<string, Interest>();
  /** Over (hash, '', current version, 0) of all ids. */
  readonly digest = new RollingDigest();
}

/** All interests of one link. */
export class InterestHolder {
  readonly slots = new Map<number, SlotInterests>();
  /** Interests whose news wait to be sent. */
  queue: Interest[] = [];
  count = 0;

  slot(id: number): SlotInterests {
    let slot = this.slots.get(id);
    if (slot === undefined) {
      slot = new SlotInterests();
      this.slots.set(id, slot);
    }
    return slot;
  }

  /** The interest in a datum, made if new and below `max`; null at the limit. `told` is the version the link has now. */
  add(datum: Datum, told: number, max: number, askedMs: number): Interest | null {
    const slot = this.slot(datum.slot);
    const known = slot.ids.get(datum.dataInfoId);
    if (known !== undefined) {
      known.told = told;
      if (askedMs > known.askedMs) known.askedMs = askedMs;
      return known;
    }
    if (this.count >= max) return null;
    const interest = new Interest(this, datum, told, askedMs);
    slot.ids.set(datum.dataInfoId, interest);
    slot.digest.add(datum.hash, '', datum.version, 0);
    this.count++;
    if (datum.interests === NOBODY) datum.interests = [interest];
    else datum.interests.push(interest);
    return interest;
  }

  /** Ends the interest in an id of a slot. False if there was none. */
  remove(slotId: number, dataInfoId: string): boolean {
    const slot = this.slots.get(slotId);
    const interest = slot?.ids.get(dataInfoId);
    if (slot === undefined || interest === undefined) return false;
    slot.ids.delete(dataInfoId);
    this.#end(slot, interest);
    return true;
  }

  /** Ends all interests in a slot. */
  clearSlot(slotId: number): void {
    const slot = this.slots.get(slotId);
    if (slot === undefined) return;
    for (const interest of slot.ids.values()) this.#end(slot, interest);
    this.slots.delete(slotId);
  }

  /** Ends everything. */
  clear(): void {
    for (const slotId of this.slots.keys()) this.clearSlot(slotId);
    this.queue = [];
  }

  #end(slot: SlotInterests, interest: Interest): void {
    const { datum } = interest;
    slot.digest.remove(datum.hash, '', datum.version, 0);
    interest.dropped = true;
    this.count--;
    const list = datum.interests;
    const at = list.indexOf(interest);
    if (list.length === 1) datum.interests = NOBODY;
    else {
      list[at] = list[list.length - 1];
      list.pop();
    }
  }
}

/** Moves the digests of all who are interested in `datum` from version `from` to its present one. */
export function versionMoved(datum: Datum, from: number): void {
  const list = datum.interests;
  for (let i = 0; i < list.length; i++) {
    const digest = list[i].holder.slot(datum.slot).digest;
    digest.remove(datum.hash, '', from, 0);
    digest.add(datum.hash, '', datum.version, 0);
  }
}
