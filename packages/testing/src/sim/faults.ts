/** Faults of a simulation: what they are, and how a seed draws a schedule of them. */
import type { Random } from '@sofa-registry/runtime';
import type { SimSize } from './plan.ts';

/**
 * `none`; `single`: one fault at a time, with time to recover; `combo`: several at once, without rest; `meta`: what can happen to
 * metas and their store (see `meta-faults.ts`), with data nodes that die meanwhile; `operator`: what operators do (see
 * `operator-faults.ts`), with single faults meanwhile.
 */
export const FAULT_LEVELS = ['none', 'single', 'combo', 'meta', 'operator'] as const;
/** One of {@link FAULT_LEVELS}. */
export type FaultLevel = (typeof FAULT_LEVELS)[number];

/** Stands for the meta that leads when the fault begins (the first one if none does). */
export const META_LEADER = 'meta-leader';

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
  /** No bytes between the two groups; `oneWay`: none from a to b. Members are hosts; `clients`, `metas`, `*` stand for all clients, metas, nodes. */
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
  /** A session loses all client sockets at once; nobody gets back to it or another for `forMs`. */
  | { readonly kind: 'clientsLost'; readonly node: string }
  /** Clients change their address: their sessions do not notice that they are gone. */
  | { readonly kind: 'roam'; readonly client: number; readonly count: number }
  /** One meta does not reach the store. */
  | { readonly kind: 'storeCut'; readonly node: string }
  /** What one meta asks of the store takes effect so much later, whatever has become of that meta by then. */
  | { readonly kind: 'storeLate'; readonly node: string; readonly ms: number }
  /** What one meta asks of the store is done, but it hears so `ms` later, or never: unknown outcomes. */
  | { readonly kind: 'storeDeaf'; readonly node: string; readonly ms?: number }
  /** Split brain attempt: a meta is cut off from the store and from the other metas, some nodes are on its side of the cut. */
  | { readonly kind: 'split'; readonly node: string; readonly nodes: readonly string[] }
  /** A node with other settings tries to join for so long. */
  | { readonly kind: 'misfit'; readonly role: 'data' | 'session'; readonly what: 'slotCount' | 'dataCenter' }
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
  /** The machine is suspended: its process stands still, and its monotonic clock, too. */
  | { readonly kind: 'suspend'; readonly node: string }
  /** An operator takes a node out, and in again. */
  | { readonly kind: 'drain'; readonly node: string }
  /** An operator freezes the slot table. */
  | { readonly kind: 'freeze' }
  /** An operator stops all pushes but those to so many clients on the gray list. */
  | { readonly kind: 'stopPush'; readonly gray: number }
  /** An operator asks for the slot table to be made now. */
  | { readonly kind: 'refresh' }
  /** A backup is taken; at the end the metas are stopped, the store is restored from it, and they are started again. */
  | { readonly kind: 'restore' }
  /** An operator takes clients out of the traffic; `forMs` 0: for good. */
  | { readonly kind: 'clientOff'; readonly client: number; readonly count: number }
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

const EVERYTHING = ['meta', 'data', 'session'] as const;
/** How often each kind is drawn. */
const WEIGHTS: readonly (readonly [FaultKind, number])[] = [
  ['crash', 20],
  ['cut', 17],
  ['pause', 9],
  ['stop', 8],
  ['restart', 8],
  ['roam', 6],
  ['clockStep', 6],
  ['reset', 5],
  ['clientsLost', 5],
  ['slow', 4],
  ['slowClient', 3],
  ['storeDown', 3],
  ['storeCut', 3],
  ['join', 3],
  ['clockDrift', 2],
  ['storeSlow', 2],
  ['storeHeld', 2],
  ['hot', 2],
];
const WEIGHTS_SUM = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

/** Draws a schedule between two times, of level `single` or `combo`. */
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
    const at = Math.round(atMs * 10) / 10;
    const kind = this.#kind();
    switch (kind) {
      case 'crash':
        return { atMs: at, forMs: this.#of(DOWN_MS), kind, node: this.#node(), silent: this.#oneIn(3) };
      case 'stop':
        return { atMs: at, forMs: 12_000 + this.#upTo(8000), kind, node: this.#node() };
      case 'pause':
        return { atMs: at, forMs: this.#of(PAUSE_MS), kind, node: this.#node() };
      case 'cut':
        return {
          atMs: at,
          forMs: 500 + this.#upTo(CUT_MS_MAX - 500),
          kind,
          ...this.#groups(),
          oneWay: this.#oneIn(3),
        };
      case 'slow':
        return {
          atMs: at,
          forMs: 1000 + this.#upTo(15_000),
          kind,
          ...this.#groups(),
          ms: this.#of([20, 200, 900]),
        };
      case 'reset':
        return { atMs: at, forMs: 0, kind, node: this.#node(), other: this.#oneIn(2) ? '' : this.#node() };
      case 'clientsLost':
        return { atMs: at, forMs: this.#of([0, 0, 1500, 2500]), kind, node: this.#node('session') };
      case 'roam':
        return { atMs: at, forMs: 0, kind, client: this.#random.uint32(), count: this.#of([1, 1, 3, 8]) };
      case 'slowClient':
        return { atMs: at, forMs: 2000 + this.#upTo(8000), kind, client: this.#random.uint32() };
      case 'restart': {
        const roles = this.#of([
          EVERYTHING,
          EVERYTHING,
          ['data'],
          ['meta'],
          ['session'],
          ['meta', 'data'],
        ] as const);
        return { atMs: at, forMs: this.#of([100, 1000, 3000]), kind, roles: [...roles], silent: false };
      }
      case 'join':
        return { atMs: at, forMs: 0, kind, role: this.#of(['data', 'session'] as const) };
      case 'hot':
        return {
          atMs: at,
          forMs: 5000,
          kind,
          service: this.#upTo(this.#size.services - 1),
          everyMs: this.#of([2, 10]),
        };
      default:
        return this.#clockOrStore(at, kind);
    }
  }

  #clockOrStore(at: number, kind: FaultKind): Fault {
    switch (kind) {
      case 'clockStep':
        return { atMs: at, forMs: 0, kind, node: this.#node(), ms: this.#of(STEP_MS) };
      case 'clockDrift':
        return { atMs: at, forMs: 20_000, kind, node: this.#node(), msPerSecond: this.#of([-20, 20]) };
      case 'storeSlow':
        return { atMs: at, forMs: 5000 + this.#upTo(10_000), kind, ms: this.#of([50, 400, 1200]) };
      case 'storeHeld':
        return { atMs: at, forMs: 1000 + this.#upTo(10_000), kind };
      case 'storeCut':
        return { atMs: at, forMs: 3000 + this.#upTo(20_000), kind, node: this.#node('meta') };
      default:
        return { atMs: at, forMs: 1000 + this.#upTo(15_000), kind: 'storeDown' };
    }
  }

  #kind(): FaultKind {
    let dice = this.#random.next() * WEIGHTS_SUM;
    for (const [kind, weight] of WEIGHTS) {
      dice -= weight;
      if (dice < 0) return kind;
    }
    return 'crash';
  }

  #oneIn(count: number): boolean {
    return this.#random.uint32() % count === 0;
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
