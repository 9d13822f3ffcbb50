/**
 * Order-independent rolling digest of a set of publisher records: 128 bits as four uint32 sums, so adding and removing one
 * record costs the same whatever the size of the set (design section 5, reference/data-and-slots.md 18.3 point 8).
 */

/** Bytes of a digest on the wire. */
export const DIGEST_BYTES = 16;

/** A mutable digest. All zero for the empty set. */
export class RollingDigest {
  readonly words = new Uint32Array(4);
  /** Records in the set. */
  count = 0;

  /** Adds one record's identity. */
  add(dataInfoIdHash: number, registerId: string, version: number, stamp: number): void {
    mix(this.words, dataInfoIdHash, registerId, version, stamp, 1);
    this.count++;
  }

  /** Takes one record's identity out; it must have been added. */
  remove(dataInfoIdHash: number, registerId: string, version: number, stamp: number): void {
    mix(this.words, dataInfoIdHash, registerId, version, stamp, -1);
    this.count--;
  }

  /** True if both sets (very probably) hold the same records. */
  equals(other: { readonly words: Uint32Array }): boolean {
    const a = this.words;
    const b = other.words;
    return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
  }

  /** The digest as 32 hex characters. */
  toHex(): string {
    return [...this.words].map((word) => word.toString(16).padStart(8, '0')).join('');
  }
}

function mix(
  words: Uint32Array,
  seed: number,
  registerId: string,
  version: number,
  stamp: number,
  sign: number,
): void {
  let a = seed | 0;
  let b = seed ^ 0x9e3779b9;
  for (let i = 0; i < registerId.length; i++) {
    const unit = registerId.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca6b);
    b = Math.imul(b, 31) + unit;
  }
  const versionLow = version >>> 0;
  const versionHigh = Math.floor(version / 4294967296) >>> 0;
  const stampLow = stamp >>> 0;
  const stampHigh = Math.floor(stamp / 4294967296) >>> 0;
  a = avalanche(a ^ versionLow ^ Math.imul(stampLow, 0xc2b2ae35));
  b = avalanche(b ^ versionHigh ^ Math.imul(stampHigh, 0x27d4eb2f) ^ Math.imul(stampLow, 0x165667b1));
  words[0] += sign * a;
  words[1] += sign * b;
  words[2] += sign * avalanche(a + Math.imul(b, 0x9e3779b1));
  words[3] += sign * avalanche(b + Math.imul(a, 0x85ebca77) + versionLow);
}

function avalanche(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
