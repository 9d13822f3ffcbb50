/** One open SQLite file: prepared statements, transactions, and errors as StoreErrors. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { StoreError } from './errors.ts';
import { openSqliteFile, sqliteError } from './sqlite-file.ts';

/** A row; BLOB columns are Uint8Arrays, INTEGER columns numbers. */
export type SqliteRow = Record<string, unknown>;

/** The file behind a SQLite store. Everything is synchronous. */
export class SqliteConnection {
  private readonly statements = new Map<string, StatementSync>();
  private db: DatabaseSync | null = null;
  private file = '';

  /** See {@link openSqliteFile}. */
  open(dir: string): void {
    const { db, file } = openSqliteFile(dir);
    this.db = db;
    this.file = file;
  }

  close(): void {
    this.statements.clear();
    const { db } = this;
    this.db = null;
    db?.close();
  }

  /** The first row. */
  get(sql: string, ...args: SQLInputValue[]): SqliteRow | undefined {
    return this.sorted(() => this.prepare(sql).get(...args));
  }

  /** All rows. */
  all(sql: string, ...args: SQLInputValue[]): SqliteRow[] {
    return this.sorted(() => this.prepare(sql).all(...args));
  }

  /** Rows one by one; the caller may stop early. */
  *iterate(sql: string, ...args: SQLInputValue[]): Generator<SqliteRow, void, undefined> {
    try {
      yield* this.prepare(sql).iterate(...args);
    } catch (error) {
      throw sqliteError(this.file, error);
    }
  }

  /** Runs a writing statement; how many rows it changed. */
  run(sql: string, ...args: SQLInputValue[]): number {
    return this.sorted(() => Number(this.prepare(sql).run(...args).changes));
  }

  /** All of `work` or nothing, durable on return. */
  transaction<T>(work: () => T): T {
    const db = this.opened();
    let committing = false;
    try {
      db.exec('BEGIN IMMEDIATE');
      const result = work();
      committing = true;
      db.exec('COMMIT');
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw sqliteError(this.file, error, committing);
    }
  }

  private sorted<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteError(this.file, error);
    }
  }

  private opened(): DatabaseSync {
    if (this.db === null) throw new StoreError('SR_STORE_UNAVAILABLE', 'the sqlite store is not open');
    return this.db;
  }

  private prepare(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) this.statements.set(sql, (statement = this.opened().prepare(sql)));
    return statement;
  }
}
