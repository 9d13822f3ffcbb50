/**
 * Hot path. Interning of short ASCII strings by their bytes: the class names, zones, groups and application names that
 * repeat in every frame are found again without creating a string, and all records share one copy of each.
 */

/** Longer strings are rarely shared and cost more to hash than to create. */
const INTERN_BYTES_MAX = 160;

/**
 * Direct-mapped cache: a slot keeps the last string that hashed to it, so memory is bounded by `slots` and hostile input
 * can cost nothing but misses.
 */
export class StringCache {
  readonly #slots: string[];
  readonly #mask: number;

  /** @param slots a power of two */
  constructor(slots: number) {
    this.#slots = Array.from({ length: slots }, () => '');
    this.#mask = slots - 1;
  }

  /** Latin-1 text of `buf[start, end)`, the same string object for the same bytes as long as the slot is not taken over. */
  get(buf: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return '';
    if (length > INTERN_BYTES_MAX) return buf.toString('latin1', start, end);
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ buf[i], 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & this.#mask;
    const known = this.#slots[slot];
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === buf[start + i]) i++;
      if (i === length) return known;
    }
    const fresh = buf.toString('latin1', start, end);
    this.#slots[slot] = fresh;
    return fresh;
  }
}
