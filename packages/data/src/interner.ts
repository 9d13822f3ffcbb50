/** Hot path. One copy of each string that many records share: zones, application names, client addresses. */

/**
 * Two generations of strings: what was not asked for during a whole generation is forgotten, so memory is bounded by twice
 * `generationMax` whatever arrives.
 */
export class Interner {
  #young = new Map<string, string>();
  #old = new Map<string, string>();
  readonly #generationMax: number;

  /** @param generationMax strings of one generation */
  constructor(generationMax: number) {
    this.#generationMax = generationMax;
  }

  /** The shared copy of `text`. */
  get(text: string): string {
    const known = this.#young.get(text);
    if (known !== undefined) return known;
    const kept = this.#old.get(text) ?? text;
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(kept, kept);
    return kept;
  }
}
