/** Schedules of faults of metas and their store, with data nodes that die meanwhile (level `meta`). */
import type { Random } from '@sofa-registry/runtime';
import { type Fault, META_LEADER } from './faults.ts';
import type { SimSize } from './plan.ts';

/** Time between two schedules, ms. */
const REST_MS = 6000;
/** A meta leads at most so long after it last heard of the store: half of its lease (settings of meta). */
const LEASE_MS = 6000;

type Draw = (atMs: number) => readonly Fault[];

/** Draws schedules between two times: each is a few faults that belong together. */
export function makeMetaFaults(random: Random, size: SimSize, fromMs: number, toMs: number): Fault[] {
  const schedules = new Schedules(random, size);
  const faults: Fault[] = [];
  let atMs = fromMs + 1000 + random.next() * 3000;
  while (atMs < toMs) {
    const next = schedules.next(Math.round(atMs * 10) / 10);
    faults.push(...next);
    const endMs = Math.max(...next.map((fault) => fault.atMs + fault.forMs));
    atMs = endMs + REST_MS * random.next() * 2;
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

class Schedules {
  readonly #random: Random;
  readonly #size: SimSize;
  readonly #draws: readonly Draw[] = [
    (atMs) => this.#lateWriter(atMs),
    (atMs) => this.#lateWriter(atMs),
    (atMs) => this.#outage(atMs),
    (atMs) => this.#unknown(atMs),
    (atMs) => this.#split(atMs),
    (atMs) => this.#split(atMs),
    (atMs) => this.#skew(atMs),
    (atMs) => this.#massCut(atMs),
    (atMs) => this.#misfit(atMs),
    (atMs) => this.#takeOver(atMs),
  ];

  constructor(random: Random, size: SimSize) {
    this.#random = random;
    this.#size = size;
  }

  next(atMs: number): readonly Fault[] {
    return this.#draws[this.#random.uint32() % this.#draws.length](atMs);
  }

  /** The leader stands still past its lease while what it writes is on its way; a data node has died, so there is something to write. */
  #lateWriter(atMs: number): Fault[] {
    const forMs = this.#between(LEASE_MS / 2, LEASE_MS * 2.5);
    return [
      this.#dies(atMs),
      { atMs: atMs + 1, forMs, kind: 'storeLate', node: META_LEADER, ms: this.#between(200, forMs) },
      { atMs: atMs + this.#between(1000, 4000), forMs, kind: 'pause', node: META_LEADER },
    ];
  }

  #outage(atMs: number): Fault[] {
    const forMs = this.#between(1000, 20_000);
    const kind = this.#of(['storeDown', 'storeHeld', 'storeSlow'] as const);
    const outage: Fault =
      kind === 'storeSlow' ? { atMs, forMs, kind, ms: this.#of([400, 1200, 1900]) } : { atMs, forMs, kind };
    return [outage, this.#dies(atMs + this.#between(0, forMs))];
  }

  #unknown(atMs: number): Fault[] {
    const forMs = this.#between(1000, 9000);
    return [
      { atMs, forMs, kind: 'storeDeaf', node: META_LEADER },
      this.#dies(atMs + this.#between(0, forMs)),
    ];
  }

  #split(atMs: number): Fault[] {
    const forMs = this.#between(2000, 15_000);
    const nodes = [...this.#some('data', this.#size.data), ...this.#some('session', this.#size.sessions)];
    return [
      { atMs, forMs, kind: 'split', node: META_LEADER, nodes },
      this.#dies(atMs + this.#between(0, forMs)),
    ];
  }

  /** Wall clocks of two metas run apart by minutes, then the leader changes. */
  #skew(atMs: number): Fault[] {
    const ms = this.#between(60_000, 600_000);
    const crash = { atMs: atMs + 500, forMs: 2000, kind: 'crash', node: META_LEADER, silent: false } as const;
    const steps = Array.from({ length: this.#size.metas }, (_, i): Fault => {
      return { atMs, forMs: 0, kind: 'clockStep', node: `meta-${i + 1}`, ms: i % 2 === 0 ? ms : -ms };
    });
    const drift = { atMs, forMs: 8000, kind: 'clockDrift', node: META_LEADER, msPerSecond: 500 } as const;
    return [...steps, this.#random.uint32() % 2 === 0 ? crash : drift];
  }

  /** Half of the data nodes or more do not reach any meta, though everybody else. */
  #massCut(atMs: number): Fault[] {
    const count = Math.ceil(this.#size.data / 2);
    const a = Array.from({ length: count }, (_, i) => `data-${i + 1}`);
    return [{ atMs, forMs: this.#between(3000, 19_000), kind: 'cut', a, b: ['metas'], oneWay: false }];
  }

  #misfit(atMs: number): Fault[] {
    return [
      {
        atMs,
        forMs: this.#between(3000, 10_000),
        kind: 'misfit',
        role: this.#of(['data', 'session'] as const),
        what: this.#of(['slotCount', 'dataCenter'] as const),
      },
    ];
  }

  /** The leader dies, and a data node right before or after, or while the next one listens. */
  #takeOver(atMs: number): Fault[] {
    const crash = { atMs, forMs: 15_000, kind: 'crash', node: META_LEADER, silent: false } as const;
    return [crash, this.#dies(atMs + this.#between(0, 8000))];
  }

  #dies(atMs: number): Fault {
    const node = `data-${1 + (this.#random.uint32() % this.#size.data)}`;
    return { atMs, forMs: this.#of([500, 5000, 20_000]), kind: 'crash', node, silent: false };
  }

  #some(role: string, count: number): string[] {
    const names = Array.from({ length: count }, (_, i) => `${role}-${i + 1}`);
    return names.filter(() => this.#random.uint32() % 2 === 0);
  }

  #of<T>(items: readonly T[]): T {
    return items[this.#random.uint32() % items.length];
  }

  #between(min: number, max: number): number {
    return Math.round(min + this.#random.next() * (max - min));
  }
}
