/** What all channels with the same options share, worked out once. */
import { type BoltLimits, boltLimits } from '@sofa-registry/wire';
import { AssemblyBudget } from './assembly-budget.ts';
import { BOLT_METRICS, type BoltMetrics } from './bolt-metrics.ts';
import {
  type BoltChannelOptions,
  type BoltHandler,
  HEARTBEAT_MISSES_MAX,
  PENDING_MAX,
} from './bolt-options.ts';
import type { WatchRules } from './channel-watch.ts';
import { channelWheels, type ClockWheel } from './clock-wheel.ts';
import type { Clock } from './ports.ts';

/** Completed options. */
export interface ChannelContext<T> {
  readonly clock: Clock;
  readonly handler: BoltHandler<T>;
  readonly limits: BoltLimits;
  /** What unfinished frames of these channels may hold together. */
  readonly assembly: AssemblyBudget;
  readonly pendingMax: number;
  readonly pauseWhenFull: boolean;
  /** The first frame of the peer tells the protocol. */
  readonly learnsProto: boolean;
  readonly metrics: BoltMetrics;
  /** Wheel of the request time-outs. */
  readonly requests: ClockWheel;
  /** Null if no rule is on. */
  readonly watch: WatchRules | null;
}

const contexts = new WeakMap<object, unknown>();

/** The context of these options; the same object for the same object. */
export function channelContext<T>(options: BoltChannelOptions<T>): ChannelContext<T> {
  // Kept under the very options object it was built from, so `T` is the same.
  let context = contexts.get(options) as ChannelContext<T> | undefined;
  if (context === undefined) {
    context = build(options);
    contexts.set(options, context);
  }
  return context;
}

function build<T>(options: BoltChannelOptions<T>): ChannelContext<T> {
  const { clock } = options;
  const wheels = channelWheels(clock);
  const idleCloseMs = options.idleCloseMs ?? 0;
  const heartbeatMs = options.heartbeatMs ?? 0;
  const heartbeatMissesMax = options.heartbeatMissesMax ?? HEARTBEAT_MISSES_MAX;
  const watched = idleCloseMs > 0 || heartbeatMs > 0;
  return {
    clock,
    handler: options.handler,
    limits: boltLimits(options.limits),
    assembly: new AssemblyBudget(options.assemblyBytesMax),
    pendingMax: options.pendingMax ?? PENDING_MAX,
    pauseWhenFull: options.pauseWhenFull ?? false,
    learnsProto: options.proto === undefined,
    metrics: options.metrics ?? BOLT_METRICS,
    requests: wheels.requests,
    watch: watched ? { idleCloseMs, heartbeatMs, heartbeatMissesMax, clock, wheel: wheels.channels } : null,
  };
}
