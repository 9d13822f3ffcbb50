/** Faults of the store and of one meta's way to it, and how long its trouble lasts. */
import type { Fault } from './faults.ts';
import type { SimCluster, SimNode } from './sim-cluster.ts';
import type { SimWorld } from './sim-host.ts';
import { openWay, type StoreWay } from './sim-store.ts';

/** A store that takes so long still answers within the deadline of its calls, ms. */
const STORE_SLOW_MS = 1500;

/** The faults. */
export class StoreFaults {
  /** When the last one ended; Infinity while one lasts. */
  soundMs = -Infinity;
  /** When it last was so that a write may not be answered in time; Infinity while it is. */
  troubledMs = -Infinity;
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #node: (name: string) => SimNode;
  #held: (() => void) | null = null;

  /** @param node the node that a name of a plan stands for */
  constructor(world: SimWorld, cluster: SimCluster, node: (name: string) => SimNode) {
    this.#world = world;
    this.#cluster = cluster;
    this.#node = node;
  }

  /** Begins one; returns its end. Null if it is none of the store. */
  begin(fault: Fault): (() => void) | null {
    const end = this.#begin(fault);
    if (end === null) return null;
    this.soundMs = Infinity;
    const late = fault.kind !== 'storeSlow' || fault.ms > STORE_SLOW_MS;
    if (late) this.troubledMs = Infinity;
    return () => {
      end();
      this.soundMs = this.#world.clock.monoMs();
      if (late) this.troubledMs = this.soundMs;
    };
  }

  /** One meta does not reach the store. */
  cut(meta: SimNode): () => void {
    meta.store.cut = true;
    this.troubledMs = Infinity;
    return () => {
      meta.store.cut = false;
      this.troubledMs = this.#world.clock.monoMs();
    };
  }

  /** All end. */
  end(): void {
    const { backend } = this.#cluster;
    backend.setAvailable(true);
    backend.setDelayMs(0);
    for (const meta of this.#cluster.of('meta')) Object.assign(meta.store, openWay());
    this.#held?.();
    const nowMs = this.#world.clock.monoMs();
    if (this.soundMs === Infinity) this.soundMs = nowMs;
    if (this.troubledMs === Infinity) this.troubledMs = nowMs;
  }

  #begin(fault: Fault): (() => void) | null {
    const { backend } = this.#cluster;
    switch (fault.kind) {
      case 'storeDown':
        backend.setAvailable(false);
        return () => backend.setAvailable(true);
      case 'storeSlow':
        backend.setDelayMs(fault.ms);
        return () => backend.setDelayMs(0);
      case 'storeCut':
        return this.#way(fault.node, { cut: true }, { cut: false });
      case 'storeLate':
        return this.#way(fault.node, { lateMs: fault.ms }, { lateMs: 0 });
      case 'storeDeaf':
        return this.#way(fault.node, { answersLateMs: fault.ms ?? Infinity }, { answersLateMs: 0 });
      case 'storeHeld': {
        const release = backend.holdWrites();
        this.#held = release;
        return release;
      }
      default:
        return null;
    }
  }

  #way(name: string, during: Partial<StoreWay>, after: Partial<StoreWay>): () => void {
    const { store } = this.#node(name);
    Object.assign(store, during);
    return () => void Object.assign(store, after);
  }
}
