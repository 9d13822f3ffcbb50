/** Pushes that failed: a few more attempts soon, then with the scan, and none for a while when nothing helps (session.md 6.6, 7). */
import type { Clock, Random } from '@sofa-registry/runtime';
import type { SessionMetrics } from '../metrics.ts';
import type { SessionTunables } from '../settings.ts';
import { PushState, type PushTarget, type PushTrouble } from './push-target.ts';

/** What the retries need. */
export interface RetryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  /** The target may be pushed to again. */
  ready(target: PushTarget): void;
}

/** The retries of one session. */
export class PushRetries {
  readonly #ports: RetryPorts;
  readonly #lagging = new Set<PushTarget>();

  constructor(ports: RetryPorts) {
    this.#ports = ports;
  }

  /** Targets left to the scan. */
  get laggingCount(): number {
    return this.#lagging.size;
  }

  /** A push of this target failed. */
  failed(target: PushTarget): void {
    const { metrics, settings, clock, random } = this.#ports;
    // The client may or may not have it: the next push must be complete.
    target.clientVersion = 0;
    target.force = true;
    target.trouble ??= { attempts: 0, failures: 0, pausedUntilMs: 0 };
    const trouble: PushTrouble = target.trouble;
    trouble.failures++;
    trouble.attempts++;
    if (trouble.failures >= settings.breakerFailures) {
      metrics.breakerOpened.value++;
      trouble.pausedUntilMs = clock.monoMs() + settings.breakerPauseMs;
      this.#lag(target);
      return;
    }
    if (trouble.attempts > settings.pushRetries) {
      metrics.pushGivenUp.value++;
      this.#lag(target);
      return;
    }
    target.state = PushState.waiting;
    const waitMs =
      settings.pushRetryFirstMs +
      settings.pushRetryStepMs * (trouble.attempts - 1) +
      settings.pushRetryJitterMs * random.next();
    clock.setTimer(waitMs, () => {
      if (target.state === PushState.waiting && !target.removed) this.#ports.ready(target);
    });
  }

  /** True if the target is not to be pushed to for a while: it is left to the scan. */
  pauses(target: PushTarget): boolean {
    if (target.trouble === null || target.trouble.pausedUntilMs <= this.#ports.clock.monoMs()) return false;
    this.#lag(target);
    return true;
  }

  /** Tries what was given up again: the guarantee (session.md 7). */
  scan(): void {
    const nowMs = this.#ports.clock.monoMs();
    for (const target of this.#lagging) {
      const { trouble } = target;
      if (trouble !== null && trouble.pausedUntilMs > nowMs) continue;
      if (trouble !== null) trouble.attempts = 0;
      this.#ports.ready(target);
    }
  }

  /** The target is left to the scan no more. */
  forget(target: PushTarget): void {
    this.#lagging.delete(target);
  }

  #lag(target: PushTarget): void {
    target.state = PushState.lagging;
    this.#lagging.add(target);
  }
}
