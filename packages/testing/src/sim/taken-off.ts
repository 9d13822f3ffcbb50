/**
 * Whom an operator took out of the traffic, and what that excuses: while a client is off nothing of it need be listed, once every session
 * has heard nothing of it may come back, and when it is opened it must be listed as before as soon as it has registered anew.
 */
import type { ClientState } from './absences.ts';
import type { ModelClient } from './model-client.ts';
import type { ModelWorld } from './model-world.ts';
import type { Publishers } from './publication-ledger.ts';

interface Word {
  /** Numbers the times it was taken off; 0 while it is not. */
  off: number;
  /** True while an operator's call is under way. */
  pending: boolean;
  /** True from the call that opens it until it has registered anew. */
  opening: boolean;
  /** When its session was last seen to withhold what it registers. */
  withheldMs: number;
  /** When it last connected. */
  connectedMs: number;
  /** Since when nothing of it may be shown any more; Infinity while something may. */
  hiddenMs: number;
}

/** After all have heard that a client is off, nobody may see it for longer, ms (F192). */
const SEEN_MS_MAX = 5000;
/** Lists of slots whose copies were lost are held for a session that does not come back until its lease ends, twice at most, ms. */
const HELD_MS_MAX = 75_000;

/** The operator's words. */
export class TakenOff {
  readonly #world: ModelWorld;
  readonly #publishers: Publishers;
  readonly #words = new Map<string, Word>();
  #numbers = 0;

  constructor(world: ModelWorld, publishers: Publishers) {
    this.#world = world;
    this.#publishers = publishers;
  }

  /** An operator begins to take a client off. */
  off(client: ModelClient): void {
    const known = this.#words.get(client.name);
    const seen = { withheldMs: -Infinity, connectedMs: -Infinity, ...known };
    const off = ++this.#numbers;
    this.#words.set(client.name, { ...seen, off, pending: true, opening: false, hiddenMs: Infinity });
    for (const { key } of client.publications.values())
      this.#publishers.get(key)?.presence.excuse(this.#world.nowMs(), 'an operator took it off');
  }

  /** An operator begins to open a client: from now on it may be listed again. */
  opens(client: ModelClient): void {
    const word = this.#words.get(client.name);
    if (word !== undefined) Object.assign(word, { off: 0, pending: true, opening: true });
  }

  /** The operator was told that it is done. */
  done(client: ModelClient): void {
    const word = this.#words.get(client.name);
    if (word !== undefined) word.pending = false;
  }

  /** The client has a connection again. */
  connected(client: ModelClient): void {
    const word = this.#words.get(client.name);
    if (word !== undefined) word.connectedMs = this.#world.nowMs();
  }

  /** True while calls of operators are under way. */
  get busy(): boolean {
    return [...this.#words.values()].some(({ pending }) => pending);
  }

  /** True if nothing of the client is to be listed. */
  isOff(client: ModelClient): boolean {
    return (this.#words.get(client.name)?.off ?? 0) > 0;
  }

  /** Number of the word by which every session keeps the client out; 0 if one may not. */
  settled(client: ModelClient): number {
    const word = this.#words.get(client.name);
    return word !== undefined && word.off > 0 && this.#world.withheldEverywhere(client.name) ? word.off : 0;
  }

  /** Number of the word that is in force; 0 if the client may be listed. */
  number(client: ModelClient): number {
    return this.#words.get(client.name)?.off ?? 0;
  }

  /** True once nobody may see anything of the client: all have heard, all is calm, and it is connected. Call it often. */
  mustBeHidden({ client, session, lostMs, unsoundMs }: ClientState): boolean {
    const word = this.#words.get(client.name);
    if (word === undefined || word.off === 0) return false;
    const nowMs = this.#world.nowMs();
    const present = session !== '' && lostMs === Infinity && unsoundMs === Infinity;
    const calm = this.#world.disturbedSince() === Infinity && nowMs - this.#world.dataLostMs() > HELD_MS_MAX;
    if (!present || !calm || client.unacked() > 0 || this.settled(client) === 0) word.hiddenMs = Infinity;
    else if (word.hiddenMs === Infinity) word.hiddenMs = nowMs;
    return nowMs - word.hiddenMs > SEEN_MS_MAX;
  }

  /** Why nothing of the client need be listed; '' if it must. Call it often. */
  doubt({ client, session }: ClientState): string {
    const word = this.#words.get(client.name);
    if (word === undefined) return '';
    if (word.off > 0) return 'an operator took it off';
    if (word.pending) return 'an operator opens it';
    if (!word.opening) return '';
    if (session !== '' && this.#world.withholds(session, client.name)) word.withheldMs = this.#world.nowMs();
    else if (session !== '' && word.connectedMs > word.withheldMs) word.opening = false;
    return word.opening ? 'it has not registered anew yet' : '';
  }
}
