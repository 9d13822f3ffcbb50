/**
 * Tells sessions that registrations of theirs were replaced by another session's (wire: sr.Superseded), together at the end of the
 * turn: a client has moved, or late bytes of a dying connection have taken it back from where it is. Best effort: a comparison finds
 * what is not told.
 */
import { CODEC_INTERNAL, type MessageOf, Superseded, SUPERSEDED_ITEMS_MAX } from '@sofa-registry/wire';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import type { Owner } from './owner.ts';

type RecordVersion = MessageOf<typeof Superseded>['records'][number];

/** Records waiting to be told; more are left to comparisons. */
const WAITING_MAX = 100_000;

/** Collects and sends. */
export class Takeovers {
  readonly #state: NodeState;
  readonly #waiting = new Map<Owner, RecordVersion[]>();
  #size = 0;

  constructor(state: NodeState) {
    this.#state = state;
    state.onSuperseded = (owner, { dataInfoId }, { registerId, version, stamp }) => {
      if (owner.links > 0 && this.#size < WAITING_MAX)
        this.#add(owner, { dataInfoId, registerId, version, stamp });
    };
  }

  #add(owner: Owner, record: RecordVersion): void {
    if (this.#size++ === 0) this.#state.ports.clock.defer(this.#flush);
    const records = this.#waiting.get(owner);
    if (records === undefined) this.#waiting.set(owner, [record]);
    else records.push(record);
  }

  readonly #flush = (): void => {
    for (const link of this.#state.links) {
      const records = link.owner === null ? undefined : this.#waiting.get(link.owner);
      if (records !== undefined) this.#send(link, records);
    }
    this.#waiting.clear();
    this.#size = 0;
  };

  #send({ channel }: Link, records: readonly RecordVersion[]): void {
    for (let at = 0; at < records.length; at += SUPERSEDED_ITEMS_MAX) {
      if (channel.bufferedBytes > this.#state.tunables.linkHighWaterBytes) return;
      const page = records.slice(at, at + SUPERSEDED_ITEMS_MAX);
      channel.oneway(Superseded.className, CODEC_INTERNAL, Superseded.encode({ records: page }));
    }
  }
}
