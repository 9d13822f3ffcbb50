/** Reproducible randomness: xoshiro128** seeded through splitmix32. */
import type { Random } from '../ports.ts';

/** A UUID (version 4) from 128 random bits. */
export function uuidOf(a: number, b: number, c: number, d: number): string {
  const hex = [a, (b & 0xffff_0fff) | 0x4000, (c & 0x3fff_ffff) | 0x8000_0000, d]
    .map((word) => (word >>> 0).toString(16).padStart(8, '0'))
    .join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

class SeededRandom implements Random {
  readonly #s: Uint32Array;

  constructor(seed: number) {
    let state = seed | 0;
    this.#s = Uint32Array.from({ length: 4 }, () => {
      state = (state + 0x9e3779b9) | 0;
      let z = state ^ (state >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return z ^ (z >>> 15);
    });
  }

  uint32(): number {
    const s = this.#s;
    const mixed = Math.imul(s[1], 5);
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  next(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  uuid(): string {
    return uuidOf(this.uint32(), this.uint32(), this.uint32(), this.uint32());
  }
}

/** Random numbers that are the same for the same seed (an integer; its low 32 bits count). */
export function seededRandom(seed: number): Random {
  return new SeededRandom(seed);
}
