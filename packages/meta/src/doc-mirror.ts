/**
 * The operator documents in memory: listed, then followed by the store's watch; listed again after a reset. Those of `switch/`
 * and `operator/` reach every node, those of `persistent/` are kept so that they can be read while the store is away.
 */
import type { Clock, Logger } from '@sofa-registry/runtime';
import { type Doc, errorText, isStoreError, type MetaStore } from '@sofa-registry/store';

/** Keys with these prefixes reach every node. */
export const WATCHED_PREFIXES: readonly string[] = Object.freeze(['switch/', 'operator/']);
/** Keys with this prefix are kept for reading only. */
const KEPT_PREFIX = 'persistent/';
const FOLLOWED_PREFIXES: readonly string[] = Object.freeze([...WATCHED_PREFIXES, KEPT_PREFIX]);
/** Characters of values kept for reading only; more are not kept, and cannot be read while the store is away. */
const KEPT_UNITS_MAX = 16 * 1024 * 1024;
/** Wait before the store is asked again after a failure, ms. */
const RETRY_MS = 500;

/** The mirror. */
export class DocMirror {
  readonly docs = new Map<string, Doc>();
  /** Documents of {@link KEPT_PREFIX}. */
  readonly #kept = new Map<string, Doc>();
  #keptUnits = 0;
  /** Prefixes of which all documents are known. */
  readonly #listed = new Set<string>();
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
    for (const prefix of FOLLOWED_PREFIXES) void this.#follow(prefix, this.#aborter.signal);
  }

  stop(): void {
    this.#aborter.abort();
  }

  /**
   * Reads the documents that reach every node now: the watch may be behind, and a meta that begins to lead must not take back what the
   * last leader told. @throws StoreError
   */
  async refresh(): Promise<void> {
    for (const prefix of WATCHED_PREFIXES) {
      const { docs, revision } = await this.#store.docs.list(prefix);
      const newer = [...this.docs.values()].filter((doc) => doc.version > revision);
      this.#replace(prefix, docs, revision);
      for (const { key, value, version } of newer) this.wrote(key, value, version);
    }
  }

  /** Value of a document, or null. */
  value(key: string): string | null {
    return this.docs.get(key)?.value ?? null;
  }

  /** A document as last seen; null when there was none; undefined when that is not known. */
  cached(key: string): Doc | null | undefined {
    const doc = this.docs.get(key) ?? this.#kept.get(key);
    if (doc !== undefined) return doc;
    const prefix = FOLLOWED_PREFIXES.find((each) => key.startsWith(each));
    return prefix !== undefined && this.#listed.has(prefix) ? null : undefined;
  }

  /** Documents as last seen whose key starts with `prefix`, in order of their keys; undefined when not all are known. */
  cachedList(prefix: string): Doc[] | undefined {
    const whole = FOLLOWED_PREFIXES.filter((each) => each.startsWith(prefix) || prefix.startsWith(each));
    if (whole.length === 0 || whole.some((each) => !this.#listed.has(each))) return undefined;
    return [...this.docs.values(), ...this.#kept.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** True for keys that reach every node. */
  static watches(key: string): boolean {
    return WATCHED_PREFIXES.some((prefix) => key.startsWith(prefix));
  }

  /** Takes over a write of this process before the watch reports it. */
  wrote(key: string, value: string | null, version: number): void {
    const known = this.cached(key);
    if (known !== null && known !== undefined && known.version >= version) return;
    if (key.startsWith(KEPT_PREFIX)) this.#keep(key, value === null ? null : { key, value, version });
    if (!DocMirror.watches(key)) return;
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
    this.#listed.add(prefix);
    if (prefix === KEPT_PREFIX) {
      for (const key of [...this.#kept.keys()]) this.#keep(key, null);
      for (const doc of docs) this.#keep(doc.key, doc);
      return;
    }
    const present = new Set(docs.map((doc) => doc.key));
    for (const key of this.docs.keys())
      if (key.startsWith(prefix) && !present.has(key)) this.docs.delete(key);
    for (const doc of docs) this.docs.set(doc.key, doc);
    this.#advance(Math.max(revision, 1));
  }

  #keep(key: string, doc: Doc | null): void {
    this.#keptUnits -= this.#kept.get(key)?.value.length ?? 0;
    this.#kept.delete(key);
    if (doc === null) return;
    if (this.#keptUnits + doc.value.length > KEPT_UNITS_MAX) {
      this.#listed.delete(KEPT_PREFIX);
      return;
    }
    this.#kept.set(key, doc);
    this.#keptUnits += doc.value.length;
  }

  #advance(version: number): void {
    this.revision = Math.max(this.revision + 1, version);
    this.#changed();
  }
}
