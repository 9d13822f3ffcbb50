/**
 * Answer to MetaHeartbeatRequest (wire 5): 200, or 404 when a revision is unknown and must be registered again.
 *
 *   MetaHeartbeatResponse = statusCode=1:int32 message=2
 */
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbInt32, pbString } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import type { MetaHeartbeatResponse } from './types.ts';

/** Decodes protobuf content. @throws WireError */
export function decodeMetaHeartbeatResponse(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): MetaHeartbeatResponse {
  const reader = pbReader(content, limits);
  const out: MetaHeartbeatResponse = { statusCode: 0, message: '' };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x08) out.statusCode = reader.int32();
    else if (tag === 0x12) out.message = reader.string();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeMetaHeartbeatResponse(value: MetaHeartbeatResponse): Buffer {
  const out = freshScratch();
  pbInt32(out, 0x08, value.statusCode);
  pbString(out, 0x12, value.message);
  return out.take();
}
