/** The meta tier: membership, slot placement, operator documents, and the election that decides who does it. */
export * from './core/allocator-types.ts';
export {
  ALLOCATOR_LIMITS,
  arrange,
  decide,
  tableBalance,
  type TableBalance,
  tableStable,
} from './core/slot-allocator.ts';
export { ZONE_SKEW_MAX } from './core/slot-targets.ts';
export { type ClientOffState, ClientTraffic } from './client-traffic.ts';
export { DOC_TYPES, docRefusal, type DocType } from './doc-types.ts';
export { NotLeaderError, UnknownNodeError } from './errors.ts';
export { MetaAdmin } from './meta-admin.ts';
export type { LeaderInfo, MetaInspect, SlotReportRow, StoreInfo, TableStatus } from './meta-inspect.ts';
export { MetaServer, type MetaPorts } from './meta-server.ts';
export { DRAINING_DOC, PROTECTION_DOC, RECONCILE_DOC } from './operator-docs.ts';
export {
  META_DEFAULTS,
  META_SETTINGS,
  type MetaConfig,
  type MetaTunables,
  tunablesOf,
} from './settings.ts';
export { storeMetrics } from './store-metrics.ts';
