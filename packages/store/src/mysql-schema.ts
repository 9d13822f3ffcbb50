/**
 * Tables of the MySQL and MariaDB store. All names and keys are VARBINARY: compared as bytes, no padding, no case folding.
 * DDL commits by itself there, so every statement can be repeated.
 */
import { StoreError } from './errors.ts';
import { keyBytes } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import { type Migration, migrationChecksum, pendingMigrations } from './migrations.ts';
import type { MyRow, MyStatement } from './mysql-pool.ts';

/** A batch of records as hexadecimal text, and its keys. */
const PACKET_BYTES_MIN = 2 * STORE_LIMITS.recordBatchBytesMax + 2_097_152;

export const MYSQL_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'first',
    statements: [
      // until_ms: when the lock runs out by the server's clock, ms since 1970; 0 = free.
      `CREATE TABLE IF NOT EXISTS sr_lease (
        cluster VARBINARY(128) PRIMARY KEY, term BIGINT NOT NULL, owner VARBINARY(255), token VARBINARY(64),
        ttl_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL) ENGINE=InnoDB`,
      // Last sequence per (cluster, log), number of rows, and bytes ever put into sr_change. Locked by every writer: commit order.
      `CREATE TABLE IF NOT EXISTS sr_counter (
        cluster VARBINARY(128), name VARBINARY(32), seq BIGINT NOT NULL, row_total BIGINT NOT NULL,
        bytes BIGINT NOT NULL, PRIMARY KEY (cluster, name)) ENGINE=InnoDB`,
      `CREATE TABLE IF NOT EXISTS sr_doc (
        cluster VARBINARY(128), k VARBINARY(1024), version BIGINT NOT NULL, value LONGBLOB NOT NULL,
        PRIMARY KEY (cluster, k)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC`,
      `CREATE TABLE IF NOT EXISTS sr_change (
        cluster VARBINARY(128), seq BIGINT, prev BIGINT NOT NULL, k VARBINARY(1024) NOT NULL, value LONGBLOB,
        bytes BIGINT NOT NULL, PRIMARY KEY (cluster, seq)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC`,
      `CREATE TABLE IF NOT EXISTS sr_record (
        cluster VARBINARY(128), log VARBINARY(32), k VARBINARY(1024), seq BIGINT NOT NULL, body LONGBLOB NOT NULL,
        keep_row TINYINT NOT NULL, touched BIGINT NOT NULL, PRIMARY KEY (cluster, log, k),
        KEY sr_record_seq (cluster, log, seq), KEY sr_record_touched (cluster, log, keep_row, touched))
        ENGINE=InnoDB ROW_FORMAT=DYNAMIC`,
    ],
  },
];

/** Creates or updates the tables under a named lock. @throws SR_STORE_SCHEMA, SR_STORE_CONFIG */
export async function migrateMysql(query: (...statement: MyStatement) => Promise<MyRow[]>): Promise<void> {
  const [{ packet }] = await query('SELECT @@max_allowed_packet AS packet');
  if (Number(packet) < PACKET_BYTES_MIN) {
    throw new StoreError(
      'SR_STORE_CONFIG',
      `max_allowed_packet of the server is ${Number(packet)}, the store needs at least ${PACKET_BYTES_MIN}`,
    );
  }
  const [{ locked }] = await query(`SELECT GET_LOCK('sofa-registry schema', 1) AS locked`);
  if (Number(locked) !== 1) {
    throw new StoreError(
      'SR_STORE_UNAVAILABLE',
      'another process is changing the schema of the store; try again',
    );
  }
  try {
    await query(
      `CREATE TABLE IF NOT EXISTS sr_schema (version INT PRIMARY KEY, name VARCHAR(64) NOT NULL,
         checksum VARCHAR(64) NOT NULL, applied TIMESTAMP DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB`,
    );
    const rows = await query('SELECT version, checksum FROM sr_schema ORDER BY version');
    const applied = rows.map((row) => ({ version: Number(row.version), checksum: String(row.checksum) }));
    for (const migration of pendingMigrations(MYSQL_MIGRATIONS, applied)) {
      for (const statement of migration.statements) await query(statement);
      await query(
        'INSERT INTO sr_schema (version, name, checksum) VALUES (?, ?, ?)',
        migration.version,
        keyBytes(migration.name),
        keyBytes(migrationChecksum(migration)),
      );
    }
  } finally {
    await query(`DO RELEASE_LOCK('sofa-registry schema')`);
  }
}
