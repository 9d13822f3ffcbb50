/** Forgets what is old: tombstones, remembered changes, empty data, unfinished listings. In slices. */
import { every, type Timer } from '@sofa-registry/runtime';
import type { Datum } from './datum.ts';
import type { NodeState } from './node-state.ts';

const STRIDE = 64;

/** Runs over the data that asked for a sweep. */
export class Sweeper {
  readonly #state: NodeState;
  #timer: Timer | null = null;
  #running = false;

  constructor(state: NodeState) {
    this.#state = state;
  }

  start(): void {
    const { ports, tunables } = this.#state;
    this.#timer = every(ports.clock, tunables.sweepTickMs, () => this.tick());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  tick(): void {
    const { store, links, tunables } = this.#state;
    for (const link of links) link.listings.expire(this.#state.nowMs() - tunables.listingIdleMs);
    if (this.#running || store.sweepQueue.length === 0) return;
    this.#running = true;
    const queue = store.sweepQueue;
    store.sweepQueue = [];
    this.#slice(queue, 0);
  }

  #slice(queue: readonly Datum[], start: number): void {
    const { store, slots, ports, tunables } = this.#state;
    const beganMs = this.#state.nowMs();
    for (let i = start; i < queue.length; i++) {
      if (i % STRIDE === 0 && i > start && this.#state.nowMs() - beganMs >= tunables.sliceMs) {
        ports.clock.defer(() => this.#slice(queue, i));
        return;
      }
      const datum = queue[i];
      const slot = slots[datum.slot].store;
      // A datum of a slot that was dropped meanwhile is nobody's.
      if (slot === null || slot.data.get(datum.dataInfoId) !== datum) continue;
      if (store.sweep(slot, datum, beganMs)) store.sweepQueue.push(datum);
    }
    this.#running = false;
  }
}
