/**
 * State of the listings a session sends (wire: compare): what its pages named, and what it was asked to write again. One
 * listing per slot; bounded by the caller through `records`.
 */

/** dataInfoId -> registerIds. */
class NamedRecords {
  readonly #ids = new Map<string, Set<string>>();
  size = 0;

  add(dataInfoId: string, registerId: string): void {
    let set = this.#ids.get(dataInfoId);
    if (set === undefined) {
      set = new Set();
      this.#ids.set(dataInfoId, set);
    }
    if (set.has(registerId)) return;
    set.add(registerId);
    this.size++;
  }

  has(dataInfoId: string, registerId: string): boolean {
    return this.#ids.get(dataInfoId)?.has(registerId) ?? false;
  }

  delete(dataInfoId: string, registerId: string): void {
    const set = this.#ids.get(dataInfoId);
    if (set?.delete(registerId)) {
      this.size--;
      if (set.size === 0) this.#ids.delete(dataInfoId);
    }
  }
}

/** One listing of one slot. */
export class Listing {
  readonly asOfStamp: number;
  readonly named = new NamedRecords();
  /** Records asked again that have not come yet. */
  readonly awaited = new NamedRecords();
  /** True after the last page. */
  ended = false;
  touchedMs: number;

  constructor(asOfStamp: number, nowMs: number) {
    this.asOfStamp = asOfStamp;
    this.touchedMs = nowMs;
  }

  /** True once all pages were there and everything asked for came: the node knows what the session has. */
  get settled(): boolean {
    return this.ended && this.awaited.size === 0;
  }
}

/** Listings of one link, by slot. */
export class LinkListings {
  readonly #slots = new Map<number, Listing>();

  get size(): number {
    return this.#slots.size;
  }

  /** The listing a page belongs to: a new `asOfStamp` starts a new one. */
  page(slot: number, asOfStamp: number, nowMs: number): Listing {
    let listing = this.#slots.get(slot);
    if (listing === undefined || listing.ended || listing.asOfStamp !== asOfStamp) {
      listing = new Listing(asOfStamp, nowMs);
      this.#slots.set(slot, listing);
    }
    listing.touchedMs = nowMs;
    return listing;
  }

  /** A write of this record arrived. True if it was the last one its listing waited for. */
  arrived(slot: number, dataInfoId: string, registerId: string): boolean {
    const listing = this.#slots.get(slot);
    if (listing === undefined || listing.awaited.size === 0) return false;
    listing.awaited.delete(dataInfoId, registerId);
    if (!listing.settled) return false;
    this.#slots.delete(slot);
    return true;
  }

  forget(slot: number): void {
    this.#slots.delete(slot);
  }

  /** Records remembered by all listings. */
  records(): number {
    let records = 0;
    for (const listing of this.#slots.values()) records += listing.named.size + listing.awaited.size;
    return records;
  }

  /** Forgets listings that nobody goes on with. */
  expire(beforeMs: number): void {
    for (const [slot, listing] of this.#slots) if (listing.touchedMs < beforeMs) this.#slots.delete(slot);
  }
}
