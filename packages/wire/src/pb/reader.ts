/**
 * Hot path. Reads proto3 messages from untrusted bytes. A message decoder loops `while (r.more()) switch (r.tag())` over
 * full tags, so a known field with another wire type falls to `skip` like an unknown one, as Java does; the last value of
 * a repeated scalar wins and sub-messages merge.
 */
import { type Int64, int64Of } from '../bytes/int64.ts';
import { scanUtf8 } from '../bytes/cesu8.ts';
import { StringCache } from '../bytes/string-cache.ts';
import { WireError } from '../errors.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_GROUP, WIRE_GROUP_END, WIRE_VARINT } from './writer.ts';

const EMPTY = Buffer.alloc(0);
const shared = new StringCache(2048);

/** Reader of one content at a time. */
export class PbReader {
  buf: Buffer = EMPTY;
  pos = 0;
  end = 0;
  limits: ContentLimits = CONTENT_LIMITS;
  #tag = 0;
  #depth = 0;
  #nodes = 0;

  begin(content: Buffer, limits: ContentLimits): this {
    this.buf = content;
    this.pos = 0;
    this.end = content.length;
    this.limits = limits;
    this.#depth = 0;
    this.#nodes = 0;
    return this;
  }

  /** Lets go of the content. */
  finish(): void {
    this.buf = EMPTY;
  }

  /** True while the current message has fields left. */
  more(): boolean {
    return this.pos < this.end;
  }

  /** Tag of the next field. */
  tag(): number {
    if (++this.#nodes > this.limits.nodesMax) throw new WireError('SR_WIRE_LIMIT', 'values');
    const tag = this.uint32();
    if (tag < 8) throw new WireError('SR_WIRE_SYNTAX', 'field number 0');
    this.#tag = tag;
    return tag;
  }

  /** Start of a sub-message; returns the outer end for {@link leave}. */
  enter(): number {
    const length = this.length();
    if (++this.#depth > this.limits.depthMax) throw new WireError('SR_WIRE_LIMIT', 'depth');
    const outer = this.end;
    this.end = this.pos + length;
    return outer;
  }

  leave(outer: number): void {
    this.end = outer;
    this.#depth--;
  }

  /** Varint as unsigned 32 bits; higher bits are dropped, as in Java. */
  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw new WireError('SR_WIRE_TRUNCATED');
      const byte = this.buf[this.pos++];
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('SR_WIRE_SYNTAX', 'varint');
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    return this.int64() !== 0;
  }

  int64(): Int64 {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw new WireError('SR_WIRE_TRUNCATED');
      const byte = this.buf[this.pos++];
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else {
        high |= bits << (shift - 32);
      }
      if (byte < 0x80) return int64Of(high | 0, low >>> 0);
    }
    throw new WireError('SR_WIRE_SYNTAX', 'varint');
  }

  /** Length of a bytes, string or message field, checked against what is left. */
  length(): number {
    const length = this.uint32();
    if (length > this.end - this.pos) throw new WireError('SR_WIRE_TRUNCATED');
    return length;
  }

  string(): string {
    const length = this.length();
    if (length === 0) return '';
    const start = this.pos;
    this.pos += length;
    const units = this.#scan(start, length);
    return this.buf.toString(units === length ? 'latin1' : 'utf8', start, this.pos);
  }

  /** As {@link string}, for values that repeat: equal ASCII strings come out as one object. */
  shared(): string {
    const length = this.length();
    if (length === 0) return '';
    const start = this.pos;
    this.pos += length;
    const units = this.#scan(start, length);
    return units === length
      ? shared.get(this.buf, start, this.pos)
      : this.buf.toString('utf8', start, this.pos);
  }

  #scan(start: number, length: number): number {
    const units = scanUtf8(this.buf, start, start + length);
    if ((units < 0 ? ~units : units) > this.limits.stringUnitsMax)
      throw new WireError('SR_WIRE_LIMIT', 'string');
    return units;
  }

  /** Bytes of their own. */
  bytes(): Buffer {
    const length = this.length();
    this.pos += length;
    return Buffer.from(this.buf.subarray(this.pos - length, this.pos));
  }

  /** Appends a string to a list of at most `listItemsMax`. */
  stringInto(list: string[]): void {
    if (list.length >= this.limits.listItemsMax) throw new WireError('SR_WIRE_LIMIT', 'list');
    list.push(this.string());
  }

  /** Entry of a map<string, string>. */
  stringEntryInto(map: Map<string, string>): void {
    const outer = this.enter();
    let key = '';
    let value = '';
    while (this.more()) {
      const tag = this.tag();
      if (tag === 0x0a) key = this.shared();
      else if (tag === 0x12) value = this.shared();
      else this.skip();
    }
    this.leave(outer);
    this.put(map, key, value);
  }

  /** Entry of a map<string, int32>. */
  intEntryInto(map: Map<string, number>): void {
    const outer = this.enter();
    let key = '';
    let value = 0;
    while (this.more()) {
      const tag = this.tag();
      if (tag === 0x0a) key = this.shared();
      else if (tag === 0x10) value = this.int32();
      else this.skip();
    }
    this.leave(outer);
    this.put(map, key, value);
  }

  /** Puts an entry into a map of at most `mapEntriesMax`. */
  put<V>(map: Map<string, V>, key: string, value: V): void {
    if (map.size >= this.limits.mapEntriesMax) throw new WireError('SR_WIRE_LIMIT', 'map');
    map.set(key, value);
  }

  /** Passes over the field whose tag was read last. */
  skip(): void {
    this.#skip(this.#tag);
  }

  #skip(tag: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        this.int64();
        return;
      case WIRE_FIXED64:
        this.#advance(8);
        return;
      case WIRE_BYTES:
        this.#advance(this.length());
        return;
      case WIRE_FIXED32:
        this.#advance(4);
        return;
      case WIRE_GROUP:
        this.#skipGroup(tag >>> 3);
        return;
      default:
        throw new WireError('SR_WIRE_SYNTAX', 'wire type');
    }
  }

  #skipGroup(field: number): void {
    if (++this.#depth > this.limits.depthMax) throw new WireError('SR_WIRE_LIMIT', 'depth');
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === WIRE_GROUP_END) {
        if (tag >>> 3 !== field) throw new WireError('SR_WIRE_SYNTAX', 'group end');
        this.#depth--;
        return;
      }
      this.#skip(tag);
    }
  }

  #advance(bytes: number): void {
    if (bytes > this.end - this.pos) throw new WireError('SR_WIRE_TRUNCATED');
    this.pos += bytes;
  }
}

const reader = new PbReader();

/** The one reader all decoders share: decoding is synchronous, so it is never in use twice. */
export function pbReader(content: Buffer, limits: ContentLimits = CONTENT_LIMITS): PbReader {
  return reader.begin(content, limits);
}
