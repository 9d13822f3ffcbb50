/** TCP over node:net. */
import * as net from 'node:net';
import { formatAddress, type HostPort } from '@sofa-registry/model';
import { RuntimeError } from '../errors.ts';
import { connectionLimits } from '../limits.ts';
import type { Connection, ConnectOptions, Listener, Network } from '../ports.ts';
import { NET_METRICS } from './net-metrics.ts';
import { TcpConnection } from './tcp-connection.ts';
import { TcpHub } from './tcp-hub.ts';
import {
  BACKLOG,
  BUFFERED_BYTES_MAX,
  CONNECT_TIMEOUT_MS,
  CONNECTIONS_MAX,
  KEEP_ALIVE_MS,
  type TcpNetworkOptions,
} from './tcp-options.ts';

/** What a listen error means to an operator. */
const LISTEN_CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process',
  EACCES: 'needs a permission this process does not have',
  EADDRNOTAVAIL: 'is at an address this host does not have',
  ENOTFOUND: 'is at a host name that cannot be resolved',
};

class TcpListener implements Listener {
  readonly address: HostPort;
  readonly #server: net.Server;
  readonly #hub: TcpHub;

  constructor(server: net.Server, host: string, hub: TcpHub) {
    const bound = server.address();
    this.address = { host, port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
    this.#server = server;
    this.#hub = hub;
  }

  /** `server.close` waits for all connections; here the port is free as soon as the handle is closed. */
  close(): Promise<void> {
    if (this.#server.listening) this.#server.close();
    return new Promise((resolve) => this.#hub.clock.defer(resolve));
  }
}

class TcpNetwork implements Network {
  readonly #options: TcpNetworkOptions;
  readonly #hub: TcpHub;
  readonly #socketOptions;

  constructor(options: TcpNetworkOptions) {
    this.#options = options;
    this.#hub = new TcpHub(
      options.clock,
      options.logger,
      connectionLimits(options),
      options.bufferedBytesMax ?? BUFFERED_BYTES_MAX,
      options.metrics ?? NET_METRICS,
    );
    this.#socketOptions = {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: options.keepAliveMs ?? KEEP_ALIVE_MS,
      // The end of one direction must not cut off what is queued in the other.
      allowHalfOpen: true,
    };
  }

  listen(address: HostPort, accept: (connection: Connection) => void): Promise<Listener> {
    const server = net.createServer(this.#socketOptions);
    return new Promise((resolve, reject) => {
      const refused = (error: NodeJS.ErrnoException): void => {
        const cause = LISTEN_CAUSES[error.code ?? ''] ?? `cannot be opened (${error.code ?? error.message})`;
        reject(new RuntimeError('SR_NET_LISTEN', `port ${address.port} on ${address.host} ${cause}`, error));
      };
      server.once('error', refused);
      server.listen(
        { host: address.host, port: address.port, backlog: this.#options.backlog ?? BACKLOG },
        () => {
          server.off('error', refused);
          server.on('error', (error) => this.#hub.logger.error('listener failed', { address, error }));
          const listener = new TcpListener(server, address.host, this.#hub);
          server.on('connection', (socket) => this.#accept(socket, listener.address, accept));
          resolve(listener);
        },
      );
    });
  }

  connect(address: HostPort, options?: ConnectOptions): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const { clock, metrics } = this.#hub;
    const signal = options?.signal;
    const socket = net.connect({ ...this.#socketOptions, host: address.host, port: address.port });
    const settle = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', onFailed);
    };
    const fail = (detail: string, cause?: unknown): void => {
      settle();
      // A late error of the abandoned socket has no other listener.
      socket.on('error', () => undefined);
      socket.destroy();
      metrics.connectFailed.value++;
      reject(
        new RuntimeError('SR_NET_CONNECT', `${formatAddress(address.host, address.port)}: ${detail}`, cause),
      );
    };
    const onAbort = (): void => fail('aborted', signal?.reason);
    const onFailed = (error: NodeJS.ErrnoException): void => fail(error.code ?? error.message, error);
    const onConnect = (): void => {
      settle();
      metrics.connected.value++;
      resolve(new TcpConnection(this.#secured(socket, 'client'), this.#hub, null));
    };
    const timeoutMs = options?.timeoutMs ?? CONNECT_TIMEOUT_MS;
    const timer = clock.setTimer(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
    socket.on('connect', onConnect);
    socket.on('error', onFailed);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    return promise;
  }

  #accept(socket: net.Socket, local: HostPort, accept: (connection: Connection) => void): void {
    const { metrics, logger } = this.#hub;
    if (this.#hub.acceptedOpen >= (this.#options.connectionsMax ?? CONNECTIONS_MAX)) {
      metrics.refused.value++;
      socket.destroy();
      return;
    }
    metrics.accepted.value++;
    const connection = new TcpConnection(this.#secured(socket, 'server'), this.#hub, local);
    try {
      accept(connection);
    } catch (error) {
      logger.error('accepting a connection failed', { remote: connection.remote, error });
      connection.destroy('accept failed');
    }
  }

  #secured(socket: net.Socket, side: 'client' | 'server'): net.Socket {
    const { secure } = this.#options;
    return secure === undefined ? socket : secure(socket, side);
  }
}

/** TCP with the limits of `options`. One per process is enough; its limits are shared by all its listeners. */
export function tcpNetwork(options: TcpNetworkOptions): Network {
  return new TcpNetwork(options);
}
