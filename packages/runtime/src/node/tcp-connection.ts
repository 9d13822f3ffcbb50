/**
 * Hot path. One TCP connection. Its state is plain fields and its socket listeners are shared functions, so an idle
 * connection costs little more than its socket. At most one batch is with the socket at a time: what is written while the
 * kernel is full waits here, where it is counted, and leaves in larger batches later.
 */
import type { Socket } from 'node:net';
import type { HostPort } from '@sofa-registry/model';
import type { Connection, ConnectionHandler, Timer } from '../ports.ts';
import { SCRATCH_BYTES, type TcpHub } from './tcp-hub.ts';

/** Queued bytes at which a turn's batch is sent without waiting for the end of the turn. */
const FLUSH_BYTES = 64 * 1024;
/** Bytes handed to the socket in one call, unless one buffer alone is larger. */
const BATCH_BYTES_MAX = 256 * 1024;
/** Sent items that stay in front of the queue before it is moved up. */
const QUEUE_SLACK = 256;

const OWNER = Symbol('connection');
const NOTHING = Buffer.alloc(0);

/** A socket that knows its connection. */
interface OwnedSocket extends Socket {
  [OWNER]: TcpConnection;
}

/** The connection. */
export class TcpConnection implements Connection {
  readonly remote: HostPort;
  readonly #socket: Socket;
  readonly #hub: TcpHub;
  readonly #accepted: boolean;
  readonly local: HostPort;
  #handler: ConnectionHandler | null = null;
  /** Buffers not yet given to the socket, from `#first` on; null when there are none. */
  #queue: Buffer[] | null = null;
  #first = 0;
  #queuedBytes = 0;
  /** Bytes given to the socket that the kernel has not taken. */
  #socketBytes = 0;
  #scheduled = false;
  /** `write` has returned false and `drained` is owed. */
  #full = false;
  #ended = false;
  #endSent = false;
  #peerEnded = false;
  #dead = false;
  #reason = '';
  #gone = false;
  #linger: Timer | null = null;

  /** @param listening address of the listener that accepted it; null if this side has connected */
  constructor(socket: Socket, hub: TcpHub, listening: HostPort | null) {
    this.#socket = socket;
    this.#hub = hub;
    this.#accepted = listening !== null;
    // A closed socket has no address any more, so it is asked while it is open.
    this.local = listening ?? { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 };
    this.remote = { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
    (socket as OwnedSocket)[OWNER] = this;
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('end', onEnd);
    hub.opened(this, this.#accepted);
  }

  get closed(): boolean {
    return this.#ended || this.#dead;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#socketBytes;
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
    if (this.#gone) this.#hub.clock.defer(() => handler.closed(this.#reason));
    else this.#socket.on('data', onData);
  }

  write(bytes: Buffer): boolean {
    if (this.#ended || this.#dead) return false;
    const length = bytes.length;
    if (length > 0) {
      if (this.#queue === null) this.#queue = [bytes];
      else this.#queue.push(bytes);
      this.#queuedBytes += length;
      this.#hub.buffered(length);
      if (this.#socketBytes === 0) {
        if (this.#queuedBytes >= FLUSH_BYTES) this.#send();
        else this.#schedule();
      }
    }
    const buffered = this.#queuedBytes + this.#socketBytes;
    const { highWaterBytes, queuedBytesMax } = this.#hub.limits;
    if (buffered <= highWaterBytes) return !this.#dead;
    this.#full = true;
    if (buffered > queuedBytesMax) {
      this.#hub.metrics.overflowed.value++;
      this.destroy('queued bytes limit of the connection');
    }
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#ended || this.#dead) return;
    this.#ended = true;
    this.#linger = this.#hub.clock.setTimer(this.#hub.limits.endLingerMs, () => {
      this.#linger = null;
      this.destroy('peer did not close in time');
    });
    this.#schedule();
  }

  destroy(reason: string): void {
    if (this.#dead) return;
    this.#die(reason);
    this.#socket.destroy();
  }

  /** @internal the end of the turn */
  flush(): void {
    this.#scheduled = false;
    if (!this.#dead) this.#send();
  }

  /** @internal */
  socketData(chunk: Buffer): void {
    this.#hub.metrics.bytesReceived.value += chunk.length;
    if (!this.#dead) this.#handler?.data(chunk);
  }

  /** @internal the peer has sent its last byte; we send what is queued and close too */
  socketEnd(): void {
    if (!this.#ended) this.#peerEnded = true;
    this.end();
  }

  /** @internal */
  socketError(error: NodeJS.ErrnoException): void {
    this.#die(error.code ?? error.message);
    // A TLS socket stays open after an alert of the peer.
    this.#socket.destroy();
  }

  /** @internal */
  socketClose(): void {
    this.#die(this.#peerEnded ? 'peer closed' : 'ended');
    this.#gone = true;
    this.#hub.closed(this, this.#accepted);
    this.#handler?.closed(this.#reason);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#hub.schedule(this);
  }

  /** Nothing is sent or received any more. The first reason counts. */
  #die(reason: string): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#reason = reason;
    this.#hub.buffered(-(this.#queuedBytes + this.#socketBytes));
    this.#queue = null;
    this.#queuedBytes = 0;
    this.#socketBytes = 0;
    this.#linger?.cancel();
    this.#linger = null;
  }

  /** Gives the socket batches until the kernel is full or the queue empty. */
  #send(): void {
    while (this.#queue !== null && this.#socketBytes === 0) this.#sendBatch(this.#queue);
    if (this.#full && this.#queuedBytes + this.#socketBytes <= this.#hub.limits.lowWaterBytes) {
      this.#full = false;
      this.#hub.clock.defer(() => {
        if (!this.#dead) this.#handler?.drained();
      });
    }
    if (this.#ended && !this.#endSent && this.#queue === null && this.#socketBytes === 0) {
      this.#endSent = true;
      this.#socket.end();
    }
  }

  #sendBatch(queue: Buffer[]): void {
    const first = this.#first;
    let next = first;
    let bytes = 0;
    do bytes += queue[next++].length;
    while (next < queue.length && bytes + queue[next].length <= BATCH_BYTES_MAX);
    const socket = this.#socket;
    if (next === first + 1) {
      socket.write(queue[first]);
    } else if (bytes <= SCRATCH_BYTES) {
      const scratch = this.#hub.scratch();
      let at = 0;
      for (let i = first; i < next; i++) {
        scratch.set(queue[i], at);
        at += queue[i].length;
      }
      socket.write(scratch.subarray(0, bytes));
      if (socket.writableLength > 0) this.#hub.scratchKept();
    } else {
      socket.cork();
      for (let i = first; i < next; i++) socket.write(queue[i]);
      socket.uncork();
    }
    this.#sent(queue, next, bytes);
  }

  /** Books a batch: gone if the kernel took it, else with the socket until the empty write behind it is done. */
  #sent(queue: Buffer[], next: number, bytes: number): void {
    const { metrics } = this.#hub;
    metrics.flushes.value++;
    metrics.bytesSent.value += bytes;
    this.#queuedBytes -= bytes;
    if (next === queue.length) {
      this.#queue = null;
      this.#first = 0;
    } else if (next > QUEUE_SLACK) {
      this.#queue = queue.slice(next);
      this.#first = 0;
    } else {
      this.#first = next;
    }
    if (this.#socket.writableLength === 0) {
      this.#hub.buffered(-bytes);
      return;
    }
    this.#socketBytes = bytes;
    // The socket's own `drain` event comes only above a mark of its own; this always does.
    this.#socket.write(NOTHING, () => {
      if (this.#dead) return;
      this.#socketBytes = 0;
      this.#hub.buffered(-bytes);
      this.#send();
    });
  }
}

function onData(this: Socket, chunk: Buffer): void {
  (this as OwnedSocket)[OWNER].socketData(chunk);
}

function onEnd(this: Socket): void {
  (this as OwnedSocket)[OWNER].socketEnd();
}

function onError(this: Socket, error: Error): void {
  (this as OwnedSocket)[OWNER].socketError(error);
}

function onClose(this: Socket): void {
  (this as OwnedSocket)[OWNER].socketClose();
}

/** The host as an operator writes it: IPv4 addresses that arrive mapped into IPv6 are shown as IPv4. */
function plainHost(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
