/**
 * Schedules of what operators do (level `operator`): nodes taken out and in, rolling restarts, a frozen table, stopped pushes, machines
 * suspended, the store restored from a backup, processes that die as soon as they start; with faults of other kinds meanwhile.
 */
import type { Random } from '@sofa-registry/runtime';
import { type Fault, makeFaults, META_LEADER } from './faults.ts';
import type { SimSettings, SimSize } from './plan.ts';

type Draw = (atMs: number) => readonly Fault[];

/** Time between two schedules, ms. */
const REST_MS = 5000;
/** A process that dies in a loop lives so long each time, ms: while it joins, takes slots, serves. */
const LIVES_MS = [5, 60, 400, 1500, 4000];
/** A rolling restart goes on after so long, ms. */
const ROLL_MS = 14_000;

/** Draws schedules between two times, and single faults beside them. */
export function makeOperatorFaults(random: Random, size: SimSize, fromMs: number, toMs: number): Fault[] {
  const schedules = new Schedules(random, size);
  const faults = makeFaults(random, 'single', size, fromMs, toMs);
  let atMs = fromMs + 1000 + random.next() * 3000;
  while (atMs < toMs) {
    const next = schedules.next(Math.round(atMs * 10) / 10);
    faults.push(...next);
    const endMs = Math.max(...next.map((fault) => fault.atMs + fault.forMs));
    atMs = endMs + REST_MS * random.next();
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Settings under which rare mechanisms work: clients are evened out at once, registrations are shed, sockets are soon slow. */
export function makeSettings(random: Random): SimSettings {
  const oneIn = (count: number): boolean => random.uint32() % count === 0;
  return {
    session: {
      ...(oneIn(2) ? { shedSurplusMin: 1, shedQuietMs: 3000, shedPerSecondMax: 4 } : {}),
      ...(oneIn(4) ? { accessRatePerSecond: 20 } : {}),
      ...(oneIn(4) ? { slowSocketBytes: 1024 } : {}),
    },
  };
}

class Schedules {
  readonly #random: Random;
  readonly #size: SimSize;
  readonly #draws: readonly Draw[] = [
    (atMs) => this.#drain(atMs, 'data'),
    (atMs) => this.#drain(atMs, 'session'),
    (atMs) => this.#roll(atMs),
    (atMs) => this.#freeze(atMs),
    (atMs) => this.#stopPush(atMs),
    (atMs) => this.#refresh(atMs),
    (atMs) => this.#suspend(atMs),
    (atMs) => this.#suspend(atMs),
    (atMs) => this.#restore(atMs),
    (atMs) => this.#loop(atMs),
    (atMs) => this.#killedWhileStopping(atMs),
  ];

  constructor(random: Random, size: SimSize) {
    this.#random = random;
    this.#size = size;
  }

  next(atMs: number): readonly Fault[] {
    return this.#of(this.#draws)(atMs);
  }

  /** A node is out for a while; meanwhile another one of its role dies. */
  #drain(atMs: number, role: 'data' | 'session'): Fault[] {
    const forMs = this.#between(2000, 20_000);
    const drain: Fault = { atMs, forMs, kind: 'drain', node: this.#node(role) };
    return this.#oneIn(2) ? [drain] : [drain, this.#dies(atMs + this.#between(0, forMs), role)];
  }

  /** All nodes of a role are restarted in good order, one after the other. */
  #roll(atMs: number): Fault[] {
    const role = this.#of(['data', 'session', 'meta'] as const);
    return Array.from({ length: this.#count(role) }, (_, i): Fault => {
      return { atMs: atMs + i * ROLL_MS, forMs: ROLL_MS - 2000, kind: 'stop', node: `${role}-${i + 1}` };
    });
  }

  #freeze(atMs: number): Fault[] {
    const forMs = this.#between(8000, 20_000);
    const during = atMs + this.#between(1000, 6000);
    const change: Fault = this.#oneIn(2)
      ? { atMs: during, forMs: 0, kind: 'join', role: 'data' }
      : this.#dies(during, 'data');
    return [{ atMs, forMs, kind: 'freeze' }, change];
  }

  #stopPush(atMs: number): Fault[] {
    const forMs = this.#between(2000, 12_000);
    const stop: Fault = { atMs, forMs, kind: 'stopPush', gray: this.#of([0, 0, 3]) };
    return this.#oneIn(2) ? [stop] : [stop, this.#dies(atMs + this.#between(0, forMs), 'session')];
  }

  #refresh(atMs: number): Fault[] {
    return [this.#dies(atMs, 'data'), { atMs: atMs + this.#between(0, 5000), forMs: 0, kind: 'refresh' }];
  }

  /** A machine is suspended; if it is that of the leading meta, something happens that it would have to know. */
  #suspend(atMs: number): Fault[] {
    const forMs = this.#of([500, 4000, 9000, 25_000]);
    const role = this.#of(['meta', 'meta', 'data', 'session'] as const);
    const node = role === 'meta' ? META_LEADER : this.#node(role);
    const suspended: Fault = { atMs, forMs, kind: 'suspend', node };
    return role === 'meta' ? [suspended, this.#dies(atMs + this.#between(0, forMs), 'data')] : [suspended];
  }

  #restore(atMs: number): Fault[] {
    const forMs = this.#between(2000, 20_000);
    return [
      { atMs, forMs, kind: 'restore' },
      this.#dies(atMs + this.#between(0, forMs), this.#of(['data', 'meta'] as const)),
    ];
  }

  /** A process dies again and again, as soon as it has started. */
  #loop(atMs: number): Fault[] {
    const node = this.#node(this.#of(['data', 'data', 'session', 'meta'] as const));
    const faults: Fault[] = [];
    let at = atMs;
    for (let i = 0; i < 4; i++) {
      faults.push({ atMs: at, forMs: 50, kind: 'crash', node, silent: this.#oneIn(3) });
      at += 50 + this.#of(LIVES_MS);
    }
    return faults;
  }

  #killedWhileStopping(atMs: number): Fault[] {
    const node = this.#node(this.#of(['data', 'session', 'meta'] as const));
    const killed = atMs + this.#of([5, 100, 1000, 4000]);
    return [
      { atMs, forMs: 12_000, kind: 'stop', node },
      { atMs: killed, forMs: 3000, kind: 'crash', node, silent: this.#oneIn(2) },
    ];
  }

  #dies(atMs: number, role: 'data' | 'session' | 'meta'): Fault {
    return {
      atMs,
      forMs: this.#of([500, 5000, 15_000]),
      kind: 'crash',
      node: this.#node(role),
      silent: false,
    };
  }

  #count(role: 'data' | 'session' | 'meta'): number {
    const { metas, data, sessions } = this.#size;
    return role === 'meta' ? metas : role === 'data' ? data : sessions;
  }

  #node(role: 'data' | 'session' | 'meta'): string {
    return `${role}-${1 + (this.#random.uint32() % this.#count(role))}`;
  }

  #oneIn(count: number): boolean {
    return this.#random.uint32() % count === 0;
  }

  #of<T>(items: readonly T[]): T {
    return items[this.#random.uint32() % items.length];
  }

  #between(min: number, max: number): number {
    return Math.round(min + this.#random.next() * (max - min));
  }
}
