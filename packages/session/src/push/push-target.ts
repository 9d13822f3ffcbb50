/**
 * One push state machine: a (connection, dataInfoId, scope) and everything that must be equal to share a push with it
 * (acceptMulti, encoding). All its registerIds travel in one push (wire 4.6). Hot path: plain fields.
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
import type { ServiceEntry } from '../service-entry.ts';

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

/** The state machine's data; push-engine moves it. */
export class PushTarget {
  readonly service: ServiceEntry;
  readonly connection: ClientConnection;
  readonly scope: Scope;
  readonly multi: boolean;
  /** Encoding of protobuf pushes the client accepts and we know; '' = none. */
  readonly encoding: string;
  /** Subscribers on this target. */
  readonly registerIds: string[] = [];
  state: PushState = PushState.idle;
  /** Gone: its last subscriber left or its connection closed. */
  removed = false;
  /** Push again although the version is the same: a subscriber was (re-)registered. */
  force = true;
  /** Version last acknowledged, or advanced because the view did not change; 0 = nothing yet. */
  pushedVersion = 0;
  /** Version whose content the client has acknowledged: the base of deltas; 0 = none. */
  clientVersion = 0;
  /** Version in flight or last sent. */
  sentVersion = 0;
  /** Entries of the last acknowledged push. */
  pushedCount = 0;
  sentCount = 0;
  sentBytes = 0;
  /** The push in flight is a delta. */
  sentDelta = false;
  /** Wall ms of the change that the push in flight carries; 0 = unknown. */
  sentChangeMs = 0;
  /** Retries of the present push. */
  attempts = 0;
  /** Failed pushes in a row. */
  failures = 0;
  /** No push before this monotonic time: the breaker is open. */
  pausedUntilMs = 0;
  /** Monotonic time of the first subscription, for the delay of the first push. */
  readonly sinceMs: number;
  /** Place in `service.targets`. */
  index = -1;
  /** Next target of the same service on the same connection. */
  next: PushTarget | null = null;

  constructor(
    service: ServiceEntry,
    connection: ClientConnection,
    scope: Scope,
    multi: boolean,
    encoding: string,
    sinceMs: number,
  ) {
    this.service = service;
    this.connection = connection;
    this.scope = scope;
    this.multi = multi;
    this.encoding = encoding;
    this.sinceMs = sinceMs;
  }
}

/** Puts a target into its service and its connection. */
export function attachTarget(target: PushTarget): void {
  const { service, connection } = target;
  target.index = service.targets.push(target) - 1;
  connection.targets ??= new Map();
  target.next = connection.targets.get(service) ?? null;
  connection.targets.set(service, target);
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
  const head = connection.targets?.get(service) ?? null;
  if (head === target) {
    if (target.next === null) connection.targets?.delete(service);
    else connection.targets?.set(service, target.next);
    return;
  }
  for (let at = head; at !== null; at = at.next) {
    if (at.next === target) at.next = target.next;
  }
}

/** The target of a connection for these properties, or null. */
export function findTarget(
  connection: ClientConnection,
  service: ServiceEntry,
  scope: Scope,
  multi: boolean,
  encoding: string,
): PushTarget | null {
  for (let at = connection.targets?.get(service) ?? null; at !== null; at = at.next) {
    if (at.scope === scope && at.multi === multi && at.encoding === encoding) return at;
  }
  return null;
}
