/**
 * Hot path. Encode once, push many: the big part of a push is built once per (datum, segment, scope view, codec, version);
 * each client costs a small buffer with its registIds. Both formats let fields come in any order (wire 2.4), so the ids go
 * first and everything shared follows as one buffer that is never copied:
 *
 *   Hessian content = definition, 6f 90, subscriberRegistIds, | dataId .. data, dataCount       | = start of the shared part
 *   pb content      = subscriberRegistIds*, | dataId .. data, version, localZone, pushDataCount
 *
 * What the official client needs (wire 4.5) holds by construction: data is never null, counts are ints, segment, version
 * and localZone are always there.
 */
import { BoxCursor, boxCount, type PackedBoxes } from '../boxes.ts';
import { crcOfParts, encodeRequestHead, classNameBytes } from '../bolt/frame-encoder.ts';
import { type BoltProto, CODEC_HESSIAN, frameHasCrc } from '../bolt/frame.ts';
import { ByteWriter } from '../bytes/byte-writer.ts';
import type { Int64 } from '../bytes/int64.ts';
import { definitionBytes } from '../hessian/class-spec.ts';
import {
  writeEnd,
  writeInstance,
  writeIntMap,
  writeLong,
  writeMapHead,
  writeString,
  writeStringList,
  writeListHead,
} from '../hessian/writer.ts';
import {
  pbBytes,
  pbClose,
  pbInt32,
  pbInt64,
  pbOpen,
  pbString,
  pbStringAlways,
  pbStringList,
} from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import {
  MULTI_RECEIVED_DATA,
  MULTI_RECEIVED_DATA_PB,
  RECEIVED_DATA,
  RECEIVED_DATA_PB,
} from './class-names.ts';
import { type BoxClass, writeBoxItems, writeBoxItemsPb, writeZoneCountsPb } from './data-boxes.ts';
import { encodeMultiReceivedDataPb, MULTI_FIELDS, writeMultiFields } from './multi-received-data.ts';
import { RECEIVED_DATA_FIELDS } from './received-data.ts';
import type { MultiReceivedData } from './types.ts';

/** Content format of a push. */
export type PushCodec = 'hessian' | 'pb';

/** One service's list as a subscriber sees it. */
export interface ReceivedDataView {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  /** Name of the data center the list comes from. */
  readonly segment: string;
  readonly scope: string;
  /** On-wire version. */
  readonly version: Int64;
  readonly localZone: string;
  /** Zone and the payloads of its publishers, in push order; read once. */
  readonly zones: Iterable<readonly [string, Iterable<PackedBoxes>]>;
}

/** A compressed list in place of `zones` (protobuf only, wire 4.7). */
export interface CompressedBody {
  /** Name of the compression, `zstd` or `gzip`. */
  readonly encoding: string;
  /** Compressed output of {@link encodeReceivedDataBodyPb}. */
  readonly body: Buffer;
  /** Bytes before compression. */
  readonly originBodySize: number;
  /** Zone to number of boxes. */
  readonly dataCount: ReadonlyMap<string, number>;
}

const PUSH_PREFIX = pushPrefix(RECEIVED_DATA, RECEIVED_DATA_FIELDS);
const MULTI_PREFIX = pushPrefix(MULTI_RECEIVED_DATA, MULTI_FIELDS);

/** Hessian definition and instance head with the registIds first, then the rest in official order. */
function pushPrefix(className: string, fields: readonly string[]): Buffer {
  const out = new ByteWriter(512);
  const ids = 'subscriberRegistIds';
  out.raw(definitionBytes(className, [ids, ...fields.filter((field) => field !== ids)]));
  writeInstance(out, 0);
  return out.take();
}

/** A push without its registIds. Immutable and shared by all clients that get the same list. */
export class PushBody {
  readonly codec: PushCodec;
  readonly className: string;
  readonly classNameBytes: Buffer;
  /** Always 1, also for protobuf content: unmodified clients expect it (wire 2.2). */
  readonly codecByte: number = CODEC_HESSIAN;
  /** Everything but the registIds. */
  readonly shared: Buffer;
  readonly #prefix: Buffer | null;
  readonly #idsTag: number;

  constructor(codec: PushCodec, className: string, shared: Buffer, prefix: Buffer | null, idsTag: number) {
    this.codec = codec;
    this.className = className;
    this.classNameBytes = classNameBytes(className);
    this.shared = shared;
    this.#prefix = prefix;
    this.#idsTag = idsTag;
  }

  /** Content for these subscribers of one connection: a small buffer of its own and the shared one. */
  parts(registIds: readonly string[]): [Buffer, Buffer] {
    const out = freshScratch();
    this.#writeIds(out, registIds);
    return [out.take(), this.shared];
  }

  /**
   * Whole frame for these subscribers, to be written in order without copying the shared part.
   * @param timeoutMs the client drops the push when it waited longer than this
   * @throws WireError SR_WIRE_ENCODE if it does not fit a frame
   */
  frame(
    proto: BoltProto,
    ver1: number,
    requestId: number,
    timeoutMs: number,
    registIds: readonly string[],
    switchByte = 0,
  ): Buffer[] {
    const out = freshScratch();
    this.#writeIds(out, registIds);
    const length = out.pos + this.shared.length;
    const name = this.classNameBytes;
    const head = encodeRequestHead(
      proto,
      ver1,
      requestId,
      this.codecByte,
      timeoutMs,
      name,
      length,
      switchByte,
    );
    const first = Buffer.allocUnsafe(head.length + out.pos);
    first.set(head);
    out.buf.copy(first, head.length, 0, out.pos);
    const parts = [first, this.shared];
    if (frameHasCrc(proto, ver1, switchByte)) parts.push(crcOfParts(parts));
    return parts;
  }

  #writeIds(out: ByteWriter, registIds: readonly string[]): void {
    if (this.#prefix === null) {
      pbStringList(out, this.#idsTag, registIds);
    } else {
      out.raw(this.#prefix);
      writeStringList(out, registIds);
    }
  }
}

/** Builds the shared part of a ReceivedData push. @throws WireError */
export function encodeReceivedDataBody(view: ReceivedDataView, codec: PushCodec): PushBody {
  if (codec === 'pb') return pbBody(view, null);
  const out = freshScratch();
  writeString(out, view.dataId);
  writeString(out, view.group);
  writeString(out, view.instanceId);
  writeString(out, view.segment);
  writeString(out, view.scope);
  writeLong(out, view.version);
  writeString(out, view.localZone);
  const counts = new Map<string, number>();
  const boxClass: BoxClass = { index: 1, defined: false };
  writeMapHead(out);
  for (const [zone, payloads] of view.zones) {
    writeString(out, zone);
    counts.set(zone, writeZone(out, payloads, boxClass));
  }
  writeEnd(out);
  writeIntMap(out, counts);
  return new PushBody('hessian', RECEIVED_DATA, out.take(), PUSH_PREFIX, 0);
}

/** Writes the boxes of a zone as one list; returns their number. */
function writeZone(out: ByteWriter, payloads: Iterable<PackedBoxes>, boxClass: BoxClass): number {
  // The list length comes first; it is filled in afterwards, in the form that fits what is usual, so that payloads that
  // come from a generator are walked once.
  const start = out.pos;
  let count = 0;
  writeListHead(out, 255);
  const itemsAt = out.pos;
  for (const packed of payloads) {
    count += boxCount(packed);
    writeBoxItems(out, packed, boxClass);
  }
  const end = out.pos;
  if (count < 256) {
    out.buf[itemsAt - 1] = count;
  } else {
    out.reserve(3);
    out.buf.copyWithin(itemsAt + 3, itemsAt, end);
    out.pos = start;
    writeListHead(out, count);
    out.pos = end + 3;
  }
  writeEnd(out);
  return count;
}

/**
 * Builds the shared part of a ReceivedDataPb push whose list is compressed; `view.zones` is not read.
 * @throws WireError
 */
export function encodeCompressedDataBody(view: ReceivedDataView, compressed: CompressedBody): PushBody {
  return pbBody(view, compressed);
}

/** ReceivedDataBodyPb bytes of a list: what is compressed for {@link encodeCompressedDataBody}, with the counts. */
export function encodeReceivedDataBodyPb(zones: ReceivedDataView['zones']): {
  body: Buffer;
  dataCount: Map<string, number>;
} {
  const out = freshScratch();
  const dataCount = writeZonesPb(out, zones);
  return { body: out.take(), dataCount };
}

/** Sum of zone name lengths and string lengths in UTF-16 units: what the compression threshold is compared with. */
export function listUnits(zones: ReceivedDataView['zones']): number {
  const cursor = new BoxCursor();
  let units = 0;
  for (const [zone, payloads] of zones) {
    units += zone.length;
    for (const packed of payloads) {
      cursor.reset(packed);
      while (cursor.next()) units += cursor.units;
    }
  }
  return units;
}

function writeZonesPb(out: ByteWriter, zones: ReceivedDataView['zones']): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [zone, payloads] of zones) {
    let count = 0;
    const entry = pbOpen(out, 0x3a);
    pbStringAlways(out, 0x0a, zone);
    const boxes = pbOpen(out, 0x12);
    for (const packed of payloads) {
      count += boxCount(packed);
      writeBoxItemsPb(out, 0x0a, packed);
    }
    pbClose(out, boxes);
    pbClose(out, entry);
    counts.set(zone, count);
  }
  return counts;
}

function pbBody(view: ReceivedDataView, compressed: CompressedBody | null): PushBody {
  const out = freshScratch();
  pbString(out, 0x0a, view.dataId);
  pbString(out, 0x12, view.group);
  pbString(out, 0x1a, view.instanceId);
  pbString(out, 0x22, view.segment);
  pbString(out, 0x2a, view.scope);
  const counts = compressed === null ? writeZonesPb(out, view.zones) : compressed.dataCount;
  pbInt64(out, 0x40, view.version);
  pbString(out, 0x4a, view.localZone);
  if (compressed !== null) {
    pbString(out, 0x52, compressed.encoding);
    pbBytes(out, 0x5a, compressed.body);
    pbInt32(out, 0x60, compressed.originBodySize);
  }
  writeZoneCountsPb(out, 0x6a, counts);
  return new PushBody('pb', RECEIVED_DATA_PB, out.take(), null, 0x32);
}

/**
 * Builds the shared part of a MultiReceivedData push; `subscriberRegistIds` of the message is not used.
 * @throws WireError
 */
export function encodeMultiReceivedDataBody(message: MultiReceivedData, codec: PushCodec): PushBody {
  if (codec === 'pb') {
    const shared = encodeMultiReceivedDataPb({ ...message, subscriberRegistIds: null });
    return new PushBody('pb', MULTI_RECEIVED_DATA_PB, shared, null, 0x2a);
  }
  const out = freshScratch();
  writeMultiFields(out, message, false);
  return new PushBody('hessian', MULTI_RECEIVED_DATA, out.take(), MULTI_PREFIX, 0);
}
