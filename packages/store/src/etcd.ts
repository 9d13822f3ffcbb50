/**
 * The store in etcd: the Raft engine of clusters with several metas. Every write is one transaction that compares the head
 * of its log (order), and for fenced writes that the lock exists and `term` is the writer's. The store's clock is the answering member's
 * `Date`, in whole seconds. Source: reference/meta-and-admin.md 12.6, 12.7.
 */
import { nextSeq, nextTerm } from './counters.ts';
import type { DriverContext, LeaseRow, RawChange, RawDoc, RawRecord, RawRow, StoreDriver } from './driver.ts';
import { isStoreError, StoreError } from './errors.ts';
import {
  type Deadline,
  EtcdClient,
  type EtcdCompare,
  type EtcdKv,
  type EtcdOp,
  exists,
  holds,
  put,
  range,
  remove,
  unchanged,
} from './etcd-client.ts';
import {
  type ChangeHeader,
  type DocHead,
  ETCD_SCHEMA,
  type EtcdLock,
  EtcdKeys,
  json,
  SEQ_END,
  seqKey,
  splitHeader,
  withHeader,
} from './etcd-layout.ts';
import { EtcdRecords, writeInTurn } from './etcd-records.ts';
import { prefixEnd } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import type { ServerOptions } from './open-store.ts';
import { conflict, fenced, leaseLost, tooManyDocs } from './refusals.ts';
import type { EtcdAddress } from './store-address.ts';
import { Turns } from './turns.ts';
import { Bell } from './waiting.ts';

/** Changes of one read. */
const CHANGES_PAGE = 16;
/** Larger values are not repeated in the change log (etcd refuses transactions above 1.5 MiB): a watcher reads the document. */
const INLINE_BYTES_MAX = 500_000;
const EMPTY = Buffer.alloc(0);
/** Pause before the hint stream is opened again, ms. */
const LISTEN_RETRY_MS = 1_000;

interface LockState {
  readonly lock: EtcdLock | undefined;
  readonly lockMod: string;
  readonly lastTerm: number;
  readonly termMod: string;
  readonly wallMs: number;
}

/** etcd backend. */
export class EtcdDriver implements StoreDriver {
  readonly kind = 'etcd';
  readonly address: string;
  readonly shared = true;
  readonly watchPollMs: number;
  private readonly ctx: DriverContext;
  private readonly client: EtcdClient;
  private readonly keys: EtcdKeys;
  private readonly records: EtcdRecords;
  private readonly turns: Turns;
  private readonly leaseTurns: Turns;
  private readonly pause: Bell;
  private held: { readonly lease: string; readonly term: number; readonly ttlSeconds: number } | null = null;
  private closed = false;
  private hint: () => void = () => {};

  constructor(address: EtcdAddress, options: ServerOptions, ctx: DriverContext) {
    const login = { user: options.user ?? address.user, password: options.password ?? address.password };
    this.ctx = ctx;
    this.address = `etcd://${address.endpoints.map((e) => e.replace(/^https?:\/\//, '')).join(',')}`;
    this.watchPollMs = options.pollMs;
    this.client = new EtcdClient({ ...address, ...login }, ctx.clock, ctx.opTimeoutMs);
    this.keys = new EtcdKeys(ctx.cluster);
    this.turns = new Turns(ctx.clock);
    this.leaseTurns = new Turns(ctx.clock);
    this.pause = new Bell(ctx.clock);
    const fence = {
      reads: () => this.fenceReads(),
      check: (term: number | undefined, reads: readonly (readonly EtcdKv[])[]) =>
        this.checkFence(term, reads),
    };
    this.records = new EtcdRecords(this.client, this.keys, fence, ctx);
  }

  onHint(hint: () => void): void {
    this.hint = hint;
  }

  async open(): Promise<void> {
    const { schema } = this.keys;
    const deadline = this.client.deadline();
    const read = async (): Promise<string | undefined> =>
      (await this.client.txn([], [range(schema)], deadline)).reads[0][0]?.value.toString('utf8');
    let found = await read();
    if (found === undefined) {
      await this.client.txn([unchanged(schema, '0')], [put(schema, ETCD_SCHEMA)], deadline);
      found = await read();
    }
    if (found !== ETCD_SCHEMA) {
      throw new StoreError(
        'SR_STORE_SCHEMA',
        `etcd holds layout ${found} under ${this.keys.root}, this program knows ${ETCD_SCHEMA}; update it`,
      );
    }
    void this.listenForHints();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.client.close();
    this.pause.ring();
  }

  async ping(): Promise<void> {
    await this.client.txn([], [range(this.keys.schema)], this.client.deadline());
  }

  leaseAcquire(me: string, ttlMs: number): Promise<LeaseRow> {
    const deadline = this.client.deadline();
    return this.leaseTurns.take(deadline.atMonoMs, () => this.acquire(me, Math.ceil(ttlMs / 1000), deadline));
  }

  leaseRenew(term: number): Promise<LeaseRow> {
    const deadline = this.client.deadline();
    return this.leaseTurns.take(deadline.atMonoMs, async () => {
      const { held } = this;
      if (held === null || held.term !== term) throw leaseLost(term);
      const alive = await this.client.keepAlive(held.lease, deadline);
      const state = alive ? await this.lockState(deadline) : undefined;
      if (!this.isMine(state?.lock) || state?.lock?.term !== term) {
        this.held = null;
        throw leaseLost(term);
      }
      return { owner: state.lock.owner, term, remainingMs: held.ttlSeconds * 1000, mine: true };
    });
  }

  leaseRelease(term: number): Promise<void> {
    const deadline = this.client.deadline();
    return this.leaseTurns.take(deadline.atMonoMs, async () => {
      const { held } = this;
      if (held === null || held.term !== term) return;
      await this.client.revoke(held.lease, deadline);
      this.held = null;
    });
  }

  async leaseObserve(): Promise<LeaseRow> {
    const deadline = this.client.deadline();
    return this.leaseRow(await this.lockState(deadline), deadline);
  }

  async docGet(key: string): Promise<RawDoc | null> {
    const { reads } = await this.client.txn([], [range(this.keys.docs + key)], this.client.deadline());
    if (reads[0].length === 0) return null;
    const { header, body } = splitHeader<number>(reads[0][0].value);
    return { key, value: body, version: header };
  }

  async docList(prefix: string): Promise<{ docs: RawDoc[]; revision: number }> {
    const start = this.keys.docs + prefix;
    const end = prefixEnd(Buffer.from(start, 'utf8'));
    const { reads } = await this.client.txn(
      [],
      [range(this.keys.docHead), range(start, end)],
      this.client.deadline(),
    );
    const docs = reads[1].map((kv) => {
      const { header, body } = splitHeader<number>(kv.value);
      return { key: kv.key.toString('utf8').slice(this.keys.docs.length), value: body, version: header };
    });
    return { docs, revision: headOf(reads[0][0]).seq };
  }

  async docWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
  ): Promise<number> {
    return writeInTurn(this.client, this.ctx, this.turns, (deadline) =>
      this.tryDocWrite(key, value, expect, fence, deadline),
    );
  }

  async changesAfter(from: number): Promise<RawChange[] | null> {
    const { changes, docHead } = this.keys;
    const { reads } = await this.client.txn(
      [],
      [range(docHead), range(changes + seqKey(from + 1), changes + SEQ_END, CHANGES_PAGE)],
      this.client.deadline(),
    );
    const rows = reads[1].map((kv) => ({
      ...splitHeader<ChangeHeader>(kv.value),
      version: Number(kv.key.subarray(changes.length).toString()),
    }));
    const start = rows.length > 0 ? rows[0].header.prev : headOf(reads[0][0]).seq;
    if (start !== from) return null;
    const found: RawChange[] = [];
    for (const { header, body, version } of rows) {
      let value: Uint8Array | null = header.removed ? null : body;
      if (value !== null && header.inDoc) {
        const doc = await this.docGet(header.key);
        // Overwritten meanwhile: this value is gone. What was read before it still counts.
        if (doc?.version !== version) return found.length > 0 ? found : null;
        value = doc.value;
      }
      found.push({ key: header.key, value, version });
    }
    return found;
  }

  recordUpsert(log: string, rows: readonly RawRow[], fence: number | undefined): Promise<number> {
    return this.records.upsert(log, rows, fence);
  }

  recordTouch(log: string, keys: readonly string[], fence: number | undefined): Promise<number> {
    return this.records.touch(log, keys, fence);
  }

  recordGet(log: string, key: string): Promise<RawRecord | null> {
    return this.records.get(log, key);
  }

  recordScan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    return this.records.scan(log, after, limit);
  }

  recordExpire(log: string, olderThanMs: number, limit: number, fence: number): Promise<string[]> {
    return this.records.expire(log, olderThanMs, limit, fence);
  }

  private async acquire(me: string, ttlSeconds: number, deadline: Deadline): Promise<LeaseRow> {
    const state = await this.lockState(deadline);
    const { lock } = state;
    const extend = this.isMine(lock) && lock?.owner === me;
    if (lock !== undefined && !extend) return this.leaseRow(state, deadline);
    if (
      extend &&
      this.held?.ttlSeconds === ttlSeconds &&
      (await this.client.keepAlive(this.held.lease, deadline))
    ) {
      return { owner: me, term: this.held.term, remainingMs: ttlSeconds * 1000, mine: true };
    }
    const term = extend ? lock.term : nextTerm(state.lastTerm, state.wallMs);
    const lease = await this.client.grantLease(ttlSeconds, deadline);
    const fresh: EtcdLock = { owner: me, token: this.ctx.token, term, lease };
    const compare = [unchanged(this.keys.lock, state.lockMod), unchanged(this.keys.term, state.termMod)];
    const ops = [put(this.keys.lock, JSON.stringify(fresh), lease), put(this.keys.term, String(term))];
    try {
      const done = await this.client.txn(compare, ops, deadline);
      if (!done.succeeded) {
        this.drop(lease);
        return await this.leaseRow(await this.lockState(deadline), deadline);
      }
    } catch (error) {
      // Perhaps we hold the lock without knowing its fate: let it go.
      this.drop(lease);
      throw error;
    }
    const old = this.held;
    this.held = { lease, term, ttlSeconds };
    if (old !== null) this.drop(old.lease);
    return { owner: me, term, remainingMs: ttlSeconds * 1000, mine: true };
  }

  /** Gives a lease back without waiting; etcd would drop it after its ttl anyway. */
  private drop(lease: string): void {
    void this.client.revoke(lease, this.client.deadline()).catch(() => {});
  }

  private isMine(lock: EtcdLock | undefined): boolean {
    // A lock from a call whose answer was lost has another lease than the one held: it is being revoked.
    return lock !== undefined && lock.token === this.ctx.token && lock.lease === this.held?.lease;
  }

  private async lockState(deadline: Deadline): Promise<LockState> {
    const { reads, wallMs } = await this.client.txn([], this.fenceReads(), deadline);
    const [lock, term] = [reads[0][0] as EtcdKv | undefined, reads[1][0] as EtcdKv | undefined];
    return {
      lock: lock === undefined ? undefined : json<EtcdLock>(lock.value),
      lockMod: lock?.mod ?? '0',
      lastTerm: Number(term?.value.toString() ?? 0),
      termMod: term?.mod ?? '0',
      wallMs,
    };
  }

  private async leaseRow(state: LockState, deadline: Deadline): Promise<LeaseRow> {
    const { lock, lastTerm } = state;
    const free: LeaseRow = { owner: null, term: lastTerm, remainingMs: 0, mine: false };
    if (lock === undefined) return free;
    const seconds = await this.client.timeToLive(lock.lease, deadline);
    const mine = this.isMine(lock);
    // A lease in its last second is reported as 0 and still alive.
    return { owner: lock.owner, term: lock.term, remainingMs: Math.max(1, seconds * 1000), mine };
  }

  private async tryDocWrite(
    key: string,
    value: Uint8Array | null,
    expect: 'any' | 'absent' | number,
    fence: number | undefined,
    deadline: Deadline,
  ): Promise<number | undefined> {
    const { docHead, docLog, docs, changes } = this.keys;
    const ops = [...this.fenceReads(), range(docHead), range(docLog), range(docs + key)];
    const read = await this.client.txn([], ops, deadline);
    const compare = this.checkFence(fence, read.reads);
    const [headKv, logKv, docKv] = read.reads.slice(2).map((kvs) => kvs[0] as EtcdKv | undefined);
    const found = docKv === undefined ? 0 : splitHeader<number>(docKv.value).header;
    if (expect !== 'any' && found !== (expect === 'absent' ? 0 : expect)) throw conflict(key, expect, found);
    if (value === null && found === 0) return 0;
    const head = headOf(headKv);
    if (value !== null && found === 0 && head.rows >= STORE_LIMITS.docsMax) throw tooManyDocs();
    const seq = nextSeq(head.seq, read.wallMs);
    const rows = head.rows + (value === null ? -1 : found === 0 ? 1 : 0);
    const inline = value !== null && value.length <= INLINE_BYTES_MAX ? value : EMPTY;
    const header: ChangeHeader = { key, prev: head.seq, removed: value === null, inDoc: inline !== value };
    const log = logKv === undefined ? [] : json<[number, number][]>(logKv.value);
    const kept = trimLog([...log, [seq, inline.length]]);
    compare.push(unchanged(docHead, headKv?.mod ?? '0'));
    const writes = [
      value === null ? remove(docs + key) : put(docs + key, withHeader(seq, value)),
      put(changes + seqKey(seq), withHeader(header, inline)),
      put(docHead, JSON.stringify({ seq, rows })),
      put(docLog, JSON.stringify(kept)),
    ];
    if (kept.length <= log.length) writes.push(remove(changes, changes + seqKey(kept[0][0])));
    const done = await this.client.txn(compare, writes, deadline);
    return done.succeeded ? seq : undefined;
  }

  private fenceReads(): EtcdOp[] {
    return [range(this.keys.lock), range(this.keys.term)];
  }

  private checkFence(term: number | undefined, reads: readonly (readonly EtcdKv[])[]): EtcdCompare[] {
    if (term === undefined) return [];
    const [lock, last] = [reads[0][0] as EtcdKv | undefined, reads[1][0] as EtcdKv | undefined];
    if (lock === undefined || last?.value.toString() !== String(term)) throw fenced(term);
    return [exists(this.keys.lock), holds(this.keys.term, String(term))];
  }

  /** Watches the head of the documents; only a hint, so a broken stream costs latency and nothing else. */
  private async listenForHints(): Promise<void> {
    while (!this.closed) {
      const mark = this.pause.mark();
      try {
        await this.client.listen(this.keys.docHead, () => this.hint());
      } catch (error) {
        if (isStoreError(error)) this.ctx.logger.warn('store: etcd watch failed', { error: error.message });
      }
      await this.pause.wait(mark, LISTEN_RETRY_MS);
    }
  }
}

function headOf(kv: EtcdKv | undefined): DocHead {
  return kv === undefined ? { seq: 0, rows: 0 } : json<DocHead>(kv.value);
}

/** Drops the oldest changes over the bounds; always keeps the newest. */
function trimLog(log: [number, number][]): [number, number][] {
  let bytes = log.reduce((sum, [, size]) => sum + size, 0);
  let start = 0;
  while (
    start < log.length - 1 &&
    (log.length - start > STORE_LIMITS.docChangesMax || bytes > STORE_LIMITS.docChangeBytesMax)
  ) {
    bytes -= log[start][1];
    start += 1;
  }
  return log.slice(start);
}
