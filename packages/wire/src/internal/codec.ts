/**
 * Hot path. Compact binary form of the messages between our own processes: integers as varints, strings as a byte length and
 * UTF-8, byte strings likewise. There are no field tags: both ends are of one release line, and `message()` puts a format
 * number in front so that a foreign one is refused with a clear error.
 */
import { StringCache } from '../bytes/string-cache.ts';
import { WireError } from '../errors.ts';

/** Codec byte of frames whose content is in this form. */
export const CODEC_INTERNAL = 0x20;

/** Items of one internal list. */
export const INTERNAL_LIST_ITEMS_MAX = 1_000_000;
const SHRINK_BYTES = 4 * 1024 * 1024;
const INITIAL_BYTES = 64 * 1024;

/** Appends values to one growing buffer that is reused by all messages of the process. */
export class BinaryWriter {
  #buf = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buf.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buf.length * 2, this.#at + bytes));
    this.#buf.copy(grown, 0, 0, this.#at);
    this.#buf = grown;
  }

  u8(value: number): void {
    this.#room(1);
    this.#buf[this.#at++] = value;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  u32(value: number): void {
    this.#room(4);
    this.#buf.writeUInt32BE(value >>> 0, this.#at);
    this.#at += 4;
  }

  /** A non-negative safe integer. */
  uint(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest >= 0x8000_0000) {
      this.#buf[this.#at++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#buf[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buf[this.#at++] = rest;
  }

  /** Any double, for numbers that a client chose. */
  double(value: number): void {
    this.#room(8);
    this.#buf.writeDoubleBE(value, this.#at);
    this.#at += 8;
  }

  str(text: string): void {
    const units = text.length;
    this.#room(units * 3 + 5);
    if (units < 40) {
      let at = this.#at + 1;
      let i = 0;
      for (; i < units; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) break;
        this.#buf[at++] = unit;
      }
      if (i === units) {
        this.#buf[this.#at] = units;
        this.#at = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(text, 'utf8');
    this.uint(bytes);
    this.#room(bytes);
    this.#at += this.#buf.write(text, this.#at, bytes, 'utf8');
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.#room(value.length);
    this.#buf.set(value, this.#at);
    this.#at += value.length;
  }

  /** Exactly these bytes, without a length. */
  raw(value: Uint8Array): void {
    this.#room(value.length);
    this.#buf.set(value, this.#at);
    this.#at += value.length;
  }

  /** What was written, as bytes of their own; the writer is empty again. */
  take(): Buffer {
    const out = Buffer.allocUnsafe(this.#at);
    this.#buf.copy(out, 0, 0, this.#at);
    this.#at = 0;
    if (this.#buf.length > SHRINK_BYTES) this.#buf = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    return out;
  }
}

const shared = new StringCache(4096);

/** Reads values of one content. Every overrun is a WireError. */
export class BinaryReader {
  #buf: Buffer;
  #at = 0;

  constructor(content: Buffer) {
    this.#buf = content;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#buf.length - at)
      throw new WireError('SR_WIRE_TRUNCATED', 'internal message ends inside a value');
    this.#at = at + bytes;
    return at;
  }

  get remaining(): number {
    return this.#buf.length - this.#at;
  }

  u8(): number {
    return this.#buf[this.#take(1)];
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  u32(): number {
    return this.#buf.readUInt32BE(this.#take(4));
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw new WireError('SR_WIRE_LIMIT', 'internal integer exceeds 2^53');
  }

  double(): number {
    return this.#buf.readDoubleBE(this.#take(8));
  }

  str(): string {
    const bytes = this.uint();
    const at = this.#take(bytes);
    return this.#buf.toString('utf8', at, at + bytes);
  }

  /** As {@link str}, for values that repeat: equal ASCII strings come out as one object. */
  sharedStr(): string {
    const bytes = this.uint();
    const at = this.#take(bytes);
    if (bytes > 128) return this.#buf.toString('utf8', at, at + bytes);
    for (let i = at; i < at + bytes; i++)
      if (this.#buf[i] > 0x7f) return this.#buf.toString('utf8', at, at + bytes);
    return shared.get(this.#buf, at, at + bytes);
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const bytes = this.uint();
    const at = this.#take(bytes);
    return this.#buf.subarray(at, at + bytes);
  }

  /** A view of exactly `count` bytes. */
  raw(count: number): Buffer {
    const at = this.#take(count);
    return this.#buf.subarray(at, at + count);
  }

  /** Length of a list, checked against the limit and against the bytes left (an item has at least one byte). */
  count(): number {
    const count = this.uint();
    if (count > INTERNAL_LIST_ITEMS_MAX || count > this.remaining)
      throw new WireError('SR_WIRE_LIMIT', `internal list of ${count} items`);
    return count;
  }

  finish(): void {
    if (this.remaining !== 0)
      throw new WireError('SR_WIRE_TRAILING', `${this.remaining} bytes after an internal message`);
  }
}

/** How one type is written and read. */
export interface Codec<T> {
  write(out: BinaryWriter, value: T): void;
  read(from: BinaryReader): T;
}

/** The type a codec carries. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

export const uint: Codec<number> = { write: (out, value) => out.uint(value), read: (from) => from.uint() };
export const u8: Codec<number> = { write: (out, value) => out.u8(value), read: (from) => from.u8() };
export const double: Codec<number> = {
  write: (out, value) => out.double(value),
  read: (from) => from.double(),
};
export const bool: Codec<boolean> = { write: (out, value) => out.bool(value), read: (from) => from.bool() };
export const str: Codec<string> = { write: (out, value) => out.str(value), read: (from) => from.str() };
/** A string that repeats over messages. */
export const word: Codec<string> = {
  write: (out, value) => out.str(value),
  read: (from) => from.sharedStr(),
};
/** Bytes; a view of the content on reading. */
export const bytes: Codec<Buffer> = { write: (out, value) => out.bytes(value), read: (from) => from.bytes() };

/** A list. */
export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    write(out, value) {
      out.uint(value.length);
      for (let i = 0; i < value.length; i++) item.write(out, value[i]);
    },
    read(from) {
      const count = from.count();
      const value: T[] = [];
      for (let i = 0; i < count; i++) value.push(item.read(from));
      return value;
    },
  };
}

/** A value or null. */
export function optional<T>(item: Codec<T>): Codec<T | null> {
  return {
    write(out, value) {
      out.bool(value !== null);
      if (value !== null) item.write(out, value);
    },
    read: (from) => (from.bool() ? item.read(from) : null),
  };
}

/** Text keys to text values. */
export const stringMap: Codec<ReadonlyMap<string, string>> = {
  write(out, value) {
    out.uint(value.size);
    for (const [key, text] of value) {
      out.str(key);
      out.str(text);
    }
  },
  read(from) {
    const count = from.count();
    const value = new Map<string, string>();
    for (let i = 0; i < count; i++) {
      const key = from.sharedStr();
      value.set(key, from.str());
    }
    return value;
  },
};

type Fields = Record<string, Codec<unknown>>;
type StructOf<F extends Fields> = { [K in keyof F]: ValueOf<F[K]> };

/** An object with these fields, in this order. */
// A codec is invariant in its type, so the bound has to be any.
// oxlint-disable-next-line typescript/no-explicit-any
export function struct<F extends { [key: string]: Codec<any> }>(fields: F): Codec<StructOf<F>> {
  const names = Object.keys(fields);
  const codecs = names.map((name) => fields[name]);
  return {
    write(out, value) {
      for (let i = 0; i < codecs.length; i++)
        codecs[i].write(out, (value as Record<string, unknown>)[names[i]]);
    },
    read(from) {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < codecs.length; i++) value[names[i]] = codecs[i].read(from);
      return value as StructOf<F>;
    },
  };
}

/** A message of ours: its class name in Bolt frames and its form. */
export interface InternalMessage<T> {
  readonly className: string;
  encode(value: T): Buffer;
  /** @throws WireError for foreign or broken content */
  decode(content: Buffer): T;
}

/** The type an internal message carries. */
export type MessageOf<M> = M extends InternalMessage<infer T> ? T : never;

const FORMAT = 1;
const writer = new BinaryWriter();

/** Defines a message. */
export function message<T>(className: string, codec: Codec<T>): InternalMessage<T> {
  return {
    className,
    encode(value) {
      writer.u8(FORMAT);
      codec.write(writer, value);
      return writer.take();
    },
    decode(content) {
      const from = new BinaryReader(content);
      const format = from.u8();
      if (format !== FORMAT)
        throw new WireError('SR_WIRE_SYNTAX', `${className}: format ${format}, this release reads ${FORMAT}`);
      const value = codec.read(from);
      from.finish();
      return value;
    },
  };
}

/** Exactly `count` bytes, without a length; a view on reading. */
export function bytesOf(count: number): Codec<Buffer> {
  return {
    write(out, value) {
      if (value.length !== count)
        throw new WireError('SR_WIRE_ENCODE', `${value.length} bytes where ${count} belong`);
      out.raw(value);
    },
    read: (from) => from.raw(count),
  };
}
