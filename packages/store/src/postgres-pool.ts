/**
 * Connections to PostgreSQL: transactions with a deadline, and errors sorted by what is known about the write. A transaction
 * of a process that stopped in the middle is rolled back by the server after `IDLE_IN_TRANSACTION_MS`, so a paused leader
 * cannot block its successor for longer.
 */
import { errorText, StoreError } from './errors.ts';
import { foreignTables, notAdmitted, unavailable, unconfirmed } from './refusals.ts';
import type { StoreClock } from './ports.ts';
import type { SqlAddress } from './store-address.ts';
import { withDeadline } from './waiting.ts';

/** Connections of one store handle. */
const CONNECTIONS_MAX = 4;
/** How long the server waits for a transaction whose client says nothing, ms. */
const IDLE_IN_TRANSACTION_MS = 2_000;

/** A row; bigint columns are strings, bytea columns Buffers. */
export type PgRow = Record<string, unknown>;
/** What the driver `pg` gives for a statement. */
export interface PgResult {
  readonly rows: PgRow[];
  readonly rowCount: number | null;
}
/** Runs one statement. */
export type PgQuery = (sql: string, args?: readonly unknown[]) => Promise<PgResult>;

/** The parts of `pg` that are used; loaded only when an address asks for PostgreSQL. */
interface PgClient {
  query(sql: string, args?: readonly unknown[]): Promise<PgResult>;
  on(event: string, listener: (arg: unknown) => void): void;
  connection?: { stream?: { destroy(): void } };
}
interface PgPoolClient extends PgClient {
  release(destroy?: boolean): void;
}
interface PgPool {
  connect(): Promise<PgPoolClient>;
  end(): Promise<void>;
  on(event: string, listener: (arg: unknown) => void): void;
}
interface PgOwnClient extends PgClient {
  connect(): Promise<void>;
  end(): Promise<void>;
}
interface PgModule {
  Pool: new (config: object) => PgPool;
  Client: new (config: object) => PgOwnClient;
}

/** How far a transaction came: decides what a failure means. */
interface Progress {
  committing: boolean;
  late: boolean;
  client: PgPoolClient | null;
}

const CONFIG_STATES = /^(28|3D000|42501|3F000)/;
const SCHEMA_STATES = /^(42P01|42703)/;
/** Connection lost, server going down, or too busy: says nothing about a COMMIT under way. */
const BROKEN_STATES = /^(08|57P|XX)/;

/** A small pool. */
export class PostgresPool {
  private readonly clock: StoreClock;
  private readonly config: object;
  private readonly where: string;
  private readonly opTimeoutMs: number;
  private module: PgModule | null = null;
  private pool: PgPool | null = null;

  constructor(address: SqlAddress, clock: StoreClock, opTimeoutMs: number) {
    this.clock = clock;
    this.opTimeoutMs = opTimeoutMs;
    this.where = `postgres ${address.host}:${address.port}`;
    this.config = {
      host: address.host,
      port: address.port,
      database: address.database,
      user: address.user,
      password: address.password,
      ssl: address.tls === 'off' ? false : { rejectUnauthorized: address.tls === 'verify' },
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: opTimeoutMs,
      application_name: 'sofa-registry',
      keepAlive: true,
      allowExitOnIdle: true,
    };
  }

  /** Loads the driver. @throws SR_STORE_CONFIG when it is not installed */
  async open(): Promise<void> {
    try {
      const loaded = (await import('pg')) as { default?: PgModule } & PgModule;
      this.module = loaded.default ?? loaded;
    } catch (error) {
      throw new StoreError(
        'SR_STORE_CONFIG',
        'the PostgreSQL driver is not installed: npm install pg',
        error,
      );
    }
    this.pool = new this.module.Pool(this.config);
    // A connection that breaks while idle is replaced at the next call; one in use fails its query, and would without a
    // listener of its own also end the process.
    this.pool.on('error', () => {});
    this.pool.on('connect', (client) => (client as PgClient).on('error', () => {}));
  }

  async close(): Promise<void> {
    const { pool } = this;
    this.pool = null;
    await withDeadline(this.clock, this.opTimeoutMs, pool?.end() ?? Promise.resolve(), () =>
      this.away('closing'),
    ).catch(() => {});
  }

  /** Runs one reading statement. */
  read(sql: string, args: readonly unknown[]): Promise<PgResult> {
    return this.run((progress) => this.connected(progress, (query) => query(sql, args)));
  }

  /** Runs `work` in a READ COMMITTED transaction. A deadlock is tried once more. */
  async write<T>(work: (query: PgQuery) => Promise<T>): Promise<T> {
    const once = (): Promise<T> =>
      this.run((progress) =>
        this.connected(progress, async (query) => {
          await query(
            `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SET LOCAL idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS};
             SET LOCAL statement_timeout = ${this.opTimeoutMs}`,
          );
          const result = await work(query);
          if (progress.late) throw this.away('no time left');
          progress.committing = true;
          await query('COMMIT');
          progress.committing = false;
          return result;
        }),
      );
    try {
      return await once();
    } catch (error) {
      const state = ((error as StoreError).cause as { code?: unknown } | undefined)?.code;
      if (state === '40P01' || state === '40001') return once();
      throw error;
    }
  }

  /** Listens on a channel until the connection breaks (rejects) or `stop` resolves. */
  async listen(channel: string, heard: (payload: string) => void, stop: Promise<void>): Promise<void> {
    const { module } = this;
    if (module === null) return;
    const client = new module.Client(this.config);
    const broken = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new Error('connection ended')));
    });
    client.on('notification', (note) => heard(String((note as { payload?: unknown }).payload)));
    try {
      await Promise.race([client.connect().then(() => client.query(`LISTEN ${channel}`)), broken]);
      await Promise.race([stop, broken]);
    } finally {
      broken.catch(() => {});
      client.connection?.stream?.destroy();
    }
  }

  private run<T>(work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress: Progress = { committing: false, late: false, client: null };
    return withDeadline(this.clock, this.opTimeoutMs, work(progress), () => {
      progress.late = true;
      // Without its connection the transaction cannot go on, and the server rolls it back.
      progress.client?.connection?.stream?.destroy();
      const why = `no answer within ${this.opTimeoutMs} ms`;
      return progress.committing ? this.lost(why) : this.away(why);
    });
  }

  private async connected<T>(progress: Progress, work: (query: PgQuery) => Promise<T>): Promise<T> {
    const { pool } = this;
    if (pool === null) throw this.away('closed');
    let client: PgPoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw this.sort(error, false);
    }
    progress.client = client;
    let clean = false;
    try {
      if (progress.late) throw this.away('no time left');
      const result = await work((sql, args) => client.query(sql, args));
      clean = true;
      return result;
    } catch (error) {
      // A refusal of ours, or of the server: the transaction ends, the connection is still good.
      clean = !progress.late && (await rolledBack(client, error));
      throw this.sort(error, progress.committing);
    } finally {
      progress.client = null;
      client.release(!clean || progress.late);
    }
  }

  private sort(error: unknown, committing: boolean): StoreError {
    if (error instanceof StoreError) return error;
    const code = (error as { code?: unknown }).code;
    const state = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : '';
    const text = errorText(error);
    if (CONFIG_STATES.test(state)) {
      return notAdmitted(this.where, error);
    }
    if (SCHEMA_STATES.test(state)) {
      return foreignTables(this.where, error);
    }
    if (committing && (state === '' || BROKEN_STATES.test(state))) return this.lost(text, error);
    return this.away(text, error);
  }

  private away(why: string, cause?: unknown): StoreError {
    return unavailable(this.where, why, cause);
  }

  private lost(why: string, cause?: unknown): StoreError {
    return unconfirmed(this.where, why, cause);
  }
}

/** Ends the transaction after a failure. False when the connection is of no more use. */
async function rolledBack(client: PgPoolClient, error: unknown): Promise<boolean> {
  const code = (error as { code?: unknown }).code;
  const answered = error instanceof StoreError || (typeof code === 'string' && !BROKEN_STATES.test(code));
  if (!answered) return false;
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}
