/**
 * Marks application revisions as in use, client -> session (wire 5).
 *
 *   MetaHeartbeatRequest = revisions=1:repeated string
 */
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import type { MetaHeartbeatRequest } from './types.ts';

/** Decodes protobuf content. @throws WireError */
export function decodeMetaHeartbeatRequest(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): MetaHeartbeatRequest {
  const reader = pbReader(content, limits);
  const revisions: string[] = [];
  while (reader.more()) {
    if (reader.tag() === 0x0a) reader.stringInto(revisions);
    else reader.skip();
  }
  reader.finish();
  return { revisions };
}

/** Encodes as protobuf. @throws WireError */
export function encodeMetaHeartbeatRequest(value: MetaHeartbeatRequest): Buffer {
  const out = freshScratch();
  pbStringList(out, 0x0a, value.revisions);
  return out.take();
}
