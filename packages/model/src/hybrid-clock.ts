/**
 * Hybrid logical clock (design section 4). A stamp is a safe integer: milliseconds since 2019-01-01 UTC times 4096, plus a
 * sequence. It never goes back, never throws on a clock step, and stays ahead of everything it was shown.
 */

/** 2019-01-01T00:00:00Z in ms. */
export const HYBRID_EPOCH_MS = 1_546_300_800_000;
const SEQUENCES = 4096;

/** Version of a datum that does not exist: the empty first push (reference/data-and-slots.md 2.1). */
export const NO_DATUM_VERSION = 1;

/** Makes strictly rising stamps. */
export class HybridClock {
  #wallMs: () => number;
  #last = 0;

  /** @param wallMs milliseconds since 1970, may step */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** A stamp above every stamp made or observed before. */
  next(): number {
    const wall = (this.#wallMs() - HYBRID_EPOCH_MS) * SEQUENCES;
    this.#last = wall > this.#last ? Math.floor(wall) : this.#last + 1;
    return this.#last;
  }

  /** Makes later stamps greater than `stamp`. Stamps more than a day ahead of the wall clock are refused: false. */
  observe(stamp: number): boolean {
    if (stamp <= this.#last) return true;
    if (stamp > (this.#wallMs() - HYBRID_EPOCH_MS + 86_400_000) * SEQUENCES) return false;
    this.#last = stamp;
    return true;
  }

  /** The greatest stamp made or observed. */
  get last(): number {
    return this.#last;
  }
}

/** Milliseconds since 1970 that a stamp carries. */
export function stampToMs(stamp: number): number {
  return Math.floor(stamp / SEQUENCES) + HYBRID_EPOCH_MS;
}

const WIRE_FACTOR = 8;
const WIRE_FACTOR_BIG = 8n;

/**
 * A datum version as clients see it: times 8, which keeps the order and magnitude of the reference's `ms << 15`, so a client
 * that moves here from a reference cluster never sees a version go back. The special value 1 stays 1.
 */
export function versionToWire(version: number): number | bigint {
  if (version <= NO_DATUM_VERSION) return version;
  const scaled = version * WIRE_FACTOR;
  return Number.isSafeInteger(scaled) ? scaled : BigInt(version) * WIRE_FACTOR_BIG;
}

/** The inverse of {@link versionToWire}; bits below the factor are dropped. */
export function versionFromWire(version: number | bigint): number {
  if (typeof version === 'bigint') return Number(version / WIRE_FACTOR_BIG);
  return version <= NO_DATUM_VERSION ? version : Math.floor(version / WIRE_FACTOR);
}
