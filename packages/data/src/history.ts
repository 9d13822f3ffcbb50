/** Hot path. What is remembered of a datum's changes for a while; a datum at rest has none. Plain state. */
import type { RecentChanges } from './recent-changes.ts';

/** A removal that is remembered: writes of the registerId up to (version, stamp) are refused. */
export interface Tombstone {
  readonly version: number;
  readonly stamp: number;
  /** When it was left here, monotonic ms. */
  readonly atMs: number;
}

/** Kept until a sweep finds everything in it old. */
export class History {
  /** Last change, monotonic ms, whole. */
  changedMs: number;
  /** Number of the batch that moved the version last. */
  batch = 0;
  /** In the order they were left; null when there are none. */
  tombstones: Map<string, Tombstone> | null = null;
  /** Changes up to the present version; null when none are remembered. */
  recent: RecentChanges | null = null;

  constructor(changedMs: number) {
    this.changedMs = changedMs;
  }
}
