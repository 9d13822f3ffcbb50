/**
 * The store in MySQL (5.7 or later) and MariaDB (10.3 or later). Every write is one script (see `mysql-pool.ts`) that decides
 * in the server with user variables: lock row first when fenced, then the counter row of the log, `@go` = all conditions hold. All time is
 * the server's. Source: reference/meta-and-admin.md 12.6.
 */
import { SEQ_FLOOR_MAX, TERM_EPOCH_MS, TERM_FLOOR_MAX } from './counters.ts';
import type { DriverContext, LeaseRow, RawChange, RawDoc, RawRecord, RawRow, StoreDriver } from './driver.ts';
import { keyBytes, prefixEnd } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import { MysqlPool, type MyRow, type MyStatement } from './mysql-pool.ts';
import { migrateMysql } from './mysql-schema.ts';
import type { ServerOptions } from './open-store.ts';
import { APP_REVISIONS, CLIENT_ADDRESSES, INTERFACE_APPS } from './records.ts';
import { conflict, fenced, leaseLost, tooManyDocs, tooManyRecords } from './refusals.ts';
import type { SqlAddress } from './store-address.ts';

/** The server's wall clock in ms, at the moment it is evaluated (NOW would be that of the start of the statement). */
const NOW = 'CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)';
const LEASE_ROW = `SELECT term, owner, token, until_ms - ${NOW} AS remaining_ms FROM sr_lease WHERE cluster = ?`;
/** First sequence a write gets. */
const NEXT_SEQ = `GREATEST(@seq + 1, LEAST(@now, ${SEQ_FLOOR_MAX}))`;
/** Changes of one read. */
const CHANGES_PAGE = 64;
const LOGS = ['docs', APP_REVISIONS.log, INTERFACE_APPS.log, CLIENT_ADDRESSES.log];
const text = (value: unknown): string => (value as Buffer).toString('utf8');
const marks = (count: number): string => Array.from({ length: count }, () => '?').join(', ');

/** MySQL and MariaDB backend. */
export class MysqlDriver implements StoreDriver {
  readonly kind = 'mysql';
  readonly address: string;
  readonly shared = true;
  readonly watchPollMs: number;
  private readonly pool: MysqlPool;
  private readonly cluster: Buffer;
  private readonly token: Buffer;

  constructor(address: SqlAddress, options: ServerOptions, ctx: DriverContext) {
    const login = { user: options.user ?? address.user, password: options.password ?? address.password };
    this.address = `mysql://${address.host}:${address.port}/${address.database}`;
    this.watchPollMs = options.pollMs;
    this.pool = new MysqlPool({ ...address, ...login }, ctx.clock, ctx.opTimeoutMs);
    this.cluster = keyBytes(ctx.cluster);
    this.token = keyBytes(ctx.token);
  }

  /** MySQL has no notifications: watches of other processes poll, own writes wake them in the facade. */
  onHint(): void {}

  async open(): Promise<void> {
    await this.pool.open();
    await this.pool.session(migrateMysql);
    await this.pool.script([
      ['INSERT IGNORE INTO sr_lease (cluster, term, ttl_ms, until_ms) VALUES (?, 0, 0, 0)', this.cluster],
      ...LOGS.map(
        (log): MyStatement => [
          'INSERT IGNORE INTO sr_counter (cluster, name, seq, row_total, bytes) VALUES (?, ?, 0, 0, 0)',
          this.cluster,
          keyBytes(log),
        ],
      ),
    ]);
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  async ping(): Promise<void> {
    await this.pool.read('SELECT 1');
  }

  async leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow> {
    const owner = keyBytes(me);
    const [[row]] = await this.pool.script([
      [
        `SELECT term, until_ms, (token <=> ? AND owner <=> ?) INTO @term, @until, @same
         FROM sr_lease WHERE cluster = ? FOR UPDATE`,
        this.token,
        owner,
        this.cluster,
      ],
      [`SET @now = ${NOW}`],
      ['SET @live = @until > @now'],
      [
        `SET @next = IF(@live, @term,
           GREATEST(@term + 1, LEAST((@now - ${TERM_EPOCH_MS}) DIV 1000, ${TERM_FLOOR_MAX})))`,
      ],
      [
        `UPDATE sr_lease SET term = @next, owner = ?, token = ?, ttl_ms = ?, until_ms = @now + ?
         WHERE cluster = ? AND (NOT @live OR @same)`,
        owner,
        this.token,
        ttlMs,
        ttlMs,
        this.cluster,
      ],
      [LEASE_ROW, this.cluster],
    ]);
    return this.leaseRow(row);
  }

  async leaseRenew(term: number): Promise<LeaseRow> {
    const [[row]] = await this.pool.script([
      ['SET @mine = 0, @now = 0'],
      [
        'SELECT term = ? AND token <=> ?, until_ms INTO @mine, @until FROM sr_lease WHERE cluster = ? FOR UPDATE',
        term,
        this.token,
        this.cluster,
      ],
      [`SET @now = ${NOW}`],
      ['SET @go = @mine AND @until > @now'],
      ['UPDATE sr_lease SET until_ms = @now + ttl_ms WHERE cluster = ? AND @go', this.cluster],
      [`SELECT @go AS go, l.* FROM (${LEASE_ROW}) AS l`, this.cluster],
    ]);
    if (Number(row.go) !== 1) throw leaseLost(term);
    return this.leaseRow(row);
  }

  async leaseRelease(term: number): Promise<void> {
    await this.pool.script([
      [
        'UPDATE sr_lease SET until_ms = 0, owner = NULL, token = NULL WHERE cluster = ? AND term = ? AND token = ?',
        this.cluster,
        term,
        this.token,
      ],
    ]);
  }

  async leaseObserve(): Promise<LeaseRow> {
    const rows = await this.pool.read(LEASE_ROW, this.cluster);
    return this.leaseRow(rows[0]);
  }

  async docGet(key: string): Promise<RawDoc | null> {
    const rows = await this.pool.read(
      'SELECT version, value FROM sr_doc WHERE cluster = ? AND k = ?',
      this.cluster,
      keyBytes(key),
    );
    return rows.length === 0
      ? null
      : { key, value: rows[0].value as Buffer, version: Number(rows[0].version) };
  }

  async docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }> {
    const start = keyBytes(prefix);
    // One statement: documents and revision are of the same instant.
    const rows = await this.pool.read(
      `SELECT c.seq AS revision, d.k, d.version, d.value FROM sr_counter c
       LEFT JOIN sr_doc d ON d.cluster = c.cluster AND d.k >= ? AND d.k < ?
       WHERE c.cluster = ? AND c.name = 'docs' ORDER BY d.k`,
      start,
      prefixEnd(start),
      this.cluster,
    );
    const docs = rows
      .filter((row) => row.k !== null)
      .map((row) => ({ key: text(row.k), value: row.value as Buffer, version: Number(row.version) }));
    return { docs, revision: Number(rows[0].revision) };
  }

  async docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number> {
    const k = keyBytes(key);
    const put = value !== null;
    const [[row]] = await this.pool.script([
      ...this.begin('docs', fence),
      ['SET @found = 0, @old = -1, @v = ?, @size = ?', put ? Buffer.from(value) : null, value?.length ?? 0],
      ['SELECT version INTO @found FROM sr_doc WHERE cluster = ? AND k = ?', this.cluster, k],
      [`SET @full = ${put ? 1 : 0} AND @found = 0 AND @rows >= ${STORE_LIMITS.docsMax}`],
      [
        'SET @go = NOT @fenced AND NOT @full AND ? IN (-1, @found) AND NOT (? AND @found = 0)',
        expect === 'any' ? -1 : expect === 'absent' ? 0 : expect,
        put ? 0 : 1,
      ],
      [`SET @new = ${NEXT_SEQ}`],
      put
        ? [
            'REPLACE INTO sr_doc (cluster, k, version, value) SELECT ?, ?, @new, @v FROM DUAL WHERE @go',
            this.cluster,
            k,
          ]
        : ['DELETE FROM sr_doc WHERE cluster = ? AND k = ? AND @go', this.cluster, k],
      [
        `INSERT INTO sr_change (cluster, seq, prev, k, value, bytes)
         SELECT ?, @new, @seq, ?, ${put ? '@v' : 'NULL'}, @bytes + @size FROM DUAL WHERE @go`,
        this.cluster,
        k,
      ],
      [
        `SELECT seq INTO @old FROM sr_change WHERE cluster = ? ORDER BY seq DESC
         LIMIT 1 OFFSET ${STORE_LIMITS.docChangesMax}`,
        this.cluster,
      ],
      [
        `DELETE FROM sr_change WHERE cluster = ? AND @go AND seq < @new AND (seq <= @old
           OR bytes - COALESCE(LENGTH(value), 0) < @bytes + @size - ${STORE_LIMITS.docChangeBytesMax})`,
        this.cluster,
      ],
      [
        `UPDATE sr_counter SET seq = @new, bytes = @bytes + @size, row_total = @rows + ${put ? 'IF(@found = 0, 1, 0)' : '-1'}
         WHERE cluster = ? AND name = 'docs' AND @go`,
        this.cluster,
      ],
      ['SELECT @fenced AS fenced, @full AS is_full, @go AS go, @found AS found, @new AS seq'],
      // Do not keep a megabyte per connection.
      ['SET @v = NULL'],
    ]);
    if (Number(row.fenced) === 1) throw fenced(fence ?? 0);
    if (Number(row.go) === 1) return Number(row.seq);
    const found = Number(row.found);
    if (expect !== 'any' && found !== (expect === 'absent' ? 0 : expect)) throw conflict(key, expect, found);
    if (Number(row.is_full) === 1) throw tooManyDocs();
    return 0;
  }

  async changesAfter(from: number): Promise<RawChange[] | null> {
    const rows = await this.pool.read(
      `SELECT c.seq AS revision, h.seq, h.prev, h.k, h.value FROM sr_counter c
       LEFT JOIN sr_change h ON h.cluster = c.cluster AND h.seq > ?
       WHERE c.cluster = ? AND c.name = 'docs' ORDER BY h.seq LIMIT ${CHANGES_PAGE}`,
      from,
      this.cluster,
    );
    const changes = rows.filter((row) => row.seq !== null);
    const start = Number(changes.length > 0 ? changes[0].prev : rows[0].revision);
    if (start !== from) return null;
    return changes.map((row) => ({
      key: text(row.k),
      value: row.value as Buffer | null,
      version: Number(row.seq),
    }));
  }

  async recordUpsert(log: string, rows: readonly RawRow[], fence: number | undefined): Promise<number> {
    const name = keyBytes(log);
    const keys = rows.map((row) => keyBytes(row.key));
    const union = rows
      .map((_, i) => `SELECT ? AS k, ? AS body, ? AS keep_row, ${i} AS n`)
      .join(' UNION ALL ');
    const values = rows.flatMap((row, i) => [keys[i], Buffer.from(row.body), row.keep ? 1 : 0]);
    const count = rows.length;
    const [[row]] = await this.pool.script([
      ...this.begin(log, fence),
      [
        `SELECT COUNT(*) INTO @have FROM sr_record WHERE cluster = ? AND log = ? AND k IN (${marks(count)})`,
        this.cluster,
        name,
        ...keys,
      ],
      [`SET @full = @have < ${count} AND @rows + ${count} - @have > ${STORE_LIMITS.recordsMax}`],
      ['SET @go = NOT @fenced AND NOT @full'],
      [`SET @new = ${NEXT_SEQ}`],
      [
        // Assignments run from left to right: seq is decided while body and keep_row are still the old ones.
        `INSERT INTO sr_record (cluster, log, k, seq, body, keep_row, touched)
         SELECT ?, ?, x.k, @new + x.n, x.body, x.keep_row, @now FROM (${union}) AS x WHERE @go
         ON DUPLICATE KEY UPDATE seq = IF(sr_record.body = VALUES(body) AND sr_record.keep_row = VALUES(keep_row),
             sr_record.seq, VALUES(seq)),
           body = VALUES(body), keep_row = VALUES(keep_row), touched = VALUES(touched)`,
        this.cluster,
        name,
        ...values,
      ],
      [
        `UPDATE sr_counter SET seq = @new + ${count - 1}, row_total = @rows + ${count} - @have
         WHERE cluster = ? AND name = ? AND @go`,
        this.cluster,
        name,
      ],
      [
        `SELECT @fenced AS fenced, @go AS go, MAX(seq) AS seq FROM sr_record
         WHERE cluster = ? AND log = ? AND k IN (${marks(count)})`,
        this.cluster,
        name,
        ...keys,
      ],
    ]);
    if (Number(row.fenced) === 1) throw fenced(fence ?? 0);
    if (Number(row.go) !== 1) throw tooManyRecords(log);
    return Number(row.seq);
  }

  async recordTouch(log: string, keys: readonly string[], fence: number | undefined): Promise<number> {
    const args = [this.cluster, keyBytes(log), ...keys.map(keyBytes)];
    const where = `cluster = ? AND log = ? AND k IN (${marks(keys.length)})`;
    const [[row]] = await this.pool.script([
      ...this.begin(log, fence),
      [`UPDATE sr_record SET touched = @now WHERE ${where} AND NOT @fenced`, ...args],
      [`SELECT @fenced AS fenced, COUNT(*) AS n FROM sr_record WHERE ${where}`, ...args],
    ]);
    if (Number(row.fenced) === 1) throw fenced(fence ?? 0);
    return Number(row.n);
  }

  async recordGet(log: string, key: string): Promise<RawRecord | null> {
    const rows = await this.pool.read(
      'SELECT seq, body FROM sr_record WHERE cluster = ? AND log = ? AND k = ?',
      this.cluster,
      keyBytes(log),
      keyBytes(key),
    );
    return rows.length === 0 ? null : { key, body: rows[0].body as Buffer, seq: Number(rows[0].seq) };
  }

  async recordScan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    // First the sizes, to know where the page ends; then its rows. A row that moves on in between comes later again.
    const name = keyBytes(log);
    const sizes = await this.pool.read(
      `SELECT seq, LENGTH(body) AS bytes FROM sr_record WHERE cluster = ? AND log = ? AND seq > ? ORDER BY seq LIMIT ?`,
      this.cluster,
      name,
      after,
      limit + 1,
    );
    let count = 0;
    let bytes = 0;
    while (count < Math.min(sizes.length, limit)) {
      bytes += Number(sizes[count].bytes);
      if (count > 0 && bytes > STORE_LIMITS.scanBytesMax) break;
      count += 1;
    }
    if (count === 0) return { rows: [], more: false };
    const rows = await this.pool.read(
      'SELECT k, seq, body FROM sr_record WHERE cluster = ? AND log = ? AND seq > ? AND seq <= ? ORDER BY seq',
      this.cluster,
      name,
      after,
      Number(sizes[count - 1].seq),
    );
    const found = rows.map((row) => ({ key: text(row.k), body: row.body as Buffer, seq: Number(row.seq) }));
    return { rows: found, more: sizes.length > count || found.length < count };
  }

  async recordExpire(log: string, olderThanMs: number, limit: number, fence: number): Promise<string[]> {
    const name = keyBytes(log);
    const old = 'cluster = ? AND log = ? AND keep_row = 0 AND touched < @before AND NOT @fenced';
    const [rows, [state]] = await this.pool.script([
      ...this.begin(log, fence),
      ['SET @before = @now - ?', olderThanMs],
      // The turn of the log is ours: both statements see the same rows.
      [`SELECT k FROM sr_record WHERE ${old} ORDER BY touched, k LIMIT ?`, this.cluster, name, limit],
      [`DELETE FROM sr_record WHERE ${old} ORDER BY touched, k LIMIT ?`, this.cluster, name, limit],
      [
        'UPDATE sr_counter SET row_total = row_total - ROW_COUNT() WHERE cluster = ? AND name = ?',
        this.cluster,
        name,
      ],
      ['SELECT @fenced AS fenced'],
    ]);
    if (Number(state.fenced) === 1) throw fenced(fence);
    return rows.map((row) => text(row.k));
  }

  private leaseRow(row: MyRow): LeaseRow {
    const remainingMs = Number(row.remaining_ms);
    const term = Number(row.term);
    if (remainingMs <= 0) return { owner: null, term, remainingMs: 0, mine: false };
    return { owner: text(row.owner), term, remainingMs, mine: this.token.equals(row.token as Buffer) };
  }

  /** Start of every write: checks the fence, takes the turn of a log, reads the time after both waits. */
  private begin(log: string, fence: number | undefined): MyStatement[] {
    const turn: MyStatement[] = [
      [
        'SELECT seq, row_total, bytes INTO @seq, @rows, @bytes FROM sr_counter WHERE cluster = ? AND name = ? FOR UPDATE',
        this.cluster,
        keyBytes(log),
      ],
      [`SET @now = ${NOW}`],
    ];
    if (fence === undefined) return [['SET @fenced = 0'], ...turn];
    return [
      ['SET @live = 0'],
      [
        `SELECT term = ? AND until_ms > ${NOW} INTO @live FROM sr_lease WHERE cluster = ? LOCK IN SHARE MODE`,
        fence,
        this.cluster,
      ],
      ['SET @fenced = NOT @live'],
      ...turn,
    ];
  }
}
