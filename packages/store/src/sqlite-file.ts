/**
 * Opening the SQLite file: the directory, the exclusive lock, the integrity check and the schema, each refusal in words an
 * operator can act on. The only part of the store that touches files.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorText, StoreError } from './errors.ts';
import { migrationChecksum, pendingMigrations } from './migrations.ts';
import { SQLITE_APPLICATION_ID, SQLITE_MIGRATIONS } from './sqlite-schema.ts';

/** Name of the file in the data directory. */
export const SQLITE_FILE_NAME = 'registry.db';

/** Primary SQLite result codes this store tells apart. */
const CODE = {
  busy: 5,
  locked: 6,
  readonly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  notADb: 26,
};

/** The primary result code of what node:sqlite threw, or undefined. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Turns what node:sqlite threw into a StoreError. `committing`: the failure came from COMMIT. */
export function sqliteError(file: string, error: unknown, committing = false): StoreError {
  if (error instanceof StoreError) return error;
  const text = errorText(error);
  switch (resultCode(error)) {
    case CODE.busy:
    case CODE.locked:
      return new StoreError(
        'SR_STORE_IN_USE',
        `${file} is in use by another process: stop it, or give this one its own data directory`,
        error,
      );
    case CODE.corrupt:
    case CODE.notADb:
      return damaged(file, text, error);
    case CODE.cantOpen:
    case CODE.readonly:
      return new StoreError(
        'SR_STORE_PATH',
        `${file} cannot be written (${text}): check its owner and mode`,
        error,
      );
    case CODE.full:
      return new StoreError('SR_STORE_UNAVAILABLE', `no space left for ${file}: nothing was written`, error);
    default:
      // After a failed fsync of COMMIT nobody knows whether the disk has the write.
      if (committing) return new StoreError('SR_STORE_UNKNOWN', `writing ${file} failed (${text})`, error);
      return new StoreError('SR_STORE_UNAVAILABLE', `${file}: ${text}`, error);
  }
}

function damaged(file: string, why: string, cause?: unknown): StoreError {
  return new StoreError(
    'SR_STORE_CORRUPT',
    `${file} is damaged (${why}): put a backup in its place, or move it and ${SQLITE_FILE_NAME}-wal away to start with default settings`,
    cause,
  );
}

/** Creates the data directory and an empty file only its owner can read (the store holds the admin tokens). */
function prepare(dir: string): string {
  const file = join(dir, SQLITE_FILE_NAME);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    closeSync(openSync(file, 'a', 0o600));
  } catch (error) {
    throw new StoreError(
      'SR_STORE_PATH',
      `data directory ${dir} cannot be used (${errorText(error)}): create it or choose another one`,
      error,
    );
  }
  return file;
}

/**
 * Opens `<dir>/registry.db` for this process alone, checked and migrated.
 * @throws SR_STORE_PATH, SR_STORE_IN_USE, SR_STORE_CORRUPT, SR_STORE_SCHEMA
 */
export function openSqliteFile(dir: string): { readonly db: DatabaseSync; readonly file: string } {
  const file = prepare(dir);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    // EXCLUSIVE keeps the file lock from the first transaction until close, and the kernel drops it when the process dies.
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    db.exec('PRAGMA journal_size_limit = 4194304');
    db.exec('BEGIN IMMEDIATE');
    check(db, file);
    migrate(db);
    db.exec('COMMIT');
    return { db, file };
  } catch (error) {
    db?.close();
    throw sqliteError(file, error);
  }
}

function check(db: DatabaseSync, file: string): void {
  const id = Number(db.prepare('PRAGMA application_id').get()?.application_id);
  const tables = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
  if (id !== SQLITE_APPLICATION_ID && (id !== 0 || tables > 0)) {
    throw damaged(file, 'it is the database of another program');
  }
  const found = db.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (found !== 'ok') throw damaged(file, errorText(found));
}

function migrate(db: DatabaseSync): void {
  db.exec(`PRAGMA application_id = ${SQLITE_APPLICATION_ID}`);
  db.exec('CREATE TABLE IF NOT EXISTS sr_schema (version INTEGER PRIMARY KEY, name TEXT, checksum TEXT)');
  const applied = db.prepare('SELECT version, checksum FROM sr_schema ORDER BY version').all();
  const rows = applied.map((r) => ({ version: Number(r.version), checksum: String(r.checksum) }));
  for (const migration of pendingMigrations(SQLITE_MIGRATIONS, rows)) {
    for (const statement of migration.statements) db.exec(statement);
    db.prepare('INSERT INTO sr_schema (version, name, checksum) VALUES (?, ?, ?)').run(
      migration.version,
      migration.name,
      migrationChecksum(migration),
    );
  }
}
