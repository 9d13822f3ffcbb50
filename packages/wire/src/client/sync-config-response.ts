/**
 * Settings of a client (wire 3.3, 5). `availableSegments` must hold the segment name used in pushes, or be empty.
 *
 *   SyncConfigResponse   = retryInterval: int, success: boolean, message, availableSegments: list of String
 *   SyncConfigResponsePb = result=1:ResultPb availableSegments=2:repeated string retryInterval=3:int32
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeBoolean, writeInstance, writeInt, writeString, writeStringList } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbBool, pbClose, pbInt32, pbOpen, pbString, pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { SYNC_CONFIG_RESPONSE } from './class-names.ts';
import { readResultPb } from './result.ts';
import type { SyncConfigResponse } from './types.ts';

const SPEC: ClassSpec<SyncConfigResponse> = classSpec(
  SYNC_CONFIG_RESPONSE,
  ['retryInterval', 'success', 'message', 'availableSegments'],
  (reader, plan) => {
    const out: SyncConfigResponse = {
      success: false,
      message: null,
      availableSegments: null,
      retryIntervalMs: 0,
    };
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === 0) out.retryIntervalMs = reader.readInt();
      else if (id === 1) out.success = reader.readBoolean();
      else if (id === 2) out.message = reader.readShared();
      else if (id === 3) out.availableSegments = reader.readStringList();
      else reader.skip();
    }
    return out;
  },
);

/** Decodes Hessian content. @throws WireError */
export function decodeSyncConfigResponse(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): SyncConfigResponse {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeSyncConfigResponse(value: SyncConfigResponse): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeInt(out, value.retryIntervalMs);
  writeBoolean(out, value.success);
  writeString(out, value.message);
  writeStringList(out, value.availableSegments);
  return out.take();
}

/** Decodes protobuf content; no segments come out as an empty list. @throws WireError */
export function decodeSyncConfigResponsePb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): SyncConfigResponse {
  const reader = pbReader(content, limits);
  const segments: string[] = [];
  const out: SyncConfigResponse = {
    success: false,
    message: '',
    availableSegments: segments,
    retryIntervalMs: 0,
  };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      const outer = reader.enter();
      readResultPb(reader, out);
      reader.leave(outer);
    } else if (tag === 0x12) {
      reader.stringInto(segments);
    } else if (tag === 0x18) {
      out.retryIntervalMs = reader.int32();
    } else {
      reader.skip();
    }
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeSyncConfigResponsePb(value: SyncConfigResponse): Buffer {
  const out = freshScratch();
  const result = pbOpen(out, 0x0a);
  pbBool(out, 0x08, value.success);
  pbString(out, 0x12, value.message);
  pbClose(out, result);
  pbStringList(out, 0x12, value.availableSegments);
  pbInt32(out, 0x18, value.retryIntervalMs);
  return out.take();
}
