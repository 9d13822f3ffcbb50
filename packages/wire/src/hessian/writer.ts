/**
 * Hot path. Writes values of the Hessian dialect the way the Java serializer does (shortest forms, untyped lists and
 * maps, no back references), so that messages come out byte-identical to the reference's.
 */
import type { ByteWriter } from '../bytes/byte-writer.ts';
import { writeCesu8 } from '../bytes/cesu8.ts';
import { checkInt32, type Int64, int64High, int64Low } from '../bytes/int64.ts';
import * as tag from './tags.ts';

export function writeNull(out: ByteWriter): void {
  out.u8(tag.TAG_NULL);
}

export function writeBoolean(out: ByteWriter, value: boolean): void {
  out.u8(value ? tag.TAG_TRUE : tag.TAG_FALSE);
}

/** int forms; null for null. @throws WireError SR_WIRE_ENCODE outside int32 */
export function writeInt(out: ByteWriter, value: number | null): void {
  if (value === null) return writeNull(out);
  checkInt32(value);
  if (value >= -16 && value <= 47) {
    out.u8(0x90 + value);
  } else if (value >= -2048 && value <= 2047) {
    out.u16(((0xc8 + (value >> 8)) << 8) | (value & 0xff));
  } else if (value >= -262144 && value <= 262143) {
    out.u8(0xd4 + (value >> 16));
    out.u16(value & 0xffff);
  } else {
    out.u8(tag.TAG_INT);
    out.u32(value);
  }
}

/** long forms; null for null. @throws WireError SR_WIRE_ENCODE outside int64 or for an unsafe number */
export function writeLong(out: ByteWriter, value: Int64 | null): void {
  if (value === null) return writeNull(out);
  const high = int64High(value);
  const low = int64Low(value) | 0;
  if (high !== low >> 31) {
    out.u8(tag.TAG_LONG);
    out.u32(high);
    out.u32(low);
  } else if (low >= -8 && low <= 15) {
    out.u8(0xe0 + low);
  } else if (low >= -2048 && low <= 2047) {
    out.u16(((0xf8 + (low >> 8)) << 8) | (low & 0xff));
  } else if (low >= -262144 && low <= 262143) {
    out.u8(0x3c + (low >> 16));
    out.u16(low & 0xffff);
  } else {
    out.u8(tag.TAG_LONG_INT);
    out.u32(low);
  }
}

/** A string in one piece up to 32768 units, else in chunks that never split a surrogate pair. */
export function writeString(out: ByteWriter, text: string | null): void {
  if (text === null) return writeNull(out);
  let from = 0;
  const end = text.length;
  while (end - from > tag.CHUNK_MAX) {
    let to = from + tag.CHUNK_MAX;
    if ((text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to--;
    out.u8(tag.TAG_STRING_CHUNK);
    out.u16(to - from);
    writeCesu8(out, text, from, to);
    from = to;
  }
  writeStringHead(out, end - from);
  writeCesu8(out, text, from, end);
}

/** Head of a final string piece of up to 32768 units; the caller appends its CESU-8 bytes. */
export function writeStringHead(out: ByteWriter, units: number): void {
  if (units < 32) {
    out.u8(units);
  } else {
    out.u8(tag.TAG_STRING);
    out.u16(units);
  }
}

/** A string whose checked CESU-8 bytes are `buf[start, end)`; same output as {@link writeString} of its text. */
export function writeStringBytes(
  out: ByteWriter,
  buf: Buffer,
  start: number,
  end: number,
  units: number,
): void {
  const ascii = end - start === units;
  let left = units;
  let from = start;
  while (left > tag.CHUNK_MAX) {
    let to = from;
    let taken = tag.CHUNK_MAX;
    if (ascii) {
      to += taken;
    } else {
      let last = to;
      for (let i = 0; i < taken; i++) {
        last = to;
        to += buf[to] < 0x80 ? 1 : buf[to] < 0xe0 ? 2 : 3;
      }
      if (buf[last] === 0xed && (buf[last + 1] & 0xf0) === 0xa0) {
        to = last;
        taken--;
      }
    }
    out.u8(tag.TAG_STRING_CHUNK);
    out.u16(taken);
    out.slice(buf, from, to);
    from = to;
    left -= taken;
  }
  writeStringHead(out, left);
  out.slice(buf, from, end);
}

/** Bytes; null for null. */
export function writeBytes(out: ByteWriter, bytes: Buffer | null): void {
  if (bytes === null) return writeNull(out);
  let from = 0;
  while (bytes.length - from > tag.CHUNK_MAX) {
    out.u8(tag.TAG_BYTES_CHUNK);
    out.u16(tag.CHUNK_MAX);
    out.slice(bytes, from, from + tag.CHUNK_MAX);
    from += tag.CHUNK_MAX;
  }
  const left = bytes.length - from;
  if (left < 16) {
    out.u8(0x20 + left);
  } else {
    out.u8(tag.TAG_BYTES);
    out.u16(left);
  }
  out.slice(bytes, from, bytes.length);
}

/** Start of an untyped list; the caller writes `length` values and {@link writeEnd}. */
export function writeListHead(out: ByteWriter, length: number): void {
  out.u8(tag.TAG_LIST);
  if (length < 256) {
    out.u8(tag.TAG_LENGTH_BYTE);
    out.u8(length);
  } else {
    out.u8(tag.TAG_LENGTH_INT);
    out.u32(length);
  }
}

/** Start of an untyped map; the caller writes keys and values and {@link writeEnd}. */
export function writeMapHead(out: ByteWriter): void {
  out.u8(tag.TAG_MAP);
}

/** End mark of a list or map. */
export function writeEnd(out: ByteWriter): void {
  out.u8(tag.TAG_END);
}

/** Class definition; the next one in a message has the next index. */
export function writeDefinition(out: ByteWriter, className: string, fields: readonly string[]): void {
  out.u8(tag.TAG_DEFINITION);
  writeInt(out, className.length);
  writeCesu8(out, className, 0, className.length);
  writeInt(out, fields.length);
  for (const field of fields) writeString(out, field);
}

/** Start of an instance of the n-th class defined in this message; the caller writes its fields. */
export function writeInstance(out: ByteWriter, classIndex: number): void {
  out.u8(tag.TAG_OBJECT);
  writeInt(out, classIndex);
}

/** List of strings; null for null. */
export function writeStringList(out: ByteWriter, list: readonly (string | null)[] | null): void {
  if (list === null) return writeNull(out);
  writeListHead(out, list.length);
  for (const text of list) writeString(out, text);
  writeEnd(out);
}

/** Map of strings; null for null. */
export function writeStringMap(out: ByteWriter, map: ReadonlyMap<string, string> | null): void {
  if (map === null) return writeNull(out);
  writeMapHead(out);
  for (const [key, value] of map) {
    writeString(out, key);
    writeString(out, value);
  }
  writeEnd(out);
}

/** Map of ints; null for null. A long here would leave a Long in a Java Map of Integer (wire 2.4). */
export function writeIntMap(out: ByteWriter, map: ReadonlyMap<string, number> | null): void {
  if (map === null) return writeNull(out);
  writeMapHead(out);
  for (const [key, value] of map) {
    writeString(out, key);
    writeInt(out, value);
  }
  writeEnd(out);
}
