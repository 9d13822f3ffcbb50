/**
 * Hot path. The receiving half of a channel: what its connection talks to. It cuts the bytes into frames and hands them on;
 * all receivers share one sink function, so a connection costs no closure.
 */
import { type BoltLimits, type Frame, FrameDecoder, WireError } from '@sofa-registry/wire';
import type { ConnectionHandler } from './ports.ts';

/** The channel as its receiver sees it. None of these may throw. */
export interface FrameOwner {
  /** Bytes arrived; called before their frames. */
  touched(): void;
  received(frame: Frame): void;
  /** The bytes are not Bolt; nothing more will be received. */
  garbled(error: WireError): void;
  writable(): void;
  /** The connection is gone. */
  gone(reason: string): void;
}

/** The owner whose bytes are being decoded. Decoding is synchronous and never nests, deliveries being deferred. */
let decoding: FrameOwner | null = null;

function sink(frame: Frame): void {
  if (decoding !== null) decoding.received(frame);
}

/** Receiver of one connection. */
export class FrameReceiver implements ConnectionHandler {
  readonly #owner: FrameOwner;
  readonly #decoder: FrameDecoder;

  constructor(owner: FrameOwner, limits: BoltLimits) {
    this.#owner = owner;
    this.#decoder = new FrameDecoder(limits);
  }

  /** Drops the frames that have not been handed on, also those of the chunk at hand. */
  stop(): void {
    this.#decoder.close();
  }

  data(chunk: Buffer): void {
    const owner = this.#owner;
    owner.touched();
    const outer = decoding;
    decoding = owner;
    try {
      this.#decoder.push(chunk, sink);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      owner.garbled(error);
    } finally {
      decoding = outer;
    }
  }

  drained(): void {
    this.#owner.writable();
  }

  closed(reason: string): void {
    this.#decoder.close();
    this.#owner.gone(reason);
  }
}
