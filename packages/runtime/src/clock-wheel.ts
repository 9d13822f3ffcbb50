/**
 * Hot path. A timer wheel on a clock: any number of coarse time-outs cost one timer of the clock, and none when there is
 * nothing to wait for.
 */
import type { Clock, Timer } from './ports.ts';
import { TimerWheel, type WheelEntry } from './timer-wheel.ts';

/** Wheel over one clock timer. */
export class ClockWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #wheel: TimerWheel;
  readonly #onTimer: () => void;
  #timer: Timer | null = null;
  #armedTick = Infinity;

  /** @param tickMs granularity: entries expire up to this late */
  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#wheel = new TimerWheel(this.#tickAt(clock.monoMs()));
    this.#onTimer = () => this.#run();
  }

  /** Entries waiting. */
  get count(): number {
    return this.#wheel.count;
  }

  /** Lets `entry` expire after at least `delayMs`, at most one tick later. */
  schedule(entry: WheelEntry, delayMs: number): void {
    const nowMs = this.#clock.monoMs();
    this.#wheel.insert(entry, Math.ceil((nowMs + delayMs) / this.#tickMs));
    if (entry.wheelTick < this.#armedTick) this.#arm(entry.wheelTick, nowMs);
  }

  /** Takes an entry out. The clock's timer stays armed: it is cheaper to let it fire once than to follow every entry. */
  cancel(entry: WheelEntry): void {
    this.#wheel.remove(entry);
  }

  /** Gives the clock's timer back when nothing waits; call it at rare events, e.g. when a connection has closed. */
  release(): void {
    if (this.#wheel.count > 0 || this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
    this.#armedTick = Infinity;
  }

  #tickAt(ms: number): number {
    return Math.floor(ms / this.#tickMs);
  }

  #arm(tick: number, nowMs: number): void {
    this.#timer?.cancel();
    this.#armedTick = tick;
    this.#timer = this.#clock.setTimer(Math.max(0, tick * this.#tickMs - nowMs), this.#onTimer);
  }

  #run(): void {
    this.#timer = null;
    this.#armedTick = Infinity;
    const nowMs = this.#clock.monoMs();
    this.#wheel.advance(this.#tickAt(nowMs));
    // An expired entry may have armed the timer already, for a later tick than another one needs.
    const next = this.#wheel.nextTick();
    if (next < this.#armedTick) this.#arm(next, nowMs);
  }
}

/** Granularity of request time-outs. */
const REQUEST_TICK_MS = 10;
/** Granularity of idle and heartbeat rules: an idle process wakes at most four times a second for all its connections. */
const CHANNEL_TICK_MS = 250;

/** The wheels that all channels of one clock share. */
export interface ChannelWheels {
  readonly requests: ClockWheel;
  readonly channels: ClockWheel;
}

const wheelsByClock = new WeakMap<Clock, ChannelWheels>();

/** The shared wheels of a clock. */
export function channelWheels(clock: Clock): ChannelWheels {
  let wheels = wheelsByClock.get(clock);
  if (wheels === undefined) {
    wheels = {
      requests: new ClockWheel(clock, REQUEST_TICK_MS),
      channels: new ClockWheel(clock, CHANNEL_TICK_MS),
    };
    wheelsByClock.set(clock, wheels);
  }
  return wheels;
}
