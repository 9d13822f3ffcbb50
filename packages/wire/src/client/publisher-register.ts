/**
 * Hot path. A publication or its withdrawal, client -> session (wire 2.5, 5).
 *
 *   PublisherRegister   = BaseRegister 1-14, dataList: list of DataBox | null, attributes
 *   PublisherRegisterPb = dataList=1:repeated DataBoxPb baseRegister=2:BaseRegisterPb
 *
 * eventType REGISTER or UNREGISTER; our own SDK also says TEMPORARY to our own sessions: shown once and not stored (F027).
 */
import { NO_BOXES } from '../boxes.ts';
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeInstance, writeNull, writeStringMap } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { pbReader } from '../pb/reader.ts';
import { pbClose, pbOpen } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import {
  BASE_FIELDS,
  clearBasePb,
  readBaseField,
  readBasePb,
  writeBaseFields,
  writeBasePb,
} from './base-register.ts';
import { PUBLISHER_REGISTER } from './class-names.ts';
import { pbBoxPacker, readBoxes, writeBoxItemsPb, writeBoxList } from './data-boxes.ts';
import type { PublisherRegister } from './types.ts';

const DATA_LIST = 14;
const ATTRIBUTES = 15;

function emptyPublisher(): PublisherRegister {
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
    dataBoxes: NO_BOXES,
  };
}

const SPEC: ClassSpec<PublisherRegister> = classSpec(
  PUBLISHER_REGISTER,
  [...BASE_FIELDS, 'dataList', 'attributes'],
  (reader, plan) => {
    const out = emptyPublisher();
    for (let i = 0; i < plan.length; i++) {
      const id = plan[i];
      if (id === DATA_LIST) out.dataBoxes = readBoxes(reader);
      else readBaseField(reader, out, id === ATTRIBUTES ? 14 : id);
    }
    return out;
  },
);

/** Decodes Hessian content; the payload stays bytes. @throws WireError */
export function decodePublisherRegister(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): PublisherRegister {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as the Java client does: no list on UNREGISTER, a list otherwise. @throws WireError */
export function encodePublisherRegister(value: PublisherRegister): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeBaseFields(out, value);
  if (value.eventType === 'UNREGISTER' && value.dataBoxes.length === 1) writeNull(out);
  else writeBoxList(out, value.dataBoxes, { index: 1, defined: false });
  writeStringMap(out, value.attributes);
  return out.take();
}

/** Decodes protobuf content. @throws WireError */
export function decodePublisherRegisterPb(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): PublisherRegister {
  const reader = pbReader(content, limits);
  const out = emptyPublisher();
  clearBasePb(out);
  const boxes = pbBoxPacker();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) boxes.add(reader);
    else if (tag === 0x12) readBasePb(reader, out);
    else reader.skip();
  }
  reader.finish();
  out.dataBoxes = boxes.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodePublisherRegisterPb(value: PublisherRegister): Buffer {
  const out = freshScratch();
  writeBoxItemsPb(out, 0x0a, value.dataBoxes);
  const base = pbOpen(out, 0x12);
  writeBasePb(out, value);
  pbClose(out, base);
  return out.take();
}
