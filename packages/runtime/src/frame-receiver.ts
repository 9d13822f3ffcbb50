/**
 * Hot path. The receiving half of a channel: what its connection talks to. It cuts the bytes into frames and hands them on;
 * all receivers share one sink function, so a connection costs no closure.
 */
import { type BoltLimits, type Frame, FrameDecoder, WireError } from '@sofa-registry/wire';
import { type Assembler, ASSEMBLY_COUNTED_BYTES, type AssemblyBudget } from './assembly-budget.ts';
import type { ConnectionHandler } from './ports.ts';

/** The channel as its receiver sees it. None of these may throw. */
export interface FrameOwner {
  /** Bytes arrived; called before their frames. */
  touched(): void;
  received(frame: Frame): void;
  /** The bytes are not Bolt; nothing more will be received. */
  garbled(error: WireError): void;
  /** Too many channels hold unfinished frames, and this one has done so for the longest time; nothing more will be received. */
  crowdedOut(): void;
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
export class FrameReceiver implements ConnectionHandler, Assembler {
  readonly #owner: FrameOwner;
  readonly #decoder: FrameDecoder;
  readonly #budget: AssemblyBudget;
  /** Bytes of an unfinished large frame that the budget knows of. */
  #held = 0;

  constructor(owner: FrameOwner, limits: BoltLimits, budget: AssemblyBudget) {
    this.#owner = owner;
    this.#decoder = new FrameDecoder(limits);
    this.#budget = budget;
  }

  /** Drops the frames that have not been handed on, also those of the chunk at hand. */
  stop(): void {
    this.#decoder.close();
    this.#hold(0);
  }

  crowdedOut(): void {
    this.stop();
    this.#owner.crowdedOut();
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
    const unfinished = this.#decoder.bufferedBytes;
    this.#hold(unfinished < ASSEMBLY_COUNTED_BYTES ? 0 : unfinished);
  }

  drained(): void {
    this.#owner.writable();
  }

  closed(reason: string): void {
    this.stop();
    this.#owner.gone(reason);
  }

  #hold(bytes: number): void {
    if (bytes === this.#held) return;
    this.#held = bytes;
    this.#budget.hold(this, bytes);
  }
}
