/**
 * Moves the push state machines (push-target): decides who is sent what and when, sends, takes acknowledgements, retries.
 * Fan-outs are sliced and take turns, first pushes go ahead of them, slow sockets park their targets. Hot path.
 */
import {
  type BoltChannel,
  type Clock,
  type Random,
  type ReplyHandler,
  type RpcError,
} from '@sofa-registry/runtime';
import {
  BOLT_LIMITS,
  CODEC_HESSIAN,
  CODEC_INTERNAL,
  type Frame,
  ListAck,
  ListPush,
  WireError,
} from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { WatchedDatum } from '../data/watched-datum.ts';
import type { SessionMetrics } from '../metrics.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import type { SessionTunables } from '../settings.ts';
import { CompressedBodies } from './compressed-bodies.ts';
import type { Compressor } from './compressor.ts';
import { debounceMs, fanoutDueMs } from './debounce.ts';
import { Fifo } from './fifo.ts';
import { type EncodedView, fullBody, multiBody, type PushPlace, sdkBody } from './push-bodies.ts';
import { type PushFlight, PushState, type PushTarget, type PushTrouble } from './push-target.ts';

/** What the engine asks its owner. */
export interface PushGate {
  /** Push switch and gray list (F212-F216). */
  allowed(host: string): boolean;
  /** True while first pushes wait because everything restarts. */
  readonly cold: boolean;
}

/** What the engine needs. */
export interface PushEnginePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly place: PushPlace;
  readonly gate: PushGate;
  readonly compressor: Compressor;
  /** Logged once per list that does not fit a frame. */
  readonly unsendable: (service: ServiceEntry, error: unknown) => void;
}

/** Pushes one fan-out may send before the next one gets its turn. */
const TURN_ITEMS = 32;
/** Longest push to an SDK: what its frame decoder takes by default, less the frame's head. */
const SDK_PUSH_BYTES_MAX = BOLT_LIMITS.frameBytesMax - 4096;
const LIST_PUSH_NAME = Buffer.from(ListPush.className);

interface FanOut {
  readonly service: ServiceEntry;
  readonly targets: readonly PushTarget[];
  at: number;
}

/** The engine. */
export class PushEngine implements ReplyHandler<PushFlight> {
  readonly #ports: PushEnginePorts;
  /** Go ahead of fan-outs. */
  readonly #first = new Fifo<PushTarget>();
  readonly #fanOuts = new Fifo<FanOut>();
  #armed = false;
  #armedAtMs = 0;
  #lagMs = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  readonly #lagging = new Set<PushTarget>();
  readonly #gated = new Set<PushTarget>();
  readonly #slow = new Set<ClientConnection>();
  readonly #pump: () => void;
  readonly #encoded: (bytes: number) => void;
  readonly #compressed: CompressedBodies;

  constructor(ports: PushEnginePorts) {
    this.#ports = ports;
    this.#pump = () => this.#run();
    this.#encoded = () => {
      ports.metrics.pushEncoded.value++;
    };
    this.#compressed = new CompressedBodies({
      compressor: ports.compressor,
      place: ports.place,
      metrics: ports.metrics,
      minUnits: ports.settings.compressMinUnits,
      onEncoded: this.#encoded,
      ready: (targets) => {
        for (const target of targets) if (target.state === PushState.waiting) this.#ready(target, true);
      },
    });
  }

  /** Unacknowledged pushes. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Bytes of unacknowledged pushes. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Smoothed delay of deferred work, in ms. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** Targets left to the scan. */
  get laggingCount(): number {
    return this.#lagging.size;
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
    const load = { outstandingBytes: this.#inFlightBytes, lagMs: this.#lagMs };
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

  /** Makes everything of a service that is behind ready, without debounce. */
  catchUp(service: ServiceEntry): void {
    if (service.datum !== null) this.#fanOut(service, service.datum);
  }

  /** Tries what was given up again: the guarantee (session.md 7). */
  scan(): void {
    const nowMs = this.#ports.clock.monoMs();
    for (const target of this.#lagging) {
      const { trouble } = target;
      if (trouble !== null && trouble.pausedUntilMs > nowMs) continue;
      if (trouble !== null) trouble.attempts = 0;
      this.#ready(target, false);
    }
  }

  /** Goes on with connections that have drained unnoticed: the network's own mark may be above ours. */
  sweepSlow(): void {
    for (const connection of this.#slow) {
      if (connection.channel.bufferedBytes <= this.#ports.settings.slowSocketBytes) this.drained(connection);
    }
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
    this.#lagging.delete(target);
    this.#gated.delete(target);
  }

  /** The push was acknowledged; the content of a Result is not looked at (wire 2.2). */
  reply(flight: PushFlight, frame: Frame): void {
    this.#landed(flight);
    const { metrics } = this.#ports;
    const { target } = flight;
    if (target.removed) return;
    if (this.#resync(target, frame)) {
      metrics.pushResync.value++;
      // A client that refuses even the whole list would be pushed to for ever: that is a failure like any other.
      if (flight.delta) this.#startOver(target);
      else this.#retry(target);
      return;
    }
    metrics.pushAcked.value++;
    target.trouble = null;
    this.#observeDelay(flight);
    if (flight.version > target.pushedVersion) target.pushedVersion = flight.version;
    target.clientVersion = flight.version;
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
    this.#retry(target);
  }

  /** The next push carries the whole list, now. */
  #startOver(target: PushTarget): void {
    target.clientVersion = 0;
    target.force = true;
    this.#ready(target, true);
  }

  /** Again later: a few times soon, then with the scan, and not for a while when nothing helps. */
  #retry(target: PushTarget): void {
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
      if (target.state === PushState.waiting && !target.removed) this.#ready(target, false);
    });
  }

  #observeDelay({ target, changeMs }: PushFlight): void {
    const { metrics, clock } = this.#ports;
    if (target.pushedVersion === 0) metrics.firstPushDelay.observe(clock.monoMs() - target.sinceMs);
    else if (changeMs > 0) metrics.pushDelay.observe(Math.max(0, clock.wallMs() - changeMs));
  }

  #resync(target: PushTarget, frame: Frame): boolean {
    if (target.connection.sdk === null || frame.className !== ListAck.className) return false;
    try {
      return ListAck.decode(frame.content).resync;
    } catch {
      return false;
    }
  }

  #landed(flight: PushFlight): void {
    this.#inFlight--;
    this.#inFlightBytes -= flight.bytes;
    const { connection } = flight.target;
    if (
      connection.parked.length > 0 &&
      connection.channel.bufferedBytes <= this.#ports.settings.slowSocketBytes
    ) {
      this.drained(connection);
    }
    if (this.#first.size > 0 || this.#fanOuts.size > 0) this.#arm();
  }

  #lag(target: PushTarget): void {
    target.state = PushState.lagging;
    this.#lagging.add(target);
  }

  /** True if the client misses something of its view. */
  #behind(target: PushTarget): boolean {
    const { datum } = target.service;
    if (datum === null || datum.version === 0) return false;
    return target.force || target.pushedVersion < contentVersionOf(target, datum);
  }

  /** The list moved on while the push was in flight: go on, under the debounce of the list. */
  #afterChange(target: PushTarget): void {
    const { datum } = target.service;
    if (datum?.fanoutDue && !target.force) return;
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
    this.#lagging.delete(target);
    target.state = PushState.ready;
    if (ahead) this.#first.push(target);
    else this.#fanOuts.push({ service: target.service, targets: [target], at: 0 });
    this.#arm();
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
    if (targets.length === 0) {
      datum.oldestChangeMs = 0;
      return;
    }
    this.#fanOuts.push({ service, targets, at: 0 });
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#armedAtMs = this.#ports.clock.monoMs();
    this.#ports.clock.defer(this.#pump);
  }

  /** One slice. */
  #run(): void {
    this.#armed = false;
    const { clock, settings } = this.#ports;
    this.#lagMs = this.#lagMs * 0.8 + (clock.monoMs() - this.#armedAtMs) * 0.2;
    let budget = settings.pushSliceItems;
    while (budget > 0 && this.#first.size > 0) {
      if (this.#full()) return;
      budget -= this.#send(this.#first.take() as PushTarget);
    }
    while (budget > 0 && this.#fanOuts.size > 0) {
      if (this.#full()) return;
      const fanOut = this.#fanOuts.take() as FanOut;
      const until = Math.min(fanOut.targets.length, fanOut.at + TURN_ITEMS);
      while (fanOut.at < until) budget -= this.#send(fanOut.targets[fanOut.at++]);
      if (fanOut.at < fanOut.targets.length) this.#fanOuts.push(fanOut);
      else this.#fannedOut(fanOut.service);
    }
    if (this.#first.size > 0 || this.#fanOuts.size > 0) this.#arm();
  }

  #fannedOut(service: ServiceEntry): void {
    if (service.datum !== null) service.datum.oldestChangeMs = 0;
  }

  /** Over a limit of what is in flight: acknowledgements and time-outs start the pump again. */
  #full(): boolean {
    const { settings, metrics } = this.#ports;
    if (this.#inFlight < settings.pushInFlightMax && this.#inFlightBytes < settings.pushInFlightBytesMax)
      return false;
    metrics.skipped.limit.value++;
    return true;
  }

  /** Sends the newest to a ready target unless something is in the way. @returns share of the slice that was used */
  #send(target: PushTarget): number {
    if (target.state !== PushState.ready || target.removed) return 0;
    const { connection, service } = target;
    const { datum } = service;
    const { metrics, settings, gate, clock } = this.#ports;
    target.state = PushState.idle;
    if (connection.closed || datum === null || datum.version === 0) return 0;
    if (!this.#behind(target)) {
      target.pushedVersion = Math.max(target.pushedVersion, datum.version);
      return 0;
    }
    if (target.pushedVersion === 0 && gate.cold) {
      metrics.skipped.cold.value++;
      target.state = PushState.gated;
      this.#gated.add(target);
      return 0;
    }
    if (!gate.allowed(connection.host)) {
      metrics.skipped.stopped.value++;
      return 0;
    }
    if (target.trouble !== null && target.trouble.pausedUntilMs > clock.monoMs()) {
      this.#lag(target);
      return 0;
    }
    if (connection.channel.bufferedBytes > settings.slowSocketBytes) {
      metrics.skipped.slow.value++;
      target.state = PushState.parked;
      connection.parked.push(target);
      this.#slow.add(connection);
      return 0;
    }
    this.#transmit(target, datum);
    return 1;
  }

  #transmit(target: PushTarget, datum: WatchedDatum): void {
    const { metrics, settings } = this.#ports;
    const { connection } = target;
    const delta = connection.sdk?.delta === true;
    try {
      const view = this.#encode(target, datum, delta);
      if (view === null) {
        target.state = PushState.waiting;
        return;
      }
      const parts = view.body.parts(target.registerIds);
      const name = delta ? LIST_PUSH_NAME : (view.body as { classNameBytes: Buffer }).classNameBytes;
      const channel: BoltChannel<ClientConnection> = connection.channel;
      const bytes = parts[0].length + parts[1].length;
      if (bytes > (delta ? SDK_PUSH_BYTES_MAX : settings.pushBytesMax)) {
        throw new WireError('SR_WIRE_ENCODE', `push of ${bytes} bytes`);
      }
      const flight: PushFlight = {
        target,
        version: datum.version,
        count: view.count,
        bytes,
        delta: view.delta,
        changeMs: datum.oldestChangeMs,
      };
      channel.request(
        name,
        delta ? CODEC_INTERNAL : CODEC_HESSIAN,
        parts,
        settings.pushTimeoutMs,
        this,
        flight,
      );
      target.force = false;
      target.state = PushState.inFlight;
      this.#inFlight++;
      this.#inFlightBytes += bytes;
      metrics.pushSent.value++;
      metrics.pushBytes.value += bytes;
      if (view.delta) metrics.pushDelta.value++;
      if (view.count === 0) metrics.pushEmpty.value++;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      // The list does not fit a frame: nothing to retry until it changes.
      metrics.pushUnsendable.value++;
      target.force = false;
      this.#ports.unsendable(target.service, error);
    }
  }

  #encode(target: PushTarget, datum: WatchedDatum, delta: boolean): EncodedView | null {
    const { service, connection, scope } = target;
    const { place } = this.#ports;
    if (delta) return sdkBody(service, datum, place, scope, target.clientVersion, this.#encoded);
    const codec = connection.pb ? 'pb' : 'hessian';
    if (target.encoding !== '' && connection.pb) return this.#compressed.view(target, datum);
    if (target.multi) return multiBody(service, datum, place, codec, this.#encoded);
    return fullBody(service, datum, place, scope, codec, this.#encoded);
  }
}

/** Version at which the view of this target last changed. */
function contentVersionOf(target: PushTarget, datum: WatchedDatum): number {
  return target.scope === 'zone' ? datum.zoneContentVersion : datum.contentVersion;
}
