/** Follows who says that it leads the metas, all the time. */
import type { Cluster, ClusterNode } from '../../../bench/src/cluster/cluster.ts';
import { sleep } from '../../../bench/src/load/waiting.ts';

const POLL_MS = 25;

/** A leadership as it was first seen. Times are those of this process, ms. */
export interface Reign {
  readonly node: ClusterNode;
  readonly term: number;
  readonly sinceMs: number;
  /** When it first said that it acts; Infinity until then. */
  warmMs: number;
}

/** See above. */
export class LeaderWatch {
  readonly reigns: Reign[] = [];
  /** Metas that said that they lead after a later term had been seen. */
  readonly late: string[] = [];
  /** Time in which no meta said that it leads and acts, ms. */
  idleMs = 0;
  readonly #cluster: Cluster;
  #acting: Reign | null = null;
  #running = true;
  #done: Promise<void>;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#done = this.#follow();
  }

  /** The leadership with the highest term so far. */
  get last(): Reign | undefined {
    return this.reigns.at(-1);
  }

  /** Waits for a leadership that begins after `term`. @returns it */
  async after(term: number, limitMs: number): Promise<Reign> {
    return this.#until(limitMs, `a meta leads after term ${term}`, () => {
      const { last } = this;
      return last !== undefined && last.term > term ? last : undefined;
    });
  }

  /** Waits until the last leader acts, or has acted. */
  async warm(limitMs: number): Promise<Reign> {
    return this.#until(limitMs, 'the leader acts', () => {
      const { last } = this;
      return last !== undefined && last.warmMs < Infinity ? last : undefined;
    });
  }

  /** Waits until a meta says now that it leads and acts. @returns its leadership */
  async acting(limitMs: number): Promise<Reign> {
    this.#acting = null;
    return this.#until(limitMs, 'a meta acts', () => this.#acting ?? undefined);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #until<T>(limitMs: number, what: string, probe: () => T | undefined): Promise<T> {
    const end = performance.now() + limitMs;
    for (;;) {
      const found = probe();
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
      await sleep(POLL_MS);
    }
  }

  async #follow(): Promise<void> {
    let lastMs = performance.now();
    while (this.#running) {
      // What was known before the question was asked: an answer with an older term is a leader that does not know its end.
      const known = this.last?.term ?? 0;
      const leaders = await this.#cluster.leaders();
      const nowMs = performance.now();
      if (!leaders.some(({ warm }) => warm)) this.idleMs += nowMs - lastMs;
      lastMs = nowMs;
      this.#acting = null;
      for (const { node, term, warm } of leaders) {
        if (term < known) {
          this.late.push(`${node.name} says that it leads in term ${term} after ${known}`);
          continue;
        }
        let reign = this.reigns.find((each) => each.term === term);
        if (reign !== undefined && reign.node !== node)
          this.late.push(`${node.name} and ${reign.node.name} lead in term ${term}`);
        if (reign === undefined) {
          reign = { node, term, sinceMs: nowMs, warmMs: Infinity };
          this.reigns.push(reign);
          this.reigns.sort((a, b) => a.term - b.term);
        }
        if (!warm) continue;
        reign.warmMs = Math.min(reign.warmMs, nowMs);
        this.#acting = reign;
      }
      await sleep(POLL_MS);
    }
  }
}
