/** TCP over node:net, with TLS and the cluster token where they are configured. */
import * as net from 'node:net';
import type { HostPort } from '@sofa-registry/model';
import { RuntimeError } from '../errors.ts';
import { connectionLimits } from '../limits.ts';
import type { Connection, ConnectOptions, Listener, Network } from '../ports.ts';
import { checkToken, type TokenFailure } from './cluster-token.ts';
import { NET_METRICS } from './net-metrics.ts';
import { connectSocket } from './tcp-connect.ts';
import { nodeRandom } from './node-random.ts';
import { spreadLookup } from './spread-lookup.ts';
import { TcpConnection } from './tcp-connection.ts';
import { TcpHub } from './tcp-hub.ts';
import {
  BACKLOG,
  BUFFERED_BYTES_MAX,
  CONNECTIONS_MAX,
  KEEP_ALIVE_MS,
  type TcpNetworkOptions,
  type TokenPolicy,
} from './tcp-options.ts';
import { HANDSHAKES_MAX, TlsDoor } from './tls-door.ts';
import { refuseWithoutToken } from './token-refusal.ts';

/** At most one line of a kind about refused nodes in so many ms; the counters have them all. */
const REFUSAL_LOG_MS = 5000;
/** How long a refused node may take to read the answer and close, ms. */
const REFUSAL_LINGER_MS = 1000;

const TOKEN_REFUSALS: Readonly<Record<TokenFailure, string>> = {
  none: 'a node was refused: it has no cluster token (clusterTokenFile)',
  wrong: 'a node was refused: it has another cluster token',
  closed: 'a connection ended before it proved the cluster token',
};

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
  readonly #door: TlsDoor | null;

  constructor(server: net.Server, host: string, hub: TcpHub, door: TlsDoor | null) {
    const bound = server.address();
    this.address = { host, port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
    this.#server = server;
    this.#hub = hub;
    this.#door = door;
  }

  /** `server.close` waits for all connections; here the port is free as soon as the handle is closed. */
  close(): Promise<void> {
    if (this.#server.listening) this.#server.close();
    this.#door?.close();
    return new Promise((resolve) => this.#hub.clock.defer(resolve));
  }
}

class TcpNetwork implements Network {
  readonly #options: TcpNetworkOptions;
  readonly #hub: TcpHub;
  readonly #socketOptions;
  /** Exchanges of the token under way. */
  #exchanges = 0;
  readonly #refusalLoggedMs: Record<TokenFailure, number> = {
    none: -Infinity,
    wrong: -Infinity,
    closed: -Infinity,
  };

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
      lookup: spreadLookup(nodeRandom()),
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
          const ready = (socket: net.Socket): void => this.#ready(socket, listener.address, accept);
          const door = this.#door(ready);
          const listener = new TcpListener(server, address.host, this.#hub, door);
          server.on('connection', (socket) => this.#accept(socket, door, ready));
          resolve(listener);
        },
      );
    });
  }

  connect(address: HostPort, options?: ConnectOptions): Promise<Connection> {
    const { clock, metrics } = this.#hub;
    const context = { clock, metrics, options: this.#options, socketOptions: this.#socketOptions };
    return connectSocket(context, address, options, (socket) => new TcpConnection(socket, this.#hub, null));
  }

  /** The door of a listener; null when it takes plain text only. */
  #door(ready: (socket: net.Socket) => void): TlsDoor | null {
    const { tls } = this.#options;
    if (tls === undefined || tls.accept === 'plain') return null;
    const { clock, logger, metrics } = this.#hub;
    const { identity, accept, askCertificate } = tls;
    return new TlsDoor({ identity, accept, askCertificate, clock, logger, metrics, ready });
  }

  #accept(socket: net.Socket, door: TlsDoor | null, ready: (socket: net.Socket) => void): void {
    if (this.#hub.acceptedOpen >= (this.#options.connectionsMax ?? CONNECTIONS_MAX)) {
      this.#hub.metrics.refused.value++;
      socket.destroy();
    } else if (door === null) ready(socket);
    else door.admit(socket);
  }

  #ready(socket: net.Socket, local: HostPort, accept: (connection: Connection) => void): void {
    const { token } = this.#options;
    if (token === undefined) this.#open(socket, local, accept);
    else void this.#checked(socket, token, local, accept);
  }

  async #checked(
    socket: net.Socket,
    { tokens, demand }: TokenPolicy,
    local: HostPort,
    accept: (connection: Connection) => void,
  ): Promise<void> {
    const { metrics, logger, clock } = this.#hub;
    socket.on('error', ignored);
    if (this.#exchanges >= HANDSHAKES_MAX) {
      metrics.refused.value++;
      socket.destroy();
      return;
    }
    this.#exchanges++;
    const failure = await checkToken(socket, tokens, clock);
    this.#exchanges--;
    if (failure === null || (failure === 'none' && !demand)) return this.#open(socket, local, accept);
    metrics.tokenRefused.with(failure).value++;
    const nowMs = clock.monoMs();
    if (nowMs - this.#refusalLoggedMs[failure] >= REFUSAL_LOG_MS) {
      this.#refusalLoggedMs[failure] = nowMs;
      logger.warn(TOKEN_REFUSALS[failure], { remote: socket.remoteAddress ?? '', port: local.port });
    }
    if (failure === 'none') return refuseWithoutToken(new TcpConnection(socket, this.#hub, local), clock);
    socket.resume();
    clock.setTimer(REFUSAL_LINGER_MS, () => socket.destroy());
  }

  #open(socket: net.Socket, local: HostPort, accept: (connection: Connection) => void): void {
    const { metrics, logger } = this.#hub;
    metrics.accepted.value++;
    const connection = new TcpConnection(socket, this.#hub, local);
    try {
      accept(connection);
    } catch (error) {
      logger.error('accepting a connection failed', { remote: connection.remote, error });
      connection.destroy('accept failed');
    }
  }
}

function ignored(): void {
  // The exchange sees the close.
}

/** TCP with the limits of `options`. One per process is enough; its limits are shared by all its listeners. */
export function tcpNetwork(options: TcpNetworkOptions): Network {
  return new TcpNetwork(options);
}
