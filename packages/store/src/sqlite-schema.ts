/** Tables of the SQLite store. Keys and values are BLOBs: compared as bytes, given back unchanged. */
import type { Migration } from './migrations.ts';

/** Marks the file as ours (`PRAGMA application_id`): "SReg". */
export const SQLITE_APPLICATION_ID = 0x53526567;

export const SQLITE_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'first',
    statements: [
      // Last term given out. Who holds the lock is only in memory: the file belongs to one process.
      `CREATE TABLE sr_lease (cluster TEXT PRIMARY KEY, term INTEGER NOT NULL) WITHOUT ROWID`,
      // Last sequence per (cluster, log), number of rows, and bytes ever put into sr_change.
      `CREATE TABLE sr_counter (
        cluster TEXT, name TEXT, seq INTEGER NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL,
        PRIMARY KEY (cluster, name)) WITHOUT ROWID`,
      `CREATE TABLE sr_doc (
        cluster TEXT, key BLOB, version INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (cluster, key))`,
      // What watchers have not seen yet; value NULL = removed; prev chains the rows; bytes = running total.
      `CREATE TABLE sr_change (
        cluster TEXT, seq INTEGER, prev INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, bytes INTEGER NOT NULL,
        PRIMARY KEY (cluster, seq))`,
      `CREATE TABLE sr_record (
        cluster TEXT, log TEXT, key BLOB, seq INTEGER NOT NULL, body BLOB NOT NULL, keep INTEGER NOT NULL,
        touched INTEGER NOT NULL, PRIMARY KEY (cluster, log, key))`,
      `CREATE UNIQUE INDEX sr_record_seq ON sr_record (cluster, log, seq)`,
      `CREATE INDEX sr_record_touched ON sr_record (cluster, log, keep, touched)`,
    ],
  },
];
