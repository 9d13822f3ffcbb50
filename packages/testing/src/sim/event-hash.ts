/** A running 64-bit hash of a simulation's events: two runs of one seed must end with the same one. */

const FLOAT = new Float64Array(1);
const WORDS = new Uint32Array(FLOAT.buffer);

/** The hash. Not cryptographic. */
export class EventHash {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  /** Mixes a number in. */
  number(value: number): void {
    FLOAT[0] = value;
    this.#word(WORDS[0]);
    this.#word(WORDS[1]);
  }

  /** Mixes a text in. */
  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
  }

  /** Mixes bytes in. */
  bytes(value: Buffer): void {
    this.#word(value.length);
    for (let i = 0; i < value.length; i++) this.#a = Math.imul(this.#a ^ value[i], 0x01000193);
  }

  /** The hash as 16 hex characters. */
  toString(): string {
    return hex(this.#a) + hex(this.#b);
  }

  #word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul(this.#b ^ (this.#a + value), 0x85ebca6b);
    this.#b ^= this.#b >>> 13;
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
