/** A restart of everything: how many publishers meta remembers of before, and who is not back yet. */
import type { ClientState } from './absences.ts';
import type { ModelWorld } from './model-world.ts';
import type { TakenOff } from './taken-off.ts';

/**
 * After a restart of everything first pushes wait until nearly all publishers are back: 95 % of those that meta remembers, whose
 * number may be old by 10 %.
 */
const NEARLY_ALL = 0.85;
/** Meta's memory may be older than the restart by so long: beats, writes, the grain of our own sampling. */
const REMEMBER_MS = 4000;
/** So long after a session ended the number is not below what it was (meta's RETURN_MS, less the grain of our own sampling). */
const FLOOR_MS = 40_000;
/** How often publishers are counted, and for how long counts are kept. */
const COUNT_MS = 500;
const COUNTS_MAX = 240;

/** The memory of restarts. */
export class ColdRestart {
  readonly #world: ModelWorld;
  readonly #clients: ReadonlyMap<string, ClientState>;
  readonly #takenOff: TakenOff;
  /** Who lost everything with a restart of everything and may not be back yet. */
  readonly #returning = new Set<ClientState>();
  /** Registered publications over time, and how many of them meta remembers at least of the last restart of everything. */
  readonly #counts: { readonly atMs: number; readonly count: number }[] = [];
  #remembered = 0;
  /** Until when it is not below what it was; a restart of everything ends that. */
  #floorUntilMs = -Infinity;

  constructor(world: ModelWorld, clients: ReadonlyMap<string, ClientState>, takenOff: TakenOff) {
    this.#world = world;
    this.#clients = clients;
    this.#takenOff = takenOff;
  }

  /** The least that meta may remember, should this have been the last session. */
  remember(nowMs: number): void {
    const fromMs = Math.min(nowMs, this.#world.disturbedSince()) - REMEMBER_MS;
    const counts = this.#counts.filter(({ atMs }) => atMs >= fromMs).map(({ count }) => count);
    const least = counts.length === 0 ? 0 : Math.min(...counts);
    this.#remembered = nowMs < this.#floorUntilMs ? Math.max(least, this.#remembered) : least;
    this.#floorUntilMs = nowMs + FLOOR_MS;
  }

  /** A client lost everything, and comes back from now on. */
  returns(state: ClientState): void {
    this.#returning.add(state);
    this.#floorUntilMs = -Infinity;
  }

  /** Counts, often. Returns who may be missing from now on because nearly all others are back. */
  watch(nowMs: number): readonly ClientState[] {
    if (this.#counts.length === 0 || nowMs >= (this.#counts.at(-1)?.atMs ?? 0) + COUNT_MS) {
      this.#counts.push({ atMs: nowMs, count: this.#registered() });
      if (this.#counts.length > COUNTS_MAX) this.#counts.shift();
    }
    if (this.#returning.size === 0 || this.#registered() < NEARLY_ALL * this.#remembered) return [];
    const late = [...this.#returning];
    this.#returning.clear();
    return late;
  }

  /** Publications that sessions hold and have acknowledged. */
  #registered(): number {
    let count = 0;
    for (const { client, session, lostMs } of this.#clients.values()) {
      if (session === '' || lostMs !== Infinity || this.#takenOff.isOff(client)) continue;
      for (const publication of client.publications.values())
        if (publication.wanted && publication.acked()) count++;
    }
    return count;
  }
}
