/**
 * Hot path. CESU-8, the string bytes of the Hessian dialect (wire 2.3): every UTF-16 unit is encoded on its own in 1-3
 * bytes, so a character outside the BMP is two 3-byte surrogates (6 bytes) where UTF-8 has one 4-byte sequence. For all
 * other text the two encodings are the same bytes, which the fast paths here rely on.
 */
import { WireError } from '../errors.ts';
import type { ByteWriter } from './byte-writer.ts';

const SURROGATE = /[\ud800-\udfff]/;
/** Up to this many units a loop beats the native writer. */
const LOOP_UNITS_MAX = 48;

/** Appends units `[from, to)` of `text`. Lone surrogates are kept. */
export function writeCesu8(out: ByteWriter, text: string, from: number, to: number): void {
  const units = to - from;
  out.reserve(units * 3);
  if (units > LOOP_UNITS_MAX) {
    const part = units === text.length ? text : text.substring(from, to);
    const written = out.buf.write(part, out.pos, 'utf8');
    if (written === units || !SURROGATE.test(part)) {
      out.pos += written;
      return;
    }
  }
  const buf = out.buf;
  let pos = out.pos;
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      buf[pos++] = unit;
    } else if (unit < 0x800) {
      buf[pos++] = 0xc0 | (unit >> 6);
      buf[pos++] = 0x80 | (unit & 0x3f);
    } else {
      buf[pos++] = 0xe0 | (unit >> 12);
      buf[pos++] = 0x80 | ((unit >> 6) & 0x3f);
      buf[pos++] = 0x80 | (unit & 0x3f);
    }
  }
  out.pos = pos;
}

/**
 * Finds the end of a string of `units` UTF-16 units that starts at `start` and checks its bytes.
 * @returns the offset after the string; the string is ASCII iff that is `start + units`
 * @throws WireError SR_WIRE_TRUNCATED, SR_WIRE_STRING (4-byte sequences included, as in the Java reader)
 */
export function scanCesu8(buf: Buffer, start: number, end: number, units: number): number {
  if (units > end - start) throw new WireError('SR_WIRE_TRUNCATED', 'string');
  const asciiEnd = start + units;
  let pos = start;
  while (pos < asciiEnd && buf[pos] < 0x80) pos++;
  if (pos === asciiEnd) return pos;
  let left = asciiEnd - pos;
  while (left > 0) {
    if (pos >= end) throw new WireError('SR_WIRE_TRUNCATED', 'string');
    const lead = buf[pos];
    let size = 1;
    if (lead >= 0x80) {
      // 0xc0, 0xc1 and 0xe0 0x80..0x9f would be overlong forms that no writer produces.
      size = lead >= 0xe0 ? 3 : 2;
      if (lead < 0xc2 || lead >= 0xf0) throw new WireError('SR_WIRE_STRING');
      if (pos + size > end) throw new WireError('SR_WIRE_TRUNCATED', 'string');
      const second = buf[pos + 1];
      if ((second & 0xc0) !== 0x80 || (lead === 0xe0 && second < 0xa0)) throw new WireError('SR_WIRE_STRING');
      if (size === 3 && (buf[pos + 2] & 0xc0) !== 0x80) throw new WireError('SR_WIRE_STRING');
    }
    pos += size;
    left--;
  }
  return pos;
}

/** True if checked CESU-8 bytes hold an encoded surrogate, so that they are not UTF-8. */
export function hasSurrogates(buf: Buffer, start: number, end: number): boolean {
  // Not `indexOf`: it would search to the end of the whole message, once per string.
  for (let at = start; at < end - 1; at++) {
    if (buf[at] === 0xed && buf[at + 1] >= 0xa0) return true;
  }
  return false;
}

/** Text of checked CESU-8 bytes. `units` is what the scan was given. */
export function readCesu8(buf: Buffer, start: number, end: number, units: number): string {
  if (end - start === units) return buf.toString('latin1', start, end);
  if (!hasSurrogates(buf, start, end)) return buf.toString('utf8', start, end);
  const utf16 = Buffer.allocUnsafe(units * 2);
  let out = 0;
  for (let pos = start; pos < end; ) {
    const lead = buf[pos];
    let unit = lead;
    if (lead >= 0xe0) {
      unit = ((lead & 0x0f) << 12) | ((buf[pos + 1] & 0x3f) << 6) | (buf[pos + 2] & 0x3f);
      pos += 3;
    } else if (lead >= 0xc0) {
      unit = ((lead & 0x1f) << 6) | (buf[pos + 1] & 0x3f);
      pos += 2;
    } else {
      pos += 1;
    }
    utf16[out++] = unit & 0xff;
    utf16[out++] = unit >> 8;
  }
  return utf16.toString('utf16le');
}

/**
 * Checks UTF-8 and counts its UTF-16 units.
 * @returns the unit count; negative (bitwise not of it) when there are 4-byte sequences, so that the bytes are not CESU-8
 * @throws WireError SR_WIRE_STRING
 */
export function scanUtf8(buf: Buffer, start: number, end: number): number {
  let pos = start;
  while (pos < end && buf[pos] < 0x80) pos++;
  let units = pos - start;
  let wide = false;
  while (pos < end) {
    const lead = buf[pos];
    units++;
    if (lead < 0x80) {
      pos++;
      continue;
    }
    const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || pos + size > end) throw new WireError('SR_WIRE_STRING');
    const second = buf[pos + 1];
    if ((second & 0xc0) !== 0x80) throw new WireError('SR_WIRE_STRING');
    if (size > 2 && (buf[pos + 2] & 0xc0) !== 0x80) throw new WireError('SR_WIRE_STRING');
    if (size === 3) {
      if (lead === 0xe0 && second < 0xa0) throw new WireError('SR_WIRE_STRING');
      if (lead === 0xed && second >= 0xa0) throw new WireError('SR_WIRE_STRING');
    } else if (size === 4) {
      if ((buf[pos + 3] & 0xc0) !== 0x80) throw new WireError('SR_WIRE_STRING');
      if ((lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second >= 0x90))
        throw new WireError('SR_WIRE_STRING');
      units++;
      wide = true;
    }
    pos += size;
  }
  return wide ? ~units : units;
}

/** Appends checked UTF-8 as CESU-8; only needed when there are 4-byte sequences. */
export function utf8ToCesu8(out: ByteWriter, buf: Buffer, start: number, end: number): void {
  const text = buf.toString('utf8', start, end);
  writeCesu8(out, text, 0, text.length);
}

/** Appends checked CESU-8 as UTF-8. Lone surrogates, which UTF-8 cannot hold, become U+FFFD. */
export function cesu8ToUtf8(out: ByteWriter, buf: Buffer, start: number, end: number, units: number): void {
  if (end - start === units || !hasSurrogates(buf, start, end)) {
    out.slice(buf, start, end);
    return;
  }
  out.raw(Buffer.from(readCesu8(buf, start, end, units), 'utf8'));
}
