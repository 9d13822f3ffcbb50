/** Records: input checks and formats over a backend's byte rows. */
import type { RawRecord, RawRow, StoreDriver } from './driver.ts';
import { StoreError } from './errors.ts';
import { STORE_LIMITS } from './limits.ts';
import type { Fence, RecordLog, RecordPage, StoredRecord } from './meta-store.ts';
import { decodeRecord, encodeRecord, type RecordCodec } from './records.ts';
import { checkKey, checkNumber } from './validate.ts';

/** One log of a store handle. */
export class RecordFacade<T> implements RecordLog<T> {
  private readonly driver: StoreDriver;
  private readonly codec: RecordCodec<T>;
  private readonly gate: () => void;

  constructor(driver: StoreDriver, codec: RecordCodec<T>, gate: () => void) {
    this.driver = driver;
    this.codec = codec;
    this.gate = gate;
  }

  keyOf(value: T): string {
    return this.codec.keyOf(value);
  }

  async upsert(rows: readonly T[], opt?: { fence?: Fence }): Promise<{ seq: number }> {
    this.gate();
    if (rows.length === 0) return { seq: 0 };
    return { seq: await this.driver.recordUpsert(this.codec.log, this.encode(rows), opt?.fence?.term) };
  }

  async touch(keys: readonly string[], opt?: { fence?: Fence }): Promise<number> {
    this.gate();
    this.checkCount(keys.length);
    for (const key of keys) checkKey(key);
    if (keys.length === 0) return 0;
    return this.driver.recordTouch(this.codec.log, [...new Set(keys)], opt?.fence?.term);
  }

  async get(key: string): Promise<StoredRecord<T> | null> {
    this.gate();
    checkKey(key);
    const raw = await this.driver.recordGet(this.codec.log, key);
    return raw === null ? null : this.decode(raw);
  }

  async scan(after: number, limit: number): Promise<RecordPage<T>> {
    this.gate();
    checkNumber('after', after);
    const { rows, more } = await this.driver.recordScan(this.codec.log, after, clampLimit(limit));
    const next = rows.length === 0 ? after : rows[rows.length - 1].seq;
    return { rows: rows.map((raw) => this.decode(raw)), next, more };
  }

  async expire(olderThanMs: number, limit: number, opt: { fence: Fence }): Promise<string[]> {
    this.gate();
    checkNumber('age in ms', olderThanMs);
    return this.driver.recordExpire(this.codec.log, olderThanMs, clampLimit(limit), opt.fence.term);
  }

  /** Rows as bytes; of rows with one key the last counts. */
  private encode(rows: readonly T[]): RawRow[] {
    this.checkCount(rows.length);
    const byKey = new Map<string, RawRow>();
    let bytes = 0;
    for (const row of rows) {
      const key = this.codec.keyOf(row);
      checkKey(key);
      const body = encodeRecord(this.codec, row);
      bytes += body.length;
      if (body.length > STORE_LIMITS.recordBytesMax) {
        const { recordBytesMax: max } = STORE_LIMITS;
        throw new StoreError(
          'SR_STORE_TOO_LARGE',
          `record "${key}" has ${body.length} bytes, at most ${max} are allowed`,
        );
      }
      byKey.delete(key);
      byKey.set(key, { key, body, keep: this.codec.keep(row) });
    }
    if (bytes > STORE_LIMITS.recordBatchBytesMax) {
      const { recordBatchBytesMax: max } = STORE_LIMITS;
      throw new StoreError(
        'SR_STORE_TOO_LARGE',
        `upsert of ${bytes} bytes, at most ${max} are allowed at once`,
      );
    }
    return [...byKey.values()];
  }

  private checkCount(count: number): void {
    if (count <= STORE_LIMITS.recordBatchMax) return;
    const { recordBatchMax: max } = STORE_LIMITS;
    throw new StoreError('SR_STORE_TOO_LARGE', `${count} rows at once, at most ${max} are allowed`);
  }

  private decode(raw: RawRecord): StoredRecord<T> {
    return { key: raw.key, value: decodeRecord(this.codec, raw.key, raw.body), seq: raw.seq };
  }
}

function clampLimit(limit: number): number {
  checkNumber('limit', limit);
  return Math.max(1, Math.min(limit, STORE_LIMITS.scanRowsMax));
}
