/**
 * Answer to ServiceAppMappingRequest (wire 5).
 *
 *   ServiceAppMappingResponse = serviceAppMapping=1:map<string,AppList> statusCode=2:int32 message=3
 *   AppList = version=1:int64 apps=2:repeated string
 */
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { type PbReader, pbReader } from '../pb/reader.ts';
import { pbClose, pbInt32, pbInt64, pbOpen, pbString, pbStringAlways, pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import type { AppList, ServiceAppMappingResponse } from './types.ts';

function readEntry(reader: PbReader, map: Map<string, AppList>): void {
  const outer = reader.enter();
  let key = '';
  const list: AppList = { version: 0, apps: [] };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.shared();
    else if (tag === 0x12) {
      const inner = reader.enter();
      while (reader.more()) {
        const field = reader.tag();
        if (field === 0x08) list.version = reader.int64();
        else if (field === 0x12) reader.stringInto(list.apps);
        else reader.skip();
      }
      reader.leave(inner);
    } else reader.skip();
  }
  reader.leave(outer);
  reader.put(map, key, list);
}

/** Decodes protobuf content. @throws WireError */
export function decodeServiceAppMappingResponse(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): ServiceAppMappingResponse {
  const reader = pbReader(content, limits);
  const out: ServiceAppMappingResponse = { serviceAppMapping: new Map(), statusCode: 0, message: '' };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) readEntry(reader, out.serviceAppMapping);
    else if (tag === 0x10) out.statusCode = reader.int32();
    else if (tag === 0x1a) out.message = reader.string();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeServiceAppMappingResponse(value: ServiceAppMappingResponse): Buffer {
  const out = freshScratch();
  for (const [service, list] of value.serviceAppMapping) {
    const entry = pbOpen(out, 0x0a);
    pbStringAlways(out, 0x0a, service);
    const body = pbOpen(out, 0x12);
    pbInt64(out, 0x08, list.version);
    pbStringList(out, 0x12, list.apps);
    pbClose(out, body);
    pbClose(out, entry);
  }
  pbInt32(out, 0x10, value.statusCode);
  pbString(out, 0x1a, value.message);
  return out.take();
}
