/**
 * Byte streams between addresses of one process, with the semantics of TCP: ordered, delivered later and in batches, with
 * backpressure, half-close and refusal. Used between roles of one process and by tests; deterministic on a manual clock.
 */
import { formatAddress, type HostPort } from '@sofa-registry/model';
import { RuntimeError } from '../errors.ts';
import { connectionLimits, type ConnectionLimits } from '../limits.ts';
import type { Clock, Connection, ConnectOptions, Listener, Network } from '../ports.ts';
import { MemoryConnection, MemoryPump } from './memory-connection.ts';

/** Options of {@link memoryNetwork}. */
export interface MemoryNetworkOptions extends Partial<ConnectionLimits> {
  readonly clock: Clock;
}

const LISTEN_PORT_FIRST = 20_000;
const CLIENT_PORT_FIRST = 32_768;
const PORT_MAX = 65_535;

class MemoryListener implements Listener {
  readonly address: HostPort;
  readonly accept: (connection: Connection) => void;
  readonly #listeners: Set<MemoryListener>;

  constructor(address: HostPort, accept: (connection: Connection) => void, listeners: Set<MemoryListener>) {
    this.address = address;
    this.accept = accept;
    this.#listeners = listeners;
    listeners.add(this);
  }

  close(): Promise<void> {
    this.#listeners.delete(this);
    return Promise.resolve();
  }
}

/** Any number of addresses of one process. */
class MemoryNetwork implements Network {
  readonly #clock: Clock;
  readonly #pump: MemoryPump;
  readonly #listeners = new Set<MemoryListener>();
  #clientPort = CLIENT_PORT_FIRST;

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock;
    this.#pump = new MemoryPump(options.clock, connectionLimits(options));
  }

  async listen(address: HostPort, accept: (connection: Connection) => void): Promise<Listener> {
    const port = address.port === 0 ? this.#freePort(address.host) : address.port;
    if (this.#taken(address.host, port)) {
      const detail = `port ${port} on ${address.host} is in use`;
      throw new RuntimeError('SR_NET_LISTEN', detail);
    }
    return new MemoryListener({ host: address.host, port }, accept, this.#listeners);
  }

  async connect(address: HostPort, options?: ConnectOptions): Promise<Connection> {
    const name = formatAddress(address.host, address.port);
    const signal = options?.signal;
    if (signal?.aborted) throw new RuntimeError('SR_NET_CONNECT', `${name}: aborted`, signal.reason);
    await new Promise<void>((resolve) => this.#clock.defer(resolve));
    if (signal?.aborted) throw new RuntimeError('SR_NET_CONNECT', `${name}: aborted`, signal.reason);
    const listener = this.#find(address);
    if (listener === undefined) throw new RuntimeError('SR_NET_CONNECT', `${name}: connection refused`);
    const near = { host: address.host, port: this.#nextClientPort() };
    const client = new MemoryConnection(this.#pump, near, address);
    const server = new MemoryConnection(this.#pump, address, near);
    client.join(server);
    listener.accept(server);
    return client;
  }

  #find(address: HostPort): MemoryListener | undefined {
    for (const listener of this.#listeners) {
      const { host, port } = listener.address;
      if (port === address.port && (host === address.host || isAnyHost(host))) return listener;
    }
    return undefined;
  }

  #taken(host: string, port: number): boolean {
    for (const { address } of this.#listeners) {
      const overlap = address.host === host || isAnyHost(address.host) || isAnyHost(host);
      if (overlap && address.port === port) return true;
    }
    return false;
  }

  #freePort(host: string): number {
    for (let port = LISTEN_PORT_FIRST; port < CLIENT_PORT_FIRST; port++) {
      if (!this.#taken(host, port)) return port;
    }
    throw new RuntimeError('SR_NET_LISTEN', `no free port on ${host}`);
  }

  #nextClientPort(): number {
    this.#clientPort = this.#clientPort === PORT_MAX ? CLIENT_PORT_FIRST : this.#clientPort + 1;
    return this.#clientPort;
  }
}

function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** A network of one process. Addresses of different networks never meet. */
export function memoryNetwork(options: MemoryNetworkOptions): Network {
  return new MemoryNetwork(options);
}
