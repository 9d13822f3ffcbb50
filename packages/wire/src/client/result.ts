/**
 * Generic answer; the ack of pushes, client -> session (wire 2.5, 5).
 *
 *   Result   = success: boolean, message
 *   ResultPb = success=1:bool message=2
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeBoolean, writeInstance, writeString } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { type PbReader, pbReader } from '../pb/reader.ts';
import { pbBool, pbString } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import { RESULT } from './class-names.ts';
import type { Result } from './types.ts';

const SPEC: ClassSpec<Result> = classSpec(RESULT, ['success', 'message'], (reader, plan) => {
  const out: Result = { success: false, message: null };
  for (let i = 0; i < plan.length; i++) {
    const id = plan[i];
    if (id === 0) out.success = reader.readBoolean();
    else if (id === 1) out.message = reader.readShared();
    else reader.skip();
  }
  return out;
});

/** Decodes Hessian content. @throws WireError */
export function decodeResult(content: Buffer, limits: ContentLimits = CONTENT_LIMITS): Result {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeResult(value: Result): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeBoolean(out, value.success);
  writeString(out, value.message);
  return out.take();
}

/** Reads the fields of a ResultPb up to the end of the current message. */
export function readResultPb(reader: PbReader, out: { success: boolean; message: string | null }): void {
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x08) out.success = reader.bool();
    else if (tag === 0x12) out.message = reader.shared();
    else reader.skip();
  }
}

/** Decodes protobuf content. @throws WireError */
export function decodeResultPb(content: Buffer, limits: ContentLimits = CONTENT_LIMITS): Result {
  const reader = pbReader(content, limits);
  const out: Result = { success: false, message: '' };
  readResultPb(reader, out);
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeResultPb(value: Result): Buffer {
  const out = freshScratch();
  pbBool(out, 0x08, value.success);
  pbString(out, 0x12, value.message);
  return out.take();
}
