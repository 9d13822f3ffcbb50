/**
 * The door of a listener that speaks TLS, plain text, or both on one port: takes raw sockets and hands out those that are ready.
 * The first byte tells: a TLS handshake begins with 0x16, Bolt with 1 or 2, HTTP with a letter.
 */
import type { Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { Clock, Logger, Timer } from '../ports.ts';
import type { NetMetrics } from './net-metrics.ts';
import type { TlsIdentity } from './tls-identity.ts';

/** What a port takes: plain text only, both, or TLS only. */
export type TlsAccept = 'plain' | 'either' | 'tls';

/** Sockets that have not finished their handshake, per port; more are closed at once, counted. */
export const HANDSHAKES_MAX = 4096;
/** A client must send its first byte within this time, ms: three heartbeats of an official client. */
export const FIRST_BYTE_MS_MAX = 45_000;

const TLS_HANDSHAKE_BYTE = 0x16;
/** Fatal alert `protocol_version`, as a TLS server answers what is no handshake. */
const PROTOCOL_ALERT = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]);
/** How long a refused peer may take to read it and close, ms. */
const REFUSAL_LINGER_MS = 1000;
/** At most one line about refused handshakes in so many ms; the counter has them all. */
const LOG_MS = 5000;

/** What a door needs. */
export interface TlsDoorOptions {
  readonly identity: TlsIdentity;
  readonly accept: TlsAccept;
  /** Refuse peers without a certificate of the authorities. */
  readonly askCertificate: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NetMetrics;
  /** A socket is ready: plain, or a TLS socket whose handshake is done. Listeners must be added in the same turn. */
  readonly ready: (socket: Socket) => void;
}

interface Waiting {
  readonly socket: Socket;
  timer: Timer | null;
}

/** See above. */
export class TlsDoor {
  readonly #options: TlsDoorOptions;
  readonly #server: TlsServer;
  /** Sockets whose first byte or handshake is awaited, by the address of the peer: a TLS socket does not tell its raw one. */
  readonly #waiting = new Map<string, Waiting>();
  #loggedMs = -Infinity;

  constructor(options: TlsDoorOptions) {
    this.#options = options;
    const { identity, metrics } = options;
    this.#server = identity.server(options.askCertificate);
    this.#server.on('secureConnection', (socket) => {
      metrics.tlsAccepted.value++;
      this.#settled(peerOf(socket));
      options.ready(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket));
  }

  /** Takes a raw socket over. */
  admit(socket: Socket): void {
    const { accept, metrics, ready } = this.#options;
    if (accept === 'plain') return ready(socket);
    if (this.#waiting.size >= HANDSHAKES_MAX) {
      metrics.refused.value++;
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    this.#waiting.set(peer, { socket, timer: null });
    socket.once('close', () => this.#settled(peer));
    this.#look(socket, peer);
  }

  /** Closes what is not ready yet; ready sockets are their owner's. */
  close(): void {
    this.#options.identity.release(this.#server);
    for (const { socket } of this.#waiting.values()) socket.destroy();
  }

  #settled(peer: string): void {
    this.#waiting.get(peer)?.timer?.cancel();
    this.#waiting.delete(peer);
  }

  /** Waits for the first byte and leaves it in the socket. */
  #look(socket: Socket, peer: string): void {
    const gone = (): void => {
      socket.destroy();
    };
    const onReadable = (): void => {
      const first = socket.read() as Buffer | null;
      if (first === null) return;
      socket.off('readable', onReadable);
      socket.off('end', gone);
      socket.off('error', gone);
      socket.unshift(first);
      const entry = this.#waiting.get(peer);
      entry?.timer?.cancel();
      if (first[0] === TLS_HANDSHAKE_BYTE) return void this.#server.emit('connection', socket);
      this.#settled(peer);
      if (this.#options.accept === 'tls') this.#refusePlain(socket);
      else this.#options.ready(socket);
    };
    const entry = this.#waiting.get(peer);
    if (entry !== undefined) entry.timer = this.#options.clock.setTimer(FIRST_BYTE_MS_MAX, gone);
    socket.on('readable', onReadable);
    socket.on('end', gone);
    socket.on('error', gone);
  }

  /** Says in the words of TLS what is wrong: whoever speaks Bolt or HTTP sees at once that this is neither. */
  #refusePlain(socket: Socket): void {
    socket.on('error', () => undefined);
    this.#count(socket.remoteAddress ?? '', 'plain text');
    socket.resume().end(PROTOCOL_ALERT);
    this.#options.clock.setTimer(REFUSAL_LINGER_MS, () => socket.destroy());
  }

  #failed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    // A destroyed TLS socket has forgotten its peer; the raw one below it (a field of Node's own, for the log only) has not.
    const raw = (socket as { readonly _parent?: Socket })._parent;
    const remote = socket.remoteAddress || raw?.remoteAddress || '';
    // Node says "socket hang up" when it closed because of the peer's certificate; the cause stands with the socket.
    const cause = String(socket.authorizationError ?? error.code ?? error.message);
    socket.destroy();
    this.#count(remote, cause);
  }

  #count(remote: string, cause: string): void {
    const { metrics, clock, logger } = this.#options;
    metrics.tlsFailed.value++;
    const nowMs = clock.monoMs();
    if (nowMs - this.#loggedMs < LOG_MS) return;
    this.#loggedMs = nowMs;
    logger.warn('a TLS handshake failed', { remote, cause });
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}
