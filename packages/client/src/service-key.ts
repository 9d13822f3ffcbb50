/** Names of services, and the rules they obey (F016-F019). */
import {
  DATA_INFO_ID_SEPARATOR,
  DATA_INFO_ID_UNITS_MAX,
  DEFAULT_GROUP,
  DEFAULT_INSTANCE_ID,
  toDataInfoId,
} from '@sofa-registry/model';
import { RegistryClientError } from './errors.ts';

/** What a service is called. */
export interface ServiceName {
  /** The service, e.g. `com.example.Orders:1.0`. Not empty. */
  readonly dataId: string;
  /** Default `DEFAULT_GROUP`. */
  readonly group?: string;
  /** Tenant; default the one given to `connect`, else `DEFAULT_INSTANCE_ID`. */
  readonly instanceId?: string;
}

/** A complete, valid name. */
export interface ServiceKey {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  readonly dataInfoId: string;
}

/** Throws the error of a bad argument. */
export function badArgument(field: string, rule: string): never {
  throw new RegistryClientError('SR_CLIENT_ARGUMENT', `${field} ${rule}`);
}

/** Completes and checks a name. @throws RegistryClientError SR_CLIENT_ARGUMENT */
export function serviceKey(name: ServiceName, defaultInstanceId: string): ServiceKey {
  if (typeof name !== 'object' || name === null) badArgument('service', 'must be an object with a dataId');
  const dataId = part('dataId', name.dataId);
  const group = part('group', name.group ?? DEFAULT_GROUP);
  const instanceId = part('instanceId', name.instanceId ?? defaultInstanceId);
  const dataInfoId = toDataInfoId(dataId, instanceId, group);
  if (dataInfoId.length > DATA_INFO_ID_UNITS_MAX) {
    badArgument('dataId', `with group and instanceId must be at most ${DATA_INFO_ID_UNITS_MAX} characters`);
  }
  return Object.freeze({ dataId, group, instanceId, dataInfoId });
}

/** Checks a tenant name. @throws RegistryClientError SR_CLIENT_ARGUMENT */
export function instanceIdOf(value: string | undefined): string {
  return part('instanceId', value ?? DEFAULT_INSTANCE_ID);
}

function part(field: string, value: unknown): string {
  if (typeof value !== 'string' || value.trim() === '')
    badArgument(field, 'must be a string that is not blank');
  if (value.includes(DATA_INFO_ID_SEPARATOR))
    badArgument(field, `must not contain '${DATA_INFO_ID_SEPARATOR}'`);
  if (!value.isWellFormed()) badArgument(field, 'must not contain lone surrogates');
  return value;
}
