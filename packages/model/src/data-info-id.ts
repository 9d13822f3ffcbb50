/** Identity of a service's data (F016, reference/data-and-slots.md 1). */

/** Tenant used when a client names none (F019). */
export const DEFAULT_INSTANCE_ID = 'DEFAULT_INSTANCE_ID';
/** Group used when a client names none (F018). */
export const DEFAULT_GROUP = 'DEFAULT_GROUP';
/** Zone used when a client names none. */
export const DEFAULT_ZONE = 'DEFAULT_ZONE';
/** Data centre of a cluster that names none. */
export const DEFAULT_DATA_CENTER = 'DefaultDataCenter';
/** Joins the three parts of a dataInfoId. */
export const DATA_INFO_ID_SEPARATOR = '#@#';
/** Longest accepted dataInfoId, in UTF-16 units. Longer ones are refused with a clear answer. */
export const DATA_INFO_ID_UNITS_MAX = 16_384;

/** The three parts of a dataInfoId. */
export interface DataInfo {
  readonly dataId: string;
  readonly instanceId: string;
  readonly group: string;
}

/** `dataId#@#instanceId#@#group`: the key of sharding, caching and versioning. Parts are taken as they are. */
export function toDataInfoId(dataId: string, instanceId: string, group: string): string {
  return dataId + DATA_INFO_ID_SEPARATOR + instanceId + DATA_INFO_ID_SEPARATOR + group;
}

/** The parts of a dataInfoId, or null unless there are exactly three non-empty ones. */
export function parseDataInfoId(dataInfoId: string): DataInfo | null {
  const parts = dataInfoId.split(DATA_INFO_ID_SEPARATOR);
  if (parts.length !== 3 || parts.some((part) => part === '')) return null;
  return { dataId: parts[0], instanceId: parts[1], group: parts[2] };
}
