/** A list that is pushed once: that of a moment, with temporary publications in it (F027). It does not change, and nothing follows from it. */
import type { ListEntry } from '@sofa-registry/wire';

/** The list. */
export class OnceList {
  readonly version: number;
  readonly entries: ReadonlyMap<string, ListEntry>;
  /** True if there is something of the session's own zone to show. */
  readonly inZone: boolean;
  readonly oldestChangeMs = 0;
  /** Encoded push bodies, by view key (see push-bodies). */
  readonly bodies = new Map<string, unknown>();
  bodiesVersion = 0;

  constructor(version: number, entries: ReadonlyMap<string, ListEntry>, inZone: boolean) {
    this.version = version;
    this.entries = entries;
    this.inZone = inZone;
  }

  /** It is sent whole: what a client has it does not know. */
  changesSince(): null {
    return null;
  }
}
