/** Bounds that every network obeys, with their defaults. */

/** Limits of one connection. */
export interface ConnectionLimits {
  /** `write` returns false above so many queued bytes. Default 512 KiB (wire 1.6). */
  readonly highWaterBytes: number;
  /** `drained` is called when no more than so many are queued again. Default 384 KiB (wire 1.6). */
  readonly lowWaterBytes: number;
  /**
   * A connection with more queued bytes than this is destroyed: its owner has ignored the high-water mark, or answers a
   * peer that does not read. Default 64 MiB.
   */
  readonly queuedBytesMax: number;
  /** Time after `end` in which the peer must take what is queued and close too, in ms. Default 5000. */
  readonly endLingerMs: number;
}

/** Defaults of {@link ConnectionLimits}. */
export const CONNECTION_LIMITS: ConnectionLimits = Object.freeze({
  highWaterBytes: 512 * 1024,
  lowWaterBytes: 384 * 1024,
  queuedBytesMax: 64 * 1024 * 1024,
  endLingerMs: 5000,
});

/** Completes partial limits with the defaults. */
export function connectionLimits(partial?: Partial<ConnectionLimits>): ConnectionLimits {
  return Object.freeze({
    highWaterBytes: partial?.highWaterBytes ?? CONNECTION_LIMITS.highWaterBytes,
    lowWaterBytes: partial?.lowWaterBytes ?? CONNECTION_LIMITS.lowWaterBytes,
    queuedBytesMax: partial?.queuedBytesMax ?? CONNECTION_LIMITS.queuedBytesMax,
    endLingerMs: partial?.endLingerMs ?? CONNECTION_LIMITS.endLingerMs,
  });
}
