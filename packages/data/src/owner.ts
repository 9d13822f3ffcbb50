/** Owners of publishers: the session processes, as this node knows them (reference/data-and-slots.md 9). */

/** One session process. Records point at it. */
export class Owner {
  readonly processId: string;
  /** Multiplier of its digest in a slot's digest: odd, so that who owns a record counts too. */
  readonly factor: number;
  /** Records of this node that name it. */
  publishers = 0;
  /** Since when it is known here, monotonic ms. */
  readonly sinceMs: number;
  /** When it was last known to be alive, monotonic ms. */
  aliveMs: number;
  /** Open links of it. */
  links = 0;
  /** True while its records are being removed. */
  leaving = false;

  constructor(processId: string, nowMs: number, factor: number) {
    this.processId = processId;
    this.sinceMs = nowMs;
    this.aliveMs = nowMs;
    this.factor = factor;
  }
}

/** All owners. An entry lives as long as it has records or a link. */
export class OwnerTable {
  readonly #owners = new Map<string, Owner>();
  readonly #nowMs: () => number;
  readonly #hash: (text: string) => number;

  /**
   * @param nowMs monotonic time
   * @param hash 32-bit hash of a process id
   */
  constructor(nowMs: () => number, hash: (text: string) => number) {
    this.#nowMs = nowMs;
    this.#hash = hash;
  }

  /** The owner of this process id, made if new: it counts as alive now. */
  get(processId: string): Owner {
    let owner = this.#owners.get(processId);
    if (owner === undefined) {
      owner = new Owner(processId, this.#nowMs(), this.#hash(processId) | 1);
      this.#owners.set(processId, owner);
    }
    return owner;
  }

  /** The owner, if known. */
  find(processId: string): Owner | undefined {
    return this.#owners.get(processId);
  }

  /** Forgets an owner without records and links. */
  drop(owner: Owner): void {
    if (owner.publishers === 0 && owner.links === 0) this.#owners.delete(owner.processId);
  }

  values(): IterableIterator<Owner> {
    return this.#owners.values();
  }

  get size(): number {
    return this.#owners.size;
  }
}
