/**
 * Requests of sessions that come a moment too late: the slot was handed over, the session has not seen the table yet. They are
 * passed on to the new leader and answered with its answer, so that a planned move refuses nothing (wire: replica-relay; design
 * section 5 "Membership"). Off the hot path: asked only about items that are not led here.
 */
import type { BoltChannel, ReplyHandler } from '@sofa-registry/runtime';
import { CODEC_INTERNAL, type Frame, Relay, WireError } from '@sofa-registry/wire';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';

/** Where an answer goes: the session's channel, or that of the node which passed the request on. */
export type AnswerTo = Pick<BoltChannel, 'respond'>;

/** What one new leader is asked for. */
export interface RelayPart {
  readonly heir: Link;
  /** Positions in the session's message, ascending. */
  readonly indices: number[];
}

/** A part on its way. `answered` gets the new leader's reply, or null when there is none. */
export interface RelayedPart {
  readonly part: RelayPart;
  answered(part: RelayPart, frame: Frame | null): void;
}

/** Passes requests on. */
export class RequestRelay implements ReplyHandler<RelayedPart> {
  readonly #state: NodeState;

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** Those of a message's items whose slots were handed over lately, by new leader; empty when there are none. */
  parts(items: readonly { readonly slot: number }[], indices: Iterable<number>): RelayPart[] {
    const parts: RelayPart[] = [];
    for (const index of indices) {
      const heir = this.#heirOf(items[index].slot);
      if (heir === null) continue;
      const known = parts.find((part) => part.heir === heir);
      if (known === undefined) parts.push({ heir, indices: [index] });
      else known.indices.push(index);
    }
    return parts;
  }

  /** Sends a session's message, cut to one part. */
  send(from: Link, relayed: RelayedPart, className: string, content: Buffer): void {
    const { metrics, tunables } = this.#state;
    const { heir, indices } = relayed.part;
    metrics.relayed.value += indices.length;
    const relay = Relay.encode({ processId: from.processId, className, content });
    heir.channel.request(Relay.className, CODEC_INTERNAL, relay, tunables.relayMs, this, relayed);
  }

  reply(relayed: RelayedPart, frame: Frame): void {
    try {
      relayed.answered(relayed.part, frame);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#state.metrics.badMessages.value++;
      this.failed(relayed);
    }
  }

  failed(relayed: RelayedPart): void {
    this.#state.metrics.relaysFailed.value += relayed.part.indices.length;
    relayed.answered(relayed.part, null);
  }

  #heirOf(slotId: number): Link | null {
    if (slotId >= this.#state.slots.length) return null;
    const { leads, heir, heirUntilMs } = this.#state.slots[slotId];
    if (leads || heir === '' || this.#state.nowMs() >= heirUntilMs) return null;
    for (const link of this.#state.links) if (link.node?.address === heir) return link;
    return null;
  }
}
