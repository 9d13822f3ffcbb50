/**
 * A client asks for its settings (wire 3.3, 5).
 *
 *   SyncConfigRequest   = dataCenter, zone
 *   SyncConfigRequestPb = dataCenter=1 zone=2
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeInstance, writeString } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbString } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { SYNC_CONFIG_REQUEST } from './class-names.ts';
import type { SyncConfigRequest } from './types.ts';

const SPEC: ClassSpec<SyncConfigRequest> = classSpec(
  SYNC_CONFIG_REQUEST,
  ['dataCenter', 'zone'],
  (reader, plan) => {
    const out: SyncConfigRequest = { dataCenter: null, zone: null };
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === 0) out.dataCenter = reader.readShared();
      else if (id === 1) out.zone = reader.readShared();
      else reader.skip();
    }
    return out;
  },
);

/** Decodes Hessian content. @throws WireError */
export function decodeSyncConfigRequest(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): SyncConfigRequest {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeSyncConfigRequest(value: SyncConfigRequest): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeString(out, value.dataCenter);
  writeString(out, value.zone);
  return out.take();
}

/** Decodes protobuf content. @throws WireError */
export function decodeSyncConfigRequestPb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): SyncConfigRequest {
  const reader = pbReader(content, limits);
  const out: SyncConfigRequest = { dataCenter: '', zone: '' };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) out.dataCenter = reader.shared();
    else if (tag === 0x12) out.zone = reader.shared();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeSyncConfigRequestPb(value: SyncConfigRequest): Buffer {
  const out = freshScratch();
  pbString(out, 0x0a, value.dataCenter);
  pbString(out, 0x12, value.zone);
  return out.take();
}
