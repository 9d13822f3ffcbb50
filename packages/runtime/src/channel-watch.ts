/**
 * Idle and heartbeat rules of one channel (wire 1.5). It sits in the clock's shared wheel and is looked at only when a rule
 * may apply: bytes that arrive just move a number, and the next look finds it and goes back to sleep.
 */
import type { ClockWheel } from './clock-wheel.ts';
import type { Clock } from './ports.ts';
import { WheelEntry } from './timer-wheel.ts';

/** The channel as its watch sees it. */
export interface WatchedChannel {
  readonly lastReceivedMonoMs: number;
  sendHeartbeat(): void;
  /** @param kind `idle` or `heartbeat` */
  closeSilent(kind: 'idle' | 'heartbeat'): void;
}

/** Bounds of the two rules, 0 = off. */
export interface WatchRules {
  readonly idleCloseMs: number;
  readonly heartbeatMs: number;
  readonly heartbeatMissesMax: number;
  readonly clock: Clock;
  readonly wheel: ClockWheel;
}

/** Watch of one channel. */
export class ChannelWatch extends WheelEntry {
  readonly #channel: WatchedChannel;
  readonly #rules: WatchRules;
  /** Heartbeats sent since a byte arrived. */
  #unanswered = 0;
  #heartbeatAtMs = 0;
  /** True if anything was written since the last look; set by the channel, without reading a clock. */
  wrote = true;

  constructor(channel: WatchedChannel, rules: WatchRules) {
    super();
    this.#channel = channel;
    this.#rules = rules;
    this.#sleep(rules.clock.monoMs());
  }

  /** Ends the watch. */
  stop(): void {
    this.#rules.wheel.cancel(this);
  }

  override expire(): void {
    const nowMs = this.#rules.clock.monoMs();
    const silentMs = nowMs - this.#channel.lastReceivedMonoMs;
    const { idleCloseMs, heartbeatMs, heartbeatMissesMax } = this.#rules;
    if (idleCloseMs > 0 && silentMs >= idleCloseMs) {
      this.#channel.closeSilent('idle');
      return;
    }
    if (heartbeatMs > 0) {
      if (this.#channel.lastReceivedMonoMs >= this.#heartbeatAtMs) this.#unanswered = 0;
      if (silentMs >= heartbeatMs) {
        if (this.#unanswered >= heartbeatMissesMax) {
          this.#channel.closeSilent('heartbeat');
          return;
        }
        this.#beat(nowMs);
        this.#unanswered++;
      } else if (!this.wrote) {
        this.#beat(nowMs);
      }
      this.wrote = false;
    }
    this.#sleep(nowMs);
  }

  #beat(nowMs: number): void {
    this.#heartbeatAtMs = nowMs;
    this.#channel.sendHeartbeat();
  }

  /** Back into the wheel until a rule may apply. */
  #sleep(nowMs: number): void {
    const { idleCloseMs, heartbeatMs } = this.#rules;
    const receivedMs = this.#channel.lastReceivedMonoMs;
    let dueMs = Infinity;
    if (idleCloseMs > 0) dueMs = receivedMs + idleCloseMs;
    if (heartbeatMs > 0) {
      const from = Math.max(receivedMs, this.#heartbeatAtMs);
      dueMs = Math.min(dueMs, from + heartbeatMs);
    }
    this.#rules.wheel.schedule(this, dueMs - nowMs);
  }
}
