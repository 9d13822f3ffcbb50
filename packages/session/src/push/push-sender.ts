/** Puts a push into the form its connection takes, sends it, and knows what is not acknowledged yet. Hot path. */
import type { ReplyHandler } from '@sofa-registry/runtime';
import {
  BOLT_LIMITS,
  CODEC_HESSIAN,
  CODEC_INTERNAL,
  type Frame,
  ListAck,
  ListPush,
  WireError,
} from '@sofa-registry/wire';
import type { SessionMetrics } from '../metrics.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import type { SessionTunables } from '../settings.ts';
import { CompressedBodies } from './compressed-bodies.ts';
import type { Compressor } from './compressor.ts';
import {
  type EncodedView,
  fullBody,
  multiBody,
  type PushList,
  type PushPlace,
  sdkBody,
} from './push-bodies.ts';
import type { PushCompression } from './push-compression.ts';
import { type PushFlight, PushState, type PushTarget } from './push-target.ts';

/** Longest push to an SDK: what its frame decoder takes by default, less the frame's head. */
const SDK_PUSH_BYTES_MAX = BOLT_LIMITS.frameBytesMax - 4096;
const LIST_PUSH_NAME = Buffer.from(ListPush.className);

/** What the sender needs. */
export interface SenderPorts {
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly place: PushPlace;
  readonly compressor: Compressor;
  readonly compression: PushCompression;
  /** Logged once per list that does not fit a frame. */
  readonly unsendable: (service: ServiceEntry, error: unknown) => void;
}

/** The sender. */
export class PushSender {
  readonly #ports: SenderPorts;
  readonly #replies: ReplyHandler<PushFlight>;
  readonly #encoded: (bytes: number) => void;
  readonly #compressed: CompressedBodies;
  #inFlight = 0;
  #inFlightBytes = 0;

  /**
   * @param replies gets the answers; hands each flight to {@link landed}
   * @param ready bodies these targets waited for are there
   */
  constructor(
    ports: SenderPorts,
    replies: ReplyHandler<PushFlight>,
    ready: (targets: readonly PushTarget[]) => void,
  ) {
    const { compressor, compression, place, metrics } = ports;
    this.#ports = ports;
    this.#replies = replies;
    this.#encoded = () => {
      metrics.pushEncoded.value++;
    };
    this.#compressed = new CompressedBodies({
      compressor,
      place,
      metrics,
      minUnits: () => compression.state.compressMinSize,
      onEncoded: this.#encoded,
      ready,
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

  /** Over a limit of what is in flight: acknowledgements and time-outs make room. */
  full(): boolean {
    const { settings, metrics } = this.#ports;
    if (this.#inFlight < settings.pushInFlightMax && this.#inFlightBytes < settings.pushInFlightBytesMax)
      return false;
    metrics.skipped.limit.value++;
    return true;
  }

  /** A push was acknowledged or failed. */
  landed(flight: PushFlight): void {
    this.#inFlight--;
    this.#inFlightBytes -= flight.bytes;
  }

  /** Sends the list; the target waits instead while its body is made. @param base version that the next step may start from */
  send(target: PushTarget, list: PushList, base: number): void {
    const { metrics, settings } = this.#ports;
    const { connection } = target;
    const delta = connection.sdk?.delta === true;
    try {
      const view = this.#encode(target, list, delta);
      if (view === null) {
        target.state = PushState.waiting;
        return;
      }
      const parts = view.body.parts(target.registerIds);
      const name = delta ? LIST_PUSH_NAME : (view.body as { classNameBytes: Buffer }).classNameBytes;
      const bytes = parts[0].length + parts[1].length;
      if (bytes > (delta ? SDK_PUSH_BYTES_MAX : settings.pushBytesMax)) {
        throw new WireError('SR_WIRE_ENCODE', `push of ${bytes} bytes`);
      }
      const flight: PushFlight = {
        target,
        version: list.version,
        base,
        count: view.count,
        bytes,
        delta: view.delta,
        changeMs: list.oldestChangeMs,
      };
      const codec = delta ? CODEC_INTERNAL : CODEC_HESSIAN;
      connection.channel.request(name, codec, parts, settings.pushTimeoutMs, this.#replies, flight);
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

  #encode(target: PushTarget, list: PushList, delta: boolean): EncodedView | null {
    const { service, connection, scope } = target;
    const { place, compression } = this.#ports;
    if (delta) return sdkBody(service, list, place, scope, target.clientVersion, this.#encoded);
    const codec = connection.pb ? 'pb' : 'hessian';
    if (target.encodings !== '' && connection.pb) {
      const encoding = compression.encoding(connection.host, target.encodings);
      if (encoding !== '') return this.#compressed.view(target, list, encoding);
    }
    if (target.multi) return multiBody(service, list, place, codec, this.#encoded);
    return fullBody(service, list, place, scope, codec, this.#encoded);
  }
}

/** True if the answer of an SDK asks for the whole list. */
export function asksResync(target: PushTarget, frame: Frame): boolean {
  if (target.connection.sdk === null || frame.className !== ListAck.className) return false;
  try {
    return ListAck.decode(frame.content).resync;
  } catch {
    return false;
  }
}
