/** One connection through a fault proxy: two sockets and a pipe for each direction. */
import { connect, type Socket } from 'node:net';
import type { HostPort } from '@sofa-registry/model';
import { Pipe } from './pipe.ts';
import { combine, type ProxyFault } from './rule.ts';

/** A connection as faults choose it. */
export class ProxyLink {
  /** Address of the side that connected. */
  readonly client: HostPort;
  readonly #clientSocket: Socket;
  readonly #targetSocket: Socket;
  readonly #toTarget: Pipe;
  readonly #toClient: Pipe;

  /** @internal */
  constructor(
    clientSocket: Socket,
    target: HostPort,
    from: string | undefined,
    closed: (link: ProxyLink) => void,
  ) {
    this.client = { host: clientSocket.remoteAddress ?? '', port: clientSocket.remotePort ?? 0 };
    this.#clientSocket = clientSocket;
    this.#targetSocket = connect({ ...target, localAddress: from, noDelay: true, allowHalfOpen: true });
    this.#toTarget = new Pipe(clientSocket, this.#targetSocket);
    this.#toClient = new Pipe(this.#targetSocket, clientSocket);
    const left = (): void => {
      if (clientSocket.destroyed && this.#targetSocket.destroyed) closed(this);
    };
    clientSocket.once('close', left);
    this.#targetSocket.once('close', left);
  }

  /** Bytes passed so far, both directions. */
  get passedBytes(): number {
    return this.#toTarget.passedBytes + this.#toClient.passedBytes;
  }

  /** Puts exactly these faults in force. @internal */
  apply(faults: readonly ProxyFault[]): void {
    this.#toTarget.rule = combine(faults, 'to-target');
    this.#toClient.rule = combine(faults, 'to-client');
  }

  /** Both sides see a reset. */
  reset(): void {
    this.#cut();
    this.#clientSocket.resetAndDestroy();
    this.#targetSocket.resetAndDestroy();
  }

  /**
   * One side sees a reset, the other nothing: it keeps a connection to nobody.
   * @param ignorant the side that does not learn of it
   */
  halfOpen(ignorant: 'client' | 'target'): void {
    this.#cut();
    (ignorant === 'client' ? this.#targetSocket : this.#clientSocket).resetAndDestroy();
  }

  #cut(): void {
    this.#toTarget.cut();
    this.#toClient.cut();
  }
}
