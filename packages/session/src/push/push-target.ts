/**
 * One push state machine: a (connection, dataInfoId, scope) and everything that must be equal to share a push with it
 * (acceptMulti, encoding). All its registerIds travel in one push (wire 4.6). Hot path: plain fields, and few of them: there is one
 * target per subscription, so what only matters while a push is under way or fails is apart.
 *
 *   idle -> ready -> inFlight -> idle                     acknowledged
 *                    inFlight -> waiting -> ready         failed, retries left
 *                    inFlight -> lagging -> ready         failed, left to the scan
 *           ready -> parked -> ready                      slow socket, until drained
 *           ready -> gated -> ready                       first push while everything restarts
 *
 * The pending newest needs no slot of its own: what is sent is always the newest, and after the acknowledgement the target is
 * made ready again if the list moved on meanwhile.
 */
import type { Scope } from '@sofa-registry/model';
import type { ClientConnection } from '../client-connection.ts';
import type { OnceList } from '../data/once-list.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';

/** States of a {@link PushTarget}. */
export const PushState = {
  idle: 0,
  ready: 1,
  inFlight: 2,
  waiting: 3,
  lagging: 4,
  parked: 5,
  gated: 6,
} as const;
/** One of the values of {@link PushState}. */
export type PushState = (typeof PushState)[keyof typeof PushState];

/** The push under way. */
export interface PushFlight {
  readonly target: PushTarget;
  /** Datum version it carries. */
  readonly version: number;
  /** Version that the next step for an SDK may start from; 0 = none, it gets the whole list. */
  readonly base: number;
  /** Entries of the list. */
  readonly count: number;
  readonly bytes: number;
  /** A step, not the whole list. */
  readonly delta: boolean;
  /** Wall ms of the change it carries; 0 = unknown. */
  readonly changeMs: number;
}

/** Failures of a target; null while there are none. */
export interface PushTrouble {
  /** Retries of the present push. */
  attempts: number;
  /** Failed pushes in a row. */
  failures: number;
  /** No push before this monotonic time: the breaker is open. */
  pausedUntilMs: number;
}

/** The state machine's data; push-engine moves it. */
export class PushTarget {
  readonly service: ServiceEntry;
  readonly connection: ClientConnection;
  readonly scope: Scope;
  readonly multi: boolean;
  /** Encodings of protobuf pushes the client accepts, as it names them; '' = none that we know. */
  readonly encodings: string;
  /** Subscribers on this target; replaced, never changed, so that it has exactly the room it needs. */
  registerIds: readonly string[] = NOBODY;
  state: PushState = PushState.idle;
  /** Gone: its last subscriber left or its connection closed. */
  removed = false;
  /** Push again although the version is the same: a subscriber was (re-)registered. */
  force = true;
  /**
   * All it was pushed is the list that was here when it came. The client may hold a newer one, of another session, and have ignored
   * that: the next version is pushed whatever it changes.
   */
  unsure: boolean;
  /** Version last acknowledged, or advanced because the view did not change; 0 = nothing yet. */
  pushedVersion = 0;
  /** Version whose content the client has acknowledged: the base of deltas; 0 = none. */
  clientVersion = 0;
  /** Entries of the last acknowledged push. */
  pushedCount = 0;
  /** Monotonic time of the first subscription, whole ms, for the delay of the first push. */
  readonly sinceMs: number;
  /** Place in `service.targets`. */
  index = -1;
  /** Next target of the same service on the same connection, where these are looked up by service. */
  next: PushTarget | null = null;
  trouble: PushTrouble | null = null;
  /** Lists to be shown once, before anything else; replaced, never changed. */
  once: readonly OnceList[] | null = null;

  constructor(
    service: ServiceEntry,
    connection: ClientConnection,
    scope: Scope,
    multi: boolean,
    encodings: string,
    sinceMs: number,
  ) {
    this.service = service;
    this.connection = connection;
    this.scope = scope;
    this.multi = multi;
    this.encodings = encodings;
    this.sinceMs = Math.round(sinceMs);
    this.unsure = service.datum !== null && service.datum.version > 0;
  }
}

const NOBODY: readonly string[] = Object.freeze([]);

/** Targets of a connection that are looked up by walking them; more get a map. */
const WALKED_MAX = 16;

/** Targets of one connection: an array while there are few, which is nearly always. */
export class TargetSet {
  #few: PushTarget[] = [];
  #many: Map<ServiceEntry, PushTarget> | null = null;

  add(target: PushTarget): void {
    if (this.#many === null) {
      if (this.#few.length < WALKED_MAX) {
        this.#few = [...this.#few, target];
        return;
      }
      this.#many = new Map();
      for (const each of this.#few) this.#chain(each);
      this.#few = [];
    }
    this.#chain(target);
  }

  delete(target: PushTarget): void {
    if (this.#many === null) {
      this.#few = this.#few.filter((each) => each !== target);
      return;
    }
    const head = this.#many.get(target.service) ?? null;
    if (head === target) {
      if (target.next === null) this.#many.delete(target.service);
      else this.#many.set(target.service, target.next);
      return;
    }
    for (let at = head; at !== null; at = at.next) {
      if (at.next === target) at.next = target.next;
    }
  }

  find(service: ServiceEntry, scope: Scope, multi: boolean, encodings: string): PushTarget | null {
    if (this.#many === null) {
      for (const at of this.#few)
        if (at.service === service && shares(at, scope, multi, encodings)) return at;
      return null;
    }
    for (let at = this.#many.get(service) ?? null; at !== null; at = at.next) {
      if (shares(at, scope, multi, encodings)) return at;
    }
    return null;
  }

  /** All targets, as they are now. */
  all(): PushTarget[] {
    if (this.#many === null) return [...this.#few];
    const out: PushTarget[] = [];
    for (const head of this.#many.values()) {
      for (let at: PushTarget | null = head; at !== null; at = at.next) out.push(at);
    }
    return out;
  }

  #chain(target: PushTarget): void {
    target.next = this.#many?.get(target.service) ?? null;
    this.#many?.set(target.service, target);
  }
}

function shares(target: PushTarget, scope: Scope, multi: boolean, encodings: string): boolean {
  return target.scope === scope && target.multi === multi && target.encodings === encodings;
}

/** Puts a target into its service and its connection. */
export function attachTarget(target: PushTarget): void {
  const { service, connection } = target;
  target.index = service.targets.push(target) - 1;
  connection.targets ??= new TargetSet();
  connection.targets.add(target);
}

/** Takes a target out of its service and its connection. */
export function detachTarget(target: PushTarget): void {
  if (target.removed) return;
  target.removed = true;
  const { service, connection } = target;
  const last = service.targets.pop() as PushTarget;
  if (last !== target) {
    service.targets[target.index] = last;
    last.index = target.index;
  }
  connection.targets?.delete(target);
}
