/**
 * A push of one configuration item, session -> client (wire 2.5, 4.6, 5). A null box is the normal answer of a server
 * without configuration for the id; protobuf leaves it out.
 *
 *   ReceivedConfigData   = dataId, group, instanceId, version: Long, configuratorRegistIds: list of String, dataBox:
 *                          DataBox | null
 *   ReceivedConfigDataPb = dataId=1 group=2 instanceId=3 configuratorRegistIds=4:repeated string dataBox=5:DataBoxPb
 *                          version=6:int64
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeInstance, writeLong, writeNull, writeString, writeStringList } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbClose, pbInt64, pbOpen, pbString, pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { RECEIVED_CONFIG_DATA } from './class-names.ts';
import { DATA_BOX_SPEC, writeBox } from './data-boxes.ts';
import type { ReceivedConfigData } from './types.ts';

const SPEC: ClassSpec<ReceivedConfigData> = classSpec(
  RECEIVED_CONFIG_DATA,
  ['dataId', 'group', 'instanceId', 'version', 'configuratorRegistIds', 'dataBox'],
  (reader, plan) => {
    const out: ReceivedConfigData = {
      dataId: null,
      group: null,
      instanceId: null,
      configuratorRegistIds: null,
      dataBox: null,
      version: null,
    };
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === 0) out.dataId = reader.readShared();
      else if (id === 1) out.group = reader.readShared();
      else if (id === 2) out.instanceId = reader.readShared();
      else if (id === 3) out.version = reader.readInt64();
      else if (id === 4) out.configuratorRegistIds = reader.readStringList();
      else if (id === 5) out.dataBox = reader.readObject(DATA_BOX_SPEC);
      else reader.skip();
    }
    return out;
  },
);

/** Decodes Hessian content. @throws WireError */
export function decodeReceivedConfigData(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): ReceivedConfigData {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeReceivedConfigData(value: ReceivedConfigData): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeString(out, value.dataId);
  writeString(out, value.group);
  writeString(out, value.instanceId);
  writeLong(out, value.version);
  writeStringList(out, value.configuratorRegistIds);
  if (value.dataBox === null) writeNull(out);
  else writeBox(out, value.dataBox, { index: 1, defined: false });
  return out.take();
}

/** Decodes protobuf content. @throws WireError */
export function decodeReceivedConfigDataPb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): ReceivedConfigData {
  const reader = pbReader(content, limits);
  const ids: string[] = [];
  const out: ReceivedConfigData = {
    dataId: '',
    group: '',
    instanceId: '',
    configuratorRegistIds: ids,
    dataBox: null,
    version: 0,
  };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) out.dataId = reader.shared();
    else if (tag === 0x12) out.group = reader.shared();
    else if (tag === 0x1a) out.instanceId = reader.shared();
    else if (tag === 0x22) reader.stringInto(ids);
    else if (tag === 0x2a) {
      out.dataBox ??= '';
      const outer = reader.enter();
      while (reader.more()) {
        if (reader.tag() === 0x0a) out.dataBox = reader.string();
        else reader.skip();
      }
      reader.leave(outer);
    } else if (tag === 0x30) out.version = reader.int64();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeReceivedConfigDataPb(value: ReceivedConfigData): Buffer {
  const out = freshScratch();
  pbString(out, 0x0a, value.dataId);
  pbString(out, 0x12, value.group);
  pbString(out, 0x1a, value.instanceId);
  pbStringList(out, 0x22, value.configuratorRegistIds);
  if (value.dataBox !== null) {
    const box = pbOpen(out, 0x2a);
    pbString(out, 0x0a, value.dataBox);
    pbClose(out, box);
  }
  pbInt64(out, 0x30, value.version);
  return out.take();
}
