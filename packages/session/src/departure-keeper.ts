/** Runs the departures core on the clock: removes publishers of closed connections when their grace or hold ends. */
import type { Clock, Logger, Timer } from '@sofa-registry/runtime';
import { Departures } from './departures.ts';
import type { SessionMetrics } from './metrics.ts';
import type { SessionPublisher } from './registry/registrations.ts';
import type { SessionTunables } from './settings.ts';

/** Publishers removed before other work gets its turn. */
const CLIENT_OFF_SLICE_ITEMS = 2000;

/** What the keeper needs. */
export interface DepartureKeeperPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  /** Removes a publisher unless it was registered again meanwhile. */
  clientOff(publisher: SessionPublisher): void;
}

/** The keeper. */
export class DepartureKeeper {
  readonly core: Departures;
  readonly #ports: DepartureKeeperPorts;
  #timer: Timer | null = null;
  #dueMs = Infinity;
  #stopped = false;

  constructor(ports: DepartureKeeperPorts) {
    const { settings } = ports;
    this.#ports = ports;
    this.core = new Departures({
      graceMs: settings.graceMs,
      holdMs: settings.holdMs,
      massShare: settings.massCloseShare,
      massMin: settings.massCloseMin,
      windowMs: settings.massCloseWindowMs,
    });
  }

  /**
   * A client connection closed.
   * @param open connections that are still open
   * @param fault true while everything restarts
   */
  closed(
    clientAddress: string,
    open: number,
    fault: boolean,
    publishers: ReadonlySet<SessionPublisher> | null,
  ): void {
    const nowMs = this.#ports.clock.monoMs();
    if (this.core.closed(nowMs, open, fault, clientAddress, publishers)) this.#noteMass(open);
    this.#arm();
  }

  /** A connection closed whose client had taken back all it had. `open`: connections that are still open. */
  left(open: number): void {
    if (!this.core.left(this.#ports.clock.monoMs(), open)) return;
    this.#noteMass(open);
    this.#arm();
  }

  #noteMass(open: number): void {
    const { logger, settings, metrics } = this.#ports;
    metrics.massCloses.value++;
    const { holdMs } = settings;
    logger.warn('many clients lost their connection together: their publishers are held', { open, holdMs });
  }

  /** A client closed that this session had sent away. */
  sentAway(clientAddress: string, publishers: ReadonlySet<SessionPublisher> | null): void {
    this.core.sentAway(this.#ports.clock.monoMs(), clientAddress, publishers);
    this.#arm();
  }

  /** Operator override: publishers that match are not held any longer. */
  release(matches: (publisher: SessionPublisher) => boolean): void {
    for (const { held, publishers } of this.core.pending) {
      if (!held) continue;
      for (const publisher of publishers) if (matches(publisher)) this.#ports.clientOff(publisher);
    }
  }

  /** Nothing is removed any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    const dueMs = this.core.nextDueMs();
    if (dueMs === this.#dueMs && this.#timer !== null) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueMs = dueMs;
    if (dueMs === Infinity || this.#stopped) return;
    const { clock } = this.#ports;
    this.#timer = clock.setTimer(Math.max(0, dueMs - clock.monoMs()), () => {
      this.#timer = null;
      this.#remove(
        this.core.due(clock.monoMs()).flatMap((departure) => [...departure.publishers]),
        0,
      );
      this.#arm();
    });
  }

  #remove(publishers: readonly SessionPublisher[], from: number): void {
    if (this.#stopped) return;
    const end = Math.min(publishers.length, from + CLIENT_OFF_SLICE_ITEMS);
    for (let i = from; i < end; i++) this.#ports.clientOff(publishers[i]);
    if (end < publishers.length) this.#ports.clock.defer(() => this.#remove(publishers, end));
  }
}
