/**
 * Hot path. Answer to every registration, session -> client (wire 2.5, 4.2, 5).
 *
 *   RegisterResponse   = success: boolean, registId, version: long, refused: boolean, message
 *   RegisterResponsePb = success=1:bool registId=2 version=3:int64 refused=4:bool message=5
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeBoolean, writeInstance, writeLong, writeString } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbBool, pbInt64, pbString } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { REGISTER_RESPONSE } from './class-names.ts';
import type { RegisterResponse } from './types.ts';

const SPEC: ClassSpec<RegisterResponse> = classSpec(
  REGISTER_RESPONSE,
  ['success', 'registId', 'version', 'refused', 'message'],
  (reader, plan) => {
    const out: RegisterResponse = {
      success: false,
      registId: null,
      version: 0,
      refused: false,
      message: null,
    };
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === 0) out.success = reader.readBoolean();
      else if (id === 1) out.registId = reader.readString();
      else if (id === 2) out.version = reader.readInt64() ?? 0;
      else if (id === 3) out.refused = reader.readBoolean();
      else if (id === 4) out.message = reader.readShared();
      else reader.skip();
    }
    return out;
  },
);

/** Decodes Hessian content. @throws WireError */
export function decodeRegisterResponse(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): RegisterResponse {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeRegisterResponse(value: RegisterResponse): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeBoolean(out, value.success);
  writeString(out, value.registId);
  writeLong(out, value.version);
  writeBoolean(out, value.refused);
  writeString(out, value.message);
  return out.take();
}

/** Decodes protobuf content. @throws WireError */
export function decodeRegisterResponsePb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): RegisterResponse {
  const reader = pbReader(content, limits);
  const out: RegisterResponse = { success: false, registId: '', version: 0, refused: false, message: '' };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x08) out.success = reader.bool();
    else if (tag === 0x12) out.registId = reader.string();
    else if (tag === 0x18) out.version = reader.int64();
    else if (tag === 0x20) out.refused = reader.bool();
    else if (tag === 0x2a) out.message = reader.shared();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeRegisterResponsePb(value: RegisterResponse): Buffer {
  const out = freshScratch();
  pbBool(out, 0x08, value.success);
  pbString(out, 0x12, value.registId);
  pbInt64(out, 0x18, value.version);
  pbBool(out, 0x20, value.refused);
  pbString(out, 0x2a, value.message);
  return out.take();
}
