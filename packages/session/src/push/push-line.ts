/**
 * Targets that are ready to be pushed to, in the order they get it: first pushes and corrections ahead, then the fan-outs, which take
 * turns. Sent in slices, so that nothing waits long behind a large one. Hot path.
 */
import type { Clock } from '@sofa-registry/runtime';
import type { ServiceEntry } from '../registry/service-entry.ts';
import { Fifo } from './fifo.ts';
import type { PushTarget } from './push-target.ts';

/** Pushes one fan-out may send before the next one gets its turn. */
const TURN_ITEMS = 32;

/** Who sends. */
export interface LineOwner {
  /** Nothing can be sent now; {@link PushLine.goOn} when it can. */
  full(): boolean;
  /** The turn of a target. @returns share of the slice that was used */
  send(target: PushTarget): number;
  /** All targets of a fan-out had their turn. */
  fannedOut(service: ServiceEntry): void;
}

interface FanOut {
  readonly service: ServiceEntry;
  readonly targets: readonly PushTarget[];
  at: number;
}

/** The line. */
export class PushLine {
  readonly #clock: Clock;
  readonly #sliceItems: number;
  readonly #owner: LineOwner;
  /** Go ahead of fan-outs. */
  readonly #first = new Fifo<PushTarget>();
  readonly #fanOuts = new Fifo<FanOut>();
  readonly #pump: () => void;
  #armed = false;
  #armedAtMs = 0;
  #lagMs = 0;

  constructor(clock: Clock, sliceItems: number, owner: LineOwner) {
    this.#clock = clock;
    this.#sliceItems = sliceItems;
    this.#owner = owner;
    this.#pump = () => this.#run();
  }

  /** Smoothed delay of deferred work, in ms. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** A target that goes ahead of fan-outs. */
  ahead(target: PushTarget): void {
    this.#first.push(target);
    this.#arm();
  }

  /** Targets of one service, after the fan-outs that are there. */
  behind(service: ServiceEntry, targets: readonly PushTarget[]): void {
    this.#fanOuts.push({ service, targets, at: 0 });
    this.#arm();
  }

  /** There is room again. */
  goOn(): void {
    if (this.#first.size > 0 || this.#fanOuts.size > 0) this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#armedAtMs = this.#clock.monoMs();
    this.#clock.defer(this.#pump);
  }

  /** One slice. */
  #run(): void {
    this.#armed = false;
    this.#lagMs = this.#lagMs * 0.8 + (this.#clock.monoMs() - this.#armedAtMs) * 0.2;
    let budget = this.#sliceItems;
    while (budget > 0 && this.#first.size > 0) {
      if (this.#owner.full()) return;
      budget -= this.#owner.send(this.#first.take() as PushTarget);
    }
    while (budget > 0 && this.#fanOuts.size > 0) {
      if (this.#owner.full()) return;
      const fanOut = this.#fanOuts.take() as FanOut;
      const until = Math.min(fanOut.targets.length, fanOut.at + TURN_ITEMS);
      while (fanOut.at < until) budget -= this.#owner.send(fanOut.targets[fanOut.at++]);
      if (fanOut.at < fanOut.targets.length) this.#fanOuts.push(fanOut);
      else this.#owner.fannedOut(fanOut.service);
    }
    this.goOn();
  }
}
