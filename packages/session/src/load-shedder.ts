/**
 * How many clients an overloaded session asks to leave now (session.md 16 "Do better" 12). Pure core.
 *
 * Rules. It starts when the session has `overShare` more connections than the mean of its zone, or a quarter of that while a
 * newcomer has less than half of the mean, and stops just above the mean: never below it. Nobody is asked while something is under
 * way that moves clients or keeps lists (`busy`), nor for `quietMs` after it: official clients know a server list for 30 s, and a
 * client that is sent away must not find dead sessions on it.
 */

/** Options of {@link LoadShedder}; see the settings of the same names. */
export interface LoadShedderOptions {
  readonly perSecondMax: number;
  readonly overShare: number;
  readonly surplusMin: number;
  readonly quietMs: number;
}

/** What the session knows. */
export interface LoadFacts {
  /** Client connections here, less those that have been asked to leave. */
  readonly own: number;
  /** Mean connections of the sessions of the zone that take clients. */
  readonly mean: number;
  /** Fewest connections another of them has; Infinity without another. */
  readonly lightest: number;
  /** True while clients must not be moved. */
  readonly busy: boolean;
}

/** A session with less than this share of the mean is a newcomer. */
const NEWCOMER_SHARE = 0.5;
/** What is left of `overShare` while there is a newcomer. */
const NEWCOMER_OVER = 0.25;
/** Shedding stops at so much above the mean. */
const STOP_OVER = 0.02;
/** Longest span that counts for the rate, ms: a pause is not made up for. */
const SPAN_MS_MAX = 1000;

/** Connections from which a session counts as overloaded. */
function overloadedFrom(mean: number, lightest: number, overShare: number): number {
  const newcomer = lightest < mean * NEWCOMER_SHARE;
  return mean * (1 + overShare * (newcomer ? NEWCOMER_OVER : 1));
}

/** The core. All times are monotonic ms. */
export class LoadShedder {
  readonly #options: LoadShedderOptions;
  #active = false;
  #quietUntilMs = -Infinity;
  #lastMs = -Infinity;
  /** Part of a client that the rate allows already. */
  #owed = 0;

  constructor(options: LoadShedderOptions) {
    this.#options = options;
  }

  /** True from the start to the stop of one round. */
  get active(): boolean {
    return this.#active;
  }

  /** Something moved clients just now: nobody is asked before `quietMs` have passed. */
  disturbed(nowMs: number): void {
    this.#quietUntilMs = nowMs + this.#options.quietMs;
    this.#active = false;
  }

  /** Clients to ask now; call it a few times per second. */
  step(nowMs: number, facts: LoadFacts): number {
    const { perSecondMax, overShare, surplusMin } = this.#options;
    const { own, mean, lightest, busy } = facts;
    const spanMs = this.#active ? Math.min(SPAN_MS_MAX, nowMs - this.#lastMs) : 0;
    this.#lastMs = nowMs;
    if (busy) this.disturbed(nowMs);
    // The last client has nowhere better to go, whatever a small mean is rounded to.
    const keep = Math.max(1, Math.ceil(mean * (1 + STOP_OVER)));
    if (perSecondMax === 0 || nowMs < this.#quietUntilMs || lightest === Infinity || own <= keep) {
      this.#active = false;
      return 0;
    }
    if (!this.#active) {
      if (own <= overloadedFrom(mean, lightest, overShare) || own - mean < surplusMin) return 0;
      this.#active = true;
      this.#owed = 0;
    }
    this.#owed = Math.min(perSecondMax, this.#owed + (perSecondMax * spanMs) / 1000);
    const count = Math.min(Math.floor(this.#owed), own - keep);
    this.#owed -= count;
    return count;
  }
}

/** What the choice looks at in a connection. */
export interface ShedCandidate {
  /** Not null: it moves without a gap. */
  readonly sdk: unknown;
  readonly publishers: { readonly size: number } | null;
}

/** How much a client loses by a move: our SDK nothing, an official subscriber some pushes, a provider its place for a moment. */
function costOf({ sdk, publishers }: ShedCandidate): number {
  if (sdk !== null) return 0;
  return publishers === null || publishers.size === 0 ? 1 : 2;
}

/**
 * Chooses up to `count` of the connections, those that move most cheaply, at random among equals: always the same ones would
 * suffer else.
 */
export function chooseToShed<C extends ShedCandidate>(
  connections: Iterable<C>,
  count: number,
  random: () => number,
): C[] {
  // A sample of each kind, by reservoir.
  const chosen: C[][] = [[], [], []];
  const seen = [0, 0, 0];
  for (const connection of connections) {
    const cost = costOf(connection);
    const sample = chosen[cost];
    const at = sample.length < count ? sample.length : Math.floor(random() * (seen[cost] + 1));
    seen[cost]++;
    if (at < count) sample[at] = connection;
  }
  return chosen.flat().slice(0, count);
}
