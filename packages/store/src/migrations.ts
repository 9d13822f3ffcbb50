/** Ordered schema changes, checked against what a store says was applied. Drivers run them under their own lock. */
import { createHash } from 'node:crypto';
import { StoreError } from './errors.ts';

/** One schema change. Never edit one that was released: add another. */
export interface Migration {
  /** 1, 2, 3 ... without gaps. */
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/** A row of the table of applied changes. */
export interface AppliedMigration {
  readonly version: number;
  readonly checksum: string;
}

/** Fingerprint of a change, 32 hex digits. */
export function migrationChecksum(migration: Migration): string {
  const text = [migration.name, ...migration.statements].join('\n').replace(/\s+/g, ' ');
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/**
 * The changes still to run.
 * @throws SR_STORE_SCHEMA when the store is newer than this program, has a gap, or a change differs from ours
 */
export function pendingMigrations(
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  applied.forEach((row, i) => {
    const ours = known[i];
    if (row.version !== i + 1) throw schemaError(`schema version ${i + 1} is missing from sr_schema`);
    if (ours === undefined) {
      throw schemaError(
        `it has schema version ${row.version}, this program knows up to ${known.length}; update it`,
      );
    }
    if (row.checksum !== migrationChecksum(ours)) {
      throw schemaError(
        `its schema version ${row.version} ("${ours.name}") is not the one this program made`,
      );
    }
  });
  return known.slice(applied.length);
}

function schemaError(why: string): StoreError {
  return new StoreError('SR_STORE_SCHEMA', `the store cannot be used: ${why}`);
}
