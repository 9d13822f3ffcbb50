/**
 * One end of a simulated TCP stream: ordered, with latency, backpressure until the peer has read, half-close, resets, bytes
 * that wait while a direction is cut (as in retransmission), and half-open ends after a power loss.
 */
import type { HostPort } from '@sofa-registry/model';
import type { Connection, ConnectionHandler, Random } from '@sofa-registry/runtime';
import type { SimClock } from './sim-clock.ts';

/** A process on the network: its name is its IP address, its clock decides whether its callbacks run. */
export interface SimEndpoint {
  readonly name: string;
  readonly clock: SimClock;
}

/** What a connection needs of the network. */
export interface SimWire {
  readonly highWaterBytes: number;
  readonly random: Random;
  nowMs(): number;
  at(atMs: number, fn: () => void): void;
  defer(fn: () => void): void;
  latencyMs(from: string, to: string): number;
  blocked(from: string, to: string): boolean;
  /** True if a process runs at this address now. */
  hostUp(name: string): boolean;
  forget(connection: SimConnection): void;
  /** A chunk arrived, for the hash and the byte counts. */
  delivered(from: string, to: string, chunk: Buffer): void;
}

/** How long an end that said goodbye waits for the other's. */
const END_LINGER_MS = 2000;
/** One flush in so many arrives in two pieces, cut anywhere: frames must not depend on chunks. */
const SPLIT_EVERY = 32;

/** One end. */
export class SimConnection implements Connection {
  readonly local: HostPort;
  readonly remote: HostPort;
  readonly host: SimEndpoint;
  peer!: SimConnection;
  bufferedBytes = 0;
  readonly #wire: SimWire;
  #handler: ConnectionHandler | null = null;
  #early: ((handler: ConnectionHandler) => void)[] = [];
  #gone = false;
  #ended = false;
  #vanished = false;
  #stranded = false;
  /** True when nothing is sent again any more. */
  #unsent = false;
  #full = false;
  #reading = true;
  #inbox: Buffer[] = [];
  #outbox: Buffer[] = [];
  #flushing = false;
  #lastArrivalMs = 0;
  /** Deliveries towards the peer that are on the way, in order. */
  #sent: (() => void)[] = [];
  /** Deliveries towards the peer that wait for a cut direction. */
  #stalled: (() => void)[] = [];

  constructor(wire: SimWire, host: SimEndpoint, local: HostPort, remote: HostPort) {
    this.#wire = wire;
    this.host = host;
    this.local = local;
    this.remote = remote;
  }

  get closed(): boolean {
    return this.#gone || this.#ended;
  }

  /** True once this end has said or heard that the stream is over, or its process died. */
  get gone(): boolean {
    return this.#gone;
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const event of early) event(handler);
  }

  write(bytes: Buffer): boolean {
    if (this.closed || this.host.clock.dead) return false;
    if (bytes.length > 0) {
      this.bufferedBytes += bytes.length;
      this.#outbox.push(bytes);
      if (!this.#flushing) {
        this.#flushing = true;
        this.#wire.defer(() => this.#flush());
      }
    }
    if (this.bufferedBytes > this.#wire.highWaterBytes) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    this.#reading = false;
  }

  resume(): void {
    this.#reading = true;
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const bytes of inbox) this.#arrive(bytes);
  }

  end(): void {
    if (this.closed) return;
    this.#flush();
    this.#ended = true;
    this.#send(() => this.peer.#ending());
    this.#wire.at(this.#wire.nowMs() + END_LINGER_MS, () => this.destroy('peer did not close in time'));
  }

  destroy(reason: string): void {
    if (this.#gone) return;
    this.#outbox = [];
    this.#send(() => this.peer.#shut('connection reset'));
    this.#shut(reason);
  }

  /** The direction may be open again. */
  retransmit(): void {
    if (this.#wire.blocked(this.host.name, this.peer.host.name)) return;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const arrive of stalled) this.#send(arrive);
  }

  /** This end's address is gone while its process lives: it knows, the peer is never told. */
  strand(): void {
    if (this.#gone) return;
    this.#outbox = [];
    this.#stranded = true;
    this.#dropUnsent();
    this.#shut('network changed');
  }

  /** The process is gone. Unless `silent`, its kernel tells the peer; else the connection is half open. */
  vanish(silent: boolean): void {
    if (this.#gone) return;
    this.#flush();
    this.#gone = true;
    this.#vanished = silent;
    this.#wire.forget(this);
    if (silent) this.#dropUnsent();
    else this.#send(() => this.peer.#shut('connection reset'));
  }

  #event(fn: (handler: ConnectionHandler) => void): void {
    this.host.clock.run(() => {
      if (this.#handler === null) this.#early.push(fn);
      else fn(this.#handler);
    });
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#outbox.length === 0 || this.#gone) return;
    const bytes = this.#outbox.length === 1 ? this.#outbox[0] : Buffer.concat(this.#outbox);
    this.#outbox = [];
    const { random } = this.#wire;
    if (bytes.length > 1 && random.uint32() % SPLIT_EVERY === 0) {
      const cut = 1 + (random.uint32() % (bytes.length - 1));
      this.#send(() => this.peer.#take(bytes.subarray(0, cut)));
      this.#send(() => this.peer.#take(bytes.subarray(cut)));
      return;
    }
    this.#send(() => this.peer.#take(bytes));
  }

  /** Runs `arrive` at the peer after the latency, in order, or when the direction is open again. */
  #send(arrive: () => void): void {
    const wire = this.#wire;
    const from = this.host.name;
    const to = this.peer.host.name;
    if (this.#stalled.length > 0 || wire.blocked(from, to)) {
      this.#stalled.push(arrive);
      return;
    }
    const at = Math.max(this.#lastArrivalMs, wire.nowMs() + wire.latencyMs(from, to));
    this.#lastArrivalMs = at;
    this.#sent.push(arrive);
    // Whichever timer fires first takes the first delivery: order must not depend on how times are rounded.
    wire.at(at, () => {
      const next = this.#sent.shift() as () => void;
      // The direction was cut while the bytes were on the way: they are sent again when it heals.
      if (this.#stalled.length === 0 && !wire.blocked(from, to)) next();
      else if (!this.#unsent) this.#stalled.push(next);
    });
  }

  /** What waits for a cut direction is lost: nobody sends it again. */
  #dropUnsent(): void {
    this.#unsent = true;
    this.#stalled = [];
  }

  #take(bytes: Buffer): void {
    if (this.#stranded) return;
    if (this.#vanished) {
      // Nobody there: silence, until another process at this address answers with a reset.
      if (this.#wire.hostUp(this.host.name)) this.#send(() => this.peer.#shut('connection reset'));
      return;
    }
    if (this.#gone || this.host.clock.dead) return;
    this.#wire.delivered(this.peer.host.name, this.host.name, bytes);
    this.#arrive(bytes);
  }

  #arrive(bytes: Buffer): void {
    if (!this.#reading) {
      this.#inbox.push(bytes);
      return;
    }
    this.#event((handler) => {
      if (this.#gone) return;
      if (!this.#reading) {
        this.#inbox.push(bytes);
        return;
      }
      this.peer.#wasRead(bytes.length);
      handler.data(bytes);
    });
  }

  /** The peer has read so many bytes of this end. */
  #wasRead(bytes: number): void {
    this.bufferedBytes -= bytes;
    if (!this.#full || this.bufferedBytes > this.#wire.highWaterBytes / 2 || this.closed) return;
    this.#full = false;
    this.#event((handler) => {
      if (!this.closed) handler.drained();
    });
  }

  /** The peer's goodbye arrived. */
  #ending(): void {
    if (this.#vanished || this.#stranded || this.#gone || this.host.clock.dead) return;
    // The input before the goodbye is read first, also by a process that is paused now.
    this.#event(() => {
      if (this.#gone) return;
      if (this.#ended) {
        this.#shut('ended');
        return;
      }
      this.#flush();
      this.#send(() => this.peer.#ending());
      this.#shut('peer closed');
    });
  }

  #shut(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#wire.forget(this);
    this.#wire.defer(() => this.#event((handler) => handler.closed(reason)));
  }
}
