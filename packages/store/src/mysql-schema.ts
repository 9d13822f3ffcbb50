/**
 * Tables of the MySQL and MariaDB store. All names and keys are VARBINARY: compared as bytes, no padding, no case folding.
 * DDL commits by itself there, so every statement can be repeated.
 */
import type { Migration } from './migrations.ts';

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
