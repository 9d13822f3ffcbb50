/**
 * Hot path. Reads values of the Hessian dialect (grammar in tags.ts) from untrusted bytes. Typed messages are read field
 * by field with a plan (class-spec.ts); boxes are copied as raw bytes into packed form; unknown fields are skipped without
 * building anything. Every claimed length is checked against the bytes that are left before it is used.
 *
 * This file is long because the reader's state (position, reference and class tables) is one thing and splitting it
 * would put calls through an interface on every byte.
 */
import { NO_BOXES, packCounted, type PackedBoxes } from '../boxes.ts';
import { ByteWriter } from '../bytes/byte-writer.ts';
import { readCesu8, scanCesu8 } from '../bytes/cesu8.ts';
import { type Int64, int64Of } from '../bytes/int64.ts';
import { StringCache } from '../bytes/string-cache.ts';
import { WireError } from '../errors.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { type ClassDef, classDef, ClassDefCache, type ClassSpec } from './class-spec.ts';
import * as tag from './tags.ts';

/** What an entry of the reference table is. Objects use their ClassSpec instead. */
const REF_PENDING = 'pending';
const REF_SKIPPED = 'skipped';
const REF_LIST = 'list';
const REF_MAP = 'map';
const REF_BOXES = 'boxes';
/** Value = offset of the box in the scratch buffer. */
const REF_BOX = 'box';
type RefKind = string | ClassSpec<unknown>;

const SCRATCH_KEPT_BYTES_MAX = 1024 * 1024;
const EMPTY = Buffer.alloc(0);

const shared = new StringCache(2048);
const definitions = new ClassDefCache();

/** An object of an allowed class read generically. */
export class HessianObject {
  readonly className: string;
  readonly fields: Map<string, HessianValue>;

  constructor(className: string, fields: Map<string, HessianValue>) {
    this.className = className;
    this.fields = fields;
  }
}

/** Any value read generically. */
export type HessianValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | Date
  | HessianValue[]
  | Map<HessianValue, HessianValue>
  | HessianObject;

/** Reader of one content at a time; `begin` starts the next, whatever happened to the last. */
export class HessianReader {
  #buf: Buffer = EMPTY;
  #pos = 0;
  #end = 0;
  #limits: ContentLimits = CONTENT_LIMITS;
  #depth = 0;
  #nodes = 0;
  #refs: unknown[] = [];
  #kinds: RefKind[] = [];
  #defs: ClassDef[] = [];
  #types: string[] = [];
  /** Boxes of this content, in packed form without counts. */
  #scratch = new ByteWriter(4096);
  #boxSpec: ClassSpec<unknown> | null = null;
  /** Set by the list head: the list ends with a mark. */
  #marked = false;

  /** Starts on a content. @throws WireError SR_WIRE_HESSIAN_V4, SR_WIRE_TRUNCATED */
  begin(content: Buffer, limits: ContentLimits): void {
    this.#buf = content;
    this.#pos = 0;
    this.#end = content.length;
    this.#limits = limits;
    this.#depth = 0;
    this.#nodes = 0;
    this.#clear();
    if (content.length === 0) throw new WireError('SR_WIRE_TRUNCATED', 'empty content');
    if (content[0] === tag.TAG_HESSIAN_V4) throw new WireError('SR_WIRE_HESSIAN_V4');
  }

  /** Checks that the content is used up and lets go of it. @throws WireError SR_WIRE_TRAILING */
  finish(): void {
    const trailing = this.#pos !== this.#end;
    this.#clear();
    this.#buf = EMPTY;
    if (trailing) throw new WireError('SR_WIRE_TRAILING');
  }

  #clear(): void {
    this.#refs.length = 0;
    this.#kinds.length = 0;
    this.#defs.length = 0;
    this.#types.length = 0;
    this.#scratch.reset();
    if (this.#scratch.buf.length > SCRATCH_KEPT_BYTES_MAX) this.#scratch = new ByteWriter(4096);
  }

  // ---- scalars ----

  #u8(): number {
    if (this.#pos >= this.#end) throw new WireError('SR_WIRE_TRUNCATED');
    return this.#buf[this.#pos++];
  }

  #u16(): number {
    return (this.#u8() << 8) | this.#u8();
  }

  #i32(): number {
    if (this.#end - this.#pos < 4) throw new WireError('SR_WIRE_TRUNCATED');
    this.#pos += 4;
    return this.#buf.readInt32BE(this.#pos - 4);
  }

  #i64(): Int64 {
    if (this.#end - this.#pos < 8) throw new WireError('SR_WIRE_TRUNCATED');
    this.#pos += 8;
    return int64Of(this.#buf.readInt32BE(this.#pos - 8), this.#buf.readUInt32BE(this.#pos - 4));
  }

  /** Consumes a null if it is next. */
  tryNull(): boolean {
    if (this.#pos < this.#end && this.#buf[this.#pos] === tag.TAG_NULL) {
      this.#pos++;
      return true;
    }
    return false;
  }

  /** A boolean; null and 0 are false, as in the Java reader. */
  readBoolean(): boolean {
    const code = this.#u8();
    if (code === tag.TAG_TRUE) return true;
    if (code === tag.TAG_FALSE || code === tag.TAG_NULL) return false;
    return this.#number(code) !== 0;
  }

  /** An int32; null is 0, long forms in range are accepted. */
  readInt(): number {
    const code = this.#u8();
    if (code === tag.TAG_NULL) return 0;
    const value = this.#number(code);
    if (typeof value !== 'number' || (value | 0) !== value)
      throw new WireError('SR_WIRE_TYPE', 'int32 expected');
    return value;
  }

  /** A Long that may be null; int forms are accepted. */
  readInt64(): Int64 | null {
    const code = this.#u8();
    return code === tag.TAG_NULL ? null : this.#number(code);
  }

  /** int and long forms. */
  #number(code: number): Int64 {
    if (code >= 0x80) {
      if (code <= 0xbf) return code - 0x90;
      if (code <= 0xcf) return ((code - 0xc8) << 8) + this.#u8();
      if (code <= 0xd7) return ((code - 0xd4) << 16) + this.#u16();
      if (code <= 0xef) return code - 0xe0;
      return ((code - 0xf8) << 8) + this.#u8();
    }
    if (code >= 0x38 && code <= 0x3f) return ((code - 0x3c) << 16) + this.#u16();
    if (code === tag.TAG_LONG) return this.#i64();
    if (code === tag.TAG_LONG_INT || code === tag.TAG_INT) return this.#i32();
    throw new WireError('SR_WIRE_TYPE', 'number expected');
  }

  // ---- strings and bytes ----

  /** A string that may be null. */
  readString(): string | null {
    const code = this.#u8();
    return code === tag.TAG_NULL ? null : this.#text(code, false);
  }

  /** As {@link readString}, for values that repeat: equal ASCII strings come out as one object. */
  readShared(): string | null {
    const code = this.#u8();
    return code === tag.TAG_NULL ? null : this.#text(code, true);
  }

  /** Units of a string piece whose tag was read; its bytes are next. */
  #units(code: number): number {
    if (code < 0x20) return code;
    if (code === tag.TAG_STRING || code === tag.TAG_STRING_CHUNK) return this.#u16();
    throw new WireError('SR_WIRE_TYPE', 'string expected');
  }

  #text(code: number, share: boolean): string {
    const units = this.#units(code);
    if (code === tag.TAG_STRING_CHUNK) return this.#chunkedText(units);
    if (units > this.#limits.stringUnitsMax) throw new WireError('SR_WIRE_LIMIT', 'string');
    const start = this.#pos;
    const end = scanCesu8(this.#buf, start, this.#end, units);
    this.#pos = end;
    if (share && end - start === units) return shared.get(this.#buf, start, end);
    return readCesu8(this.#buf, start, end, units);
  }

  #chunkedText(first: number): string {
    const parts: string[] = [];
    let total = 0;
    let units = first;
    for (let code: number = tag.TAG_STRING_CHUNK; ; units = this.#units((code = this.#u8()))) {
      total += units;
      if (total > this.#limits.stringUnitsMax) throw new WireError('SR_WIRE_LIMIT', 'string');
      this.#countNode();
      const start = this.#pos;
      this.#pos = scanCesu8(this.#buf, start, this.#end, units);
      parts.push(readCesu8(this.#buf, start, this.#pos, units));
      if (code !== tag.TAG_STRING_CHUNK) return parts.join('');
    }
  }

  #skipText(code: number): void {
    for (;;) {
      const units = this.#units(code);
      this.#pos = scanCesu8(this.#buf, this.#pos, this.#end, units);
      if (code !== tag.TAG_STRING_CHUNK) return;
      this.#countNode();
      code = this.#u8();
    }
  }

  /** Bytes of their own, or null. */
  readBytes(): Buffer | null {
    const code = this.#u8();
    if (code === tag.TAG_NULL) return null;
    const start = this.#pos - 1;
    const length = this.#skipBytes(code);
    const bytes = Buffer.allocUnsafe(length);
    let from = start;
    for (let at = 0; from < this.#pos; ) {
      const head = this.#buf[from] <= 0x2f ? 1 : 3;
      const size = head === 1 ? this.#buf[from] - 0x20 : this.#buf.readUInt16BE(from + 1);
      this.#buf.copy(bytes, at, from + head, from + head + size);
      at += size;
      from += head + size;
    }
    return bytes;
  }

  /** Passes over all chunks of a bytes value; returns its length. */
  #skipBytes(code: number): number {
    let total = 0;
    for (;;) {
      let size = 0;
      if (code >= 0x20 && code <= 0x2f) size = code - 0x20;
      else if (code === tag.TAG_BYTES || code === tag.TAG_BYTES_CHUNK) size = this.#u16();
      else throw new WireError('SR_WIRE_TYPE', 'bytes expected');
      if (size > this.#end - this.#pos) throw new WireError('SR_WIRE_TRUNCATED', 'bytes');
      this.#pos += size;
      total += size;
      if (code !== tag.TAG_BYTES_CHUNK) return total;
      code = this.#u8();
    }
  }

  // ---- tables ----

  #countNode(): void {
    if (++this.#nodes > this.#limits.nodesMax) throw new WireError('SR_WIRE_LIMIT', 'values');
  }

  #enter(): void {
    if (++this.#depth > this.#limits.depthMax) throw new WireError('SR_WIRE_LIMIT', 'depth');
  }

  #addRef(kind: RefKind, value: unknown): number {
    this.#countNode();
    this.#kinds.push(kind);
    return this.#refs.push(value) - 1;
  }

  #setRef(index: number, kind: RefKind, value: unknown): void {
    this.#kinds[index] = kind;
    this.#refs[index] = value;
  }

  /** Index of a back reference whose tag was read, or -1 if the tag is none. */
  #refIndex(code: number): number {
    let index = -1;
    if (code === tag.TAG_REF_BYTE) index = this.#u8();
    else if (code === tag.TAG_REF_SHORT) index = this.#u16();
    else if (code === tag.TAG_REF_INT) index = this.#i32();
    else return -1;
    if (index < 0 || index >= this.#refs.length) throw new WireError('SR_WIRE_REFERENCE', 'object');
    return index;
  }

  /** Value of a back reference that must be of this kind. */
  #deref(index: number, kind: RefKind): unknown {
    if (this.#kinds[index] !== kind) throw new WireError('SR_WIRE_REFERENCE', 'object of another kind');
    return this.#refs[index];
  }

  /** Passes over the type of a list or map, if there is one. */
  #optionalType(): void {
    if (this.#pos >= this.#end) throw new WireError('SR_WIRE_TRUNCATED');
    const code = this.#buf[this.#pos];
    if (code === tag.TAG_TYPE) {
      this.#pos++;
      const units = this.#u16();
      const start = this.#pos;
      this.#pos = scanCesu8(this.#buf, start, this.#end, units);
      if (this.#types.length >= this.#limits.typesMax) throw new WireError('SR_WIRE_LIMIT', 'types');
      this.#types.push(readCesu8(this.#buf, start, this.#pos, units));
    } else if (code === tag.TAG_TYPE_REF || code === tag.TAG_TYPE_REF_OLD) {
      this.#pos++;
      this.#typeRef();
    }
  }

  #typeRef(): void {
    const index = this.readInt();
    if (index < 0 || index >= this.#types.length) throw new WireError('SR_WIRE_REFERENCE', 'type');
  }

  /** Head of a list whose tag was read: its length, or -1 if it only ends with a mark. */
  #listHead(code: number): number {
    let length = -1;
    if (code === tag.TAG_LIST) {
      this.#marked = true;
      this.#optionalType();
      const next = this.#pos < this.#end ? this.#buf[this.#pos] : 0;
      if (next !== tag.TAG_LENGTH_BYTE && next !== tag.TAG_LENGTH_INT) return -1;
      this.#pos++;
      length = next === tag.TAG_LENGTH_BYTE ? this.#u8() : this.#i32();
    } else if (code === tag.TAG_LIST_FIXED) {
      this.#marked = false;
      this.#typeRef();
      length = this.readInt();
    } else {
      throw new WireError('SR_WIRE_TYPE', 'list expected');
    }
    if (length < 0) throw new WireError('SR_WIRE_SYNTAX', 'list length');
    if (length > this.#limits.listItemsMax) throw new WireError('SR_WIRE_LIMIT', 'list');
    if (length > this.#end - this.#pos) throw new WireError('SR_WIRE_TRUNCATED', 'list');
    return length;
  }

  /** True while item `i` of a list of this length follows. */
  #moreItems(i: number, length: number): boolean {
    if (length >= 0) return i < length;
    if (i >= this.#limits.listItemsMax) throw new WireError('SR_WIRE_LIMIT', 'list');
    return !this.#atEnd();
  }

  /** True while entry `i` of a map follows. */
  #moreEntries(i: number): boolean {
    if (this.#atEnd()) return false;
    if (i >= this.#limits.mapEntriesMax) throw new WireError('SR_WIRE_LIMIT', 'map');
    return true;
  }

  #atEnd(): boolean {
    if (this.#pos >= this.#end) throw new WireError('SR_WIRE_TRUNCATED');
    return this.#buf[this.#pos] === tag.TAG_END;
  }

  #endMark(): void {
    if (this.#u8() !== tag.TAG_END) throw new WireError('SR_WIRE_SYNTAX', 'end mark expected');
  }

  /** Definition whose tag was read; enters the class table. */
  #definition(): void {
    if (this.#defs.length >= this.#limits.classDefsMax)
      throw new WireError('SR_WIRE_LIMIT', 'class definitions');
    const start = this.#pos;
    const known = definitions.find(this.#buf, start, this.#end);
    if (known !== null) {
      if (known.fields.length > this.#limits.fieldsMax) throw new WireError('SR_WIRE_LIMIT', 'fields');
      this.#pos = start + known.bytes.length;
      this.#defs.push(known);
      return;
    }
    const units = this.readInt();
    if (units < 0) throw new WireError('SR_WIRE_SYNTAX', 'class name length');
    const nameStart = this.#pos;
    this.#pos = scanCesu8(this.#buf, nameStart, this.#end, units);
    const className = readCesu8(this.#buf, nameStart, this.#pos, units);
    const count = this.readInt();
    if (count < 0) throw new WireError('SR_WIRE_SYNTAX', 'field count');
    if (count > this.#limits.fieldsMax) throw new WireError('SR_WIRE_LIMIT', 'fields');
    const fields: string[] = [];
    for (let i = 0; i < count; i++) {
      const field = this.readString();
      if (field === null) throw new WireError('SR_WIRE_SYNTAX', 'field name');
      fields.push(field);
    }
    const def = classDef(className, fields, this.#buf.subarray(start, this.#pos));
    definitions.add(def);
    this.#defs.push(def);
  }

  /** Definitions, then the head of an instance: its definition. The tag was read. */
  #instance(code: number): ClassDef {
    while (code === tag.TAG_DEFINITION) {
      this.#definition();
      code = this.#u8();
    }
    if (code === tag.TAG_HESSIAN_V4) throw new WireError('SR_WIRE_HESSIAN_V4');
    if (code !== tag.TAG_OBJECT) throw new WireError('SR_WIRE_TYPE', 'object expected');
    const index = this.readInt();
    if (index < 0 || index >= this.#defs.length) throw new WireError('SR_WIRE_REFERENCE', 'class');
    return this.#defs[index];
  }

  // ---- typed values ----

  /** An object of this class, or null. @throws WireError SR_WIRE_CLASS for any other class */
  readObject<T>(spec: ClassSpec<T>): T | null {
    const code = this.#u8();
    if (code === tag.TAG_NULL) return null;
    const ref = this.#refIndex(code);
    if (ref >= 0) return this.#deref(ref, spec) as T;
    const def = this.#instance(code);
    if (def.spec !== spec) throw new WireError('SR_WIRE_CLASS', def.className.slice(0, 200));
    this.#enter();
    const index = this.#addRef(REF_PENDING, null);
    const value = spec.read(this, def.plan);
    this.#setRef(index, spec, value);
    this.#depth--;
    return value;
  }

  /** A list of strings, or null; null elements become ''. */
  readStringList(): string[] | null {
    const code = this.#u8();
    if (code === tag.TAG_NULL) return null;
    const ref = this.#refIndex(code);
    if (ref >= 0) return this.#deref(ref, REF_LIST) as string[];
    const length = this.#listHead(code);
    const marked = this.#marked;
    const list: string[] = [];
    this.#addRef(REF_LIST, list);
    for (let i = 0; this.#moreItems(i, length); i++) {
      this.#countNode();
      list.push(this.readString() ?? '');
    }
    if (marked) this.#endMark();
    return list;
  }

  /** A map with string keys, or null. A null key becomes '', as does a null value where strings are read. */
  readMap<V>(readValue: (reader: HessianReader) => V): Map<string, V> | null {
    const code = this.#u8();
    if (code === tag.TAG_NULL) return null;
    const ref = this.#refIndex(code);
    if (ref >= 0) return this.#deref(ref, REF_MAP) as Map<string, V>;
    if (code !== tag.TAG_MAP) throw new WireError('SR_WIRE_TYPE', 'map expected');
    this.#optionalType();
    this.#enter();
    const map = new Map<string, V>();
    this.#addRef(REF_MAP, map);
    for (let i = 0; this.#moreEntries(i); i++) {
      this.#countNode();
      const key = this.readShared() ?? '';
      map.set(key, readValue(this));
    }
    this.#pos++;
    this.#depth--;
    return map;
  }

  /** A scalar as text: attribute values that a loosely typed client sent as numbers or booleans are tolerated. */
  readText(): string {
    if (this.#pos >= this.#end) throw new WireError('SR_WIRE_TRUNCATED');
    const code = this.#buf[this.#pos];
    if (code < 0x20 || code === tag.TAG_STRING || code === tag.TAG_STRING_CHUNK)
      return this.readShared() ?? '';
    const value = this.readValue(NO_CLASSES);
    if (value === null) return '';
    if (typeof value === 'object') throw new WireError('SR_WIRE_TYPE', 'string expected');
    return String(value);
  }

  // ---- boxes ----

  /** A list of boxes, packed; null is no boxes. */
  readBoxes(boxSpec: ClassSpec<unknown>): PackedBoxes {
    const code = this.#u8();
    if (code === tag.TAG_NULL) return NO_BOXES;
    const ref = this.#refIndex(code);
    if (ref >= 0) return this.#deref(ref, REF_BOXES) as PackedBoxes;
    const length = this.#listHead(code);
    const marked = this.#marked;
    const index = this.#addRef(REF_PENDING, null);
    const start = this.#scratch.pos;
    this.#boxSpec = boxSpec;
    let count = 0;
    while (this.#moreItems(count, length)) {
      this.#box(this.#u8());
      count++;
    }
    if (marked) this.#endMark();
    const packed = packCounted(count, this.#scratch.buf, start, this.#scratch.pos);
    this.#setRef(index, REF_BOXES, packed);
    return packed;
  }

  /** One element of a box list, appended to the scratch. */
  #box(code: number): void {
    const out = this.#scratch;
    if (code === tag.TAG_NULL) {
      this.#countNode();
      out.u16(0);
      return;
    }
    const ref = this.#refIndex(code);
    if (ref >= 0) {
      this.#countNode();
      this.#copyBox(this.#deref(ref, REF_BOX) as number);
      return;
    }
    const def = this.#instance(code);
    if (def.spec !== this.#boxSpec) throw new WireError('SR_WIRE_CLASS', def.className.slice(0, 200));
    this.#addRef(REF_BOX, out.pos);
    const plan = def.plan;
    let found = false;
    for (let i = 0; i < plan.length; i++) {
      if (plan[i] === 0) {
        this.#boxText(this.#u8());
        found = true;
      } else {
        this.skip();
      }
    }
    if (!found) out.u16(0);
  }

  /** Appends a box that was read before. */
  #copyBox(offset: number): void {
    const out = this.#scratch;
    let pos = offset;
    while (out.buf[pos++] >= 0x80);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = out.buf[pos++];
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const bytes = pos + size - offset;
    // References let a few bytes stand for many: the total is held to what a content of our size could be.
    if (out.pos + bytes > this.#limits.stringUnitsMax * 3) throw new WireError('SR_WIRE_LIMIT', 'boxes');
    out.reserve(bytes);
    out.buf.copyWithin(out.pos, offset, offset + bytes);
    out.pos += bytes;
  }

  #boxText(code: number): void {
    const out = this.#scratch;
    if (code === tag.TAG_NULL) {
      out.u16(0);
      return;
    }
    const units = this.#units(code);
    if (code === tag.TAG_STRING_CHUNK) {
      this.#chunkedBoxText(units);
      return;
    }
    const start = this.#pos;
    const end = scanCesu8(this.#buf, start, this.#end, units);
    if (units > this.#limits.stringUnitsMax) throw new WireError('SR_WIRE_LIMIT', 'string');
    this.#pos = end;
    out.varint(units);
    out.varint(end - start);
    out.slice(this.#buf, start, end);
  }

  #chunkedBoxText(first: number): void {
    const ranges: number[] = [];
    let total = 0;
    let bytes = 0;
    let units = first;
    for (let code: number = tag.TAG_STRING_CHUNK; ; units = this.#units((code = this.#u8()))) {
      total += units;
      if (total > this.#limits.stringUnitsMax) throw new WireError('SR_WIRE_LIMIT', 'string');
      this.#countNode();
      const start = this.#pos;
      this.#pos = scanCesu8(this.#buf, start, this.#end, units);
      bytes += this.#pos - start;
      ranges.push(start, this.#pos);
      if (code !== tag.TAG_STRING_CHUNK) break;
    }
    const out = this.#scratch;
    out.varint(total);
    out.varint(bytes);
    for (let i = 0; i < ranges.length; i += 2) out.slice(this.#buf, ranges[i], ranges[i + 1]);
  }

  // ---- any value ----

  /** Passes over one value of any kind, also of unknown classes: nothing is built, but the tables stay right. */
  skip(): void {
    this.#countNode();
    const code = this.#u8();
    if (this.#skipScalar(code)) return;
    if (this.#refIndex(code) >= 0) return;
    this.#enter();
    if (code === tag.TAG_LIST || code === tag.TAG_LIST_FIXED) {
      const length = this.#listHead(code);
      const marked = this.#marked;
      this.#addRef(REF_SKIPPED, null);
      for (let i = 0; this.#moreItems(i, length); i++) this.skip();
      if (marked) this.#endMark();
    } else if (code === tag.TAG_MAP) {
      this.#optionalType();
      this.#addRef(REF_SKIPPED, null);
      for (let i = 0; this.#moreEntries(i); i++) {
        this.skip();
        this.skip();
      }
      this.#pos++;
    } else if (code === tag.TAG_DEFINITION || code === tag.TAG_OBJECT) {
      const def = this.#instance(code);
      this.#addRef(REF_SKIPPED, null);
      for (let i = 0; i < def.fields.length; i++) this.skip();
    } else {
      throw new WireError('SR_WIRE_SYNTAX', `tag 0x${code.toString(16)}`);
    }
    this.#depth--;
  }

  #skipScalar(code: number): boolean {
    if (code >= 0x80 || (code >= 0x38 && code <= 0x3f)) {
      this.#number(code);
      return true;
    }
    if (code < 0x20 || code === tag.TAG_STRING || code === tag.TAG_STRING_CHUNK) {
      this.#skipText(code);
      return true;
    }
    if (code <= 0x2f || code === tag.TAG_BYTES || code === tag.TAG_BYTES_CHUNK) {
      this.#skipBytes(code);
      return true;
    }
    return this.#simple(code) !== undefined;
  }

  /** Scalars of fixed size; undefined if the tag is none. */
  #simple(code: number): HessianValue | undefined {
    switch (code) {
      case tag.TAG_NULL:
        return null;
      case tag.TAG_TRUE:
        return true;
      case tag.TAG_FALSE:
        return false;
      case tag.TAG_INT:
      case tag.TAG_LONG:
      case tag.TAG_LONG_INT:
        return this.#number(code);
      case tag.TAG_DOUBLE_ZERO:
        return 0;
      case tag.TAG_DOUBLE_ONE:
        return 1;
      case tag.TAG_DOUBLE_BYTE:
        return (this.#u8() << 24) >> 24;
      case tag.TAG_DOUBLE_SHORT:
        return (this.#u16() << 16) >> 16;
      case tag.TAG_DOUBLE_FLOAT:
        this.#i32();
        return this.#buf.readFloatBE(this.#pos - 4);
      case tag.TAG_DOUBLE:
        this.#i64();
        return this.#buf.readDoubleBE(this.#pos - 8);
      case tag.TAG_DATE:
        return new Date(Number(this.#i64()));
      default:
        return undefined;
    }
  }

  /**
   * One value of any kind, for tests and tools. Objects are built only if `allow` has their class.
   * @throws WireError SR_WIRE_CLASS for an object of another class
   */
  readValue(allow: ReadonlySet<string>): HessianValue {
    this.#countNode();
    const code = this.#u8();
    if (code < 0x20 || code === tag.TAG_STRING || code === tag.TAG_STRING_CHUNK)
      return this.#text(code, false);
    if (code >= 0x80 || (code >= 0x38 && code <= 0x3f)) return this.#number(code);
    if (code <= 0x2f || code === tag.TAG_BYTES || code === tag.TAG_BYTES_CHUNK) {
      this.#pos--;
      return this.readBytes();
    }
    const simple = this.#simple(code);
    if (simple !== undefined) return simple;
    const ref = this.#refIndex(code);
    if (ref >= 0) return this.#refs[ref] as HessianValue;
    this.#enter();
    const value = this.#compound(code, allow);
    this.#depth--;
    return value;
  }

  #compound(code: number, allow: ReadonlySet<string>): HessianValue {
    if (code === tag.TAG_LIST || code === tag.TAG_LIST_FIXED) {
      const length = this.#listHead(code);
      const marked = this.#marked;
      const list: HessianValue[] = [];
      this.#addRef(REF_LIST, list);
      for (let i = 0; this.#moreItems(i, length); i++) list.push(this.readValue(allow));
      if (marked) this.#endMark();
      return list;
    }
    if (code === tag.TAG_MAP) {
      this.#optionalType();
      const map = new Map<HessianValue, HessianValue>();
      this.#addRef(REF_MAP, map);
      for (let i = 0; this.#moreEntries(i); i++) {
        const key = this.readValue(allow);
        map.set(key, this.readValue(allow));
      }
      this.#pos++;
      return map;
    }
    if (code !== tag.TAG_DEFINITION && code !== tag.TAG_OBJECT) {
      if (code === tag.TAG_HESSIAN_V4) throw new WireError('SR_WIRE_HESSIAN_V4');
      throw new WireError('SR_WIRE_SYNTAX', `tag 0x${code.toString(16)}`);
    }
    const def = this.#instance(code);
    if (!allow.has(def.className)) throw new WireError('SR_WIRE_CLASS', def.className.slice(0, 200));
    const object = new HessianObject(def.className, new Map());
    this.#addRef(REF_LIST, object);
    for (const field of def.fields) object.fields.set(field, this.readValue(allow));
    return object;
  }
}

const NO_CLASSES: ReadonlySet<string> = new Set();
const reader = new HessianReader();

/** Decodes a content that is one object of this class. Decoding is synchronous, so one reader serves all. */
export function decodeObject<T>(
  content: Buffer,
  spec: ClassSpec<T>,
  limits: ContentLimits = CONTENT_LIMITS,
): T {
  reader.begin(content, limits);
  const value = reader.readObject(spec);
  reader.finish();
  if (value === null) throw new WireError('SR_WIRE_TYPE', 'null message');
  return value;
}

/** Decodes a content of any kind generically; objects only of the classes in `allow`. */
export function decodeHessian(
  content: Buffer,
  allow: ReadonlySet<string> = NO_CLASSES,
  limits: ContentLimits = CONTENT_LIMITS,
): HessianValue {
  const own = new HessianReader();
  own.begin(content, limits);
  const value = own.readValue(allow);
  own.finish();
  return value;
}
