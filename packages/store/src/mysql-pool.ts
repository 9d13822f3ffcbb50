/**
 * Connections to MySQL and MariaDB. A write is one packet with the whole transaction ({@link MysqlPool.script}): the server runs it to
 * its COMMIT whatever becomes of the client, so a leader that is paused in the middle holds no lock its successor needs. (PostgreSQL
 * has a timeout for that; MySQL has none.) Values go in as hexadecimal literals only, so no quoting rule can matter.
 */
import { errorText, StoreError } from './errors.ts';
import { foreignTables, notAdmitted, unavailable, unconfirmed } from './refusals.ts';
import type { StoreClock } from './ports.ts';
import type { SqlAddress } from './store-address.ts';
import { withDeadline } from './waiting.ts';

/** Connections of one store handle. */
const CONNECTIONS_MAX = 4;

/** Fixed behaviour of every session. MariaDB also ends transactions whose client says nothing (second line of defence). */
const SESSION = `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00',
  SESSION innodb_lock_wait_timeout = 1, SESSION autocommit = 1 /*M!100300 , SESSION idle_transaction_timeout = 2 */;
  SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`;

/** A row; BIGINT columns are numbers, VARBINARY columns Buffers. */
export type MyRow = Record<string, unknown>;
/** A statement with `?` for each value. */
export type MyStatement = readonly [sql: string, ...args: (number | Buffer | null)[]];

interface MyConnection {
  query(sql: string, args?: readonly unknown[]): Promise<[unknown, unknown]>;
  release(): void;
  destroy(): void;
}
interface MyRawConnection {
  query(sql: string, done: (error: unknown) => void): void;
  on(event: string, listener: (arg: unknown) => void): void;
  destroy(): void;
}
interface MyPool {
  getConnection(): Promise<MyConnection>;
  end(): Promise<void>;
  on(event: string, listener: (connection: MyRawConnection) => void): void;
}
/** The parts of `mysql2/promise` that are used; loaded only when an address asks for MySQL or MariaDB. */
interface MyModule {
  createPool(config: object): MyPool;
}

interface MyError {
  readonly errno?: number;
  readonly sqlState?: string;
  readonly fatal?: boolean;
}

/** Access denied, unknown database, missing rights. */
const CONFIG_ERRNOS = new Set([1044, 1045, 1049, 1142, 1227, 1698]);
/** Unknown table or column. */
const SCHEMA_ERRNOS = new Set([1054, 1146]);
/** Server shutdown, killed query or connection: says nothing about a COMMIT under way. */
const BROKEN_ERRNOS = new Set([1053, 1317, 1927, 3169, 4031]);
const DEADLOCK = 1213;

/** How far a call came: decides what a failure means. */
interface Progress {
  sent: boolean;
  late: boolean;
  connection: MyConnection | null;
}

/** A small pool. */
export class MysqlPool {
  private readonly clock: StoreClock;
  private readonly config: object;
  private readonly where: string;
  private readonly opTimeoutMs: number;
  private pool: MyPool | null = null;

  constructor(address: SqlAddress, clock: StoreClock, opTimeoutMs: number) {
    this.clock = clock;
    this.opTimeoutMs = opTimeoutMs;
    this.where = `mysql ${address.host}:${address.port}`;
    this.config = {
      host: address.host,
      port: address.port,
      database: address.database,
      user: address.user,
      password: address.password,
      ...(address.tls === 'off' ? {} : { ssl: { rejectUnauthorized: address.tls === 'verify' } }),
      connectionLimit: CONNECTIONS_MAX,
      connectTimeout: opTimeoutMs,
      multipleStatements: true,
      charset: 'utf8mb4',
    };
  }

  /** Loads the driver. @throws SR_STORE_CONFIG when it is not installed */
  async open(): Promise<void> {
    let loaded: { default?: MyModule } & MyModule;
    try {
      loaded = (await import('mysql2/promise')) as unknown as { default?: MyModule } & MyModule;
    } catch (error) {
      throw new StoreError('SR_STORE_CONFIG', 'the MySQL driver is not installed: npm install mysql2', error);
    }
    this.pool = (loaded.default ?? loaded).createPool(this.config);
    this.pool.on('connection', (connection) => {
      // A broken connection fails the query it runs; without a listener it would also end the process.
      connection.on('error', () => {});
      connection.query(SESSION, (error) => {
        if (error !== null && error !== undefined) connection.destroy();
      });
    });
  }

  async close(): Promise<void> {
    const { pool } = this;
    this.pool = null;
    const ended = pool?.end() ?? Promise.resolve();
    await withDeadline(this.clock, this.opTimeoutMs, ended, () => this.away('closing')).catch(() => {});
  }

  /** Runs one reading statement. */
  async read(...statement: MyStatement): Promise<MyRow[]> {
    const [sql, ...args] = statement;
    const [rows] = await this.run(false, (connection) => connection.query(sql, args));
    return rows as MyRow[];
  }

  /**
   * Runs statements as one transaction in one packet; the last row-giving statements answer, and COMMIT comes after them.
   * @returns the rows of each statement that gave some. A deadlock is tried once more.
   */
  async script(statements: readonly MyStatement[]): Promise<MyRow[][]> {
    const all: MyStatement[] = [['START TRANSACTION'], ...statements, ['COMMIT']];
    const sql = all.map(([text]) => text).join(';\n');
    const args = all.flatMap(([, ...values]) => values);
    const once = async (): Promise<MyRow[][]> => {
      const [results] = await this.run(true, (connection) => connection.query(sql, args));
      return (results as unknown[]).filter((r): r is MyRow[] => Array.isArray(r));
    };
    try {
      return await once();
    } catch (error) {
      if (((error as StoreError).cause as MyError | undefined)?.errno === DEADLOCK) return once();
      throw error;
    }
  }

  /** Runs `work` on one connection without a transaction: for schema changes, which commit by themselves. */
  async session<T>(work: (query: (...statement: MyStatement) => Promise<MyRow[]>) => Promise<T>): Promise<T> {
    return this.run(false, (connection) =>
      work(async (sql, ...args) => (await connection.query(sql, args))[0] as MyRow[]),
    );
  }

  private run<T>(write: boolean, work: (connection: MyConnection) => Promise<T>): Promise<T> {
    const progress: Progress = { sent: false, late: false, connection: null };
    return withDeadline(this.clock, this.opTimeoutMs, this.connected(progress, write, work), () => {
      progress.late = true;
      progress.connection?.destroy();
      const why = `no answer within ${this.opTimeoutMs} ms`;
      return write && progress.sent ? this.lost(why) : this.away(why);
    });
  }

  private async connected<T>(
    progress: Progress,
    write: boolean,
    work: (connection: MyConnection) => Promise<T>,
  ): Promise<T> {
    const { pool } = this;
    if (pool === null) throw this.away('closed');
    let connection: MyConnection;
    try {
      connection = await pool.getConnection();
    } catch (error) {
      throw this.sort(error, false);
    }
    if (progress.late) {
      connection.release();
      throw this.away('no time left');
    }
    progress.connection = connection;
    progress.sent = true;
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (error) {
      // Closing the connection also rolls back what a failed script left open.
      connection.destroy();
      throw this.sort(error, write);
    } finally {
      progress.connection = null;
    }
  }

  private sort(error: unknown, write: boolean): StoreError {
    if (error instanceof StoreError) return error;
    const { errno = 0, sqlState } = error as MyError;
    const text = errorText(error);
    if (CONFIG_ERRNOS.has(errno)) {
      return notAdmitted(this.where, error);
    }
    if (SCHEMA_ERRNOS.has(errno)) {
      return foreignTables(this.where, error);
    }
    // With a sqlState the server itself refused a statement, and COMMIT is the last one.
    const refused = sqlState !== undefined && !BROKEN_ERRNOS.has(errno);
    return write && !refused ? this.lost(text, error) : this.away(text, error);
  }

  private away(why: string, cause?: unknown): StoreError {
    return unavailable(this.where, why, cause);
  }

  private lost(why: string, cause?: unknown): StoreError {
    return unconfirmed(this.where, why, cause);
  }
}
