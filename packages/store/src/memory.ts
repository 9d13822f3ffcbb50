/** The store in memory: for `--memory`, tests and the simulator. */
import { nextSeq, nextTerm } from './counters.ts';
import type { DriverContext, LeaseRow, RawChange, RawDoc, RawRecord, RawRow, StoreDriver } from './driver.ts';
import { StoreError } from './errors.ts';
import { compareKeys } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import type { MemoryCluster, MemoryLease, MemoryStoreBackend } from './memory-backend.ts';
import { conflict, leaseLost, tooManyDocs, tooManyRecords } from './refusals.ts';
import { withDeadline } from './waiting.ts';

/** A handle on a {@link MemoryStoreBackend}. */
export class MemoryDriver implements StoreDriver {
  readonly kind = 'memory';
  readonly address = 'memory:';
  readonly shared = true;
  readonly watchPollMs = 0;
  private readonly backend: MemoryStoreBackend;
  private readonly ctx: DriverContext;
  private hint: () => void = () => {};
  private unlisten: () => void = () => {};

  constructor(backend: MemoryStoreBackend, ctx: DriverContext) {
    this.backend = backend;
    this.ctx = ctx;
  }

  onHint(hint: () => void): void {
    this.hint = hint;
  }

  async open(): Promise<void> {
    await this.ping();
    this.unlisten = this.backend.listen(() => this.hint());
  }

  async close(): Promise<void> {
    this.unlisten();
  }

  ping(): Promise<void> {
    return this.read(() => {});
  }

  leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow> {
    return this.write((c, monoMs) => {
      const live = c.liveLease(monoMs);
      if (live !== null && !this.holds(live, me)) return this.row(c, monoMs);
      c.lastTerm = live === null ? nextTerm(c.lastTerm, this.backend.wallMs()) : live.term;
      c.lease = { owner: me, token: this.ctx.token, term: c.lastTerm, ttlMs, untilMs: monoMs + ttlMs };
      return this.row(c, monoMs);
    });
  }

  leaseRenew(term: number): Promise<LeaseRow> {
    return this.write((c, monoMs) => {
      const live = c.liveLease(monoMs);
      if (live === null || live.token !== this.ctx.token || live.term !== term) throw leaseLost(term);
      live.untilMs = monoMs + live.ttlMs;
      return this.row(c, monoMs);
    });
  }

  leaseRelease(term: number): Promise<void> {
    return this.write((c) => {
      if (c.lease?.token === this.ctx.token && c.lease.term === term) c.lease = null;
    });
  }

  leaseObserve(): Promise<LeaseRow> {
    return this.read((c, monoMs) => this.row(c, monoMs));
  }

  docGet(key: string): Promise<RawDoc | null> {
    return this.read((c) => c.docs.get(key) ?? null);
  }

  docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }> {
    return this.read((c) => {
      const docs = [...c.docs.values()].filter((d) => d.key.startsWith(prefix)).sort(compareKeys);
      return { docs, revision: c.docHead };
    });
  }

  docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number> {
    return this.write((c, monoMs) => {
      c.checkFence(fence, monoMs);
      const found = c.docs.get(key)?.version ?? 0;
      if (expect !== 'any' && found !== (expect === 'absent' ? 0 : expect))
        throw conflict(key, expect, found);
      if (value === null && found === 0) return 0;
      if (value !== null && found === 0 && c.docs.size >= STORE_LIMITS.docsMax) throw tooManyDocs();
      const version = nextSeq(c.docHead, this.backend.wallMs());
      if (value === null) c.docs.delete(key);
      else c.docs.set(key, { key, value, version });
      c.remember(key, value, version);
      this.backend.ringAll();
      return version;
    });
  }

  changesAfter(from: number): Promise<RawChange[] | null> {
    return this.read((c) => {
      const changes = c.changes.filter((ch) => ch.version > from);
      const start = changes.length > 0 ? changes[0].prev : c.docHead;
      return start === from ? changes : null;
    });
  }

  recordUpsert(logName: string, rows: readonly RawRow[], fence: number | undefined): Promise<number> {
    return this.write((c, monoMs) => {
      c.checkFence(fence, monoMs);
      const log = c.log(logName);
      const fresh = rows.filter((row) => !log.cells.has(row.key)).length;
      if (fresh > 0 && log.cells.size + fresh > STORE_LIMITS.recordsMax) throw tooManyRecords(logName);
      const nowMs = this.backend.wallMs();
      let highest = 0;
      for (const row of rows) {
        const cell = log.cells.get(row.key);
        const same =
          cell !== undefined && cell.keep === row.keep && Buffer.compare(cell.body, row.body) === 0;
        if (same) cell.touchedMs = nowMs;
        else log.write(row, nextSeq(log.head, nowMs), nowMs);
        highest = Math.max(highest, same ? cell.seq : log.head);
      }
      return highest;
    });
  }

  recordTouch(logName: string, keys: readonly string[], fence: number | undefined): Promise<number> {
    return this.write((c, monoMs) => {
      c.checkFence(fence, monoMs);
      const log = c.log(logName);
      let touched = 0;
      for (const key of keys) {
        const cell = log.cells.get(key);
        if (cell === undefined) continue;
        cell.touchedMs = this.backend.wallMs();
        touched += 1;
      }
      return touched;
    });
  }

  recordGet(logName: string, key: string): Promise<RawRecord | null> {
    return this.read((c) => {
      const cell = c.log(logName).cells.get(key);
      return cell === undefined ? null : { key, body: cell.body, seq: cell.seq };
    });
  }

  recordScan(logName: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    return this.read((c) => c.log(logName).scan(after, limit));
  }

  recordExpire(logName: string, olderThanMs: number, limit: number, fence: number): Promise<string[]> {
    return this.write((c, monoMs) => {
      c.checkFence(fence, monoMs);
      const log = c.log(logName);
      const before = this.backend.wallMs() - olderThanMs;
      const old = [...log.cells].filter(([, cell]) => !cell.keep && cell.touchedMs < before);
      old.sort((a, b) => a[1].touchedMs - b[1].touchedMs);
      const keys = old.slice(0, limit).map(([key]) => key);
      for (const key of keys) log.cells.delete(key);
      return keys;
    });
  }

  private holds(lease: MemoryLease, me: string): boolean {
    return lease.token === this.ctx.token && lease.owner === me;
  }

  private row(c: MemoryCluster, monoMs: number): LeaseRow {
    const live = c.liveLease(monoMs);
    if (live === null) return { owner: null, term: c.lastTerm, remainingMs: 0, mine: false };
    const mine = live.token === this.ctx.token;
    return { owner: live.owner, term: live.term, remainingMs: live.untilMs - monoMs, mine };
  }

  private read<T>(work: (cluster: MemoryCluster, monoMs: number) => T): Promise<T> {
    return this.call(false, work);
  }

  private write<T>(work: (cluster: MemoryCluster, monoMs: number) => T): Promise<T> {
    return this.call(true, work);
  }

  private call<T>(write: boolean, work: (cluster: MemoryCluster, monoMs: number) => T): Promise<T> {
    const { clock } = this.backend;
    const result = this.backend.run(write, () =>
      work(this.backend.cluster(this.ctx.cluster), clock.monoMs()),
    );
    return withDeadline(this.ctx.clock, this.ctx.opTimeoutMs, result, () =>
      write
        ? new StoreError('SR_STORE_UNKNOWN', 'the memory store did not answer; the write may have happened')
        : new StoreError('SR_STORE_UNAVAILABLE', 'the memory store did not answer'),
    );
  }
}
