/** From an address to an open store. Drivers of servers are loaded only when an address asks for them. */
import type { DriverContext, StoreDriver } from './driver.ts';
import { DriverStore } from './driver-store.ts';
import { STORE_LIMITS } from './limits.ts';
import { MemoryStoreBackend } from './memory-backend.ts';
import { MemoryDriver } from './memory.ts';
import { MeasuredDriver } from './measured-driver.ts';
import type { MetaStore } from './meta-store.ts';
import type { StoreLogger, StoreObserver, StorePorts, StoreRandom } from './ports.ts';
import { parseStoreAddress, type StoreAddress } from './store-address.ts';
import { checkName } from './validate.ts';

/** How to reach a store. */
export interface StoreOptions {
  /** `memory:`, `sqlite:/dir`, `postgres://`, `mysql://`, `mariadb://`, `etcd://h1:2379,h2:2379` or a `jdbc:` form. */
  readonly url: string;
  /** Cluster id: separates registries that share a store. 1 to 128 bytes. Default `default`. */
  readonly cluster?: string;
  /** User name; wins over one in the address. */
  readonly user?: string;
  /** Password; wins over one in the address. Never logged. */
  readonly password?: string;
  /** Longest time of one operation, ms. Default 1500 (a call must fail within 2 s). */
  readonly opTimeoutMs?: number;
  /** Longest time until a watch asks a SQL server for changes made by others, ms. Default 1000. */
  readonly pollMs?: number;
}

/** What drivers of servers get beside the {@link DriverContext}. */
export interface ServerOptions {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly pollMs: number;
}

const DEFAULT_CLUSTER = 'default';
const OP_TIMEOUT_MS = 1_500;
const POLL_MS = 1_000;

const SILENT: StoreLogger = { info: () => {}, warn: () => {} };

function newToken(random: StoreRandom): string {
  const word = (): string => (random.uint32() >>> 0).toString(16).padStart(8, '0');
  return word() + word() + word() + word();
}

function contextOf(options: Omit<StoreOptions, 'url'>, ports: StorePorts): DriverContext {
  const cluster = options.cluster ?? DEFAULT_CLUSTER;
  checkName('cluster id', cluster, STORE_LIMITS.clusterBytesMax);
  return {
    clock: ports.clock,
    logger: ports.logger ?? SILENT,
    cluster,
    token: newToken(ports.random),
    opTimeoutMs: options.opTimeoutMs ?? OP_TIMEOUT_MS,
  };
}

async function driverOf(
  address: StoreAddress,
  options: StoreOptions,
  ctx: DriverContext,
): Promise<StoreDriver> {
  const server: ServerOptions = {
    user: options.user,
    password: options.password,
    pollMs: options.pollMs ?? POLL_MS,
  };
  switch (address.kind) {
    case 'memory':
      return new MemoryDriver(new MemoryStoreBackend({ clock: ctx.clock }), ctx);
    case 'sqlite':
      return new (await import('./sqlite.ts')).SqliteDriver(address.dir, ctx);
    case 'postgres':
      return new (await import('./postgres.ts')).PostgresDriver(address, server, ctx);
    case 'mysql':
      return new (await import('./mysql.ts')).MysqlDriver(address, server, ctx);
    case 'etcd':
      return new (await import('./etcd.ts')).EtcdDriver(address, server, ctx);
  }
}

function storeOn(driver: StoreDriver, ctx: DriverContext, observer: StoreObserver | undefined): DriverStore {
  return new DriverStore(
    observer === undefined ? driver : new MeasuredDriver(driver, ctx.clock, observer),
    ctx,
  );
}

/**
 * Connects to a store and creates or migrates its schema.
 * @throws SR_STORE_CONFIG for an address or credentials that cannot work, SR_STORE_UNAVAILABLE when a server does not answer
 * within about 2 s (try again later), SR_STORE_PATH / IN_USE / CORRUPT / SCHEMA for what an operator must settle
 */
export async function openStore(where: string | StoreOptions, ports: StorePorts): Promise<MetaStore> {
  const options = typeof where === 'string' ? { url: where } : where;
  const ctx = contextOf(options, ports);
  const store = storeOn(await driverOf(parseStoreAddress(options.url), options, ctx), ctx, ports.observer);
  await store.open();
  return store;
}

/**
 * A handle on a shared memory backend: one process of a simulated cluster. Not open yet: call `open()`.
 */
export function memoryStore(
  backend: MemoryStoreBackend,
  ports: Omit<StorePorts, 'clock'> & Partial<Pick<StorePorts, 'clock'>>,
  options: { readonly cluster?: string; readonly opTimeoutMs?: number } = {},
): MetaStore {
  const ctx = contextOf(options, { ...ports, clock: ports.clock ?? backend.clock });
  return storeOn(new MemoryDriver(backend, ctx), ctx, ports.observer);
}
