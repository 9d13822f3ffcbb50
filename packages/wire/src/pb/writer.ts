/**
 * Hot path. Writes proto3 fields. All registry fields have numbers below 16, so a tag is one byte and is given ready made
 * (`number << 3 | wireType`). Default values are left out, as proto3 writers do; map entries always carry key and value.
 */
import type { ByteWriter } from '../bytes/byte-writer.ts';
import { cesu8ToUtf8 } from '../bytes/cesu8.ts';
import { checkInt32, type Int64, int64High, int64Low } from '../bytes/int64.ts';

/** Wire types. */
export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_GROUP = 3;
export const WIRE_GROUP_END = 4;
export const WIRE_FIXED32 = 5;

/** Strings up to this length have a one-byte length whatever their characters. */
const SHORT_UNITS_MAX = 42;

/** Tag byte of a varint field. */
export function varintTag(field: number): number {
  return field << 3;
}

/** Tag byte of a string, bytes or message field. */
export function bytesTag(field: number): number {
  return (field << 3) | WIRE_BYTES;
}

/** A string field, left out when null or empty. */
export function pbString(out: ByteWriter, tag: number, text: string | null): void {
  if (text !== null && text !== '') pbStringAlways(out, tag, text);
}

/** A string field, written even if empty: element of a list, or key or value of a map. */
export function pbStringAlways(out: ByteWriter, tag: number, text: string): void {
  const units = text.length;
  out.reserve(7 + units * 3);
  const buf = out.buf;
  buf[out.pos++] = tag;
  if (units <= SHORT_UNITS_MAX) {
    const start = out.pos + 1;
    let pos = start;
    for (let i = 0; i < units; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        pos = start + buf.write(text, start, 'utf8');
        break;
      }
      buf[pos++] = unit;
    }
    buf[start - 1] = pos - start;
    out.pos = pos;
    return;
  }
  out.varint(Buffer.byteLength(text, 'utf8'));
  out.pos += out.buf.write(text, out.pos, 'utf8');
}

/** A string field whose text is given as checked CESU-8, left out when empty. */
export function pbCesu8(
  out: ByteWriter,
  tag: number,
  buf: Buffer,
  start: number,
  end: number,
  units: number,
): void {
  if (units === 0) return;
  const at = pbOpen(out, tag);
  cesu8ToUtf8(out, buf, start, end, units);
  pbClose(out, at);
}

/** A bytes field, left out when null or empty. */
export function pbBytes(out: ByteWriter, tag: number, bytes: Buffer | null): void {
  if (bytes === null || bytes.length === 0) return;
  out.u8(tag);
  out.varint(bytes.length);
  out.raw(bytes);
}

/** A bool field, left out when false. */
export function pbBool(out: ByteWriter, tag: number, value: boolean): void {
  if (value) out.u16((tag << 8) | 1);
}

/** An int32 field, left out when null or 0. */
export function pbInt32(out: ByteWriter, tag: number, value: number | null): void {
  if (value !== null && value !== 0) pbInt32Always(out, tag, value);
}

/** An int32 field, written even if 0. Negative values take ten bytes, as proto3 has it. */
export function pbInt32Always(out: ByteWriter, tag: number, value: number): void {
  checkInt32(value);
  out.u8(tag);
  if (value >= 0) out.varint(value);
  else varint64(out, -1, value >>> 0);
}

/** An int64 field, left out when null or 0. */
export function pbInt64(out: ByteWriter, tag: number, value: Int64 | null): void {
  if (value === null || value === 0 || value === 0n) return;
  out.u8(tag);
  varint64(out, int64High(value), int64Low(value));
}

function varint64(out: ByteWriter, high: number, low: number): void {
  out.reserve(10);
  const buf = out.buf;
  let pos = out.pos;
  let hi = high >>> 0;
  let lo = low >>> 0;
  while (hi !== 0 || lo > 0x7f) {
    buf[pos++] = (lo & 0x7f) | 0x80;
    lo = ((lo >>> 7) | (hi << 25)) >>> 0;
    hi >>>= 7;
  }
  buf[pos++] = lo;
  out.pos = pos;
}

/** Starts a message field; returns what {@link pbClose} needs. */
export function pbOpen(out: ByteWriter, tag: number): number {
  out.reserve(2);
  out.buf[out.pos] = tag;
  out.pos += 2;
  return out.pos;
}

/** Ends a message field. One byte was kept for the length; contents from 128 bytes up are moved to make room. */
export function pbClose(out: ByteWriter, start: number): void {
  const length = out.pos - start;
  if (length < 0x80) {
    out.buf[start - 1] = length;
    return;
  }
  const extra = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : length < 0x1000_0000 ? 3 : 4;
  out.reserve(extra);
  out.buf.copyWithin(start + extra, start, start + length);
  out.pos = start - 1;
  out.varint(length);
  out.pos = start + extra + length;
}

/** A repeated string field. */
export function pbStringList(out: ByteWriter, tag: number, list: readonly string[] | null): void {
  if (list === null) return;
  for (const text of list) pbStringAlways(out, tag, text);
}

/** A map<string, string> field. */
export function pbStringMap(out: ByteWriter, tag: number, map: ReadonlyMap<string, string> | null): void {
  if (map === null) return;
  for (const [key, value] of map) {
    const at = pbOpen(out, tag);
    pbStringAlways(out, 0x0a, key);
    pbStringAlways(out, 0x12, value);
    pbClose(out, at);
  }
}

/** A map<string, int32> field. */
export function pbIntMap(out: ByteWriter, tag: number, map: ReadonlyMap<string, number> | null): void {
  if (map === null) return;
  for (const [key, value] of map) {
    const at = pbOpen(out, tag);
    pbStringAlways(out, 0x0a, key);
    pbInt32Always(out, 0x10, value);
    pbClose(out, at);
  }
}
