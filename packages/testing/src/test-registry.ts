/**
 * A whole registry inside a test: meta, data and session of production in this process, over memory or with a real TCP port on
 * loopback, on real or manual time. Nothing is left behind when it is closed.
 */
import { connectWith, fixedServerList, type Registry, type RegistryOptions } from '@sofa-registry/client';
import { DataServer, type DataTunables } from '@sofa-registry/data';
import { MetaServer, type MetaTunables } from '@sofa-registry/meta';
import { DEFAULT_DATA_CENTER, type HostPort, parseAddress, SLOT_FUNCTION } from '@sofa-registry/model';
import {
  type Clock,
  type Logger,
  type ManualClock,
  memoryNetwork,
  type Network,
  noopLogger,
  type Random,
  seededRandom,
} from '@sofa-registry/runtime';
import { nodeClock, nodeRandom, tcpNetwork } from '@sofa-registry/runtime/node';
import { SessionServer, type SessionTunables } from '@sofa-registry/session';
import { type MetaStore, memoryStore, MemoryStoreBackend } from '@sofa-registry/store';

/** Options of {@link startTestRegistry}. */
export interface TestRegistryOptions {
  /**
   * `memory` (default): clients of this process reach it through {@link TestRegistry.connect}, no socket is opened. `tcp`: the
   * client port is a real one on 127.0.0.1, for clients in other processes or languages.
   */
  readonly network?: 'memory' | 'tcp';
  /** Client port with `tcp`; 0 (default) = any free one. */
  readonly port?: number;
  /** Time. Default: real time. With a manual clock the test moves it; only with `memory`. */
  readonly clock?: ManualClock;
  /** Seed of all randomness; default: the machine's. */
  readonly seed?: number;
  /** Zone of the session. Default `DEFAULT_ZONE`. */
  readonly zone?: string;
  /** Slots. Default 16: a test has few services. */
  readonly slotCount?: number;
  /** Tunables that differ from the defaults. */
  readonly session?: Partial<SessionTunables>;
  readonly data?: Partial<DataTunables>;
  readonly meta?: Partial<MetaTunables>;
  /** Default: no log. */
  readonly logger?: Logger;
}

/** A running registry. */
export interface TestRegistry extends AsyncDisposable {
  /** `host:port` of the client port; with `memory` only {@link connect} can use it. */
  readonly address: string;
  readonly session: SessionServer;
  readonly data: DataServer;
  readonly meta: MetaServer;
  /** A connected SDK client. It is closed with the registry. */
  connect(options?: Partial<RegistryOptions>): Promise<Registry>;
  /** Kills the data role and starts an empty one: everything comes back from the session. */
  restartData(): Promise<void>;
  /** Kills the session role and starts another at the same address: clients reconnect and register again. */
  restartSession(): Promise<void>;
  /** Ends everything. Idempotent. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const META_PORT = 9611;
const DATA_PORT = 9621;
const SESSION_PORT = 9600;

/** Starts a registry; resolves when it takes clients. With a manual clock: moves it until then. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = new InProcessRegistry(options);
  try {
    await registry.start();
  } catch (error) {
    await registry.close();
    throw error;
  }
  return registry;
}

/** Steps by which a manual clock is moved while something starts, ms, and their greatest number. */
const STEP_MS = 10;
const STEPS_MAX = 6000;

class InProcessRegistry implements TestRegistry {
  session!: SessionServer;
  data!: DataServer;
  meta!: MetaServer;
  address = '';
  readonly #options: TestRegistryOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #inside: Network;
  readonly #clients: Network;
  readonly #registries: Registry[] = [];
  #store: MetaStore | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: TestRegistryOptions) {
    const tcp = options.network === 'tcp';
    if (tcp && options.clock !== undefined) throw new TypeError('a manual clock needs network memory');
    this.#options = options;
    this.#clock = options.clock ?? nodeClock();
    this.#random = options.seed === undefined ? nodeRandom() : seededRandom(options.seed);
    this.#logger = options.logger ?? noopLogger();
    this.#inside = memoryNetwork({ clock: this.#clock });
    this.#clients = tcp ? tcpNetwork({ clock: this.#clock, logger: this.#logger }) : this.#inside;
  }

  async start(): Promise<void> {
    const { clock, random, logger } = this.#ports();
    const store = memoryStore(new MemoryStoreBackend({ clock }), { clock, random });
    this.#store = store;
    await this.#until(store.open());
    this.meta = new MetaServer(
      { clock, random, network: this.#inside, logger, store },
      { ...this.#common(META_PORT), ...this.#options.meta },
    );
    await this.#until(this.meta.start());
    await this.#startData();
    await this.#startSession({
      host: HOST,
      port: this.#options.network === 'tcp' ? (this.#options.port ?? 0) : SESSION_PORT,
    });
  }

  async connect(options: Partial<RegistryOptions> = {}): Promise<Registry> {
    const target = parseAddress(this.address);
    if (target === null || this.#closing !== null) throw new Error('the registry is closed');
    const ports = {
      clock: this.#clock,
      random: this.#random,
      network: this.#clients,
      list: fixedServerList([target]),
    };
    const registry = await this.#until(connectWith(ports, { app: 'test', ...options }));
    this.#registries.push(registry);
    return registry;
  }

  async restartData(): Promise<void> {
    await this.data.kill();
    await this.#startData();
  }

  async restartSession(): Promise<void> {
    const target = parseAddress(this.address);
    if (target === null) throw new Error('the registry is closed');
    this.session.kill();
    await this.#startSession(target);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startData(): Promise<void> {
    this.data = new DataServer(
      { ...this.#ports(), network: this.#inside },
      { ...this.#common(DATA_PORT), ...this.#options.data },
    );
    await this.#until(this.data.start());
  }

  async #startSession(listen: HostPort): Promise<void> {
    const ports = { ...this.#ports(), network: this.#inside, clientNetwork: this.#clients };
    this.session = new SessionServer(ports, { ...this.#common(0), listen, ...this.#options.session });
    await this.#until(this.session.start());
    this.address = this.session.address;
  }

  #ports(): { clock: Clock; random: Random; logger: Logger } {
    return { clock: this.#clock, random: this.#random, logger: this.#logger };
  }

  #common(port: number) {
    return {
      listen: { host: HOST, port },
      advertise: '',
      httpAddress: '',
      metas: [`${HOST}:${META_PORT}`],
      zone: this.#options.zone ?? 'DEFAULT_ZONE',
      dataCenter: DEFAULT_DATA_CENTER,
      slotConfig: { slotCount: this.#options.slotCount ?? 16, replicas: 2, slotFunction: SLOT_FUNCTION },
    };
  }

  /** Waits for a promise, moving a manual clock meanwhile. */
  async #until<T>(promise: Promise<T>): Promise<T> {
    const { clock } = this.#options;
    if (clock === undefined) return promise;
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    await clock.settle();
    for (let step = 0; !settled && step < STEPS_MAX; step++) await clock.advance(STEP_MS);
    if (!settled) throw new Error('the registry did not start within a minute of manual time');
    return promise;
  }

  async #close(): Promise<void> {
    const closing = Promise.all(this.#registries.map((registry) => registry.close()));
    await this.#until(closing);
    this.session?.kill();
    await this.data?.kill();
    this.meta?.kill();
    await this.#store?.close();
  }
}
