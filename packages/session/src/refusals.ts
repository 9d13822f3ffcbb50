/**
 * Registrations that are refused again and again: an official client repeats a refused one each 500 ms for ever, and burns a core
 * over it (wire 4.2). Somebody must learn of it, with names, but not twice a second. Pure.
 */

/** A registration that is refused. */
export interface Refusal {
  readonly dataId: string;
  readonly group: string;
  readonly registerId: string;
  readonly appName: string;
  /** Remote `ip:port`. */
  readonly clientAddress: string;
  readonly reason: string;
  readonly sinceMs: number;
  times: number;
  lastMs: number;
}

/** What is known of a refused registration. */
export type Refused = Omit<Refusal, 'sinceMs' | 'times' | 'lastMs'>;

/** Registrations remembered; of more only the number of refusals is known. */
export const REFUSALS_MAX = 100;
/** A registration that was not refused for so long is forgotten. */
const FORGET_MS = 60_000;
/** Longest name kept. */
const NAME_UNITS_MAX = 256;

/** The memory. All times are monotonic ms. */
export class Refusals {
  readonly #known = new Map<string, Refusal>();

  /** A registration was refused. @returns what to say of it, names cut; null if it is no news: said lately, or too many others were */
  note(refused: Refused, nowMs: number): Refused | null {
    const key = `${refused.clientAddress} ${refused.registerId.slice(0, NAME_UNITS_MAX)}`;
    const known = this.#known.get(key);
    if (known !== undefined && nowMs - known.lastMs < FORGET_MS && known.reason === refused.reason) {
      known.times++;
      known.lastMs = nowMs;
      return null;
    }
    this.#known.delete(key);
    if (this.#known.size >= REFUSALS_MAX) this.#expire(nowMs);
    if (this.#known.size >= REFUSALS_MAX) return null;
    const cut: Refused = {
      ...refused,
      dataId: refused.dataId.slice(0, NAME_UNITS_MAX),
      group: refused.group.slice(0, NAME_UNITS_MAX),
      registerId: refused.registerId.slice(0, NAME_UNITS_MAX),
      appName: refused.appName.slice(0, NAME_UNITS_MAX),
    };
    this.#known.set(key, { ...cut, sinceMs: nowMs, times: 1, lastMs: nowMs });
    return cut;
  }

  /** Those of the last minute. */
  now(nowMs: number): Refusal[] {
    this.#expire(nowMs);
    return [...this.#known.values()];
  }

  #expire(nowMs: number): void {
    for (const [key, { lastMs }] of this.#known) if (nowMs - lastMs >= FORGET_MS) this.#known.delete(key);
  }
}
