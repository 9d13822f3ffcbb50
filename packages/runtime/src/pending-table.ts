/**
 * Hot path. Requests that wait for their reply, found by `id & mask`: ids rise one by one, so the slots of an open-ended
 * array are as good as a hash and a tenth of the cost of a Map (ecosystem C.1).
 */
import type { ReplyHandler } from './bolt-options.ts';
import { WheelEntry } from './timer-wheel.ts';

const SLOTS_MIN = 4;
const REQUEST_ID_MAX = 0x7fff_ffff;

/** Whoever sent the request. */
export interface PendingOwner {
  /** The request's time is over; it is still in the table. */
  timedOut(request: PendingRequest): void;
}

/** One unanswered request. */
export class PendingRequest extends WheelEntry {
  readonly id: number;
  readonly done: ReplyHandler;
  readonly token: unknown;
  readonly #owner: PendingOwner;

  constructor(id: number, done: ReplyHandler, token: unknown, owner: PendingOwner) {
    super();
    this.id = id;
    this.done = done;
    this.token = token;
    this.#owner = owner;
  }

  override expire(): void {
    this.#owner.timedOut(this);
  }
}

/** Table of one connection. At most half full, so that a free id is near. */
export class PendingTable {
  #slots: (PendingRequest | null)[] = emptySlots(SLOTS_MIN);
  #count = 0;
  #lastId: number;

  /** @param lastId ids start behind this one */
  constructor(lastId = 0) {
    this.#lastId = lastId;
  }

  /** Unanswered requests. */
  get count(): number {
    return this.#count;
  }

  /** A positive id that no unanswered request has, and whose slot is free. Ids may have gaps (wire 1.3). */
  nextId(): number {
    if (this.#count * 2 >= this.#slots.length) this.#grow();
    const mask = this.#slots.length - 1;
    let id = this.#lastId;
    do {
      id = id === REQUEST_ID_MAX ? 1 : id + 1;
    } while (this.#slots[id & mask] !== null);
    this.#lastId = id;
    return id;
  }

  /** Adds a request under the id {@link nextId} has just given. */
  add(request: PendingRequest): void {
    this.#slots[request.id & (this.#slots.length - 1)] = request;
    this.#count++;
  }

  /** Removes and returns the request with this id; null if there is none. */
  take(id: number): PendingRequest | null {
    const slot = id & (this.#slots.length - 1);
    const request = this.#slots[slot];
    if (request === null || request.id !== id) return null;
    this.#slots[slot] = null;
    this.#count--;
    return request;
  }

  /** Removes and returns all of them, oldest id first (as far as ids have not wrapped). */
  takeAll(): PendingRequest[] {
    const all = this.#slots.filter((request) => request !== null);
    this.#slots = emptySlots(SLOTS_MIN);
    this.#count = 0;
    return all.sort((a, b) => a.id - b.id);
  }

  /** Doubles. Slots that were distinct under the smaller mask stay distinct under the larger one. */
  #grow(): void {
    const old = this.#slots;
    const size = old.length * 2;
    const grown = emptySlots(size);
    for (const request of old) {
      if (request !== null) grown[request.id & (size - 1)] = request;
    }
    this.#slots = grown;
  }
}

function emptySlots(size: number): (PendingRequest | null)[] {
  return Array.from({ length: size }, () => null);
}
