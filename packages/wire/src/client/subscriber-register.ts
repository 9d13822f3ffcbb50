/**
 * A subscription or its withdrawal, client -> session (wire 2.5, 5).
 *
 *   SubscriberRegister   = scope, acceptEncoding, acceptMulti: boolean, BaseRegister 1-14, attributes
 *   SubscriberRegisterPb = scope=1 baseRegister=2:BaseRegisterPb acceptEncoding=3 acceptMulti=4:bool
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeBoolean, writeInstance, writeString, writeStringMap } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbBool, pbClose, pbOpen, pbString } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import {
  BASE_FIELDS,
  clearBasePb,
  readBaseField,
  readBasePb,
  writeBaseFields,
  writeBasePb,
} from './base-register.ts';
import { SUBSCRIBER_REGISTER } from './class-names.ts';
import type { SubscriberRegister } from './types.ts';

function emptySubscriber(): SubscriberRegister {
  return {
    instanceId: null,
    zone: null,
    appName: null,
    dataId: null,
    group: null,
    processId: null,
    registId: null,
    clientId: null,
    dataInfoId: null,
    ip: null,
    port: null,
    eventType: null,
    version: null,
    timestamp: null,
    attributes: null,
    scope: null,
    acceptEncoding: null,
    acceptMulti: false,
  };
}

const SPEC: ClassSpec<SubscriberRegister> = classSpec(
  SUBSCRIBER_REGISTER,
  ['scope', 'acceptEncoding', 'acceptMulti', ...BASE_FIELDS, 'attributes'],
  (reader, plan) => {
    const out = emptySubscriber();
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === 0) out.scope = reader.readShared();
      else if (id === 1) out.acceptEncoding = reader.readShared();
      else if (id === 2) out.acceptMulti = reader.readBoolean();
      else readBaseField(reader, out, id - 3);
    }
    return out;
  },
);

/** Decodes Hessian content. @throws WireError */
export function decodeSubscriberRegister(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): SubscriberRegister {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeSubscriberRegister(value: SubscriberRegister): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeString(out, value.scope);
  writeString(out, value.acceptEncoding);
  writeBoolean(out, value.acceptMulti);
  writeBaseFields(out, value);
  writeStringMap(out, value.attributes);
  return out.take();
}

/** Decodes protobuf content. @throws WireError */
export function decodeSubscriberRegisterPb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): SubscriberRegister {
  const reader = pbReader(content, limits);
  const out = emptySubscriber();
  clearBasePb(out);
  out.scope = '';
  out.acceptEncoding = '';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) out.scope = reader.shared();
    else if (tag === 0x12) readBasePb(reader, out);
    else if (tag === 0x1a) out.acceptEncoding = reader.shared();
    else if (tag === 0x20) out.acceptMulti = reader.bool();
    else reader.skip();
  }
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeSubscriberRegisterPb(value: SubscriberRegister): Buffer {
  const out = freshScratch();
  pbString(out, 0x0a, value.scope);
  const base = pbOpen(out, 0x12);
  writeBasePb(out, value);
  pbClose(out, base);
  pbString(out, 0x1a, value.acceptEncoding);
  pbBool(out, 0x20, value.acceptMulti);
  return out.take();
}
