/** Documents: input checks, text to bytes, and the watch loop over a backend's change log. */
import type { DriverContext, RawDoc, StoreDriver } from './driver.ts';
import { errorText, isStoreError, StoreError } from './errors.ts';
import { STORE_LIMITS } from './limits.ts';
import type { Doc, DocChange, DocEvent, DocStore, DocWrite, Fence } from './meta-store.ts';
import { checkKey, checkNumber, checkText } from './validate.ts';
import { Bell } from './waiting.ts';

/** How long a watch waits before it asks a store again that did not answer, ms. */
const WATCH_RETRY_MS = 500;

/** Document part of a store handle. */
export class DocFacade implements DocStore {
  private readonly driver: StoreDriver;
  private readonly ctx: DriverContext;
  private readonly gate: () => void;
  private readonly bell: Bell;
  private readonly stopped = new AbortController();
  private watches = 0;

  constructor(driver: StoreDriver, ctx: DriverContext, gate: () => void) {
    this.driver = driver;
    this.ctx = ctx;
    this.gate = gate;
    this.bell = new Bell(ctx.clock);
    driver.onHint(() => this.bell.ring());
  }

  /** Ends all watches. */
  stop(): void {
    this.stopped.abort();
    this.bell.ring();
  }

  async get(key: string): Promise<Doc | null> {
    this.gate();
    checkKey(key);
    const raw = await this.driver.docGet(key);
    return raw === null ? null : toDoc(raw);
  }

  async list(prefix: string): Promise<{ docs: Doc[]; revision: number }> {
    this.gate();
    checkText('prefix', prefix, 0, STORE_LIMITS.keyBytesMax);
    const { docs, revision } = await this.driver.docList(prefix);
    return { docs: docs.map(toDoc), revision };
  }

  async put(key: string, value: string, write: DocWrite): Promise<{ version: number }> {
    this.gate();
    checkKey(key);
    checkText(`document "${key}"`, value, 0, STORE_LIMITS.docBytesMax);
    if (write.expect !== 'any' && write.expect !== 'absent') checkNumber('expected version', write.expect);
    const version = await this.driver.docWrite(
      key,
      Buffer.from(value, 'utf8'),
      write.expect,
      termOf(write.fence),
    );
    this.bell.ring();
    return { version };
  }

  async remove(key: string, write: { expect: 'any' | number; fence?: Fence }): Promise<boolean> {
    this.gate();
    checkKey(key);
    if (write.expect !== 'any') checkNumber('expected version', write.expect);
    const version = await this.driver.docWrite(key, null, write.expect, termOf(write.fence));
    this.bell.ring();
    return version > 0;
  }

  async *watch(
    prefix: string,
    from: number,
    signal?: AbortSignal,
  ): AsyncGenerator<DocEvent, void, undefined> {
    this.gate();
    checkText('prefix', prefix, 0, STORE_LIMITS.keyBytesMax);
    checkNumber('revision', from);
    if (this.watches >= STORE_LIMITS.watchesMax) {
      throw new StoreError(
        'SR_STORE_TOO_LARGE',
        `more than ${STORE_LIMITS.watchesMax} watches on one store handle`,
      );
    }
    this.watches += 1;
    try {
      yield* this.follow(prefix, from, signal);
    } finally {
      this.watches -= 1;
    }
  }

  private async *follow(prefix: string, from: number, signal?: AbortSignal): AsyncGenerator<DocEvent, void> {
    let revision = from;
    const ended = (): boolean => this.stopped.signal.aborted || signal?.aborted === true;
    while (!ended()) {
      const mark = this.bell.mark();
      const raw = await this.changesAfter(revision);
      if (ended()) return;
      if (raw === null) {
        yield { kind: 'reset' };
        return;
      }
      if (raw === 'away') {
        await this.bell.wait(mark, WATCH_RETRY_MS, signal);
      } else if (raw.length === 0) {
        await this.bell.wait(mark, this.driver.watchPollMs, signal);
      } else {
        revision = raw[raw.length - 1].version;
        const changes = raw.filter((c) => c.key.startsWith(prefix)).map(toChange);
        if (changes.length > 0) yield { kind: 'changes', changes, revision };
      }
    }
  }

  /** The next changes; 'away' while the store cannot be asked. */
  private async changesAfter(revision: number) {
    try {
      return await this.driver.changesAfter(revision);
    } catch (error) {
      if (!isStoreError(error, 'SR_STORE_UNAVAILABLE', 'SR_STORE_UNKNOWN')) throw error;
      this.ctx.logger.warn('store: watch waits for the store', {
        store: this.driver.kind,
        error: errorText(error),
      });
      return 'away' as const;
    }
  }
}

function termOf(fence: Fence | undefined): number | undefined {
  if (fence !== undefined) checkNumber('term', fence.term);
  return fence?.term;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function toDoc(raw: RawDoc): Doc {
  return { key: raw.key, value: text(raw.value), version: raw.version };
}

function toChange(raw: { key: string; value: Uint8Array | null; version: number }): DocChange {
  return { key: raw.key, value: raw.value === null ? null : text(raw.value), version: raw.version };
}
