/**
 * The leader's part of application-level discovery (F235, F241, F243, F244): writes revisions of sessions to the store, answers them, and
 * forgets what no client has used for long. The leader is the only writer, so it knows the index without reading again.
 */
import { HybridClock } from '@sofa-registry/model';
import { every, type Timer } from '@sofa-registry/runtime';
import { type AppRevisionRecord, errorText, isStoreError, STORE_LIMITS } from '@sofa-registry/store';
import {
  AppIndexPage,
  AppIndexScan,
  decodeMetaRegister,
  encodeMetaRegister,
  type Frame,
  type MetaRegister,
  REVISION_BATCH_BYTES_MAX,
  REVISION_BATCH_MAX,
  REVISION_ID_UNITS_MAX,
  RevisionGet,
  RevisionGot,
  RevisionIdList,
  RevisionIds,
  RevisionPut,
  RevisionPutReply,
  RevisionTouch,
} from '@sofa-registry/wire';
import { AppIndex } from './core/app-index.ts';
import type { TermFacts, TermPorts } from './term-ports.ts';

/** Rows of one read of the store while the index is built. */
const SCAN_ROWS = 200;
/** Services of one page. */
const PAGE_SERVICES_MAX = 1000;
/** Ids of one list. */
const IDS_MAX = 1000;
/** Wait before a failed read of the store is tried again, ms. */
const RETRY_MS = 1000;
/** Sessions tell what clients use each ten minutes: after so many such periods without leader every revision in use was named again. */
const TOUCH_PERIODS_MIN = 3;
/** Revisions that are forgotten in one go. */
const EXPIRE_ROWS_MAX = 500;

/** Versions of a hybrid clock within one ms. */
const VERSIONS_PER_MS = 4096;

/** Class names that sessions send. */
export const APP_METADATA_REQUESTS: ReadonlySet<string> = new Set(
  [RevisionPut, RevisionGet, RevisionTouch, RevisionIds, AppIndexScan].map(({ className }) => className),
);

/** An answer: class name and content. */
export interface MetadataAnswer {
  readonly className: string;
  readonly content: Buffer;
}

/** The part. */
export class AppMetadata {
  readonly #ports: TermPorts;
  readonly #facts: TermFacts;
  readonly #versions: HybridClock;
  readonly #index: AppIndex;
  readonly #startedMs: number;
  #loaded = false;
  #closed = false;
  #cleaning = false;
  #timer: Timer | null = null;

  constructor(ports: TermPorts, facts: TermFacts) {
    this.#ports = ports;
    this.#facts = facts;
    this.#versions = new HybridClock(() => ports.clock.wallMs());
    this.#index = new AppIndex(() => this.#versions.next());
    this.#startedMs = ports.clock.monoMs();
  }

  /** Version of the newest change of the index, 1 when there was none; 0 = not loaded yet. */
  get version(): number {
    return this.#loaded ? Math.max(1, this.#index.version) : 0;
  }

  /** Revisions known; 0 before they are loaded. */
  get revisions(): number {
    return this.#index.revisions;
  }

  /** Begins to read what there is. */
  start(): void {
    void this.#load();
    const { revisionCleanMs } = this.#facts.tunables;
    this.#timer = every(this.#ports.clock, revisionCleanMs, () => void this.#clean());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Answers a request of a session. Null = not now. @throws WireError */
  async answer({ className, content }: Pick<Frame, 'className' | 'content'>): Promise<MetadataAnswer | null> {
    if (!this.#loaded || this.#closed) return null;
    switch (className) {
      case RevisionPut.className:
        return this.#put(RevisionPut.decode(content).bodies);
      case RevisionGet.className:
        return this.#get(RevisionGet.decode(content).ids);
      case RevisionTouch.className:
        return this.#touch(RevisionTouch.decode(content).ids);
      case RevisionIds.className: {
        const { after, limit } = RevisionIds.decode(content);
        const ids = this.#index.ids(after, Math.min(limit, IDS_MAX));
        return { className: RevisionIdList.className, content: RevisionIdList.encode({ ids }) };
      }
      case AppIndexScan.className: {
        const { changes, next, more } = this.#index.scan(
          AppIndexScan.decode(content).after,
          PAGE_SERVICES_MAX,
        );
        const page = { term: this.#facts.term, next: Math.max(1, next), more, services: changes };
        return { className: AppIndexPage.className, content: AppIndexPage.encode(page) };
      }
      default:
        return null;
    }
  }

  async #put(bodies: readonly Buffer[]): Promise<MetadataAnswer> {
    const stored: string[] = [];
    const refused: string[] = [];
    const revisions = bodies.slice(0, REVISION_BATCH_MAX).map((body) => decodeMetaRegister(body));
    for (const revision of revisions) {
      const { revision: id } = revision;
      if (id === '' || id.length > REVISION_ID_UNITS_MAX) {
        refused.push(id);
        continue;
      }
      try {
        await this.#store(revision);
        stored.push(id);
      } catch (error) {
        // One that never fits must not be repeated for ever; all else is.
        if (isStoreError(error, 'SR_STORE_TOO_LARGE')) refused.push(id);
        else {
          this.#failed(error);
          break;
        }
      }
    }
    this.#ports.metrics.revisionsRefused.value += refused.length;
    return {
      className: RevisionPutReply.className,
      content: RevisionPutReply.encode({ stored, refused }),
    };
  }

  async #store(revision: MetaRegister): Promise<void> {
    const { clock, store, metrics } = this.#ports;
    const { revision: id } = revision;
    if (this.#index.has(id)) {
      await this.#refresh([id]);
      return;
    }
    await store.revisions.upsert([recordOf(revision)], { fence: { term: this.#facts.term } });
    metrics.revisionsStored.value++;
    this.#index.add(id, revision.application, revision.services.keys(), clock.monoMs());
  }

  async #get(ids: readonly string[]): Promise<MetadataAnswer> {
    const bodies: Buffer[] = [];
    let bytes = 0;
    for (const id of ids.slice(0, REVISION_BATCH_MAX)) {
      if (!this.#index.has(id) || bytes >= REVISION_BATCH_BYTES_MAX) continue;
      const found = await this.#ports.store.revisions.get(id);
      if (found === null) continue;
      const body = encodeMetaRegister(registerOf(found.value));
      bytes += body.length;
      bodies.push(body);
    }
    return { className: RevisionGot.className, content: RevisionGot.encode({ bodies }) };
  }

  async #touch(all: readonly string[]): Promise<MetadataAnswer> {
    const ids = all.slice(0, REVISION_BATCH_MAX);
    await this.#refresh(ids.filter((id) => this.#index.has(id)));
    const missing = ids.filter((id) => !this.#index.has(id));
    return { className: RevisionIdList.className, content: RevisionIdList.encode({ ids: missing }) };
  }

  /** Makes revisions young in the store, each at most once per half of the time in which sessions name them. */
  async #refresh(ids: readonly string[]): Promise<void> {
    const { clock, store } = this.#ports;
    const due = this.#index.takeUntouched(ids, this.#facts.tunables.revisionTouchMs / 2, clock.monoMs());
    if (due.length > 0) await store.revisions.touch(due, { fence: { term: this.#facts.term } });
  }

  async #load(): Promise<void> {
    const { clock, store, logger } = this.#ports;
    let after = 0;
    while (!this.#closed) {
      try {
        const { rows, next, more } = await store.revisions.scan(after, SCAN_ROWS);
        for (const { value, seq } of rows) {
          // Versions of this term stay above those of former ones: the store counts ms since the same day.
          this.#versions.observe(seq * VERSIONS_PER_MS);
          this.#index.add(value.revision, value.appName, value.interfaces.keys(), clock.monoMs());
        }
        after = next;
        if (more) continue;
        this.#loaded = true;
        return;
      } catch (error) {
        logger.debug('meta: application revisions cannot be read', { error: errorText(error) });
        await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
      }
    }
  }

  /** Forgets revisions that no client has used for long; not before all sessions have said which are used. */
  async #clean(): Promise<void> {
    const { clock, store, leading, metrics } = this.#ports;
    const { revisionExpireMs, revisionTouchMs } = this.#facts.tunables;
    const ledMs = clock.monoMs() - this.#startedMs;
    if (!this.#loaded || this.#closed || this.#cleaning || !leading()) return;
    if (ledMs < revisionTouchMs * TOUCH_PERIODS_MIN) return;
    this.#cleaning = true;
    try {
      const limit = Math.min(EXPIRE_ROWS_MAX, STORE_LIMITS.scanRowsMax);
      const gone = await store.revisions.expire(revisionExpireMs, limit, {
        fence: { term: this.#facts.term },
      });
      for (const id of gone) this.#index.remove(id);
      metrics.revisionsExpired.value += gone.length;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#cleaning = false;
    }
  }

  /** Counts a failure of the store. */
  #failed(error: unknown): void {
    const { metrics, logger, fenced } = this.#ports;
    metrics.storeFailures.value++;
    logger.debug('meta: application revisions were not written', { error: errorText(error) });
    if (isStoreError(error, 'SR_STORE_FENCED')) fenced();
  }
}

function recordOf({
  application,
  revision,
  clientVersion,
  baseParams,
  services,
}: MetaRegister): AppRevisionRecord {
  return {
    revision,
    appName: application,
    clientVersion,
    baseParams,
    interfaces: services,
  };
}

function registerOf({
  revision,
  appName,
  clientVersion,
  baseParams,
  interfaces,
}: AppRevisionRecord): MetaRegister {
  return {
    application: appName,
    revision,
    clientVersion,
    baseParams: new Map([...baseParams].map(([key, values]) => [key, [...values]])),
    services: new Map(
      [...interfaces].map(([name, { id, params }]) => [
        name,
        { id, params: new Map([...params].map(([key, values]) => [key, [...values]])) },
      ]),
    ),
  };
}
