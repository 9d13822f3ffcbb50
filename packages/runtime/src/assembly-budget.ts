/**
 * Bounds what the frames under assembly of many channels may hold together. One frame is bounded by its limit, but many peers that
 * each send most of a large frame and stop would hold as many times that. Above the bound the oldest unfinished large frame loses its
 * channel: an honest peer ends its frame soon, so the oldest is hardly ever its.
 */

/** Frames of which less has arrived are not counted: there cannot be enough of them to matter. */
export const ASSEMBLY_COUNTED_BYTES = 64 * 1024;
/** Default of {@link AssemblyBudget}: eight frames of the greatest length of clients. */
export const ASSEMBLY_BYTES_MAX = 64 * 1024 * 1024;

/** Who holds an unfinished frame. */
export interface Assembler {
  /** Its frame must go, and its channel with it. May be called from within its own `hold`. Must call `hold` with 0. */
  crowdedOut(): void;
}

/** One budget, shared by all channels with the same options. */
export class AssemblyBudget {
  readonly #bytesMax: number;
  /** The oldest first. */
  readonly #holders = new Map<Assembler, number>();
  #bytes = 0;

  /** @param bytesMax what all may hold together, bytes */
  constructor(bytesMax = ASSEMBLY_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Notes what `assembler` holds from now on, bytes; 0 when its frame is whole or gone. */
  hold(assembler: Assembler, bytes: number): void {
    this.#bytes += bytes - (this.#holders.get(assembler) ?? 0);
    if (bytes === 0) this.#holders.delete(assembler);
    else this.#holders.set(assembler, bytes);
    while (this.#bytes > this.#bytesMax) {
      const [oldest] = this.#holders.keys();
      oldest.crowdedOut();
    }
  }
}
