/** Hot path. One end of an in-memory stream, and the pump that moves bytes at the end of a turn. */
import type { HostPort } from '@sofa-registry/model';
import type { ConnectionLimits } from '../limits.ts';
import type { Clock, Connection, ConnectionHandler, Timer } from '../ports.ts';

/** Runs the connections that have something to do, once per turn. */
export class MemoryPump {
  readonly clock: Clock;
  readonly limits: ConnectionLimits;
  readonly #run: () => void;
  #due: MemoryConnection[] = [];
  #deferred = false;

  constructor(clock: Clock, limits: ConnectionLimits) {
    this.clock = clock;
    this.limits = limits;
    this.#run = () => this.#pump();
  }

  /** Lets the connection work at the end of the turn. The caller makes sure that it is not due already. */
  add(connection: MemoryConnection): void {
    this.#due.push(connection);
    this.#arm();
  }

  #arm(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.clock.defer(this.#run);
  }

  #pump(): void {
    this.#deferred = false;
    const batch = this.#due;
    this.#due = [];
    let done = 0;
    try {
      while (done < batch.length) batch[done++].work();
    } finally {
      // Only after an error of a handler: the others must not suffer.
      if (done < batch.length) {
        this.#due = batch.slice(done).concat(this.#due);
        this.#arm();
      }
    }
  }
}

/** One end. It owns the bytes it has sent until the peer takes them. */
export class MemoryConnection implements Connection {
  readonly local: HostPort;
  readonly remote: HostPort;
  readonly #pump: MemoryPump;
  #peer: MemoryConnection | null = null;
  #handler: ConnectionHandler | null = null;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #due = false;
  #paused = false;
  /** `write` has returned false and `drained` is owed. */
  #full = false;
  #ended = false;
  /** The end has reached the peer. */
  #endTaken = false;
  #endedByPeer = false;
  #linger: Timer | null = null;
  #goneReason: string | null = null;
  #told = false;

  constructor(pump: MemoryPump, local: HostPort, remote: HostPort) {
    this.#pump = pump;
    this.local = local;
    this.remote = remote;
  }

  /** Makes two ends of one stream. */
  join(peer: MemoryConnection): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  get closed(): boolean {
    return this.#ended || this.#goneReason !== null;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes;
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#wake();
    this.#wakePeer();
  }

  write(bytes: Buffer): boolean {
    if (this.#ended || this.#goneReason !== null) return false;
    if (bytes.length > 0) {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
      this.#wake();
    }
    const { highWaterBytes, queuedBytesMax } = this.#pump.limits;
    if (this.#queuedBytes <= highWaterBytes) return true;
    this.#full = true;
    if (this.#queuedBytes > queuedBytesMax) this.destroy('queued bytes limit of the connection');
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wakePeer();
  }

  end(): void {
    if (this.#ended || this.#goneReason !== null) return;
    this.#ended = true;
    this.#linger = this.#pump.clock.setTimer(this.#pump.limits.endLingerMs, () => {
      this.#linger = null;
      this.destroy('peer did not close in time');
    });
    this.#wake();
  }

  destroy(reason: string): void {
    if (this.#goneReason !== null) return;
    if (this.#peer !== null) this.#peer.#lose('peer closed');
    this.#lose(reason);
  }

  /** What is due at the end of a turn. */
  work(): void {
    this.#due = false;
    if (this.#goneReason === null) this.#deliver();
    if (this.#goneReason === null && this.#full && this.#queuedBytes <= this.#pump.limits.lowWaterBytes) {
      this.#full = false;
      this.#handler?.drained();
    }
    if (this.#goneReason !== null && !this.#told && this.#handler !== null) {
      this.#told = true;
      this.#handler.closed(this.#goneReason);
    }
  }

  #wake(): void {
    if (this.#due) return;
    this.#due = true;
    this.#pump.add(this);
  }

  #wakePeer(): void {
    if (this.#peer !== null) this.#peer.#wake();
  }

  #lose(reason: string): void {
    if (this.#goneReason !== null) return;
    this.#goneReason = reason;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#linger?.cancel();
    this.#linger = null;
    this.#wake();
  }

  /** True while the peer takes bytes. */
  #open(peer: MemoryConnection): boolean {
    return !peer.#paused && peer.#goneReason === null && this.#goneReason === null;
  }

  #deliver(): void {
    const peer = this.#peer;
    const handler = peer === null ? null : peer.#handler;
    if (peer === null || handler === null || !this.#open(peer)) return;
    const batch = this.#queue;
    this.#queue = [];
    let taken = 0;
    try {
      while (taken < batch.length && this.#open(peer)) {
        const chunk = batch[taken++];
        this.#queuedBytes -= chunk.length;
        handler.data(chunk);
      }
    } finally {
      if (taken < batch.length && this.#goneReason === null)
        this.#queue = batch.slice(taken).concat(this.#queue);
    }
    if (this.#ended && !this.#endTaken && this.#queue.length === 0 && this.#open(peer)) this.#finish(peer);
  }

  /** The peer sees the end behind the last byte; it ends too, and when both have, both are gone. */
  #finish(peer: MemoryConnection): void {
    this.#endTaken = true;
    if (!peer.#endTaken) {
      if (!peer.#ended) peer.#endedByPeer = true;
      peer.end();
      return;
    }
    peer.#lose(peer.#endedByPeer ? 'peer closed' : 'ended');
    this.#lose(this.#endedByPeer ? 'peer closed' : 'ended');
  }
}
