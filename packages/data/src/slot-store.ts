/** Hot path. One slot's data with its digests, its sequence and its op-log. Plain state; the rules are in datum-store. */
import { RollingDigest } from '@sofa-registry/model';
import type { Datum } from './datum.ts';
import type { OpLog } from './op-log.ts';
import type { Owner } from './owner.ts';

/** Data of one slot. */
export class SlotStore {
  readonly id: number;
  readonly data = new Map<string, Datum>();
  /** Digest and count of each owner's records. */
  readonly shares = new Map<Owner, RollingDigest>();
  /** Over (hash, '', version, 0) of data that have publishers. */
  readonly versions = new RollingDigest();
  publishers = 0;
  tombstones = 0;
  /** Sequence of the last operation: made here by a leader, applied here by a follower. */
  sequence = 0;
  /** Identity of the sequence: of the leader that made it, in this one life as leader. 0 = none. */
  stream = 0;
  /** Latest operations; null where nobody follows. */
  log: OpLog | null = null;
  /** Told after an operation was logged. */
  logged: ((slotId: number) => void) | null = null;

  constructor(id: number) {
    this.id = id;
  }

  /** The owner's digest in this slot, made if new. */
  share(owner: Owner): RollingDigest {
    let share = this.shares.get(owner);
    if (share === undefined) {
      share = new RollingDigest();
      this.shares.set(owner, share);
    }
    return share;
  }

  /** Digest of everything a follower must have too: records, their owners, data versions. */
  digest(): { readonly words: Uint32Array } {
    const words = Uint32Array.from(this.versions.words);
    for (const [owner, share] of this.shares)
      for (let i = 0; i < 4; i++) words[i] += Math.imul(share.words[i], owner.factor);
    return { words };
  }
}
