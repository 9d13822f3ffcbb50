/**
 * Keeps the session's knowledge of applications and meta's in step: hands new revisions over, asks for unknown ones, copies the index
 * when a beat tells of a change, and names the revisions clients use. While meta is away clients are served from what is here.
 */
import type { MetaLink } from '@sofa-registry/cluster';
import { Backoff, type Clock, type Logger, type Random } from '@sofa-registry/runtime';
import {
  AppIndexPage,
  AppIndexScan,
  decodeMetaRegister,
  encodeMetaRegister,
  type MetaRegister,
  REVISION_BATCH_BYTES_MAX,
  REVISION_BATCH_MAX,
  RevisionGet,
  RevisionGot,
  RevisionIdList,
  RevisionIds,
  RevisionPut,
  RevisionPutReply,
  RevisionTouch,
} from '@sofa-registry/wire';
import type { SessionMetrics } from '../metrics.ts';
import type { SessionTunables } from '../settings.ts';
import { AppMetadata, type ServiceApps } from './app-metadata.ts';

/** Wait for meta's answer to what a client waits for, ms: below the client's own 1 s (wire 4.1). */
const ASK_MS = 800;
/** Wait for meta's answer to anything else, ms. */
const CALL_MS = 5000;
/** Questions for clients that wait at the same time; more are answered as if meta were away. */
const QUESTIONS_MAX = 256;
/** First and longest wait before a failed call is made again, ms. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 5000;
/** After a change of leader, clients' revisions are named again within so long, ms: its store may have lost some. */
const NEW_TERM_TOUCH_MS = 5000;
/** Revisions named within so many periods count as in use. */
const TOUCH_PERIODS = 2;
/** Ids told to an operator. */
export const REVISION_IDS_MAX = 100_000;
const IDS_PAGE = 1000;

/** What it needs. */
export interface MetadataSyncPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly meta: () => MetaLink;
}

/** Which of the asked ids were found, and whether meta could be asked for the rest. */
export interface Found {
  readonly missing: readonly string[];
  /** False: meta is away, `missing` may exist. */
  readonly sure: boolean;
}

/** The application metadata of one session. */
export class MetadataSync {
  readonly core: AppMetadata;
  readonly #ports: MetadataSyncPorts;
  readonly #backoff: Backoff;
  #questions = 0;
  /** True while the call that moves things on is under way. */
  #busy = false;
  #notBeforeMs = -Infinity;
  #soon = false;
  #touchDueMs: number;
  #term = 0;

  constructor(ports: MetadataSyncPorts, next: () => number) {
    const { settings, clock, random } = ports;
    this.#ports = ports;
    this.#backoff = new Backoff(random, { baseMs: RETRY_MS, maxMs: RETRY_MS_MAX });
    const { revisionsMax, revisionBytesMax } = settings;
    this.core = new AppMetadata({ revisionsMax, revisionBytesMax }, next);
    this.#touchDueMs = clock.monoMs() + settings.revisionTouchMs;
  }

  /** A client registered a revision of `bytes` on the wire. */
  register(revision: MetaRegister, bytes: number): void {
    if (!this.core.register(revision, bytes, this.#ports.clock.monoMs()) || this.#soon) return;
    this.#soon = true;
    this.#ports.clock.defer(() => {
      this.#soon = false;
      this.check();
    });
  }

  appsOf(service: string): ServiceApps | undefined {
    return this.core.appsOf(service);
  }

  /** Clients use these. Null if all are known here; else what meta says. */
  heartbeat(ids: readonly string[]): Promise<Found> | null {
    const unknown = this.core.heard(ids, this.#ports.clock.monoMs());
    return unknown.length === 0 ? null : this.#whichExist(unknown);
  }

  /** Makes the bodies available in the core. Null if all are; else what meta says. */
  fetch(ids: readonly string[]): Promise<Found> | null {
    const absent = ids.filter((id) => this.core.revision(id) === undefined);
    return absent.length === 0 ? null : this.#load(absent);
  }

  /** Ids of all revisions, from meta; those known here while it is away. For operators. */
  async revisionIds(): Promise<string[]> {
    const ids: string[] = [];
    try {
      for (let after = ''; ids.length < REVISION_IDS_MAX; ) {
        const question = { after, limit: IDS_PAGE };
        const page = await this.#ports.meta().ask(RevisionIds, question, RevisionIdList, CALL_MS);
        ids.push(...page.ids);
        if (page.ids.length < IDS_PAGE) return ids;
        after = page.ids[page.ids.length - 1];
      }
      return ids;
    } catch {
      return this.core.heardSince(-Infinity);
    }
  }

  /** Does what is due; call it a few times per second. */
  check(): void {
    const { clock, settings, meta } = this.#ports;
    const nowMs = clock.monoMs();
    const { view } = meta();
    if (view.term !== this.#term) {
      this.#term = view.term;
      this.#touchDueMs = Math.min(this.#touchDueMs, nowMs + this.#ports.random.next() * NEW_TERM_TOUCH_MS);
    }
    if (this.#busy || nowMs < this.#notBeforeMs) return;
    if (this.core.waiting > 0) void this.#run(() => this.#put());
    else if (this.core.behind(view.term, view.appIndexVersion)) void this.#run(() => this.#scan(view.term));
    else if (nowMs >= this.#touchDueMs) {
      this.#touchDueMs = nowMs + settings.revisionTouchMs;
      const ids = this.core.heardSince(nowMs - settings.revisionTouchMs * TOUCH_PERIODS);
      if (ids.length > 0) void this.#run(() => this.#touch(ids));
    }
  }

  async #run(work: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#ports;
    this.#busy = true;
    try {
      await work();
      this.#backoff.reset();
      this.#busy = false;
      this.check();
    } catch (error) {
      this.#busy = false;
      this.#notBeforeMs = clock.monoMs() + this.#backoff.nextMs();
      logger.debug('application metadata: meta did not answer', { error: String(error) });
    }
  }

  async #put(): Promise<void> {
    const batch = this.core.takePending(REVISION_BATCH_MAX, REVISION_BATCH_BYTES_MAX);
    const question = { bodies: batch.map((revision) => encodeMetaRegister(revision)) };
    const { stored, refused } = await this.#ports
      .meta()
      .ask(RevisionPut, question, RevisionPutReply, CALL_MS);
    this.core.stored(stored);
    this.core.refused(refused);
    this.#ports.metrics.refused.revision.value += refused.length;
    if (stored.length + refused.length < batch.length) throw new Error('not all revisions were stored');
    this.#ports.meta().beatSoon();
  }

  async #scan(term: number): Promise<void> {
    for (;;) {
      const question = { after: this.core.readFrom(term) };
      const page = await this.#ports.meta().ask(AppIndexScan, question, AppIndexPage, CALL_MS);
      // Another leader answered: its index is another one, from the start.
      if (page.term !== term) throw new Error('the leader has changed');
      if (!this.core.page(page)) continue;
      // Never at once again, whatever the leader says.
      const { appIndexVersion } = this.#ports.meta().view;
      if (this.core.behind(term, appIndexVersion)) throw new Error('the index has changed meanwhile');
      return;
    }
  }

  async #touch(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += REVISION_BATCH_MAX) {
      const question = { ids: ids.slice(at, at + REVISION_BATCH_MAX) };
      const { ids: missing } = await this.#ports.meta().ask(RevisionTouch, question, RevisionIdList, CALL_MS);
      this.core.missing(missing);
    }
  }

  async #load(ids: readonly string[]): Promise<Found> {
    const sure = await this.#question(ids, async (some) => {
      const { bodies } = await this.#ports.meta().ask(RevisionGet, { ids: some }, RevisionGot, ASK_MS);
      const nowMs = this.#ports.clock.monoMs();
      for (const body of bodies) this.core.learn(decodeMetaRegister(body), body.length, nowMs);
    });
    return { missing: ids.filter((id) => this.core.revision(id) === undefined), sure };
  }

  async #whichExist(ids: readonly string[]): Promise<Found> {
    const missing: string[] = [];
    const sure = await this.#question(ids, async (some) => {
      const answer = await this.#ports.meta().ask(RevisionTouch, { ids: some }, RevisionIdList, ASK_MS);
      missing.push(...answer.ids);
      const unknown = new Set(answer.ids);
      this.core.exists(
        some.filter((id) => !unknown.has(id)),
        this.#ports.clock.monoMs(),
      );
    });
    return { missing: sure ? missing : ids, sure };
  }

  /** Asks for ids in batches. @returns false if meta could not be asked */
  async #question(ids: readonly string[], ask: (some: readonly string[]) => Promise<void>): Promise<boolean> {
    if (this.#questions >= QUESTIONS_MAX) {
      this.#ports.metrics.refused.metadataQuestions.value++;
      return false;
    }
    this.#questions++;
    try {
      for (let at = 0; at < ids.length; at += REVISION_BATCH_MAX)
        await ask(ids.slice(at, at + REVISION_BATCH_MAX));
      return true;
    } catch {
      return false;
    } finally {
      this.#questions--;
    }
  }
}
