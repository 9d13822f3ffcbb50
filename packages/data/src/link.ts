/** One open link of a session or of another data node. */
import type { NodeRecord } from '@sofa-registry/model';
import type { BoltChannel } from '@sofa-registry/runtime';
import { InterestHolder } from './interests.ts';
import { LinkListings } from './listing.ts';
import type { Owner } from './owner.ts';

/** The link. */
export class Link {
  readonly channel: BoltChannel<Link>;
  /** Null until sr.Hello. */
  node: NodeRecord | null = null;
  /** Owner of what a session writes; null for data nodes. */
  owner: Owner | null = null;
  readonly interests = new InterestHolder();
  readonly listings = new LinkListings();
  /** True while the link waits in the notifier's list. */
  noticesDue = false;
  /** True while it gets no notices because it is slow. */
  slow = false;

  constructor(channel: BoltChannel<Link>) {
    this.channel = channel;
  }

  get processId(): string {
    return this.node === null ? '' : this.node.processId;
  }

  /** True if a session's word came later than `silentMs` (monotonic): a link that is half-open stays for a while and proves nothing. */
  provesAlive(silentMs: number): boolean {
    return this.owner !== null && this.channel.lastReceivedMonoMs > silentMs;
  }
}
