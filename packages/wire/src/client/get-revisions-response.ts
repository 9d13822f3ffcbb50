/**
 * Answer to GetRevisionsRequest (wire 5).
 *
 *   GetRevisionsResponse = revisions=1:map<string,MetaRegister> statusCode=2:int32 message=3
 */
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { type PbReader, pbReader } from '../pb/reader.ts';
import { pbClose, pbInt32, pbOpen, pbString, pbStringAlways } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { emptyMetaRegister, readMetaRegister, writeMetaRegister } from './meta-register.ts';
import type { GetRevisionsResponse, MetaRegister } from './types.ts';

function readEntry(reader: PbReader, map: Map<string, MetaRegister>): void {
  const outer = reader.enter();
  let key = '';
  const revision = emptyMetaRegister();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.shared();
    else if (tag === 0x12) {
      const inner = reader.enter();
      readMetaRegister(reader, revision);
      reader.leave(inner);
    } else reader.skip();
  }
  reader.leave(outer);
  reader.put(map, key, revision);
}

/** Decodes protobuf content. @throws WireError */
export function decodeGetRevisionsResponse(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): GetRevisionsResponse {
  const reader = pbReader(content, limits);
  const out: GetRevisionsResponse = { revisions: new Map(), statusCode: 0, message: '' };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) readEntry(reader, out.revisions);
    else if (tag === 0x10) out.statusCode = reader.int32();
    else if (tag === 0x1a) out.message = reader.string();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeGetRevisionsResponse(value: GetRevisionsResponse): Buffer {
  const out = freshScratch();
  for (const [id, revision] of value.revisions) {
    const entry = pbOpen(out, 0x0a);
    pbStringAlways(out, 0x0a, id);
    const body = pbOpen(out, 0x12);
    writeMetaRegister(out, revision);
    pbClose(out, body);
    pbClose(out, entry);
  }
  pbInt32(out, 0x10, value.statusCode);
  pbString(out, 0x1a, value.message);
  return out.take();
}
