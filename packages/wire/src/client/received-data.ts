/**
 * A push of one service's list, session -> client (wire 2.5, 4.5, 4.6, 5). Sessions use push-body.ts, which encodes the
 * shared part once; the encoders here write the official field order for tests, tools and single pushes.
 *
 *   ReceivedData   = dataId, group, instanceId, segment, scope, version: Long, localZone, subscriberRegistIds: list of
 *                    String, data: map zone -> list of DataBox, dataCount: map zone -> int
 *   ReceivedDataPb = dataId=1 group=2 instanceId=3 segment=4 scope=5 subscriberRegistIds=6:repeated string
 *                    data=7:map<string,DataBoxesPb> version=8:int64 localZone=9 encoding=10 body=11:bytes
 *                    originBodySize=12:int32 pushDataCount=13:map<string,int32>
 *   ReceivedDataBodyPb = data=7:map<string,DataBoxesPb>          what `body` holds, compressed as `encoding` says
 */
import type { PackedBoxes } from '../boxes.ts';
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import {
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
import { pbReader } from '../pb/reader.ts';
import { pbBytes, pbInt32, pbInt64, pbString, pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { RECEIVED_DATA } from './class-names.ts';
import {
  readZoneBoxes,
  readZoneCounts,
  readZoneEntryPb,
  writeBoxList,
  writeZoneBoxesPb,
  writeZoneCountsPb,
} from './data-boxes.ts';
import type { ReceivedData } from './types.ts';

/** Official Hessian field order. */
export const RECEIVED_DATA_FIELDS = [
  'dataId',
  'group',
  'instanceId',
  'segment',
  'scope',
  'version',
  'localZone',
  'subscriberRegistIds',
  'data',
  'dataCount',
] as const;

function emptyReceivedData(): ReceivedData {
  return {
    dataId: null,
    group: null,
    instanceId: null,
    segment: null,
    scope: null,
    subscriberRegistIds: null,
    data: null,
    version: null,
    localZone: null,
    dataCount: null,
    encoding: null,
    body: null,
    originBodySize: 0,
  };
}

const SPEC: ClassSpec<ReceivedData> = classSpec(RECEIVED_DATA, RECEIVED_DATA_FIELDS, (reader, plan) => {
  const out = emptyReceivedData();
  for (let i = 0; i < plan.length; i++) {
    const id = plan[i];
    if (id === 0) out.dataId = reader.readShared();
    else if (id === 1) out.group = reader.readShared();
    else if (id === 2) out.instanceId = reader.readShared();
    else if (id === 3) out.segment = reader.readShared();
    else if (id === 4) out.scope = reader.readShared();
    else if (id === 5) out.version = reader.readInt64();
    else if (id === 6) out.localZone = reader.readShared();
    else if (id === 7) out.subscriberRegistIds = reader.readStringList();
    else if (id === 8) out.data = readZoneBoxes(reader);
    else if (id === 9) out.dataCount = readZoneCounts(reader);
    else reader.skip();
  }
  return out;
});

/** Decodes Hessian content. @throws WireError */
export function decodeReceivedData(content: Buffer, limits: ContentLimits = CONTENT_LIMITS): ReceivedData {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeReceivedData(value: ReceivedData): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeString(out, value.dataId);
  writeString(out, value.group);
  writeString(out, value.instanceId);
  writeString(out, value.segment);
  writeString(out, value.scope);
  writeLong(out, value.version);
  writeString(out, value.localZone);
  writeStringList(out, value.subscriberRegistIds);
  if (value.data === null) {
    writeNull(out);
  } else {
    const boxClass = { index: 1, defined: false };
    writeMapHead(out);
    for (const [zone, packed] of value.data) {
      writeString(out, zone);
      writeBoxList(out, packed, boxClass);
    }
    writeEnd(out);
  }
  writeIntMap(out, value.dataCount);
  return out.take();
}

/** Decodes protobuf content; a compressed body is left to the caller and {@link decodeReceivedDataBodyPb}. @throws WireError */
export function decodeReceivedDataPb(content: Buffer, limits: ContentLimits = CONTENT_LIMITS): ReceivedData {
  const reader = pbReader(content, limits);
  const out = emptyReceivedData();
  const ids: string[] = [];
  const data = new Map<string, PackedBoxes>();
  const counts = new Map<string, number>();
  out.dataId = out.group = out.instanceId = out.segment = out.scope = out.localZone = out.encoding = '';
  out.subscriberRegistIds = ids;
  out.data = data;
  out.dataCount = counts;
  out.version = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) out.dataId = reader.shared();
    else if (tag === 0x12) out.group = reader.shared();
    else if (tag === 0x1a) out.instanceId = reader.shared();
    else if (tag === 0x22) out.segment = reader.shared();
    else if (tag === 0x2a) out.scope = reader.shared();
    else if (tag === 0x32) reader.stringInto(ids);
    else if (tag === 0x3a) readZoneEntryPb(reader, data);
    else if (tag === 0x40) out.version = reader.int64();
    else if (tag === 0x4a) out.localZone = reader.shared();
    else if (tag === 0x52) out.encoding = reader.shared();
    else if (tag === 0x5a) out.body = reader.bytes();
    else if (tag === 0x60) out.originBodySize = reader.int32();
    else if (tag === 0x6a) reader.intEntryInto(counts);
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Decodes a decompressed body. @throws WireError */
export function decodeReceivedDataBodyPb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): Map<string, PackedBoxes> {
  const reader = pbReader(content, limits);
  const data = new Map<string, PackedBoxes>();
  while (reader.more()) {
    if (reader.tag() === 0x3a) readZoneEntryPb(reader, data);
    else reader.skip();
  }
  reader.finish();
  return data;
}

/** Encodes as protobuf. @throws WireError */
export function encodeReceivedDataPb(value: ReceivedData): Buffer {
  const out = freshScratch();
  pbString(out, 0x0a, value.dataId);
  pbString(out, 0x12, value.group);
  pbString(out, 0x1a, value.instanceId);
  pbString(out, 0x22, value.segment);
  pbString(out, 0x2a, value.scope);
  pbStringList(out, 0x32, value.subscriberRegistIds);
  writeZoneBoxesPb(out, 0x3a, value.data);
  pbInt64(out, 0x40, value.version);
  pbString(out, 0x4a, value.localZone);
  pbString(out, 0x52, value.encoding);
  pbBytes(out, 0x5a, value.body);
  pbInt32(out, 0x60, value.originBodySize);
  writeZoneCountsPb(out, 0x6a, value.dataCount);
  return out.take();
}
