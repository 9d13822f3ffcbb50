/**
 * Hot path. Packed boxes: the one byte form of a publisher's payload, from the door of a session to the push, in memory,
 * between nodes and in digests. Strings are never materialised on the way.
 *
 *   packed = count:varint box*
 *   box    = units:varint byteLength:varint bytes          units = UTF-16 units, bytes = CESU-8
 *
 * varint is unsigned LEB128. A list that is absent, null or empty is count 0 (one zero byte). A null string inside a box
 * becomes an empty string: the reference keeps null boxes, but no client tells the two apart.
 */
import { ByteWriter } from './bytes/byte-writer.ts';
import { readCesu8, scanCesu8, writeCesu8 } from './bytes/cesu8.ts';
import { WireError } from './errors.ts';
import { BOX_LIMITS, type BoxLimits } from './limits.ts';

/** Bytes in the packed form. Treat as immutable: it is shared by everything that mentions the publisher. */
export type PackedBoxes = Buffer;

/** No boxes. */
export const NO_BOXES: PackedBoxes = Buffer.from([0]);

const scratch = new ByteWriter(4096);

/** Packs strings; null and undefined become ''. */
export function packBoxes(strings: readonly (string | null | undefined)[]): PackedBoxes {
  scratch.reset();
  scratch.varint(strings.length);
  for (const text of strings) appendBoxText(scratch, text ?? '');
  return keepPacked(scratch.buf, 0, scratch.pos);
}

/** Appends one box in packed form, without the count. */
export function appendBoxText(out: ByteWriter, text: string): void {
  out.varint(text.length);
  // The byte length comes before the bytes: write behind room for the longest varint, then move down.
  const lengthAt = out.pos;
  out.reserve(5 + text.length * 3);
  out.pos = lengthAt + 5;
  writeCesu8(out, text, 0, text.length);
  const bytes = out.pos - lengthAt - 5;
  out.pos = lengthAt;
  out.varint(bytes);
  if (out.pos !== lengthAt + 5) out.buf.copyWithin(out.pos, lengthAt + 5, lengthAt + 5 + bytes);
  out.pos += bytes;
}

/** Strings of a packed payload. @throws WireError if the bytes are not packed boxes */
export function unpackBoxes(packed: PackedBoxes): string[] {
  const cursor = new BoxCursor();
  cursor.reset(packed);
  const strings: string[] = [];
  while (cursor.next()) {
    scanExact(packed, cursor);
    strings.push(readCesu8(packed, cursor.start, cursor.end, cursor.units));
  }
  return strings;
}

/** Number of boxes. @throws WireError SR_WIRE_TRUNCATED on empty input */
export function boxCount(packed: PackedBoxes): number {
  const first = packed[0];
  if (first < 0x80) return first;
  const cursor = new BoxCursor();
  cursor.reset(packed);
  return cursor.left;
}

/** Sum of the lengths of the strings in UTF-16 units; what the reference's compression threshold counts (wire 4.7). */
export function boxUnits(packed: PackedBoxes): number {
  const cursor = new BoxCursor();
  cursor.reset(packed);
  let units = 0;
  while (cursor.next()) units += cursor.units;
  return units;
}

/** Joins several payloads into one, in order. */
export function joinBoxes(list: Iterable<PackedBoxes>): PackedBoxes {
  const out = new ByteWriter(4096);
  let count = 0;
  const cursor = new BoxCursor();
  for (const packed of list) {
    cursor.reset(packed);
    count += cursor.left;
    out.raw(packed.subarray(cursor.pos));
  }
  return packCounted(count, out.buf, 0, out.pos);
}

/**
 * Checks bytes that claim to be packed boxes, completely: counts, lengths, string bytes and nothing after the end.
 * @throws WireError
 */
export function checkPackedBoxes(packed: Buffer, limits: BoxLimits = BOX_LIMITS): void {
  if (packed.length > limits.packedBytesMax) throw new WireError('SR_WIRE_LIMIT', 'packed boxes');
  const cursor = new BoxCursor();
  cursor.reset(packed);
  if (cursor.left > limits.boxesMax) throw new WireError('SR_WIRE_LIMIT', 'boxes');
  while (cursor.next()) scanExact(packed, cursor);
  if (cursor.pos !== packed.length) throw new WireError('SR_WIRE_TRAILING', 'packed boxes');
}

function scanExact(packed: Buffer, cursor: BoxCursor): void {
  if (scanCesu8(packed, cursor.start, cursor.end, cursor.units) !== cursor.end)
    throw new WireError('SR_WIRE_STRING');
}

/** Walks the boxes of a payload without a closure or an object per box. Bounds are checked, string bytes are not. */
export class BoxCursor {
  /** Boxes not yet visited. */
  left = 0;
  /** UTF-16 units of the current box. */
  units = 0;
  /** First byte of the current box's text. */
  start = 0;
  /** Offset after the current box's text. */
  end = 0;
  /** Offset after the current box; of the first box right after `reset`. */
  pos = 0;
  #packed: Buffer = NO_BOXES;

  reset(packed: Buffer): void {
    this.#packed = packed;
    this.pos = 0;
    const count = this.#varint();
    // Each box takes two bytes at least, so a false count is found before anything is sized by it.
    if (count * 2 > packed.length - this.pos) throw new WireError('SR_WIRE_TRUNCATED', 'packed boxes');
    this.left = count;
  }

  /** Moves to the next box; false after the last. */
  next(): boolean {
    if (this.left === 0) return false;
    this.left--;
    const units = this.#varint();
    const bytes = this.#varint();
    this.units = units;
    this.start = this.pos;
    this.end = this.pos + bytes;
    if (this.end > this.#packed.length) throw new WireError('SR_WIRE_TRUNCATED', 'packed boxes');
    if (units > bytes) throw new WireError('SR_WIRE_STRING', 'packed boxes');
    this.pos = this.end;
    return true;
  }

  #varint(): number {
    const packed = this.#packed;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.pos >= packed.length) throw new WireError('SR_WIRE_TRUNCATED', 'packed boxes');
      const byte = packed[this.pos++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0x7fff_ffff) break;
        return value;
      }
    }
    throw new WireError('SR_WIRE_SYNTAX', 'packed boxes');
  }
}

const SLAB_BYTES = 64 * 1024;
const SLAB_ITEM_BYTES_MAX = 4 * 1024;
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabFill = 0;

/**
 * Copies packed bytes to where they may stay for long. Payloads live as long as their publishers, so they get slabs of
 * their own: sharing the general buffer pool would pin it, an allocation each would cost more than the payload.
 */
export function keepPacked(source: Buffer, start: number, end: number): PackedBoxes {
  const length = end - start;
  if (length === 1) return NO_BOXES;
  const kept = claim(length);
  source.copy(kept, 0, start, end);
  return kept;
}

/** Count plus boxes `source[start, end)` as a payload that may be kept. */
export function packCounted(count: number, source: Buffer, start: number, end: number): PackedBoxes {
  if (count === 0) return NO_BOXES;
  const countBytes =
    count < 0x80 ? 1 : count < 0x4000 ? 2 : count < 0x20_0000 ? 3 : count < 0x1000_0000 ? 4 : 5;
  const kept = claim(countBytes + end - start);
  for (let i = 0; i < countBytes; i++) {
    kept[i] = i === countBytes - 1 ? count : (count & 0x7f) | 0x80;
    count >>>= 7;
  }
  source.copy(kept, countBytes, start, end);
  return kept;
}

function claim(length: number): Buffer {
  if (length > SLAB_ITEM_BYTES_MAX) return Buffer.allocUnsafeSlow(length);
  if (slabFill + length > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabFill = 0;
  }
  const kept = slab.subarray(slabFill, slabFill + length);
  slabFill += length;
  return kept;
}
