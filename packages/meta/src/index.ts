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
