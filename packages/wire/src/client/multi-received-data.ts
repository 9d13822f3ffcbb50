/**
 * A push of one service's lists of several segments, session -> client, for subscribers with acceptMulti (wire 2.5, 4.6).
 *
 *   MultiReceivedData   = dataId, group, instanceId, scope, localSegment, localZone, subscriberRegistIds: list of String,
 *                         multiData: map segment -> MultiSegmentData
 *   MultiSegmentData    = segment, encoding, version: long, zipData: bytes, unzipData: map zone -> list of DataBox,
 *                         dataCount: map zone -> int
 *   MultiReceivedDataPb = dataId=1 group=2 instanceId=3 scope=4 subscriberRegistIds=5:repeated string localSegment=6
 *                         localZone=7 multiData=8:map<string,MultiSegmentDataPb>
 *   MultiSegmentDataPb  = segment=1 zipData=2:bytes unzipData=3:map<string,DataBoxesPb> encoding=4 version=5:int64
 *                         pushDataCount=6:map<string,int32>
 */
import type { PackedBoxes } from '../boxes.ts';
import type { ByteWriter } from '../bytes/byte-writer.ts';
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject, type HessianReader } from '../hessian/reader.ts';
import {
  writeBytes,
  writeEnd,
  writeInstance,
  writeIntMap,
  writeLong,
  writeMapHead,
  writeNull,
  writeString,
  writeStringList,
} from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { type PbReader, pbReader } from '../pb/reader.ts';
import { pbBytes, pbClose, pbInt64, pbOpen, pbString, pbStringAlways, pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { MULTI_RECEIVED_DATA, MULTI_SEGMENT_DATA } from './class-names.ts';
import {
  type BoxClass,
  readZoneBoxes,
  readZoneCounts,
  readZoneEntryPb,
  writeBoxList,
  writeZoneBoxesPb,
  writeZoneCountsPb,
} from './data-boxes.ts';
import type { MultiReceivedData, MultiSegmentData } from './types.ts';

const SEGMENT_SPEC: ClassSpec<MultiSegmentData> = classSpec(
  MULTI_SEGMENT_DATA,
  ['segment', 'encoding', 'version', 'zipData', 'unzipData', 'dataCount'],
  (reader, plan) => {
    const out = emptySegment();
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === 0) out.segment = reader.readShared();
      else if (id === 1) out.encoding = reader.readShared();
      else if (id === 2) out.version = reader.readInt64() ?? 0;
      else if (id === 3) out.zipData = reader.readBytes();
      else if (id === 4) out.unzipData = readZoneBoxes(reader);
      else if (id === 5) out.dataCount = readZoneCounts(reader);
      else reader.skip();
    }
    return out;
  },
);

const NO_SEGMENT = Object.freeze(emptySegment());
const readSegment = (reader: HessianReader): MultiSegmentData =>
  reader.readObject(SEGMENT_SPEC) ?? NO_SEGMENT;

/** Official Hessian field order. */
export const MULTI_FIELDS = [
  'dataId',
  'group',
  'instanceId',
  'scope',
  'localSegment',
  'localZone',
  'subscriberRegistIds',
  'multiData',
] as const;

const SPEC: ClassSpec<MultiReceivedData> = classSpec(MULTI_RECEIVED_DATA, MULTI_FIELDS, (reader, plan) => {
  const out = emptyMulti();
  for (let i = 0; i < plan.length; i++) {
    const id = plan[i];
    if (id === 0) out.dataId = reader.readShared();
    else if (id === 1) out.group = reader.readShared();
    else if (id === 2) out.instanceId = reader.readShared();
    else if (id === 3) out.scope = reader.readShared();
    else if (id === 4) out.localSegment = reader.readShared();
    else if (id === 5) out.localZone = reader.readShared();
    else if (id === 6) out.subscriberRegistIds = reader.readStringList();
    else if (id === 7) out.multiData = reader.readMap(readSegment);
    else reader.skip();
  }
  return out;
});

function emptySegment(): MultiSegmentData {
  return { segment: null, encoding: null, version: 0, zipData: null, unzipData: null, dataCount: null };
}

function emptyMulti(): MultiReceivedData {
  return {
    dataId: null,
    group: null,
    instanceId: null,
    scope: null,
    localSegment: null,
    localZone: null,
    subscriberRegistIds: null,
    multiData: null,
  };
}

/** Decodes Hessian content. @throws WireError */
export function decodeMultiReceivedData(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): MultiReceivedData {
  return decodeObject(content, SPEC, limits);
}

/** Class table of one message being written: classes are numbered as their first instance appears. */
interface Classes {
  segmentDefined: boolean;
  readonly box: BoxClass;
}

function writeSegment(out: ByteWriter, value: MultiSegmentData, classes: Classes): void {
  if (!classes.segmentDefined) {
    out.raw(SEGMENT_SPEC.definition);
    classes.segmentDefined = true;
  }
  writeInstance(out, 1);
  writeString(out, value.segment);
  writeString(out, value.encoding);
  writeLong(out, value.version);
  writeBytes(out, value.zipData);
  if (value.unzipData === null) {
    writeNull(out);
  } else {
    writeMapHead(out);
    for (const [zone, packed] of value.unzipData) {
      writeString(out, zone);
      writeBoxList(out, packed, classes.box);
    }
    writeEnd(out);
  }
  writeIntMap(out, value.dataCount);
}

/** Encodes as Hessian. @throws WireError */
export function encodeMultiReceivedData(value: MultiReceivedData): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeMultiFields(out, value, true);
  return out.take();
}

/** Writes the field values in official order, or all but the registIds. */
export function writeMultiFields(out: ByteWriter, value: MultiReceivedData, withIds: boolean): void {
  writeString(out, value.dataId);
  writeString(out, value.group);
  writeString(out, value.instanceId);
  writeString(out, value.scope);
  writeString(out, value.localSegment);
  writeString(out, value.localZone);
  if (withIds) writeStringList(out, value.subscriberRegistIds);
  if (value.multiData === null) {
    writeNull(out);
    return;
  }
  const classes: Classes = { segmentDefined: false, box: { index: 2, defined: false } };
  writeMapHead(out);
  for (const [segment, data] of value.multiData) {
    writeString(out, segment);
    writeSegment(out, data, classes);
  }
  writeEnd(out);
}

function readSegmentEntryPb(reader: PbReader, map: Map<string, MultiSegmentData>): void {
  const outer = reader.enter();
  let key = '';
  const unzipData = new Map<string, PackedBoxes>();
  const dataCount = new Map<string, number>();
  const out: MultiSegmentData = {
    segment: '',
    encoding: '',
    version: 0,
    zipData: null,
    unzipData,
    dataCount,
  };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.shared();
    else if (tag === 0x12) {
      const inner = reader.enter();
      while (reader.more()) {
        const field = reader.tag();
        if (field === 0x0a) out.segment = reader.shared();
        else if (field === 0x12) out.zipData = reader.bytes();
        else if (field === 0x1a) readZoneEntryPb(reader, unzipData);
        else if (field === 0x22) out.encoding = reader.shared();
        else if (field === 0x28) out.version = reader.int64();
        else if (field === 0x32) reader.intEntryInto(dataCount);
        else reader.skip();
      }
      reader.leave(inner);
    } else reader.skip();
  }
  reader.leave(outer);
  reader.put(map, key, out);
}

/** Decodes protobuf content. @throws WireError */
export function decodeMultiReceivedDataPb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): MultiReceivedData {
  const reader = pbReader(content, limits);
  const ids: string[] = [];
  const multiData = new Map<string, MultiSegmentData>();
  const out = emptyMulti();
  out.dataId = out.group = out.instanceId = out.scope = out.localSegment = out.localZone = '';
  out.subscriberRegistIds = ids;
  out.multiData = multiData;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) out.dataId = reader.shared();
    else if (tag === 0x12) out.group = reader.shared();
    else if (tag === 0x1a) out.instanceId = reader.shared();
    else if (tag === 0x22) out.scope = reader.shared();
    else if (tag === 0x2a) reader.stringInto(ids);
    else if (tag === 0x32) out.localSegment = reader.shared();
    else if (tag === 0x3a) out.localZone = reader.shared();
    else if (tag === 0x42) readSegmentEntryPb(reader, multiData);
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeMultiReceivedDataPb(value: MultiReceivedData): Buffer {
  const out = freshScratch();
  pbString(out, 0x0a, value.dataId);
  pbString(out, 0x12, value.group);
  pbString(out, 0x1a, value.instanceId);
  pbString(out, 0x22, value.scope);
  pbStringList(out, 0x2a, value.subscriberRegistIds);
  pbString(out, 0x32, value.localSegment);
  pbString(out, 0x3a, value.localZone);
  for (const [segment, data] of value.multiData ?? []) {
    const entry = pbOpen(out, 0x42);
    pbStringAlways(out, 0x0a, segment);
    const body = pbOpen(out, 0x12);
    pbString(out, 0x0a, data.segment);
    pbBytes(out, 0x12, data.zipData);
    writeZoneBoxesPb(out, 0x1a, data.unzipData);
    pbString(out, 0x22, data.encoding);
    pbInt64(out, 0x28, data.version);
    writeZoneCountsPb(out, 0x32, data.dataCount);
    pbClose(out, body);
    pbClose(out, entry);
  }
  return out.take();
}
