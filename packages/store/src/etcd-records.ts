/** Record logs in etcd; the layout is in `etcd-layout.ts`. */
import { createHash } from 'node:crypto';
import { nextSeq } from './counters.ts';
import type { DriverContext, RawRecord, RawRow } from './driver.ts';
import {
  type Deadline,
  type EtcdClient,
  type EtcdCompare,
  type EtcdKv,
  type EtcdOp,
  put,
  range,
  remove,
  unchanged,
} from './etcd-client.ts';
import {
  type EtcdKeys,
  json,
  type RecordHead,
  type RecordPointer,
  SEQ_END,
  seqKey,
  splitHeader,
  withHeader,
} from './etcd-layout.ts';
import { StoreError } from './errors.ts';
import { prefixEnd } from './keys.ts';
import { STORE_LIMITS } from './limits.ts';
import { tooManyRecords } from './refusals.ts';
import { Turns } from './turns.ts';

/** Rows of one transaction: 4 operations each, of 128 that etcd allows. */
const TXN_ROWS_MAX = 28;
/** Bytes of one transaction (etcd refuses requests above 1.5 MiB). */
const TXN_BYTES_MAX = 1_000_000;
/** Rows of the first range of a scan; later ones adapt to the size of the rows. */
const SCAN_FIRST_ROWS = 16;
/** Keys of one range when looking for old rows. */
const EXPIRE_PAGE_KEYS = 1_000;

/** Reads the fence keys and checks them; see `etcd.ts`. */
export interface EtcdFence {
  /** Operations to put before the caller's reads. */
  reads(): EtcdOp[];
  /** Conditions of the write, from what the reads gave. @throws SR_STORE_FENCED */
  check(term: number | undefined, reads: readonly (readonly EtcdKv[])[]): EtcdCompare[];
}

const sha = (body: Uint8Array): string => createHash('sha256').update(body).digest('base64');

/** Record part of the etcd backend. */
export class EtcdRecords {
  private readonly client: EtcdClient;
  private readonly keys: EtcdKeys;
  private readonly fence: EtcdFence;
  private readonly turns: Turns;
  private readonly ctx: DriverContext;

  constructor(client: EtcdClient, keys: EtcdKeys, fence: EtcdFence, ctx: DriverContext) {
    this.client = client;
    this.keys = keys;
    this.fence = fence;
    this.ctx = ctx;
    this.turns = new Turns(ctx.clock);
  }

  /** See StoreDriver.recordUpsert. */
  async upsert(log: string, rows: readonly RawRow[], term: number | undefined): Promise<number> {
    let highest = 0;
    for (const chunk of chunks(rows)) {
      const seq = await this.write((deadline) => this.tryUpsert(log, chunk, term, deadline));
      highest = Math.max(highest, seq);
    }
    return highest;
  }

  /** See StoreDriver.recordTouch. */
  async touch(log: string, keys: readonly string[], term: number | undefined): Promise<number> {
    let touched = 0;
    for (let i = 0; i < keys.length; i += TXN_ROWS_MAX) {
      const part = keys.slice(i, i + TXN_ROWS_MAX);
      touched += await this.write((deadline) => this.tryTouch(log, part, term, deadline));
    }
    return touched;
  }

  /** See StoreDriver.recordGet. */
  async get(log: string, key: string): Promise<RawRecord | null> {
    const deadline = this.client.deadline();
    while (this.ctx.clock.monoMs() < deadline.atMonoMs) {
      const found = await this.client.txn([], [range(this.keys.records(log, 'p/') + key)], deadline);
      if (found.reads[0].length === 0) return null;
      const { seq } = json<RecordPointer>(found.reads[0][0].value);
      const row = await this.client.txn([], [range(this.keys.records(log, 's/') + seqKey(seq))], deadline);
      if (row.reads[0].length > 0) return { key, body: splitHeader(row.reads[0][0].value).body, seq };
      // The row moved on between the two reads.
    }
    throw new StoreError('SR_STORE_UNAVAILABLE', 'a record changes faster than it can be read');
  }

  /** See StoreDriver.recordScan. */
  async scan(log: string, after: number, limit: number): Promise<{ rows: RawRecord[]; more: boolean }> {
    const prefix = this.keys.records(log, 's/');
    const rows: RawRecord[] = [];
    let bytes = 0;
    let page = SCAN_FIRST_ROWS;
    for (let next = after + 1; ; next = rows[rows.length - 1].seq + 1) {
      const want = Math.min(page, limit + 1 - rows.length);
      const op = range(prefix + seqKey(next), prefix + SEQ_END, want);
      const { reads } = await this.client.txn([], [op], this.client.deadline());
      for (const kv of reads[0]) {
        const { header, body } = splitHeader<[string]>(kv.value);
        bytes += body.length;
        if (rows.length === limit || (rows.length > 0 && bytes > STORE_LIMITS.scanBytesMax)) {
          return { rows, more: true };
        }
        rows.push({ key: header[0], body, seq: Number(kv.key.subarray(prefix.length).toString()) });
      }
      if (reads[0].length < want) return { rows, more: false };
      page = Math.max(1, Math.floor((STORE_LIMITS.scanBytesMax - bytes) / (1 + bytes / rows.length)));
    }
  }

  /** See StoreDriver.recordExpire. */
  async expire(log: string, olderThanMs: number, limit: number, term: number): Promise<string[]> {
    const old = await this.findOld(log, olderThanMs, term);
    old.sort((a, b) => a.touchedMs - b.touchedMs);
    const gone: string[] = [];
    for (let i = 0; i < Math.min(old.length, limit); i += TXN_ROWS_MAX) {
      const part = old.slice(i, Math.min(i + TXN_ROWS_MAX, limit));
      gone.push(...(await this.write((deadline) => this.tryExpire(log, part, term, deadline))));
    }
    return gone;
  }

  /** Runs one attempt after another, in turn with other writers of this process, until it is not undefined. */
  private write<T>(attempt: (deadline: Deadline) => Promise<T | undefined>): Promise<T> {
    return writeInTurn(this.client, this.ctx, this.turns, attempt);
  }

  private async tryUpsert(
    log: string,
    rows: readonly RawRow[],
    term: number | undefined,
    deadline: Deadline,
  ): Promise<number | undefined> {
    const at = this.paths(log);
    const read = await this.client.txn(
      [],
      [...this.fence.reads(), range(at.head), ...rows.map((row) => range(at.pointer + row.key))],
      deadline,
    );
    const compare = this.fence.check(term, read.reads);
    const [headKv, ...pointers] = read.reads.slice(2).map((kvs) => kvs[0] as EtcdKv | undefined);
    const head = headKv === undefined ? { seq: 0, rows: 0 } : json<RecordHead>(headKv.value);
    const ops: EtcdOp[] = [];
    let { seq } = head;
    let fresh = 0;
    let highest = 0;
    rows.forEach((row, i) => {
      const found = pointers[i] === undefined ? undefined : json<RecordPointer>(pointers[i].value);
      const digest = sha(row.body);
      let rowSeq = found?.seq ?? 0;
      if (found === undefined || found.sha !== digest || found.keep !== row.keep) {
        seq = nextSeq(seq, read.wallMs);
        rowSeq = seq;
        fresh += found === undefined ? 1 : 0;
        const pointer: RecordPointer = { seq, keep: row.keep, sha: digest };
        ops.push(put(at.pointer + row.key, JSON.stringify(pointer)));
        ops.push(put(at.row + seqKey(seq), withHeader([row.key], row.body)));
        if (found !== undefined) ops.push(remove(at.row + seqKey(found.seq)));
      }
      highest = Math.max(highest, rowSeq);
      if (!row.keep) ops.push(put(at.touched + row.key, String(read.wallMs)));
      else if (rowSeq === seq) ops.push(remove(at.touched + row.key));
    });
    if (fresh > 0 && head.rows + fresh > STORE_LIMITS.recordsMax) throw tooManyRecords(log);
    if (ops.length === 0) return highest;
    const next: RecordHead = { seq, rows: head.rows + fresh };
    if (seq > head.seq) ops.push(put(at.head, JSON.stringify(next)));
    compare.push(unchanged(at.head, headKv?.mod ?? '0'));
    const done = await this.client.txn(compare, ops, deadline);
    return done.succeeded ? highest : undefined;
  }

  private async tryTouch(
    log: string,
    keys: readonly string[],
    term: number | undefined,
    deadline: Deadline,
  ): Promise<number | undefined> {
    const at = this.paths(log);
    const read = await this.client.txn(
      [],
      [...this.fence.reads(), ...keys.map((key) => range(at.pointer + key))],
      deadline,
    );
    const compare = this.fence.check(term, read.reads);
    const ops: EtcdOp[] = [];
    let touched = 0;
    read.reads.slice(2).forEach((kvs, i) => {
      if (kvs.length === 0) return;
      touched += 1;
      if (json<RecordPointer>(kvs[0].value).keep) return;
      compare.push(unchanged(at.pointer + keys[i], kvs[0].mod));
      ops.push(put(at.touched + keys[i], String(read.wallMs)));
    });
    if (ops.length === 0) return touched;
    const done = await this.client.txn(compare, ops, deadline);
    return done.succeeded ? touched : undefined;
  }

  private async findOld(log: string, olderThanMs: number, term: number): Promise<OldRow[]> {
    const prefix = this.keys.records(log, 't/');
    const end = prefixEnd(Buffer.from(prefix, 'utf8'));
    const old: OldRow[] = [];
    let from = prefix;
    for (;;) {
      const deadline = this.client.deadline();
      const read = await this.client.txn(
        [],
        [...this.fence.reads(), range(from, end, EXPIRE_PAGE_KEYS)],
        deadline,
      );
      this.fence.check(term, read.reads);
      for (const kv of read.reads[2]) {
        const touchedMs = Number(kv.value.toString());
        const key = kv.key.toString('utf8').slice(prefix.length);
        if (touchedMs < read.wallMs - olderThanMs) old.push({ key, touchedMs, mod: kv.mod });
      }
      const last = read.reads[2].at(-1);
      if (last === undefined || read.reads[2].length < EXPIRE_PAGE_KEYS) return old;
      from = `${last.key.toString('utf8')}\0`;
    }
  }

  private async tryExpire(
    log: string,
    rows: readonly OldRow[],
    term: number,
    deadline: Deadline,
  ): Promise<string[] | undefined> {
    const at = this.paths(log);
    const reads = rows.flatMap((row) => [range(at.touched + row.key), range(at.pointer + row.key)]);
    const read = await this.client.txn([], [...this.fence.reads(), range(at.head), ...reads], deadline);
    const compare = this.fence.check(term, read.reads);
    const [headKv, ...pairs] = read.reads.slice(2).map((kvs) => kvs[0] as EtcdKv | undefined);
    if (headKv === undefined) return [];
    const ops: EtcdOp[] = [];
    const gone: string[] = [];
    rows.forEach((row, i) => {
      const [touched, pointer] = [pairs[2 * i], pairs[2 * i + 1]];
      // Touched or gone since it was found: leave it.
      if (touched === undefined || touched.mod !== row.mod || pointer === undefined) return;
      gone.push(row.key);
      compare.push(unchanged(at.touched + row.key, touched.mod));
      ops.push(remove(at.touched + row.key), remove(at.pointer + row.key));
      ops.push(remove(at.row + seqKey(json<RecordPointer>(pointer.value).seq)));
    });
    if (gone.length === 0) return gone;
    const head = json<RecordHead>(headKv.value);
    compare.push(unchanged(at.head, headKv.mod));
    ops.push(put(at.head, JSON.stringify({ seq: head.seq, rows: head.rows - gone.length })));
    const done = await this.client.txn(compare, ops, deadline);
    return done.succeeded ? gone : undefined;
  }

  private paths(log: string) {
    return {
      head: this.keys.records(log, 'head'),
      pointer: this.keys.records(log, 'p/'),
      row: this.keys.records(log, 's/'),
      touched: this.keys.records(log, 't/'),
    };
  }
}

interface OldRow {
  readonly key: string;
  readonly touchedMs: number;
  readonly mod: string;
}

/**
 * Runs one attempt after another until it is not undefined (undefined = another process wrote in between).
 * @throws SR_STORE_UNAVAILABLE when time runs out; nothing was written
 */
export async function writeInTurn<T>(
  client: EtcdClient,
  ctx: DriverContext,
  turns: Turns,
  attempt: (deadline: Deadline) => Promise<T | undefined>,
): Promise<T> {
  const deadline = client.deadline();
  return turns.take(deadline.atMonoMs, async () => {
    while (ctx.clock.monoMs() < deadline.atMonoMs) {
      const done = await attempt(deadline);
      if (done !== undefined) return done;
    }
    throw new StoreError('SR_STORE_UNAVAILABLE', 'etcd has too many writers at once; nothing was written');
  });
}

/** Cuts rows so that each part fits one transaction. */
function* chunks(rows: readonly RawRow[]): Generator<RawRow[]> {
  let part: RawRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (part.length > 0 && (part.length === TXN_ROWS_MAX || bytes + row.body.length > TXN_BYTES_MAX)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += row.body.length;
  }
  if (part.length > 0) yield part;
}
