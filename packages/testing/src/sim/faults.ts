/** Faults of a simulation: what they are, and how a seed draws a schedule of them. */
import type { Random } from '@sofa-registry/runtime';
import type { SimSize } from './plan.ts';

/** `none`; `single`: one fault at a time, with time to recover; `combo`: several at once, without rest. */
export type FaultLevel = 'none' | 'single' | 'combo';

/** One fault, from `atMs` for `forMs` (0 = an instant). */
export type Fault = {
  readonly atMs: number;
  readonly forMs: number;
} /** The process is killed (`silent`: loses power) and started again after `forMs`. */ & (
  | { readonly kind: 'crash'; readonly node: string; readonly silent: boolean }
  /** The process stops in good order and is started again `forMs` after it was asked to. */
  | { readonly kind: 'stop'; readonly node: string }
  /** The process stands still: a long garbage collection, SIGSTOP. */
  | { readonly kind: 'pause'; readonly node: string }
  /** No bytes between the two groups; `oneWay`: none from a to b. Members are hosts; `clients` stands for all clients. */
  | {
      readonly kind: 'cut';
      readonly a: readonly string[];
      readonly b: readonly string[];
      readonly oneWay: boolean;
    }
  /** So many ms more latency between the two groups. */
  | {
      readonly kind: 'slow';
      readonly a: readonly string[];
      readonly b: readonly string[];
      readonly ms: number;
    }
  /** All connections of a node are reset, or those to one other. */
  | { readonly kind: 'reset'; readonly node: string; readonly other: string }
  /** A session loses all client sockets at once. */
  | { readonly kind: 'clientsLost'; readonly node: string }
  /** A client reads nothing. */
  | { readonly kind: 'slowClient'; readonly client: number }
  | { readonly kind: 'clockStep'; readonly node: string; readonly ms: number }
  | { readonly kind: 'clockDrift'; readonly node: string; readonly msPerSecond: number }
  /** The store refuses every call. */
  | { readonly kind: 'storeDown' }
  /** Every call of the store takes so long. */
  | { readonly kind: 'storeSlow'; readonly ms: number }
  /** Writes to the store hang. */
  | { readonly kind: 'storeHeld' }
  /** All processes of some roles are killed and started again. */
  | {
      readonly kind: 'restart';
      readonly roles: readonly ('meta' | 'data' | 'session')[];
      readonly silent: boolean;
    }
  /** A new node joins for good. */
  | { readonly kind: 'join'; readonly role: 'data' | 'session' }
  /** One service changes at a high rate. */
  | { readonly kind: 'hot'; readonly service: number; readonly everyMs: number }
);

/** Kinds of faults. */
export type FaultKind = Fault['kind'];

/** Longest partition or outage that is drawn: longer ones than a lease change who is alive. */
const CUT_MS_MAX = 20_000;
const PAUSE_MS = [300, 2000, 6000, 25_000];
const DOWN_MS = [50, 500, 2000, 5000, 15_000, 35_000];
const STEP_MS = [-10_000, -1000, 1000, 10_000];

/** Draws a schedule between two times. */
export function makeFaults(
  random: Random,
  level: FaultLevel,
  size: SimSize,
  fromMs: number,
  toMs: number,
): Fault[] {
  if (level === 'none') return [];
  const draw = new FaultDraw(random, size);
  const faults: Fault[] = [];
  let atMs = fromMs + 1000 + random.next() * 5000;
  while (atMs < toMs) {
    const fault = draw.next(atMs);
    faults.push(fault);
    if (level === 'single') {
      const restMs =
        fault.kind === 'crash' || fault.kind === 'restart' || fault.kind === 'stop' ? 8000 : 3000;
      atMs += fault.forMs + restMs + random.next() * 5000;
    } else {
      atMs += random.uint32() % 3 === 0 ? random.next() * 50 : random.next() * 8000;
    }
  }
  return faults;
}

/** A fault in one line. */
export function faultText(fault: Fault): string {
  const { atMs, forMs, kind, ...rest } = fault;
  const args = Object.entries(rest).map(
    ([key, value]) => `${key}=${Array.isArray(value) ? value.join('+') : String(value)}`,
  );
  return `${(atMs / 1000).toFixed(3).padStart(9)} s  ${kind} ${args.join(' ')}${forMs > 0 ? ` for ${(forMs / 1000).toFixed(3)} s` : ''}`;
}

class FaultDraw {
  readonly #random: Random;
  readonly #size: SimSize;
  /**
   * A schedule has clock faults, or faults after which no process remembers any version; both together may leave clients with lists
   * of the future, as long as the clock of who made them was ahead (clocks within bounds are a premise of L1).
   */
  readonly #clocks: boolean;

  constructor(random: Random, size: SimSize) {
    this.#random = random;
    this.#size = size;
    this.#clocks = random.uint32() % 2 === 0 && size.sessions > 1 && size.data > size.replicas;
  }

  next(atMs: number): Fault {
    for (;;) {
      const fault = this.#draw(atMs);
      const clock = fault.kind === 'clockStep' || fault.kind === 'clockDrift';
      const forgets = fault.kind === 'restart' && fault.roles.some((role) => role !== 'meta');
      if (this.#clocks ? !forgets : !clock) return fault;
    }
  }

  #draw(atMs: number): Fault {
    const dice = this.#random.next();
    const at = Math.round(atMs * 10) / 10;
    if (dice < 0.22)
      return {
        atMs: at,
        forMs: this.#of(DOWN_MS),
        kind: 'crash',
        node: this.#node(),
        silent: this.#random.uint32() % 3 === 0,
      };
    if (dice < 0.3) return { atMs: at, forMs: 12_000 + this.#upTo(8000), kind: 'stop', node: this.#node() };
    if (dice < 0.4) return { atMs: at, forMs: this.#of(PAUSE_MS), kind: 'pause', node: this.#node() };
    if (dice < 0.58)
      return {
        atMs: at,
        forMs: 500 + this.#upTo(CUT_MS_MAX - 500),
        kind: 'cut',
        ...this.#groups(),
        oneWay: this.#random.uint32() % 3 === 0,
      };
    if (dice < 0.63)
      return {
        atMs: at,
        forMs: 1000 + this.#upTo(15_000),
        kind: 'slow',
        ...this.#groups(),
        ms: this.#of([20, 200, 900]),
      };
    if (dice < 0.69)
      return {
        atMs: at,
        forMs: 0,
        kind: 'reset',
        node: this.#node(),
        other: this.#random.uint32() % 2 === 0 ? '' : this.#node(),
      };
    if (dice < 0.74) return { atMs: at, forMs: 0, kind: 'clientsLost', node: this.#node('session') };
    if (dice < 0.77)
      return { atMs: at, forMs: 2000 + this.#upTo(8000), kind: 'slowClient', client: this.#random.uint32() };
    if (dice < 0.81)
      return { atMs: at, forMs: 0, kind: 'clockStep', node: this.#node(), ms: this.#of(STEP_MS) };
    if (dice < 0.83)
      return {
        atMs: at,
        forMs: 20_000,
        kind: 'clockDrift',
        node: this.#node(),
        msPerSecond: this.#of([-20, 20]),
      };
    if (dice < 0.86) return { atMs: at, forMs: 1000 + this.#upTo(15_000), kind: 'storeDown' };
    if (dice < 0.88)
      return { atMs: at, forMs: 5000 + this.#upTo(10_000), kind: 'storeSlow', ms: this.#of([50, 400, 1200]) };
    if (dice < 0.9) return { atMs: at, forMs: 1000 + this.#upTo(10_000), kind: 'storeHeld' };
    if (dice < 0.95) {
      const roles = this.#of([
        ['meta', 'data', 'session'],
        ['data'],
        ['meta'],
        ['session'],
        ['meta', 'data'],
      ] as const);
      return {
        atMs: at,
        forMs: this.#of([100, 1000, 3000]),
        kind: 'restart',
        roles: [...roles],
        silent: false,
      };
    }
    if (dice < 0.98)
      return { atMs: at, forMs: 0, kind: 'join', role: this.#of(['data', 'session'] as const) };
    return {
      atMs: at,
      forMs: 5000,
      kind: 'hot',
      service: this.#upTo(this.#size.services - 1),
      everyMs: this.#of([2, 10]),
    };
  }

  #of<T>(items: readonly T[]): T {
    return items[this.#random.uint32() % items.length];
  }

  #upTo(max: number): number {
    return max <= 0 ? 0 : Math.round(this.#random.next() * max);
  }

  #node(role?: 'meta' | 'data' | 'session'): string {
    const { metas, data, sessions } = this.#size;
    // Data nodes twice: most of what can go wrong goes wrong there.
    const chosen = role ?? this.#of(['meta', 'data', 'data', 'session'] as const);
    const count = chosen === 'meta' ? metas : chosen === 'data' ? data : sessions;
    return `${chosen}-${1 + (this.#random.uint32() % count)}`;
  }

  #groups(): { a: readonly string[]; b: readonly string[] } {
    const a = this.#node();
    if (this.#random.uint32() % 4 === 0) return { a: [a], b: ['*'] };
    if (a.startsWith('session') && this.#random.uint32() % 3 === 0) return { a: [a], b: ['clients'] };
    for (;;) {
      const b = this.#node();
      if (b !== a) return { a: [a], b: [b] };
      if (this.#size.metas + this.#size.data + this.#size.sessions < 2) return { a: [a], b: ['clients'] };
    }
  }
}
