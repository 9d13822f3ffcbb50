/**
 * The operator documents in memory (`switch/*`, `operator/*`): listed, then followed by the store's watch; listed again after a
 * reset. What is known stays readable while the store is away (marked stale by the elector's `storeAvailable`).
 */
import type { Clock, Logger } from '@sofa-registry/runtime';
import { type Doc, errorText, isStoreError, type MetaStore } from '@sofa-registry/store';

/** Keys with these prefixes reach every node. */
export const WATCHED_PREFIXES: readonly string[] = Object.freeze(['switch/', 'operator/']);
/** Wait before the store is asked again after a failure, ms. */
const RETRY_MS = 500;

/** The mirror. */
export class DocMirror {
  readonly docs = new Map<string, Doc>();
  /** Rises with each change; 0 before the first list. */
  revision = 0;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #store: MetaStore;
  readonly #changed: () => void;
  #aborter = new AbortController();

  /** @param changed called after each change */
  constructor(ports: { clock: Clock; logger: Logger; store: MetaStore }, changed: () => void) {
    this.#clock = ports.clock;
    this.#logger = ports.logger;
    this.#store = ports.store;
    this.#changed = changed;
  }

  /** Follows the store until {@link stop}. */
  start(): void {
    this.#aborter = new AbortController();
    for (const prefix of WATCHED_PREFIXES) void this.#follow(prefix, this.#aborter.signal);
  }

  stop(): void {
    this.#aborter.abort();
  }

  /** Value of a document, or null. */
  value(key: string): string | null {
    return this.docs.get(key)?.value ?? null;
  }

  /** True for keys that reach every node. */
  static watches(key: string): boolean {
    return WATCHED_PREFIXES.some((prefix) => key.startsWith(prefix));
  }

  /** Takes over a write of this process before the watch reports it. */
  wrote(key: string, value: string | null, version: number): void {
    const known = this.docs.get(key);
    if (!DocMirror.watches(key) || (known !== undefined && known.version >= version)) return;
    if (value === null) this.docs.delete(key);
    else this.docs.set(key, { key, value, version });
    this.#advance(version);
  }

  async #follow(prefix: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { docs, revision } = await this.#store.docs.list(prefix);
        if (signal.aborted) return;
        this.#replace(prefix, docs, revision);
        for await (const event of this.#store.docs.watch(prefix, revision, signal)) {
          if (event.kind === 'reset' || signal.aborted) break;
          for (const { key, value, version } of event.changes) this.wrote(key, value, version);
        }
      } catch (error) {
        if (signal.aborted) return;
        const level = isStoreError(error, 'SR_STORE_UNAVAILABLE', 'SR_STORE_UNKNOWN') ? 'debug' : 'warn';
        this.#logger[level]('meta: documents cannot be read', { prefix, error: errorText(error) });
      }
      await new Promise<void>((resolve) => this.#clock.setTimer(RETRY_MS, resolve));
    }
  }

  #replace(prefix: string, docs: readonly Doc[], revision: number): void {
    const present = new Set(docs.map((doc) => doc.key));
    for (const key of this.docs.keys())
      if (key.startsWith(prefix) && !present.has(key)) this.docs.delete(key);
    for (const doc of docs) this.docs.set(doc.key, doc);
    this.#advance(Math.max(revision, 1));
  }

  #advance(version: number): void {
    this.revision = Math.max(this.revision + 1, version);
    this.#changed();
  }
}
