/**
 * The classes that may occur in client messages: an allow-list, the exact definition bytes we write, and field plans for
 * what we read. All clients of one version send identical definitions, so a plan is found by comparing raw bytes and a
 * definition is parsed once per process instead of once per message.
 */
import { ByteWriter } from '../bytes/byte-writer.ts';
import { WireError } from '../errors.ts';
import type { HessianReader } from './reader.ts';
import { writeDefinition } from './writer.ts';

/** Plan entry of a field this port does not know: its value is skipped. */
export const UNKNOWN_FIELD = 255;

/** One allowed class. */
export interface ClassSpec<T> {
  readonly className: string;
  /** In the order the Java serializer writes them; the index is the field's id. */
  readonly fields: readonly string[];
  /** Definition bytes as the Java serializer writes them. */
  readonly definition: Buffer;
  /** Reads the field values of an instance in the order of `plan` (field ids). */
  readonly read: (reader: HessianReader, plan: Uint8Array) => T;
}

/** A class definition read from a message. */
export interface ClassDef {
  readonly className: string;
  readonly fields: readonly string[];
  /** Null if the class is not allowed; its instances can only be skipped. */
  readonly spec: ClassSpec<unknown> | null;
  /** Wire position -> field id of `spec`. */
  readonly plan: Uint8Array;
  /** Raw bytes after the tag. */
  readonly bytes: Buffer;
}

const specs = new Map<string, ClassSpec<unknown>>();

/** Registers an allowed class; called while modules load, never later. */
export function classSpec<T>(
  className: string,
  fields: readonly string[],
  read: (reader: HessianReader, plan: Uint8Array) => T,
): ClassSpec<T> {
  const spec: ClassSpec<T> = { className, fields, definition: definitionBytes(className, fields), read };
  specs.set(className, spec);
  return spec;
}

/** Bytes of a class definition. */
export function definitionBytes(className: string, fields: readonly string[]): Buffer {
  const out = new ByteWriter(512);
  writeDefinition(out, className, fields);
  return out.take();
}

/** A definition with its plan. @throws WireError SR_WIRE_SYNTAX if a field occurs twice in an allowed class */
export function classDef(className: string, fields: readonly string[], raw: Buffer): ClassDef {
  const spec = specs.get(className) ?? null;
  const plan = new Uint8Array(fields.length).fill(UNKNOWN_FIELD);
  if (spec !== null) {
    if (new Set(fields).size !== fields.length) throw new WireError('SR_WIRE_SYNTAX', 'field defined twice');
    for (let i = 0; i < fields.length; i++) {
      const id = spec.fields.indexOf(fields[i]);
      if (id >= 0) plan[i] = id;
    }
  }
  return { className, fields, spec, plan, bytes: spec === null ? raw : Buffer.from(raw) };
}

/** Definitions kept per bucket; the oldest gives way, so hostile input costs misses only. */
const BUCKET_DEFS_MAX = 8;
const BUCKETS = 64;

/** Bounded cache of the definitions of allowed classes, by raw bytes. */
export class ClassDefCache {
  readonly #buckets: ClassDef[][] = Array.from({ length: BUCKETS }, () => []);
  readonly #next = new Uint8Array(BUCKETS);

  /** The definition whose bytes start at `pos`, if known. */
  find(buf: Buffer, pos: number, end: number): ClassDef | null {
    const bucket = this.#buckets[bucketOf(buf, pos)];
    for (let i = 0; i < bucket.length; i++) {
      const def = bucket[i];
      const stop = pos + def.bytes.length;
      if (stop <= end && buf.compare(def.bytes, 0, def.bytes.length, pos, stop) === 0) return def;
    }
    return null;
  }

  add(def: ClassDef): void {
    if (def.spec === null) return;
    const index = bucketOf(def.bytes, 0);
    const slot = this.#next[index];
    this.#next[index] = (slot + 1) % BUCKET_DEFS_MAX;
    this.#buckets[index][slot] = def;
  }
}

/** Length bytes of the class name and its first letter after the common package name tell most classes apart. */
function bucketOf(buf: Buffer, pos: number): number {
  return (buf[pos] * 3 + buf[pos + 1] * 7 + (pos + 38 < buf.length ? buf[pos + 38] * 11 : 0)) & (BUCKETS - 1);
}
