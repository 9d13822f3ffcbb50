/** Tables of the PostgreSQL store. Keys and values are bytea: compared as bytes, given back unchanged. */
import type { Migration } from './migrations.ts';

export const POSTGRES_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'first',
    statements: [
      // until_ms: when the lock runs out by the server's clock, ms since 1970; 0 = free.
      `CREATE TABLE sr_lease (
        cluster text PRIMARY KEY, term bigint NOT NULL, owner text, token text,
        ttl_ms bigint NOT NULL, until_ms bigint NOT NULL)`,
      // Last sequence per (cluster, log), number of rows, and bytes ever put into sr_change. Locked by every writer: commit order.
      `CREATE TABLE sr_counter (
        cluster text, name text, seq bigint NOT NULL, row_count bigint NOT NULL, bytes bigint NOT NULL,
        PRIMARY KEY (cluster, name))`,
      `CREATE TABLE sr_doc (
        cluster text, key bytea, version bigint NOT NULL, value bytea NOT NULL, PRIMARY KEY (cluster, key))`,
      `CREATE TABLE sr_change (
        cluster text, seq bigint, prev bigint NOT NULL, key bytea NOT NULL, value bytea, bytes bigint NOT NULL,
        PRIMARY KEY (cluster, seq))`,
      `CREATE TABLE sr_record (
        cluster text, log text, key bytea, seq bigint NOT NULL, body bytea NOT NULL, keep boolean NOT NULL,
        touched bigint NOT NULL, PRIMARY KEY (cluster, log, key))`,
      `CREATE INDEX sr_record_seq ON sr_record (cluster, log, seq)`,
      `CREATE INDEX sr_record_touched ON sr_record (cluster, log, touched) WHERE NOT keep`,
    ],
  },
];
