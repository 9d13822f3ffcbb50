/** Everything a session knows about one dataInfoId. It exists while something refers to it. */
import { crc32c } from '@sofa-registry/model';
import type { WatchedDatum } from '../data/watched-datum.ts';
import type { PushTarget } from '../push/push-target.ts';
import type { SessionPublisher, SessionSubscriber, SessionWatcher } from './registrations.ts';

/** State of one dataInfoId. */
export class ServiceEntry {
  readonly dataInfoId: string;
  readonly dataId: string;
  readonly instanceId: string;
  readonly group: string;
  /** crc32c of the dataInfoId: seeds digests, gives the slot. */
  readonly hash: number;
  readonly slot: number;
  /** By registerId. */
  publishers: Map<string, SessionPublisher> | null = null;
  subscribers: Map<string, SessionSubscriber> | null = null;
  watchers: Map<string, SessionWatcher> | null = null;
  /** Push targets, in no order; each knows its place. */
  readonly targets: PushTarget[] = [];
  /** The cached list, while somebody subscribes (and a little longer). */
  datum: WatchedDatum | null = null;

  constructor(dataInfoId: string, dataId: string, instanceId: string, group: string, slotCount: number) {
    this.dataInfoId = dataInfoId;
    this.dataId = dataId;
    this.instanceId = instanceId;
    this.group = group;
    this.hash = crc32c(dataInfoId);
    this.slot = Math.abs(this.hash) & (slotCount - 1);
  }

  /** Nothing refers to it any more. */
  get idle(): boolean {
    return (
      this.publishers === null && this.subscribers === null && this.watchers === null && this.datum === null
    );
  }
}
