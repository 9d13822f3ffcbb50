/**
 * The "database" of the memory store, shared by the handles opened on it (`memory.ts`), each of which stands for a process.
 * Faults are switched on here: outage, slow calls, held writes, lost answers, a restored backup.
 */
import type { RawChange, RawDoc, RawRecord, RawRow } from './driver.ts';
import { StoreError } from './errors.ts';
import { STORE_LIMITS } from './limits.ts';
import type { StoreClock } from './ports.ts';
import { fenced } from './refusals.ts';

/** A grant of the lock. */
export interface MemoryLease {
  owner: string;
  token: string;
  term: number;
  ttlMs: number;
  untilMs: number;
}

interface LoggedChange extends RawChange {
  /** Version of the change before; the chain proves that nothing is missing. */
  readonly prev: number;
}

interface RecordCell {
  readonly body: Uint8Array;
  readonly seq: number;
  readonly keep: boolean;
  touchedMs: number;
}

/** One record log: cells by key, and keys in order of seq (with holes where a row moved on). */
export class MemoryLog {
  readonly cells = new Map<string, RecordCell>();
  private order: { readonly key: string; readonly seq: number }[] = [];
  head = 0;

  write(row: RawRow, seq: number, nowMs: number): void {
    this.cells.set(row.key, { body: row.body, seq, keep: row.keep, touchedMs: nowMs });
    this.order.push({ key: row.key, seq });
    this.head = seq;
    if (this.order.length > 64 && this.order.length > 2 * this.cells.size) {
      this.order = this.order.filter((o) => this.cells.get(o.key)?.seq === o.seq);
    }
  }

  scan(after: number, limit: number): { rows: RawRecord[]; more: boolean } {
    const rows: RawRecord[] = [];
    let bytes = 0;
    for (let i = this.firstAfter(after); i < this.order.length; i += 1) {
      const { key, seq } = this.order[i];
      const cell = this.cells.get(key);
      if (cell === undefined || cell.seq !== seq) continue;
      bytes += cell.body.length;
      if (rows.length === limit || (rows.length > 0 && bytes > STORE_LIMITS.scanBytesMax)) {
        return { rows, more: true };
      }
      rows.push({ key, body: cell.body, seq });
    }
    return { rows, more: false };
  }

  private firstAfter(after: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.order[mid].seq > after) high = mid;
      else low = mid + 1;
    }
    return low;
  }
}

/** What the backend holds for one cluster id. Methods run at one instant, as a transaction would. */
export class MemoryCluster {
  lease: MemoryLease | null = null;
  lastTerm = 0;
  readonly docs = new Map<string, RawDoc>();
  readonly changes: LoggedChange[] = [];
  changeBytes = 0;
  docHead = 0;
  readonly logs = new Map<string, MemoryLog>();

  log(name: string): MemoryLog {
    let log = this.logs.get(name);
    if (log === undefined) this.logs.set(name, (log = new MemoryLog()));
    return log;
  }

  liveLease(monoMs: number): MemoryLease | null {
    return this.lease !== null && monoMs < this.lease.untilMs ? this.lease : null;
  }

  checkFence(term: number | undefined, monoMs: number): void {
    if (term !== undefined && this.liveLease(monoMs)?.term !== term) throw fenced(term);
  }

  remember(key: string, value: Uint8Array | null, version: number): void {
    this.changes.push({ key, value, version, prev: this.docHead });
    this.docHead = version;
    this.changeBytes += value?.length ?? 0;
    while (
      this.changes.length > STORE_LIMITS.docChangesMax ||
      (this.changeBytes > STORE_LIMITS.docChangeBytesMax && this.changes.length > 1)
    ) {
      this.changeBytes -= this.changes.shift()?.value?.length ?? 0;
    }
  }
}

/** A shared database in memory. */
export class MemoryStoreBackend {
  readonly clock: StoreClock;
  private readonly clusters = new Map<string, MemoryCluster>();
  private readonly hints = new Set<() => void>();
  private available = true;
  private delayMs = 0;
  private dropAnswers = false;
  private held: (() => void)[] | null = null;
  private lastWallMs = 0;

  constructor(options: { readonly clock: StoreClock }) {
    this.clock = options.clock;
  }

  /** False: every call is refused with SR_STORE_UNAVAILABLE until it is true again. */
  setAvailable(available: boolean): void {
    this.available = available;
    if (available) this.ringAll();
  }

  /** Every call takes effect only after `ms` (0 = at once). A call longer than its deadline is given up as unknown. */
  setDelayMs(ms: number): void {
    this.delayMs = ms;
  }

  /** True: calls take effect but the caller never hears (SR_STORE_UNKNOWN for writes, UNAVAILABLE for reads). */
  setDropAnswers(drop: boolean): void {
    this.dropAnswers = drop;
  }

  /** Holds all writes back, as a network or a paused leader would, until the returned function is called. */
  holdWrites(): () => void {
    const held: (() => void)[] = this.held ?? [];
    this.held = held;
    return () => {
      if (this.held === held) this.held = null;
      for (const go of held.splice(0)) go();
    };
  }

  /** A copy of all contents, for tests of restored backups. */
  snapshot(): () => void {
    const saved = structuredClone([...this.clusters].map(([id, c]) => [id, structuredCluster(c)] as const));
    return () => {
      this.clusters.clear();
      for (const [id, c] of saved) this.clusters.set(id, reviveCluster(structuredClone(c)));
      this.ringAll();
    };
  }

  /** @internal */
  cluster(id: string): MemoryCluster {
    let cluster = this.clusters.get(id);
    if (cluster === undefined) this.clusters.set(id, (cluster = new MemoryCluster()));
    return cluster;
  }

  /** @internal The backend's wall clock, which never steps back. */
  wallMs(): number {
    this.lastWallMs = Math.max(this.lastWallMs, this.clock.wallMs());
    return this.lastWallMs;
  }

  /** @internal */
  listen(hint: () => void): () => void {
    this.hints.add(hint);
    return () => this.hints.delete(hint);
  }

  /** @internal */
  ringAll(): void {
    for (const hint of this.hints) hint();
  }

  /** @internal Runs `work` as the database would, with the faults that are switched on. */
  async run<T>(write: boolean, work: () => T): Promise<T> {
    if (!this.available) throw new StoreError('SR_STORE_UNAVAILABLE', 'the memory store is switched off');
    if (this.delayMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.clock.setTimer(this.delayMs, resolve);
      await promise;
    }
    if (write && this.held !== null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.held.push(resolve);
      await promise;
    }
    const result = work();
    if (this.dropAnswers) await new Promise<never>(() => {});
    return result;
  }
}

type SavedCluster = ReturnType<typeof structuredCluster>;

function structuredCluster(c: MemoryCluster) {
  return {
    lease: c.lease,
    lastTerm: c.lastTerm,
    docs: c.docs,
    changes: c.changes,
    changeBytes: c.changeBytes,
    docHead: c.docHead,
    logs: [...c.logs].map(([name, log]) => ({ name, head: log.head, cells: log.cells })),
  };
}

function reviveCluster(saved: SavedCluster): MemoryCluster {
  const cluster = new MemoryCluster();
  Object.assign(cluster, { lease: saved.lease, lastTerm: saved.lastTerm });
  Object.assign(cluster, { changeBytes: saved.changeBytes, docHead: saved.docHead });
  for (const [key, doc] of saved.docs) cluster.docs.set(key, doc);
  cluster.changes.push(...saved.changes);
  for (const { name, head, cells } of saved.logs) {
    const log = cluster.log(name);
    for (const [key, cell] of [...cells].sort((a, b) => a[1].seq - b[1].seq)) {
      log.write({ key, body: cell.body, keep: cell.keep }, cell.seq, cell.touchedMs);
    }
    log.head = head;
  }
  return cluster;
}
