/**
 * The one push a configurator gets (wire 4.6): no content, a fresh version, so that the client's API unblocks. Configuration itself
 * is not distributed yet.
 */
import { type HybridClock, versionToWire } from '@sofa-registry/model';
import type { Clock, ReplyHandler } from '@sofa-registry/runtime';
import {
  CODEC_HESSIAN,
  encodeReceivedConfigData,
  encodeReceivedConfigDataPb,
  RECEIVED_CONFIG_DATA,
  RECEIVED_CONFIG_DATA_PB,
} from '@sofa-registry/wire';
import type { SessionMetrics } from '../metrics.ts';
import type { SessionWatcher } from '../registry/registrations.ts';
import type { SessionTunables } from '../settings.ts';

interface Attempt {
  readonly watcher: SessionWatcher;
  readonly version: number;
  attempts: number;
}

/** Pushes to configurators. */
export class ConfigPush implements ReplyHandler<Attempt> {
  readonly #clock: Clock;
  readonly #stamps: HybridClock;
  readonly #settings: SessionTunables;
  readonly #metrics: SessionMetrics;

  constructor(clock: Clock, stamps: HybridClock, settings: SessionTunables, metrics: SessionMetrics) {
    this.#clock = clock;
    this.#stamps = stamps;
    this.#settings = settings;
    this.#metrics = metrics;
  }

  /** Pushes at the end of the turn, so that the answer to the registration goes first. */
  push(watcher: SessionWatcher): void {
    const attempt = { watcher, version: this.#stamps.next(), attempts: 0 };
    this.#clock.defer(() => this.#send(attempt));
  }

  reply(attempt: Attempt): void {
    attempt.watcher.pushedVersion = attempt.version;
  }

  failed(attempt: Attempt): void {
    attempt.attempts++;
    if (attempt.attempts > this.#settings.pushRetries || !current(attempt.watcher)) return;
    const waitMs = this.#settings.pushRetryFirstMs + this.#settings.pushRetryStepMs * (attempt.attempts - 1);
    this.#clock.setTimer(waitMs, () => this.#send(attempt));
  }

  #send(attempt: Attempt): void {
    const { watcher } = attempt;
    if (!current(watcher)) return;
    const { connection, service, registerId } = watcher;
    const message = {
      dataId: service.dataId,
      group: service.group,
      instanceId: service.instanceId,
      configuratorRegistIds: [registerId],
      dataBox: null,
      version: versionToWire(attempt.version),
    };
    const content = connection.pb ? encodeReceivedConfigDataPb(message) : encodeReceivedConfigData(message);
    const className = connection.pb ? RECEIVED_CONFIG_DATA_PB : RECEIVED_CONFIG_DATA;
    this.#metrics.configPushes.value++;
    connection.channel.request(
      className,
      CODEC_HESSIAN,
      content,
      this.#settings.pushTimeoutMs,
      this,
      attempt,
    );
  }
}

function current(watcher: SessionWatcher): boolean {
  return watcher.service.watchers?.get(watcher.registerId) === watcher && !watcher.connection.closed;
}
