/**
 * The simulated network: streams with random latency between named hosts, and the faults that TCP can show: a cut direction
 * (bytes wait, as in retransmission), refused and silent connects, resets, half-open connections after a power loss, slow
 * links. Every decision comes from the simulation's random source.
 */
import { formatAddress, type HostPort } from '@sofa-registry/model';
import {
  type Connection,
  type ConnectOptions,
  type Listener,
  type ManualClock,
  type Network,
  type Random,
  RuntimeError,
} from '@sofa-registry/runtime';
import { EventHash } from './event-hash.ts';
import { simDelay } from './sim-clock.ts';
import { SimConnection, type SimEndpoint, type SimWire } from './sim-connection.ts';

/** Shape of the network. */
export interface SimNetworkOptions {
  /** Least one-way latency, ms. */
  readonly latencyMsMin: number;
  /** Greatest one-way latency, ms. */
  readonly latencyMsMax: number;
  /** Unread bytes above which a sender is told to stop. */
  readonly highWaterBytes: number;
}

/** Latency of one rack, water marks as in production. */
export const SIM_NETWORK_DEFAULTS: SimNetworkOptions = Object.freeze({
  latencyMsMin: 0.1,
  latencyMsMax: 0.6,
  highWaterBytes: 512 * 1024,
});

interface SimListener {
  readonly host: SimEndpoint;
  readonly address: HostPort;
  readonly accept: (connection: Connection) => void;
}

const CLIENT_PORT_FIRST = 30_000;
const CONNECT_TIMEOUT_MS = 3000;

/** All hosts and the streams between them. */
export class SimNetwork implements SimWire {
  readonly highWaterBytes: number;
  readonly random: Random;
  /** Hash of everything that was delivered, when, between whom. */
  readonly hash = new EventHash();
  /** Bytes delivered so far. */
  deliveredBytes = 0;
  /** Chunks delivered so far. */
  deliveredChunks = 0;
  readonly #options: SimNetworkOptions;
  readonly #clock: ManualClock;
  readonly #hosts = new Map<string, SimEndpoint>();
  readonly #listeners = new Map<string, SimListener>();
  readonly #connections = new Set<SimConnection>();
  readonly #blocks = new Map<string, number>();
  readonly #slow = new Map<string, number>();
  #clientPort = CLIENT_PORT_FIRST;
  #listenPort = 20_000;

  constructor(clock: ManualClock, random: Random, options: SimNetworkOptions = SIM_NETWORK_DEFAULTS) {
    this.#clock = clock;
    this.random = random;
    this.#options = options;
    this.highWaterBytes = options.highWaterBytes;
  }

  nowMs(): number {
    return this.#clock.monoMs();
  }

  at(atMs: number, fn: () => void): void {
    this.#clock.setTimer(simDelay(atMs - this.#clock.monoMs()), fn);
  }

  defer(fn: () => void): void {
    this.#clock.defer(fn);
  }

  latencyMs(from: string, to: string): number {
    const { latencyMsMin, latencyMsMax } = this.#options;
    const base = latencyMsMin + this.random.next() * (latencyMsMax - latencyMsMin);
    return base + (this.#slow.size === 0 ? 0 : (this.#slow.get(`${from}>${to}`) ?? 0));
  }

  blocked(from: string, to: string): boolean {
    return this.#blocks.size > 0 && this.#blocks.has(`${from}>${to}`);
  }

  /** True if a direction has more latency than it should. */
  slowed(from: string, to: string): boolean {
    return this.#slow.size > 0 && this.#slow.has(`${from}>${to}`);
  }

  hostUp(name: string): boolean {
    return this.#hosts.has(name);
  }

  forget(connection: SimConnection): void {
    this.#connections.delete(connection);
  }

  delivered(from: string, to: string, chunk: Buffer): void {
    this.deliveredChunks++;
    this.deliveredBytes += chunk.length;
    this.hash.number(this.#clock.monoMs());
    this.hash.text(from);
    this.hash.text(to);
    this.hash.bytes(chunk);
  }

  /** Connections that are open now. */
  get connectionCount(): number {
    return this.#connections.size / 2;
  }

  /** Cuts one direction: bytes wait, connects time out. Cuts add up: each needs its {@link unblock}. */
  block(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#blocks.set(key, (this.#blocks.get(key) ?? 0) + 1);
  }

  /** Takes one cut of a direction back. */
  unblock(from: string, to: string): void {
    const key = `${from}>${to}`;
    const cuts = (this.#blocks.get(key) ?? 0) - 1;
    if (cuts > 0) {
      this.#blocks.set(key, cuts);
      return;
    }
    this.#blocks.delete(key);
    this.#retransmit();
  }

  /** Adds latency to one direction; 0 makes it fast again. */
  slow(from: string, to: string, ms: number): void {
    if (ms === 0) this.#slow.delete(`${from}>${to}`);
    else this.#slow.set(`${from}>${to}`, ms);
  }

  /** Opens everything and makes it fast again. */
  heal(): void {
    this.#blocks.clear();
    this.#slow.clear();
    this.#retransmit();
  }

  /** Resets the connections between two hosts, or all of one host. Returns how many. */
  reset(a: string, b?: string): number {
    let count = 0;
    for (const connection of [...this.#connections]) {
      if (connection.gone || connection.host.name !== a) continue;
      if (b !== undefined && connection.peer.host.name !== b) continue;
      connection.destroy('connection reset');
      count++;
    }
    return count;
  }

  /** A host changes its address: its connections are half open, only its own process knows. Returns how many. */
  roam(name: string): number {
    let count = 0;
    for (const connection of [...this.#connections]) {
      if (connection.gone || connection.host.name !== name) continue;
      connection.strand();
      count++;
    }
    return count;
  }

  /** Puts a process on the network, and gives it its view of it. */
  add(host: SimEndpoint): Network {
    this.#hosts.set(host.name, host);
    return {
      listen: (address, accept) => this.#listen(host, address, accept),
      connect: (address, options) => this.#connect(host, address, options),
    };
  }

  /** Takes a process off the network. `silent`: its peers are not told (power loss, cable pulled). */
  remove(host: SimEndpoint, silent: boolean): void {
    if (this.#hosts.get(host.name) === host) this.#hosts.delete(host.name);
    for (const [key, listener] of this.#listeners) if (listener.host === host) this.#listeners.delete(key);
    for (const connection of [...this.#connections]) if (connection.host === host) connection.vanish(silent);
  }

  #retransmit(): void {
    for (const connection of [...this.#connections]) {
      connection.retransmit();
      // An end whose process died is not listed any more; what it still had to say waits at its peer's other end.
      if (connection.peer.gone) connection.peer.retransmit();
    }
  }

  async #listen(host: SimEndpoint, address: HostPort, accept: SimListener['accept']): Promise<Listener> {
    const port = address.port === 0 ? this.#listenPort++ : address.port;
    const key = formatAddress(address.host, port);
    if (this.#listeners.has(key)) {
      throw new RuntimeError('SR_NET_LISTEN', `port ${port} on ${address.host} is in use`);
    }
    const listener: SimListener = { host, address: { host: address.host, port }, accept };
    this.#listeners.set(key, listener);
    return {
      address: listener.address,
      close: async () => {
        if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
      },
    };
  }

  #connect(host: SimEndpoint, address: HostPort, options?: ConnectOptions): Promise<Connection> {
    const key = formatAddress(address.host, address.port);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const signal = options?.signal;
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      timer.cancel();
      signal?.removeEventListener('abort', aborted);
      return true;
    };
    const fail = (detail: string): void => {
      if (!settle()) return;
      host.clock.run(() => reject(new RuntimeError('SR_NET_CONNECT', `${key}: ${detail}`)));
    };
    const aborted = (): void => fail('aborted');
    const timer = host.clock.setTimer(options?.timeoutMs ?? CONNECT_TIMEOUT_MS, () => fail('timed out'));
    if (signal?.aborted) aborted();
    else signal?.addEventListener('abort', aborted, { once: true });
    if (!settled)
      this.#knock(host, address, (connection) => {
        if (connection === null) fail('connection refused');
        else if (settle()) host.clock.run(() => resolve(connection));
        else connection.destroy('given up');
      });
    return promise;
  }

  /** Goes to `address` and back. Calls `answer` unless a packet is lost: with null when nobody listens there. */
  #knock(host: SimEndpoint, address: HostPort, answer: (connection: SimConnection | null) => void): void {
    const key = formatAddress(address.host, address.port);
    const target = address.host;
    if (this.blocked(host.name, target)) return;
    this.at(this.nowMs() + this.latencyMs(host.name, target), () => {
      if (host.clock.dead || this.blocked(host.name, target)) return;
      const listener = this.#listeners.get(key);
      // A host that is off does not answer at all; one that is on refuses.
      if (listener === undefined && !this.hostUp(target) && this.random.uint32() % 2 === 0) return;
      if (this.blocked(target, host.name)) return;
      this.at(this.nowMs() + this.latencyMs(target, host.name), () => {
        if (host.clock.dead || this.blocked(target, host.name)) return;
        if (listener === undefined || this.#listeners.get(key) !== listener) answer(null);
        else answer(this.#join(host, address, listener));
      });
    });
  }

  /** The kernel accepts, also for a process that is paused now. */
  #join(host: SimEndpoint, address: HostPort, listener: SimListener): SimConnection {
    const near: HostPort = { host: host.name, port: this.#clientPort++ };
    if (this.#clientPort > 65_000) this.#clientPort = CLIENT_PORT_FIRST;
    const client = new SimConnection(this, host, near, address);
    const server = new SimConnection(this, listener.host, address, near);
    client.peer = server;
    server.peer = client;
    this.#connections.add(client);
    this.#connections.add(server);
    listener.host.clock.run(() => listener.accept(server));
    return client;
  }
}
