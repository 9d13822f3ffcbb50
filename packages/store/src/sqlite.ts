/**
 * The embedded store: one SQLite file, one process. Every operation is one short synchronous transaction, durable when it
 * returns (WAL, synchronous=FULL, about 0.2 ms). The lock is the file lock plus a term row; see `sqlite-file.ts`.
 */
import { nextSeq, nextTerm } from './counters.ts';
import type { DriverContext, LeaseRow, RawChange, RawDoc, RawRecord, RawRow, StoreDriver } from './driver.ts';
import { keyBytes, prefixEnd } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import { conflict, fenced, leaseLost, tooManyDocs, tooManyRecords } from './refusals.ts';
import { SqliteConnection, type SqliteRow } from './sqlite-connection.ts';

interface Held {
  readonly owner: string;
  readonly term: number;
  readonly ttlMs: number;
  untilMs: number;
}

interface Counter {
  seq: number;
  rows: number;
  bytes: number;
}

const text = (value: unknown): string => Buffer.from(value as Uint8Array).toString('utf8');

/** SQLite backend. */
export class SqliteDriver implements StoreDriver {
  readonly kind = 'sqlite';
  readonly address: string;
  readonly shared = false;
  readonly watchPollMs = 0;
  private readonly ctx: DriverContext;
  private readonly dir: string;
  private readonly db = new SqliteConnection();
  private held: Held | null = null;
  private lastWallMs = 0;
  private hint: () => void = () => {};

  constructor(dir: string, ctx: DriverContext) {
    this.dir = dir;
    this.ctx = ctx;
    this.address = `sqlite:${dir}`;
  }

  onHint(hint: () => void): void {
    this.hint = hint;
  }

  async open(): Promise<void> {
    this.db.open(this.dir);
    // Ages must not go back when the wall clock stepped back while the process was down.
    const newest = this.db.get(
      'SELECT max(touched) AS ms FROM sr_record WHERE cluster = ?',
      this.ctx.cluster,
    );
    this.lastWallMs = Number(newest?.ms ?? 0);
  }

  async close(): Promise<void> {
    this.held = null;
    this.db.close();
  }

  async ping(): Promise<void> {
    this.db.get('SELECT 1 AS one');
  }

  async leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow> {
    const live = this.live();
    if (live !== null && live.owner !== me) return this.leaseRow();
    const term = live?.term ?? this.newTerm();
    this.held = { owner: me, term, ttlMs, untilMs: this.ctx.clock.monoMs() + ttlMs };
    return this.leaseRow();
  }

  async leaseRenew(term: number): Promise<LeaseRow> {
    const live = this.live();
    if (live === null || live.term !== term) throw leaseLost(term);
    live.untilMs = this.ctx.clock.monoMs() + live.ttlMs;
    return this.leaseRow();
  }

  async leaseRelease(term: number): Promise<void> {
    if (this.held?.term === term) this.held = null;
  }

  async leaseObserve(): Promise<LeaseRow> {
    return this.leaseRow();
  }

  async docGet(key: string): Promise<RawDoc | null> {
    const row = this.docRow(key, 'version, value');
    return row === undefined ? null : { key, value: row.value as Uint8Array, version: Number(row.version) };
  }

  async docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }> {
    const start = keyBytes(prefix);
    const rows = this.db.all(
      'SELECT key, version, value FROM sr_doc WHERE cluster = ? AND key >= ? AND key < ? ORDER BY key',
      this.ctx.cluster,
      start,
      prefixEnd(start),
    );
    const docs = rows.map((row) => ({
      key: text(row.key),
      value: row.value as Uint8Array,
      version: Number(row.version),
    }));
    return { docs, revision: this.counter('docs').seq };
  }

  async docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number> {
    const written = this.write(fence, () => {
      const found = Number(this.docRow(key, 'version')?.version ?? 0);
      if (expect !== 'any' && found !== (expect === 'absent' ? 0 : expect))
        throw conflict(key, expect, found);
      if (value === null && found === 0) return 0;
      const head = this.counter('docs');
      if (value !== null && found === 0 && head.rows >= STORE_LIMITS.docsMax) throw tooManyDocs();
      const prev = head.seq;
      head.seq = nextSeq(prev, this.wallMs());
      head.rows += value === null ? -1 : found === 0 ? 1 : 0;
      head.bytes += value?.length ?? 0;
      this.storeDoc(key, value, head, prev);
      this.setCounter('docs', head);
      return head.seq;
    });
    if (written > 0) this.hint();
    return written;
  }

  async changesAfter(from: number): Promise<RawChange[] | null> {
    const rows = this.db.all(
      'SELECT seq, prev, key, value FROM sr_change WHERE cluster = ? AND seq > ? ORDER BY seq',
      this.ctx.cluster,
      from,
    );
    const start = rows.length > 0 ? Number(rows[0].prev) : this.counter('docs').seq;
    if (start !== from) return null;
    return rows.map((row) => ({
      key: text(row.key),
      value: row.value as Uint8Array | null,
      version: Number(row.seq),
    }));
  }

  async recordUpsert(log: string, rows: readonly RawRow[], fence: number | undefined): Promise<number> {
    return this.write(fence, () => {
      const head = this.counter(log);
      const nowMs = this.wallMs();
      let highest = 0;
      for (const row of rows) highest = Math.max(highest, this.upsertRow(log, row, head, nowMs));
      if (head.rows > STORE_LIMITS.recordsMax) throw tooManyRecords(log);
      this.setCounter(log, head);
      return highest;
    });
  }

  async recordTouch(log: string, keys: readonly string[], fence: number | undefined): Promise<number> {
    return this.write(fence, () => {
      const nowMs = this.wallMs();
      let touched = 0;
      for (const key of keys) {
        touched += this.db.run(
          'UPDATE sr_record SET touched = ? WHERE cluster = ? AND log = ? AND key = ?',
          nowMs,
          this.ctx.cluster,
          log,
          keyBytes(key),
        );
      }
      return touched;
    });
  }

  async recordGet(log: string, key: string): Promise<RawRecord | null> {
    const row = this.recordRow(log, key);
    return row === undefined ? null : { key, body: row.body as Uint8Array, seq: Number(row.seq) };
  }

  async recordScan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    const rows: RawRecord[] = [];
    let bytes = 0;
    const rest = this.db.iterate(
      'SELECT key, seq, body FROM sr_record WHERE cluster = ? AND log = ? AND seq > ? ORDER BY seq LIMIT ?',
      this.ctx.cluster,
      log,
      after,
      limit + 1,
    );
    for (const row of rest) {
      const body = row.body as Uint8Array;
      bytes += body.length;
      if (rows.length === limit || (rows.length > 0 && bytes > STORE_LIMITS.scanBytesMax)) {
        return { rows, more: true };
      }
      rows.push({ key: text(row.key), body, seq: Number(row.seq) });
    }
    return { rows, more: false };
  }

  async recordExpire(log: string, olderThanMs: number, limit: number, fence: number): Promise<string[]> {
    return this.write(fence, () => {
      const rows = this.db.all(
        `SELECT key FROM sr_record WHERE cluster = ? AND log = ? AND keep = 0 AND touched < ?
         ORDER BY touched LIMIT ?`,
        this.ctx.cluster,
        log,
        this.wallMs() - olderThanMs,
        limit,
      );
      for (const row of rows) {
        this.db.run(
          'DELETE FROM sr_record WHERE cluster = ? AND log = ? AND key = ?',
          this.ctx.cluster,
          log,
          row.key as Uint8Array,
        );
      }
      const head = this.counter(log);
      head.rows -= rows.length;
      this.setCounter(log, head);
      return rows.map((row) => text(row.key));
    });
  }

  private live(): Held | null {
    return this.held !== null && this.ctx.clock.monoMs() < this.held.untilMs ? this.held : null;
  }

  private leaseRow(): LeaseRow {
    const live = this.live();
    if (live === null) {
      const last = this.db.get('SELECT term FROM sr_lease WHERE cluster = ?', this.ctx.cluster);
      return { owner: null, term: Number(last?.term ?? 0), remainingMs: 0, mine: false };
    }
    const remainingMs = live.untilMs - this.ctx.clock.monoMs();
    return { owner: live.owner, term: live.term, remainingMs, mine: true };
  }

  private newTerm(): number {
    return this.write(undefined, () => {
      const last = Number(
        this.db.get('SELECT term FROM sr_lease WHERE cluster = ?', this.ctx.cluster)?.term ?? 0,
      );
      const term = nextTerm(last, this.wallMs());
      this.db.run('INSERT OR REPLACE INTO sr_lease (cluster, term) VALUES (?, ?)', this.ctx.cluster, term);
      return term;
    });
  }

  private docRow(key: string, columns: string): SqliteRow | undefined {
    return this.db.get(
      `SELECT ${columns} FROM sr_doc WHERE cluster = ? AND key = ?`,
      this.ctx.cluster,
      keyBytes(key),
    );
  }

  private recordRow(log: string, key: string): SqliteRow | undefined {
    return this.db.get(
      'SELECT seq, body, keep FROM sr_record WHERE cluster = ? AND log = ? AND key = ?',
      this.ctx.cluster,
      log,
      keyBytes(key),
    );
  }

  /** Writes the document and its change, and forgets the oldest changes. */
  private storeDoc(key: string, value: Uint8Array | null, head: Counter, prev: number): void {
    const { cluster } = this.ctx;
    const bytes = keyBytes(key);
    if (value === null) this.db.run('DELETE FROM sr_doc WHERE cluster = ? AND key = ?', cluster, bytes);
    else {
      this.db.run(
        'INSERT OR REPLACE INTO sr_doc (cluster, key, version, value) VALUES (?, ?, ?, ?)',
        cluster,
        bytes,
        head.seq,
        value,
      );
    }
    this.db.run(
      'INSERT INTO sr_change (cluster, seq, prev, key, value, bytes) VALUES (?, ?, ?, ?, ?, ?)',
      cluster,
      head.seq,
      prev,
      bytes,
      value,
      head.bytes,
    );
    this.db.run(
      `DELETE FROM sr_change WHERE cluster = ?1 AND seq < ?2 AND (bytes - ifnull(length(value), 0) < ?3 OR seq <= (
         SELECT seq FROM sr_change WHERE cluster = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?4))`,
      cluster,
      head.seq,
      head.bytes - STORE_LIMITS.docChangeBytesMax,
      STORE_LIMITS.docChangesMax,
    );
  }

  private upsertRow(log: string, row: RawRow, head: Counter, nowMs: number): number {
    const found = this.recordRow(log, row.key);
    const keep = row.keep ? 1 : 0;
    const same = found?.keep === keep && Buffer.compare(found.body as Uint8Array, row.body) === 0;
    if (!same) head.seq = nextSeq(head.seq, nowMs);
    if (found === undefined) head.rows += 1;
    const seq = same ? Number(found.seq) : head.seq;
    this.db.run(
      `INSERT OR REPLACE INTO sr_record (cluster, log, key, seq, body, keep, touched) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      this.ctx.cluster,
      log,
      keyBytes(row.key),
      seq,
      row.body,
      keep,
      nowMs,
    );
    return seq;
  }

  private counter(name: string): Counter {
    const row = this.db.get(
      'SELECT seq, row_count, bytes FROM sr_counter WHERE cluster = ? AND name = ?',
      this.ctx.cluster,
      name,
    );
    return { seq: Number(row?.seq ?? 0), rows: Number(row?.row_count ?? 0), bytes: Number(row?.bytes ?? 0) };
  }

  private setCounter(name: string, counter: Counter): void {
    this.db.run(
      'INSERT OR REPLACE INTO sr_counter (cluster, name, seq, row_count, bytes) VALUES (?, ?, ?, ?, ?)',
      this.ctx.cluster,
      name,
      counter.seq,
      counter.rows,
      counter.bytes,
    );
  }

  /** Wall clock that never steps back; ages are measured with it. */
  private wallMs(): number {
    this.lastWallMs = Math.max(this.lastWallMs, Math.floor(this.ctx.clock.wallMs()));
    return this.lastWallMs;
  }

  /** Runs `work` in a transaction if `fence` is still the live term. */
  private write<T>(fence: number | undefined, work: () => T): T {
    if (fence !== undefined && this.live()?.term !== fence) throw fenced(fence);
    return this.db.transaction(work);
  }
}
