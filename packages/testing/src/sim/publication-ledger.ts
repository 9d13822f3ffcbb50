/**
 * Since when, and when, a publication's absence from a list can be excused: it was taken back, never acknowledged, or its
 * owner was away for longer than the documented holds. Everything else is a lie by fault (I6).
 */

import type { ModelClient, ModelPublication } from './model-client.ts';

/** A publication and what is known of it. */
export interface Publisher {
  readonly client: ModelClient;
  readonly publication: ModelPublication;
  readonly presence: Presence;
}

/** Publications by their key. */
export type Publishers = Map<string, Publisher>;

/** Past spans kept per publication; older ones are merged into one. */
const SPANS_MAX = 32;

/** Times are ms of the simulation. */
export class Presence {
  /** From when absence is excused; Infinity while the publication must be listed. May lie in the future. */
  #unsureFrom = -Infinity;
  #why = 'not acknowledged yet';
  /** When it was first confirmed. What was in a list before that may not leave it for having been unknown then. */
  #confirmedMs = -Infinity;
  /** From when its absence was excused by more than that it had not been confirmed: its owner was gone, maybe after it had been listed. */
  #lostMs = Infinity;
  /** End of the hold that ran when its owner was lost once more: what was not registered again in between stays no longer than that. */
  #heldToMs = Infinity;
  readonly #past: { from: number; to: number }[] = [];

  /** True if it must be listed now (with a hold running, still). */
  mustShow(nowMs: number): boolean {
    return nowMs < this.#unsureFrom;
  }

  /** Why absence is excused now or soon. */
  get why(): string {
    return this.#why;
  }

  /** True while nothing is known that would excuse absence later. */
  get sure(): boolean {
    return this.#unsureFrom === Infinity;
  }

  /** Absence is excused from `fromMs` on, unless it was excused before that already. */
  excuse(fromMs: number, why: string): void {
    if (this.#unsureFrom === -Infinity) this.#lostMs = Math.min(this.#lostMs, fromMs);
    if (fromMs >= this.#unsureFrom) return;
    if (this.#unsureFrom !== Infinity) this.#heldToMs = Math.min(this.#heldToMs, this.#unsureFrom);
    this.#unsureFrom = fromMs;
    this.#why = why;
  }

  /** The hold that runs is longer than was thought: not from then but from `fromMs` on. Nothing happens if it has ended. */
  extend(nowMs: number, fromMs: number, why: string): void {
    const toMs = Math.min(fromMs, this.#heldToMs);
    if (this.#unsureFrom === Infinity || this.#unsureFrom <= nowMs || toMs <= this.#unsureFrom) return;
    this.#unsureFrom = toMs;
    this.#why = why;
  }

  /** It is acknowledged on a sound connection. */
  confirm(nowMs: number): void {
    const first = this.#unsureFrom === -Infinity;
    if (first) this.#confirmedMs = nowMs;
    const from = first ? this.#lostMs : this.#unsureFrom;
    if (from < nowMs) {
      if (this.#past.length >= SPANS_MAX) this.#past[1].from = this.#past.shift()?.from ?? 0;
      this.#past.push({ from, to: nowMs });
    }
    this.#unsureFrom = Infinity;
    this.#heldToMs = Infinity;
    this.#why = '';
  }

  /** True if absence was excused at some instant of the span. */
  excusedWithin(fromMs: number, toMs: number): boolean {
    if (this.#unsureFrom <= toMs) return true;
    return this.#past.some((span) => span.from <= toMs && span.to >= fromMs);
  }

  /** Since when it must be listed without a break; Infinity if it need not be. */
  sureSince(nowMs: number): number {
    if (!this.mustShow(nowMs)) return Infinity;
    return this.#past.length === 0 ? this.#confirmedMs : this.#past[this.#past.length - 1].to;
  }
}
