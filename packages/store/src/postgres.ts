/**
 * The store in PostgreSQL (12 or later). Writers lock first the lock row (FOR SHARE, only when fenced), then the counter row of their log:
 * no deadlock, and sequences in commit order. All time is the server's `clock_timestamp()`.
 * Source: reference/meta-and-admin.md 12.6.
 */
import { nextSeq, TERM_EPOCH_MS, TERM_FLOOR_MAX } from './counters.ts';
import type { DriverContext, LeaseRow, RawChange, RawDoc, RawRecord, RawRow, StoreDriver } from './driver.ts';
import { errorText } from './errors.ts';
import { keyBytes, prefixEnd } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import { migrationChecksum, pendingMigrations } from './migrations.ts';
import type { ServerOptions } from './open-store.ts';
import { PostgresPool, type PgQuery, type PgRow } from './postgres-pool.ts';
import { POSTGRES_MIGRATIONS } from './postgres-schema.ts';
import { CLIENT_ADDRESSES, APP_REVISIONS, INTERFACE_APPS } from './records.ts';
import { conflict, fenced, leaseLost, tooManyDocs, tooManyRecords } from './refusals.ts';
import type { SqlAddress } from './store-address.ts';
import { Bell } from './waiting.ts';

/** The server's wall clock in ms. */
const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
const TERM_FLOOR = `least((${NOW} - ${TERM_EPOCH_MS}) / 1000, ${TERM_FLOOR_MAX})`;
const LEASE_COLUMNS = `term, owner, token, until_ms - ${NOW} AS remaining_ms`;
/** Changes of one read. */
const CHANGES_PAGE = 64;
/** Pause before notifications are listened for again, ms. */
const LISTEN_RETRY_MS = 1_000;
const CHANNEL = 'sr_docs';
const LOGS = ['docs', APP_REVISIONS.log, INTERFACE_APPS.log, CLIENT_ADDRESSES.log];

interface Counter {
  readonly seq: number;
  readonly rows: number;
  readonly bytes: number;
  readonly nowMs: number;
}

const text = (value: unknown): string => (value as Buffer).toString('utf8');

/** PostgreSQL backend. */
export class PostgresDriver implements StoreDriver {
  readonly kind = 'postgres';
  readonly address: string;
  readonly shared = true;
  readonly watchPollMs: number;
  private readonly ctx: DriverContext;
  private readonly pool: PostgresPool;
  private readonly stopped = Promise.withResolvers<void>();
  private readonly pause: Bell;
  private closed = false;
  private hint: () => void = () => {};

  constructor(address: SqlAddress, options: ServerOptions, ctx: DriverContext) {
    const login = { user: options.user ?? address.user, password: options.password ?? address.password };
    this.ctx = ctx;
    this.address = `postgres://${address.host}:${address.port}/${address.database}`;
    this.watchPollMs = options.pollMs;
    this.pool = new PostgresPool({ ...address, ...login }, ctx.clock, ctx.opTimeoutMs);
    this.pause = new Bell(ctx.clock);
  }

  onHint(hint: () => void): void {
    this.hint = hint;
  }

  async open(): Promise<void> {
    await this.pool.open();
    await this.pool.write(async (query) => {
      await query(`SELECT pg_advisory_xact_lock(hashtext('sofa-registry schema'))`);
      await migrate(query);
      const { cluster } = this.ctx;
      await query(
        `INSERT INTO sr_lease (cluster, term, ttl_ms, until_ms) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING`,
        [cluster],
      );
      await query(
        `INSERT INTO sr_counter (cluster, name, seq, row_count, bytes)
         SELECT $1, name, 0, 0, 0 FROM unnest($2::text[]) AS name ON CONFLICT DO NOTHING`,
        [cluster, LOGS],
      );
    });
    void this.listenForHints();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stopped.resolve();
    this.pause.ring();
    await this.pool.close();
  }

  async ping(): Promise<void> {
    await this.pool.read('SELECT 1', []);
  }

  leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow> {
    return this.pool.write(async (query) => {
      const { rows } = await query(
        `UPDATE sr_lease SET term = CASE WHEN until_ms > ${NOW} THEN term ELSE greatest(term + 1, ${TERM_FLOOR}) END,
           owner = $2, token = $3, ttl_ms = $4::bigint, until_ms = ${NOW} + $4::bigint
         WHERE cluster = $1 AND (until_ms <= ${NOW} OR (token = $3 AND owner = $2)) RETURNING ${LEASE_COLUMNS}`,
        [this.ctx.cluster, me, this.ctx.token, ttlMs],
      );
      return rows.length > 0 ? this.leaseRow(rows[0]) : this.observe(query);
    });
  }

  leaseRenew(term: number): Promise<LeaseRow> {
    return this.pool.write(async (query) => {
      const { rows } = await query(
        `UPDATE sr_lease SET until_ms = ${NOW} + ttl_ms
         WHERE cluster = $1 AND term = $2 AND token = $3 AND until_ms > ${NOW} RETURNING ${LEASE_COLUMNS}`,
        [this.ctx.cluster, term, this.ctx.token],
      );
      if (rows.length === 0) throw leaseLost(term);
      return this.leaseRow(rows[0]);
    });
  }

  leaseRelease(term: number): Promise<void> {
    return this.pool.write(async (query) => {
      await query(
        `UPDATE sr_lease SET until_ms = 0, owner = NULL, token = NULL WHERE cluster = $1 AND term = $2 AND token = $3`,
        [this.ctx.cluster, term, this.ctx.token],
      );
    });
  }

  leaseObserve(): Promise<LeaseRow> {
    return this.observe((sql, args = []) => this.pool.read(sql, args));
  }

  async docGet(key: string): Promise<RawDoc | null> {
    const { rows } = await this.pool.read(
      'SELECT version, value FROM sr_doc WHERE cluster = $1 AND key = $2',
      [this.ctx.cluster, keyBytes(key)],
    );
    return rows.length === 0
      ? null
      : { key, value: rows[0].value as Buffer, version: Number(rows[0].version) };
  }

  async docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }> {
    const start = keyBytes(prefix);
    // One statement: documents and revision are of the same instant.
    const { rows } = await this.pool.read(
      `SELECT c.seq AS revision, d.key, d.version, d.value FROM sr_counter c
       LEFT JOIN sr_doc d ON d.cluster = c.cluster AND d.key >= $2 AND d.key < $3
       WHERE c.cluster = $1 AND c.name = 'docs' ORDER BY d.key`,
      [this.ctx.cluster, start, prefixEnd(start)],
    );
    const docs = rows
      .filter((row) => row.key !== null)
      .map((row) => ({ key: text(row.key), value: row.value as Buffer, version: Number(row.version) }));
    return { docs, revision: Number(rows[0].revision) };
  }

  async docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number> {
    return this.pool.write(async (query) => {
      const head = await this.begin(query, 'docs', fence);
      const { rows } = await query('SELECT version FROM sr_doc WHERE cluster = $1 AND key = $2', [
        this.ctx.cluster,
        keyBytes(key),
      ]);
      const found = Number(rows[0]?.version ?? 0);
      if (expect !== 'any' && found !== (expect === 'absent' ? 0 : expect))
        throw conflict(key, expect, found);
      if (value === null && found === 0) return 0;
      if (value !== null && found === 0 && head.rows >= STORE_LIMITS.docsMax) throw tooManyDocs();
      const next: Counter = {
        seq: nextSeq(head.seq, head.nowMs),
        rows: head.rows + (value === null ? -1 : found === 0 ? 1 : 0),
        bytes: head.bytes + (value?.length ?? 0),
        nowMs: head.nowMs,
      };
      await this.storeDoc(query, keyBytes(key), value, head, next);
      await this.setCounter(query, 'docs', next);
      return next.seq;
    });
  }

  async changesAfter(from: number): Promise<RawChange[] | null> {
    const { rows } = await this.pool.read(
      `SELECT c.seq AS revision, h.seq, h.prev, h.key, h.value FROM sr_counter c
       LEFT JOIN sr_change h ON h.cluster = c.cluster AND h.seq > $2
       WHERE c.cluster = $1 AND c.name = 'docs' ORDER BY h.seq LIMIT ${CHANGES_PAGE}`,
      [this.ctx.cluster, from],
    );
    const changes = rows.filter((row) => row.seq !== null);
    const start = Number(changes.length > 0 ? changes[0].prev : rows[0].revision);
    if (start !== from) return null;
    return changes.map((row) => ({
      key: text(row.key),
      value: row.value as Buffer | null,
      version: Number(row.seq),
    }));
  }

  recordUpsert(log: string, rows: readonly RawRow[], fence: number | undefined): Promise<number> {
    return this.pool.write(async (query) => {
      const head = await this.begin(query, log, fence);
      const keys = rows.map((row) => keyBytes(row.key));
      const bodies = rows.map((row) => Buffer.from(row.body));
      const keeps = rows.map((row) => row.keep);
      const found = await query(
        `SELECT i.n, r.seq, (r.body = i.body AND r.keep = i.keep) AS same
         FROM unnest($3::bytea[], $4::bytea[], $5::boolean[]) WITH ORDINALITY AS i (key, body, keep, n)
         JOIN sr_record r ON r.cluster = $1 AND r.log = $2 AND r.key = i.key`,
        [this.ctx.cluster, log, keys, bodies, keeps],
      );
      const byOrdinal = new Map(found.rows.map((row) => [Number(row.n), row]));
      const fresh = rows.length - byOrdinal.size;
      if (fresh > 0 && head.rows + fresh > STORE_LIMITS.recordsMax) throw tooManyRecords(log);
      let { seq } = head;
      const seqs = rows.map((_, i) => {
        const row = byOrdinal.get(i + 1);
        if (row?.same === true) return Number(row.seq);
        seq = nextSeq(seq, head.nowMs);
        return seq;
      });
      await query(
        `INSERT INTO sr_record (cluster, log, key, body, keep, seq, touched)
         SELECT $1, $2, i.key, i.body, i.keep, i.seq, $7::bigint
         FROM unnest($3::bytea[], $4::bytea[], $5::boolean[], $6::bigint[]) AS i (key, body, keep, seq)
         ON CONFLICT (cluster, log, key) DO UPDATE SET body = excluded.body, keep = excluded.keep,
           seq = excluded.seq, touched = excluded.touched`,
        [this.ctx.cluster, log, keys, bodies, keeps, seqs, head.nowMs],
      );
      await this.setCounter(query, log, { ...head, seq, rows: head.rows + fresh });
      return Math.max(...seqs);
    });
  }

  recordTouch(log: string, keys: readonly string[], fence: number | undefined): Promise<number> {
    return this.pool.write(async (query) => {
      const head = await this.begin(query, log, fence);
      const { rowCount } = await query(
        'UPDATE sr_record SET touched = $3::bigint WHERE cluster = $1 AND log = $2 AND key = ANY($4::bytea[])',
        [this.ctx.cluster, log, head.nowMs, keys.map(keyBytes)],
      );
      return rowCount ?? 0;
    });
  }

  async recordGet(log: string, key: string): Promise<RawRecord | null> {
    const { rows } = await this.pool.read(
      'SELECT seq, body FROM sr_record WHERE cluster = $1 AND log = $2 AND key = $3',
      [this.ctx.cluster, log, keyBytes(key)],
    );
    return rows.length === 0 ? null : { key, body: rows[0].body as Buffer, seq: Number(rows[0].seq) };
  }

  async recordScan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    // The running total of bytes decides in the server where the page ends.
    const { rows } = await this.pool.read(
      `SELECT key, seq, body FROM (
         SELECT key, seq, body, sum(length(body)) OVER (ORDER BY seq) AS bytes, row_number() OVER (ORDER BY seq) AS n
         FROM (SELECT key, seq, body FROM sr_record WHERE cluster = $1 AND log = $2 AND seq > $3
               ORDER BY seq LIMIT $4) AS page) AS counted
       WHERE n = 1 OR bytes <= $5 ORDER BY seq`,
      [this.ctx.cluster, log, after, limit, STORE_LIMITS.scanBytesMax],
    );
    const found = rows.map((row) => ({ key: text(row.key), body: row.body as Buffer, seq: Number(row.seq) }));
    if (found.length === 0) return { rows: found, more: false };
    const last = found[found.length - 1].seq;
    const rest = await this.pool.read(
      'SELECT 1 FROM sr_record WHERE cluster = $1 AND log = $2 AND seq > $3 LIMIT 1',
      [this.ctx.cluster, log, last],
    );
    return { rows: found, more: rest.rows.length > 0 };
  }

  recordExpire(log: string, olderThanMs: number, limit: number, fence: number): Promise<string[]> {
    return this.pool.write(async (query) => {
      const head = await this.begin(query, log, fence);
      const { rows } = await query(
        `WITH gone AS (SELECT key, touched FROM sr_record
           WHERE cluster = $1 AND log = $2 AND NOT keep AND touched < $3::bigint ORDER BY touched LIMIT $4),
         deleted AS (DELETE FROM sr_record r USING gone WHERE r.cluster = $1 AND r.log = $2 AND r.key = gone.key)
         SELECT key FROM gone ORDER BY touched`,
        [this.ctx.cluster, log, head.nowMs - olderThanMs, limit],
      );
      await this.setCounter(query, log, { ...head, rows: head.rows - rows.length });
      return rows.map((row) => text(row.key));
    });
  }

  private async observe(query: PgQuery): Promise<LeaseRow> {
    const { rows } = await query(`SELECT ${LEASE_COLUMNS} FROM sr_lease WHERE cluster = $1`, [
      this.ctx.cluster,
    ]);
    return this.leaseRow(rows[0]);
  }

  private leaseRow(row: PgRow): LeaseRow {
    const remainingMs = Number(row.remaining_ms);
    const term = Number(row.term);
    if (remainingMs <= 0) return { owner: null, term, remainingMs: 0, mine: false };
    return { owner: row.owner as string, term, remainingMs, mine: row.token === this.ctx.token };
  }

  /** Checks the fence and takes the turn of a log. Holds both until the transaction ends. */
  private async begin(query: PgQuery, log: string, fence: number | undefined): Promise<Counter> {
    if (fence !== undefined) {
      const { rows } = await query(
        `SELECT 1 FROM sr_lease WHERE cluster = $1 AND term = $2 AND until_ms > ${NOW} FOR SHARE`,
        [this.ctx.cluster, fence],
      );
      if (rows.length === 0) throw fenced(fence);
    }
    const { rows } = await query(
      `SELECT seq, row_count, bytes FROM sr_counter WHERE cluster = $1 AND name = $2 FOR UPDATE`,
      [this.ctx.cluster, log],
    );
    // After the wait for the turn, or ages could run backwards along the log.
    const now = await query(`SELECT ${NOW} AS now_ms`);
    return {
      seq: Number(rows[0].seq),
      rows: Number(rows[0].row_count),
      bytes: Number(rows[0].bytes),
      nowMs: Number(now.rows[0].now_ms),
    };
  }

  private async setCounter(query: PgQuery, log: string, counter: Counter): Promise<void> {
    await query(
      'UPDATE sr_counter SET seq = $3, row_count = $4, bytes = $5 WHERE cluster = $1 AND name = $2',
      [this.ctx.cluster, log, counter.seq, counter.rows, counter.bytes],
    );
  }

  /** Writes the document and its change, forgets the oldest changes, and tells other processes. */
  private async storeDoc(
    query: PgQuery,
    key: Buffer,
    value: Uint8Array | null,
    head: Counter,
    next: Counter,
  ): Promise<void> {
    const { cluster } = this.ctx;
    if (value === null) await query('DELETE FROM sr_doc WHERE cluster = $1 AND key = $2', [cluster, key]);
    else {
      await query(
        `INSERT INTO sr_doc (cluster, key, version, value) VALUES ($1, $2, $3, $4)
         ON CONFLICT (cluster, key) DO UPDATE SET version = excluded.version, value = excluded.value`,
        [cluster, key, next.seq, value],
      );
    }
    await query(
      'INSERT INTO sr_change (cluster, seq, prev, key, value, bytes) VALUES ($1, $2, $3, $4, $5, $6)',
      [cluster, next.seq, head.seq, key, value, next.bytes],
    );
    await query(
      `DELETE FROM sr_change WHERE cluster = $1 AND seq < $2 AND (bytes - coalesce(length(value), 0) < $3 OR seq <= (
         SELECT seq FROM sr_change WHERE cluster = $1 ORDER BY seq DESC LIMIT 1 OFFSET $4))`,
      [cluster, next.seq, next.bytes - STORE_LIMITS.docChangeBytesMax, STORE_LIMITS.docChangesMax],
    );
    await query('SELECT pg_notify($1, $2)', [CHANNEL, cluster]);
  }

  /** Notifications are only hints: without them (a pooler in between) watches poll. */
  private async listenForHints(): Promise<void> {
    const heard = (payload: string): void => {
      if (payload === this.ctx.cluster) this.hint();
    };
    while (!this.closed) {
      const mark = this.pause.mark();
      try {
        await this.pool.listen(CHANNEL, heard, this.stopped.promise);
      } catch (error) {
        if (!this.closed)
          this.ctx.logger.info('store: not listening for changes', { error: errorText(error) });
      }
      if (!this.closed) await this.pause.wait(mark, LISTEN_RETRY_MS);
    }
  }
}

async function migrate(query: PgQuery): Promise<void> {
  await query(
    `CREATE TABLE IF NOT EXISTS sr_schema (
       version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied timestamptz DEFAULT now())`,
  );
  const { rows } = await query('SELECT version, checksum FROM sr_schema ORDER BY version');
  const applied = rows.map((row) => ({ version: Number(row.version), checksum: String(row.checksum) }));
  for (const migration of pendingMigrations(POSTGRES_MIGRATIONS, applied)) {
    for (const statement of migration.statements) await query(statement);
    await query('INSERT INTO sr_schema (version, name, checksum) VALUES ($1, $2, $3)', [
      migration.version,
      migration.name,
      migrationChecksum(migration),
    ]);
  }
}
