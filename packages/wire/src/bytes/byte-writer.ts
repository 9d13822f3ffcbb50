/**
 * Hot path. A growing output buffer: writers append to it and `take` hands out the finished bytes. Encoders are
 * synchronous and keep one writer as scratch space, so a message costs one exact-size copy and no growth.
 */
import { WireError } from '../errors.ts';

/** Hard end of any output: the content length of a frame is an int32. */
const OUTPUT_BYTES_MAX = 0x7fff_ffff;
/** A finished output at least this big is handed over as it is instead of being copied. */
const HAND_OVER_BYTES_MIN = 256 * 1024;

/** Append-only byte buffer. `buf` and `pos` are open to the format writers of this package only. */
export class ByteWriter {
  buf: Buffer;
  pos = 0;
  readonly #initialBytes: number;

  constructor(initialBytes = 1024) {
    this.#initialBytes = initialBytes;
    this.buf = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Makes room for `bytes` more bytes. */
  reserve(bytes: number): void {
    if (this.pos + bytes > this.buf.length) this.#grow(this.pos + bytes);
  }

  u8(value: number): void {
    if (this.pos >= this.buf.length) this.#grow(this.pos + 1);
    this.buf[this.pos++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.buf[this.pos] = value >>> 8;
    this.buf[this.pos + 1] = value;
    this.pos += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    const { buf, pos } = this;
    buf[pos] = value >>> 24;
    buf[pos + 1] = value >>> 16;
    buf[pos + 2] = value >>> 8;
    buf[pos + 3] = value;
    this.pos = pos + 4;
  }

  /** Unsigned LEB128 of an integer 0..2^31-1. */
  varint(value: number): void {
    this.reserve(5);
    const buf = this.buf;
    let pos = this.pos;
    while (value > 0x7f) {
      buf[pos++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    buf[pos++] = value;
    this.pos = pos;
  }

  /** Appends all bytes of `bytes`. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buf.set(bytes, this.pos);
    this.pos += bytes.length;
  }

  /** Appends `source[start, end)`. Short ranges are copied by hand: a native call costs more than 40 bytes of loop. */
  slice(source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const { buf, pos } = this;
    if (length <= 40) {
      for (let i = 0; i < length; i++) buf[pos + i] = source[start + i];
    } else {
      source.copy(buf, pos, start, end);
    }
    this.pos = pos + length;
  }

  /** Forgets what was written and keeps the space. */
  reset(): void {
    this.pos = 0;
  }

  /** Returns what was written as bytes of their own and starts anew. */
  take(): Buffer {
    const length = this.pos;
    this.pos = 0;
    if (length >= HAND_OVER_BYTES_MIN) {
      const done = this.buf.subarray(0, length);
      this.buf = Buffer.allocUnsafeSlow(this.#initialBytes);
      return done;
    }
    const done = Buffer.allocUnsafe(length);
    this.buf.copy(done, 0, 0, length);
    return done;
  }

  #grow(needed: number): void {
    if (needed > OUTPUT_BYTES_MAX) throw new WireError('SR_WIRE_ENCODE', `output of ${needed} bytes`);
    const grown = Buffer.allocUnsafeSlow(Math.min(OUTPUT_BYTES_MAX, Math.max(needed, this.buf.length * 2)));
    this.buf.copy(grown, 0, 0, this.pos);
    this.buf = grown;
  }
}
