/**
 * A configurator ("watcher") or its withdrawal, client -> session; Hessian only (wire 2.1, 2.5).
 *
 *   ConfiguratorRegister = BaseRegister 1-14, attributes
 */
import { type ClassSpec, classSpec } from '../hessian/class-spec.ts';
import { decodeObject } from '../hessian/reader.ts';
import { writeInstance, writeStringMap } from '../hessian/writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { freshScratch } from '../scratch.ts';
import { BASE_FIELDS, readBaseField, writeBaseFields } from './base-register.ts';
import { CONFIGURATOR_REGISTER } from './class-names.ts';
import type { ConfiguratorRegister } from './types.ts';

const SPEC: ClassSpec<ConfiguratorRegister> = classSpec(
  CONFIGURATOR_REGISTER,
  [...BASE_FIELDS, 'attributes'],
  (reader, plan) => {
    const out: ConfiguratorRegister = {
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
    };
    for (let i = 0; i < plan.length; i++) readBaseField(reader, out, plan[i]);
    return out;
  },
);

/** Decodes Hessian content. @throws WireError */
export function decodeConfiguratorRegister(
  content: Buffer,
  limits: ContentLimits = CONTENT_LIMITS,
): ConfiguratorRegister {
  return decodeObject(content, SPEC, limits);
}

/** Encodes as Hessian. @throws WireError */
export function encodeConfiguratorRegister(value: ConfiguratorRegister): Buffer {
  const out = freshScratch();
  out.raw(SPEC.definition);
  writeInstance(out, 0);
  writeBaseFields(out, value);
  writeStringMap(out, value.attributes);
  return out.take();
}
