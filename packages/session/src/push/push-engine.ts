/**
 * Moves the push state machines (push-target): decides who is sent what and when, and takes the acknowledgements. The order is the
 * line's, the form the sender's, failures are the retries'. A slow socket parks its targets. Hot path.
 */
import type { Clock, Random, ReplyHandler, RpcError } from '@sofa-registry/runtime';
import type { Frame } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { OnceList } from '../data/once-list.ts';
import type { WatchedDatum } from '../data/watched-datum.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import { debounceMs, fanoutDueMs } from './debounce.ts';
import { PushLine } from './push-line.ts';
import { PushRetries } from './push-retries.ts';
import { asksResync, PushSender, type SenderPorts } from './push-sender.ts';
import { type PushFlight, PushState, type PushTarget } from './push-target.ts';

/** Lists to be shown once that wait for one subscriber; it misses what comes on top. */
const ONCE_MAX = 16;

/** What the engine asks its owner. */
export interface PushGate {
  /** Push switch and gray list (F212-F216). */
  allowed(host: string): boolean;
  /** True while first pushes wait because everything restarts. */
  readonly cold: boolean;
}

/** What the engine needs. */
export interface PushEnginePorts extends SenderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly gate: PushGate;
}

/** The engine. */
export class PushEngine implements ReplyHandler<PushFlight> {
  readonly #ports: PushEnginePorts;
  readonly #line: PushLine;
  readonly #sender: PushSender;
  readonly #retries: PushRetries;
  readonly #gated = new Set<PushTarget>();
  readonly #slow = new Set<ClientConnection>();

  constructor(ports: PushEnginePorts) {
    const { clock, settings } = ports;
    this.#ports = ports;
    this.#sender = new PushSender(ports, this, (targets) => {
      for (const target of targets) if (target.state === PushState.waiting) this.#ready(target, true);
    });
    this.#retries = new PushRetries({ ...ports, ready: (target) => this.#ready(target, false) });
    this.#line = new PushLine(clock, settings.pushSliceItems, {
      full: () => this.#sender.full(),
      send: (target) => this.#send(target),
      fannedOut: ({ datum }) => {
        if (datum !== null) datum.oldestChangeMs = 0;
      },
    });
  }

  /** Unacknowledged pushes. */
  get inFlight(): number {
    return this.#sender.inFlight;
  }

  /** Bytes of unacknowledged pushes. */
  get inFlightBytes(): number {
    return this.#sender.inFlightBytes;
  }

  /** Smoothed delay of deferred work, in ms. */
  get lagMs(): number {
    return this.#line.lagMs;
  }

  /** Targets left to the scan. */
  get laggingCount(): number {
    return this.#retries.laggingCount;
  }

  /** Connections that are read too slowly. */
  get slowCount(): number {
    return this.#slow.size;
  }

  /** Targets whose first push waits for the end of a cold restart. */
  get gatedCount(): number {
    return this.#gated.size;
  }

  /** A subscriber was registered on the target: push as soon as there is a list, ahead of fan-outs. */
  subscribed(target: PushTarget): void {
    target.force = true;
    target.clientVersion = 0;
    const { datum } = target.service;
    if (datum === null || datum.version === 0) return;
    const { state } = target;
    // One push at a time: with one in flight the acknowledgement goes on, parked and gated ones have their turn to come.
    if (state === PushState.idle || state === PushState.waiting || state === PushState.lagging) {
      this.#ready(target, true);
    }
  }

  /**
   * The list of a service got a new version.
   * @param first it was fetched for the first time: no change, so no debounce follows from it
   */
  changed(service: ServiceEntry, first: boolean): void {
    const { datum } = service;
    if (datum === null) return;
    if (first) {
      this.#firstPushes(service);
      return;
    }
    const { clock, settings } = this.#ports;
    const nowMs = clock.monoMs();
    const load = { outstandingBytes: this.inFlightBytes, lagMs: this.lagMs };
    const waitMs = debounceMs(load, settings.debounceMs, settings.debounceMaxMs);
    const dueMs = fanoutDueMs(nowMs, datum.lastFanoutMs, waitMs);
    if (dueMs <= nowMs) {
      this.#fanOut(service, datum);
      return;
    }
    this.#firstPushes(service);
    if (datum.fanoutDue) return;
    datum.fanoutDue = true;
    clock.setTimer(dueMs - nowMs, () => {
      datum.fanoutDue = false;
      if (service.datum === datum) this.#fanOut(service, datum);
    });
  }

  /**
   * Temporary publications have come with a new version of the list: whoever has them in scope is shown them at once. The list as it is
   * takes them away, at its own pace.
   */
  showOnce(service: ServiceEntry, list: OnceList): void {
    const { metrics, clock } = this.#ports;
    const targets: PushTarget[] = [];
    for (const target of service.targets) {
      if (target.scope === 'zone' && !list.inZone) continue;
      // By the time it can be pushed the list of this moment would be an old one.
      const held = target.state >= PushState.lagging;
      if (held || (target.once !== null && target.once.length >= ONCE_MAX)) {
        metrics.onceMissed.value++;
        continue;
      }
      target.once = [...(target.once ?? []), list];
      if (target.state !== PushState.idle) continue;
      target.state = PushState.ready;
      targets.push(target);
    }
    if (targets.length > 0) this.#line.behind(service, targets);
    if (service.datum !== null) service.datum.lastFanoutMs = clock.monoMs();
    this.changed(service, false);
  }

  /** Makes everything of a service that is behind ready, without debounce. */
  catchUp(service: ServiceEntry): void {
    if (service.datum !== null) this.#fanOut(service, service.datum);
  }

  /** Tries what was given up again. */
  scan(): void {
    this.#retries.scan();
  }

  /** Goes on with connections that have drained unnoticed: the network's own mark may be above ours. */
  sweepSlow(): void {
    for (const connection of this.#slow) if (!this.#isSlow(connection)) this.drained(connection);
  }

  /** The cold restart is over: first pushes go out. */
  openGate(): void {
    for (const target of this.#gated) this.#ready(target, true);
    this.#gated.clear();
  }

  /** The socket has drained: its targets go on with the newest. */
  drained(connection: ClientConnection): void {
    const { parked } = connection;
    if (parked.length === 0) return;
    this.#slow.delete(connection);
    connection.parked = [];
    for (const target of parked) this.#ready(target, true);
  }

  /** The connection is gone; its targets were detached. */
  closed(connection: ClientConnection): void {
    this.#slow.delete(connection);
    connection.parked = [];
  }

  /** The target was detached. */
  removed(target: PushTarget): void {
    this.#retries.forget(target);
    this.#gated.delete(target);
  }

  /** The push was acknowledged; the content of a Result is not looked at (wire 2.2). */
  reply(flight: PushFlight, frame: Frame): void {
    this.#landed(flight);
    const { metrics } = this.#ports;
    const { target } = flight;
    if (target.removed) return;
    if (asksResync(target, frame)) {
      metrics.pushResync.value++;
      // A client that refuses even the whole list would be pushed to for ever: that is a failure like any other.
      if (flight.delta) this.#startOver(target);
      else this.#failed(target);
      return;
    }
    metrics.pushAcked.value++;
    target.trouble = null;
    this.#observeDelay(flight);
    if (flight.version > target.pushedVersion) {
      if (target.pushedVersion > 0) target.unsure = false;
      target.pushedVersion = flight.version;
    }
    target.clientVersion = flight.base;
    target.pushedCount = flight.count;
    target.state = PushState.idle;
    if (this.#behind(target)) this.#afterChange(target);
  }

  /** The push failed. */
  failed(flight: PushFlight, error: RpcError): void {
    this.#landed(flight);
    const { target } = flight;
    if (target.removed || error.code === 'SR_RPC_CLOSED') return;
    const { retry } = this.#ports.metrics;
    if (error.code === 'SR_RPC_STATUS') retry.status.value++;
    else if (error.code === 'SR_RPC_BUSY') retry.busy.value++;
    else retry.timeout.value++;
    this.#failed(target);
  }

  #failed(target: PushTarget): void {
    this.#miss(target);
    this.#retries.failed(target);
  }

  /** The next push carries the whole list, now. */
  #startOver(target: PushTarget): void {
    target.clientVersion = 0;
    target.force = true;
    this.#ready(target, true);
  }

  #observeDelay({ target, changeMs }: PushFlight): void {
    const { metrics, clock } = this.#ports;
    if (target.pushedVersion === 0) metrics.firstPushDelay.observe(clock.monoMs() - target.sinceMs);
    else if (changeMs > 0) metrics.pushDelay.observe(Math.max(0, clock.wallMs() - changeMs));
  }

  #landed(flight: PushFlight): void {
    this.#sender.landed(flight);
    const { connection } = flight.target;
    if (connection.parked.length > 0 && !this.#isSlow(connection)) this.drained(connection);
    this.#line.goOn();
  }

  #isSlow({ channel }: ClientConnection): boolean {
    return channel.bufferedBytes > this.#ports.settings.slowSocketBytes;
  }

  /** True if the client misses something of its view. */
  #behind(target: PushTarget): boolean {
    const { datum } = target.service;
    if (datum === null || datum.version === 0) return false;
    if (target.force || target.once !== null) return true;
    return target.pushedVersion < (target.unsure ? datum.version : contentVersionOf(target, datum));
  }

  /** The list moved on while the push was in flight: go on, under the debounce of the list. */
  #afterChange(target: PushTarget): void {
    const { datum } = target.service;
    if (datum?.fanoutDue && !target.force && target.once === null) return;
    this.#ready(target, true);
  }

  /** First pushes never wait for a debounce. */
  #firstPushes(service: ServiceEntry): void {
    const { targets } = service;
    for (let i = 0; i < targets.length; i++) {
      if (targets[i].force && targets[i].state === PushState.idle) this.#ready(targets[i], true);
    }
  }

  #ready(target: PushTarget, ahead: boolean): void {
    if (target.removed) return;
    this.#retries.forget(target);
    target.state = PushState.ready;
    if (ahead) this.#line.ahead(target);
    else this.#line.behind(target.service, [target]);
  }

  #fanOut(service: ServiceEntry, datum: WatchedDatum): void {
    datum.lastFanoutMs = this.#ports.clock.monoMs();
    const targets: PushTarget[] = [];
    for (let i = 0; i < service.targets.length; i++) {
      const target = service.targets[i];
      if (target.state !== PushState.idle) continue;
      if (!this.#behind(target)) {
        // The view did not change: the version is recorded without a push (session.md 16, point 11).
        if (target.pushedVersion < datum.version) {
          target.pushedVersion = datum.version;
          this.#ports.metrics.skipped.unchanged.value++;
        }
        continue;
      }
      target.state = PushState.ready;
      targets.push(target);
    }
    if (targets.length === 0) datum.oldestChangeMs = 0;
    else this.#line.behind(service, targets);
  }

  /** Sends the newest to a ready target unless something is in the way. @returns share of the slice that was used */
  #send(target: PushTarget): number {
    if (target.state !== PushState.ready || target.removed) return 0;
    const { connection, service } = target;
    const { datum } = service;
    const { metrics, gate } = this.#ports;
    target.state = PushState.idle;
    if (connection.closed || datum === null || datum.version === 0) return 0;
    if (!this.#behind(target)) {
      target.pushedVersion = Math.max(target.pushedVersion, datum.version);
      return 0;
    }
    if (target.pushedVersion === 0 && gate.cold) {
      this.#miss(target);
      metrics.skipped.cold.value++;
      target.state = PushState.gated;
      this.#gated.add(target);
      return 0;
    }
    if (!gate.allowed(connection.host)) {
      this.#miss(target);
      metrics.skipped.stopped.value++;
      return 0;
    }
    if (this.#retries.pauses(target)) {
      this.#miss(target);
      return 0;
    }
    if (this.#isSlow(connection)) {
      this.#miss(target);
      metrics.skipped.slow.value++;
      target.state = PushState.parked;
      connection.parked.push(target);
      this.#slow.add(connection);
      return 0;
    }
    if (target.once === null) this.#sender.send(target, datum, datum.version);
    else this.#sendOnce(target, target.once);
    return 1;
  }

  /** Shows the oldest of these. Whatever becomes of the push, it is not shown again. */
  #sendOnce(target: PushTarget, [list, ...rest]: readonly OnceList[]): void {
    this.#sender.send(target, list, 0);
    // It waits for its body.
    if (target.state === PushState.waiting) return;
    target.once = rest.length === 0 ? null : rest;
    if (target.state === PushState.inFlight) this.#ports.metrics.onceShown.value++;
  }

  /** What is in the way of a push makes it late: what is shown once is left out. */
  #miss(target: PushTarget): void {
    if (target.once === null) return;
    this.#ports.metrics.onceMissed.value += target.once.length;
    target.once = null;
  }
}

/** Version at which the view of this target last changed. */
function contentVersionOf(target: PushTarget, datum: WatchedDatum): number {
  return target.scope === 'zone' ? datum.zoneContentVersion : datum.contentVersion;
}
