/**
 * Asks which applications export services, client -> session (wire 5).
 *
 *   ServiceAppMappingRequest = serviceIds=1:repeated string
 */
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import type { ServiceAppMappingRequest } from './types.ts';

/** Decodes protobuf content. @throws WireError */
export function decodeServiceAppMappingRequest(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): ServiceAppMappingRequest {
  const reader = pbReader(content, limits);
  const serviceIds: string[] = [];
  while (reader.more()) {
    if (reader.tag() === 0x0a) reader.stringInto(serviceIds);
    else reader.skip();
  }
  reader.finish();
  return { serviceIds };
}

/** Encodes as protobuf. @throws WireError */
export function encodeServiceAppMappingRequest(value: ServiceAppMappingRequest): Buffer {
  const out = freshScratch();
  pbStringList(out, 0x0a, value.serviceIds);
  return out.take();
}
