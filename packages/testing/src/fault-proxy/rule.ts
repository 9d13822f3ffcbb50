/** What a fault proxy does to the bytes of a connection. */
import type { ProxyLink } from './link.ts';

/** Which bytes: those of the side that connected, those of the side behind the proxy, or both. */
export type ProxyFaultDirection = 'to-target' | 'to-client' | 'both';

/** One fault. Fields that are left out do nothing. */
export interface ProxyFault {
  /** Default: both. */
  readonly direction?: ProxyFaultDirection;
  /** Every byte arrives so much later, in ms. The order is kept. */
  readonly delayMs?: number;
  /** At most so many bytes pass per second. */
  readonly bytesPerSecond?: number;
  /**
   * Nothing passes: neither bytes nor the end of the connection, as if every packet were lost. As with TCP, what was sent meanwhile
   * arrives after the fault is healed. A new connection is taken but goes nowhere: the kernel, not the proxy, answers a SYN.
   */
  readonly drop?: boolean;
  /** Only these connections, decided once per connection. Default: all. */
  readonly where?: (link: ProxyLink) => boolean;
}

/** A fault in force. */
export interface ActiveFault {
  /** Ends it; what it held back goes on. Twice is once. */
  heal(): void;
}

/** What a pipe must know of the faults on it. @internal */
export interface PipeRule {
  readonly delayMs: number;
  readonly bytesPerSecond: number;
  readonly drop: boolean;
}

/** @internal */
export const NO_RULE: PipeRule = { delayMs: 0, bytesPerSecond: Infinity, drop: false };

/** Sum of the faults that concern one direction of one connection. @internal */
export function combine(faults: readonly ProxyFault[], direction: 'to-target' | 'to-client'): PipeRule {
  let { delayMs, bytesPerSecond, drop } = NO_RULE;
  for (const fault of faults) {
    if (fault.direction !== undefined && fault.direction !== 'both' && fault.direction !== direction)
      continue;
    delayMs += fault.delayMs ?? 0;
    bytesPerSecond = Math.min(bytesPerSecond, fault.bytesPerSecond ?? Infinity);
    drop ||= fault.drop === true;
  }
  return { delayMs, bytesPerSecond, drop };
}
