/**
 * The follower's side of a repair: compares pages of the leader's data with its copy and copies what differs, while operations go
 * on arriving. Answers are applied in the turn they arrive, so that they keep their place among the operations.
 */
import type { BoltChannel, ReplyHandler } from '@sofa-registry/runtime';
import {
  AccessCode,
  CODEC_INTERNAL,
  COPY_DATA_ITEMS_MAX,
  CopyData,
  CopyDataReply,
  CopyList,
  CopyListReply,
  digestIs,
  type Frame,
  type MessageOf,
} from '@sofa-registry/wire';
import type { NodeState } from './node-state.ts';
import { datumDigest } from './replica-source.ts';
import type { SlotStore } from './slot-store.ts';

/** How a repair ends: true = the copy is whole. */
export type RepairEnd = (whole: boolean) => void;

/** One repair of one slot. */
export class Repair implements ReplyHandler<null> {
  readonly #state: NodeState;
  readonly #store: SlotStore;
  readonly #stream: number;
  readonly #channel: BoltChannel;
  readonly #end: RepairEnd;
  #after = '';
  #last = false;
  /** dataInfoIds of the page that differ and have not been copied. */
  #wanted: string[] = [];
  #done = false;

  constructor(state: NodeState, store: SlotStore, channel: BoltChannel, end: RepairEnd) {
    this.#state = state;
    this.#store = store;
    this.#stream = store.stream;
    this.#channel = channel;
    this.#end = end;
    this.#next();
  }

  /** Stops; `end` is not called. */
  abandon(): void {
    this.#done = true;
  }

  reply(_token: null, frame: Frame): void {
    if (this.#done) return;
    if (this.#store.stream !== this.#stream) this.#finish(false);
    else if (frame.className === CopyListReply.className) this.#listed(CopyListReply.decode(frame.content));
    else this.#copied(CopyDataReply.decode(frame.content));
  }

  failed(): void {
    if (!this.#done) this.#finish(false);
  }

  #finish(whole: boolean): void {
    this.#done = true;
    this.#end(whole);
  }

  #next(): void {
    const { id: slot } = this.#store;
    const stream = this.#stream;
    const dataInfoIds = this.#wanted.slice(0, COPY_DATA_ITEMS_MAX);
    if (dataInfoIds.length > 0)
      this.#request(CopyData.className, CopyData.encode({ slot, stream, dataInfoIds }));
    else if (this.#last) this.#finish(true);
    else this.#request(CopyList.className, CopyList.encode({ slot, stream, after: this.#after }));
  }

  #request(className: string, content: Buffer): void {
    const { rpcTimeoutMs } = this.#state.tunables;
    this.#channel.request(className, CODEC_INTERNAL, content, rpcTimeoutMs, this, null);
  }

  #listed(page: MessageOf<typeof CopyListReply>): void {
    if (page.code !== AccessCode.accept) {
      this.#finish(false);
      return;
    }
    const { data } = this.#store;
    const named = new Set<string>();
    for (const { dataInfoId, version, digest } of page.data) {
      named.add(dataInfoId);
      const datum = data.get(dataInfoId);
      if (datum === undefined || datum.version !== version || !digestIs(digest, datumDigest(datum)))
        this.#wanted.push(dataInfoId);
    }
    const after = this.#after;
    const until = page.data.at(-1)?.dataInfoId ?? after;
    for (const datum of data.values()) {
      const id = datum.dataInfoId;
      if (id > after && (page.last || id <= until) && !named.has(id))
        this.#state.store.dropDatum(this.#store, datum);
    }
    this.#after = until;
    this.#last = page.last || page.data.length === 0;
    this.#next();
  }

  #copied(answer: MessageOf<typeof CopyDataReply>): void {
    if (answer.code !== AccessCode.accept || answer.data.length === 0) {
      this.#finish(false);
      return;
    }
    for (const datum of answer.data) this.#apply(datum);
    this.#wanted = this.#wanted.slice(answer.data.length);
    this.#next();
  }

  #apply(copy: MessageOf<typeof CopyDataReply>['data'][number]): void {
    const { store, owners } = this.#state;
    const slot = this.#store;
    if (copy.version === 0) {
      const datum = slot.data.get(copy.dataInfoId);
      if (datum !== undefined) store.dropDatum(slot, datum);
      return;
    }
    const { sequence } = slot;
    const records = copy.records.map(({ owner, record }) => ({ owner: owners.get(owner), record }));
    const datum = store.replace(slot, copy.dataInfoId, copy.version, records);
    if (datum !== null)
      for (const { registerId, version, stamp } of copy.tombstones)
        store.entomb(slot, datum, registerId, version, stamp);
    slot.sequence = sequence;
  }
}
