/**
 * Hot path. Lists of boxes inside messages, to and from packed form (boxes.ts).
 *
 *   Hessian:  list of DataBox{data: String}
 *   DataBoxPb = data=1:string      DataBoxesPb = data=1:repeated DataBoxPb
 */
import { BoxCursor, boxCount, packCounted, type PackedBoxes } from '../boxes.ts';
import { ByteWriter } from '../bytes/byte-writer.ts';
import { scanUtf8, utf8ToCesu8 } from '../bytes/cesu8.ts';
import { WireError } from '../errors.ts';
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import type { HessianReader } from '../hessian/reader.ts';
import { writeEnd, writeInstance, writeListHead, writeString, writeStringBytes } from '../hessian/writer.ts';
import type { PbReader } from '../pb/reader.ts';
import { pbCesu8, pbClose, pbIntMap, pbOpen, pbStringAlways } from '../pb/writer.ts';
import { DATA_BOX } from './class-names.ts';

const cursor = new BoxCursor();

/** The box class itself; as a value on its own (ReceivedConfigData) it is its text. */
export const DATA_BOX_SPEC: ClassSpec<string> = classSpec(DATA_BOX, ['data'], (reader, plan) => {
  let data = '';
  for (let i = 0; i < plan.length; i++) {
    if (plan[i] === 0) data = reader.readString() ?? '';
    else reader.skip();
  }
  return data;
});

/** Reads a list of boxes. */
export function readBoxes(reader: HessianReader): PackedBoxes {
  return reader.readBoxes(DATA_BOX_SPEC);
}

const readInt = (reader: HessianReader): number => reader.readInt();

/** Reads zone -> boxes. */
export function readZoneBoxes(reader: HessianReader): Map<string, PackedBoxes> | null {
  return reader.readMap(readBoxes);
}

/** Reads zone -> count. */
export function readZoneCounts(reader: HessianReader): Map<string, number> | null {
  return reader.readMap(readInt);
}

/**
 * State of the box class within one Hessian message: its definition is written before its first instance. One object per
 * message, not per box.
 */
export interface BoxClass {
  /** Index in the message's class table. */
  readonly index: number;
  defined: boolean;
}

function beginBox(out: ByteWriter, boxClass: BoxClass): void {
  if (!boxClass.defined) {
    out.raw(DATA_BOX_SPEC.definition);
    boxClass.defined = true;
  }
  writeInstance(out, boxClass.index);
}

/** Writes the boxes of one payload as list elements, without list head and end. */
export function writeBoxItems(out: ByteWriter, packed: PackedBoxes, boxClass: BoxClass): void {
  cursor.reset(packed);
  while (cursor.next()) {
    beginBox(out, boxClass);
    writeStringBytes(out, packed, cursor.start, cursor.end, cursor.units);
  }
}

/** Writes one payload as a list. */
export function writeBoxList(out: ByteWriter, packed: PackedBoxes, boxClass: BoxClass): void {
  writeListHead(out, boxCount(packed));
  writeBoxItems(out, packed, boxClass);
  writeEnd(out);
}

/** Writes a single box with its definition. */
export function writeBox(out: ByteWriter, text: string, boxClass: BoxClass): void {
  beginBox(out, boxClass);
  writeString(out, text);
}

const packing = new ByteWriter(4096);

/** Collects protobuf boxes into packed form; `start` before, `add` per DataBoxPb field, `finish` after. */
export class PbBoxPacker {
  readonly #out: ByteWriter;
  #count = 0;

  constructor(out: ByteWriter = packing) {
    this.#out = out;
  }

  start(): this {
    this.#out.reset();
    this.#count = 0;
    return this;
  }

  /** Reads one DataBoxPb field. */
  add(reader: PbReader): void {
    if (this.#count >= reader.limits.listItemsMax) throw new WireError('SR_WIRE_LIMIT', 'list');
    this.#count++;
    const outer = reader.enter();
    let from = 0;
    let to = 0;
    while (reader.more()) {
      if (reader.tag() === 0x0a) {
        const length = reader.length();
        from = reader.pos;
        to = from + length;
        reader.pos = to;
      } else {
        reader.skip();
      }
    }
    reader.leave(outer);
    const scanned = scanUtf8(reader.buf, from, to);
    const units = scanned < 0 ? ~scanned : scanned;
    if (units > reader.limits.stringUnitsMax) throw new WireError('SR_WIRE_LIMIT', 'string');
    const out = this.#out;
    out.varint(units);
    if (scanned >= 0) {
      out.varint(to - from);
      out.slice(reader.buf, from, to);
    } else {
      // Each 4-byte sequence is two units and becomes two 3-byte ones.
      const wide = new ByteWriter(units * 3);
      utf8ToCesu8(wide, reader.buf, from, to);
      out.varint(wide.pos);
      out.slice(wide.buf, 0, wide.pos);
    }
  }

  finish(): PackedBoxes {
    return packCounted(this.#count, this.#out.buf, 0, this.#out.pos);
  }
}

const packer = new PbBoxPacker();

/** The shared packer, started. */
export function pbBoxPacker(): PbBoxPacker {
  return packer.start();
}

/** Reads an entry of map<string, DataBoxesPb>. */
export function readZoneEntryPb(reader: PbReader, map: Map<string, PackedBoxes>): void {
  const outer = reader.enter();
  let key = '';
  const boxes = pbBoxPacker();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      key = reader.shared();
    } else if (tag === 0x12) {
      const inner = reader.enter();
      while (reader.more()) {
        if (reader.tag() === 0x0a) boxes.add(reader);
        else reader.skip();
      }
      reader.leave(inner);
    } else {
      reader.skip();
    }
  }
  reader.leave(outer);
  reader.put(map, key, boxes.finish());
}

/** Writes the boxes of one payload as repeated DataBoxPb. */
export function writeBoxItemsPb(out: ByteWriter, tag: number, packed: PackedBoxes): void {
  cursor.reset(packed);
  while (cursor.next()) {
    const at = pbOpen(out, tag);
    pbCesu8(out, 0x0a, packed, cursor.start, cursor.end, cursor.units);
    pbClose(out, at);
  }
}

/** Writes map<string, DataBoxesPb>. */
export function writeZoneBoxesPb(
  out: ByteWriter,
  tag: number,
  data: ReadonlyMap<string, PackedBoxes> | null,
): void {
  if (data === null) return;
  for (const [zone, packed] of data) {
    const entry = pbOpen(out, tag);
    pbStringAlways(out, 0x0a, zone);
    const boxes = pbOpen(out, 0x12);
    writeBoxItemsPb(out, 0x0a, packed);
    pbClose(out, boxes);
    pbClose(out, entry);
  }
}

/** Writes zone -> count. */
export const writeZoneCountsPb = pbIntMap;
