/** A registration as the tiers keep and forward it. */

/**
 * A publisher. `(version, stamp)` orders two records of one registerId: strictly newer wins (F029, design section 4).
 * The payload is the packed form of the wire package and is never re-encoded on the way.
 */
export interface PublisherRecord {
  readonly registerId: string;
  /** The client's counter as a number; counters beyond 2^53 lose their low bits here (the reply echoes them exactly). */
  readonly version: number;
  /** Hybrid stamp of the session that accepted it. */
  readonly stamp: number;
  /** Zone ("cell") the client declared. */
  readonly zone: string;
  readonly appName: string;
  /** Remote `ip:port` of the client's connection. */
  readonly clientAddress: string;
  /** The client's own timestamp; kept for display, never compared. */
  readonly clientTimestamp: number;
  /** Null when there are none. */
  readonly attributes: ReadonlyMap<string, string> | null;
  /** Packed boxes. */
  readonly payload: Buffer;
}

/** Order of two publisher records: negative if `(aVersion, aStamp)` is older. */
export function compareRegisterVersion(
  aVersion: number,
  aStamp: number,
  bVersion: number,
  bStamp: number,
): number {
  return aVersion !== bVersion ? aVersion - bVersion : aStamp - bStamp;
}
