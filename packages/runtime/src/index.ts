/** Public surface of `@sofa-registry/runtime`. The Node adapters are at `@sofa-registry/runtime/node`. */
export { Backoff, type BackoffOptions } from './backoff.ts';
export { BoltChannel } from './bolt-channel.ts';
export { BOLT_METRICS, BoltMetrics, CLOSE_KINDS, type CloseKind } from './bolt-metrics.ts';
export {
  type BoltChannelOptions,
  type BoltHandler,
  HEARTBEAT_MISSES_MAX,
  PENDING_MAX,
  type ReplyHandler,
  REQUEST_TIMEOUT_MS_MAX,
} from './bolt-options.ts';
export * from './errors.ts';
export type { FrameContent } from './frame-writer.ts';
export { every } from './every.ts';
export { CONNECTION_LIMITS, type ConnectionLimits } from './limits.ts';
export {
  LOG_LINES_MAX,
  type LogLevel,
  type LogLine,
  MemoryLogger,
  memoryLogger,
  noopLogger,
} from './memory/loggers.ts';
export { ManualClock, type ManualClockOptions } from './memory/manual-clock.ts';
export { memoryNetwork, type MemoryNetworkOptions } from './memory/memory-network.ts';
export { seededRandom } from './memory/seeded-random.ts';
export * from './metrics.ts';
export * from './ports.ts';
