/** One simulated process: its clock, randomness, network and log, made for it alone. */
import type { Logger, ManualClock, Network, Random } from '@sofa-registry/runtime';
import { seededRandom } from '@sofa-registry/runtime';
import { SimClock } from './sim-clock.ts';
import type { SimNetwork } from './sim-network.ts';
import type { Trace } from './trace.ts';

/** What all processes of a simulation share. */
export interface SimWorld {
  readonly clock: ManualClock;
  readonly network: SimNetwork;
  readonly random: Random;
  readonly trace: Trace;
  /** A callback of a process threw. */
  crashed(name: string, error: unknown): void;
  /** A process logged an error: something that must not happen did. */
  loggedError(name: string, message: string): void;
}

/** A process. A restart makes another one under the same name. */
export class SimHost {
  readonly name: string;
  readonly clock: SimClock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  readonly #world: SimWorld;

  constructor(world: SimWorld, name: string) {
    this.#world = world;
    this.name = name;
    this.clock = new SimClock(world.clock, (error) => world.crashed(name, error));
    this.random = seededRandom(world.random.uint32());
    this.logger = world.trace.logger(name, (message) => world.loggedError(name, message));
    this.network = world.network.add(this);
  }

  /** The process ends as by SIGKILL; with `silent` as by a power loss: its peers are not told. */
  die(silent: boolean): void {
    this.clock.die();
    this.#world.network.remove(this, silent);
  }

  get dead(): boolean {
    return this.clock.dead;
  }
}
