/**
 * What this session knows of applications (F235, session.md 10 "Application-level discovery"): revisions its clients registered or asked
 * for, and which applications offer which service. Pure. Meta keeps all revisions; here is a cache of bodies, least recently used first
 * out, and a copy of the index. What a client registered counts at once, also while meta is away, and waits until meta has it.
 */
import type { MetaRegister } from '@sofa-registry/wire';

/** Applications that offer a service, and the version of that set. */
export interface ServiceApps {
  readonly version: number;
  readonly apps: readonly string[];
}

/** A page of the index (wire internal/app-metadata). */
export interface IndexPage {
  readonly term: number;
  readonly next: number;
  readonly more: boolean;
  readonly services: readonly {
    readonly service: string;
    readonly version: number;
    readonly apps: readonly string[];
  }[];
}

interface Entry {
  /** Null: meta has it, its body was not asked for here. */
  revision: MetaRegister | null;
  /** Its size on the wire. */
  bytes: number;
  /** False until meta has it. */
  stored: boolean;
  /** When a client last named it, monotonic ms. */
  heardMs: number;
}

interface LocalApps {
  version: number;
  /** Application to the number of its revisions here that offer the service. */
  readonly apps: Map<string, number>;
}

/** Bounds; see the settings of the same names. */
export interface AppMetadataOptions {
  readonly revisionsMax: number;
  readonly revisionBytesMax: number;
}

/** Services in the copy of the index; more are not taken. */
export const INDEX_SERVICES_MAX = 1_000_000;

/** The core. */
export class AppMetadata {
  /** Revisions that were pushed out before meta had them. */
  lost = 0;
  readonly #options: AppMetadataOptions;
  readonly #next: () => number;
  /** Least recently named first. */
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Set<string>();
  #bytes = 0;
  /** Services of revisions that the copy of the index may lack. */
  readonly #local = new Map<string, LocalApps>();
  readonly #inLocal = new Map<string, MetaRegister>();
  #index = new Map<string, ServiceApps>();
  #term = 0;
  #version = 0;
  /** The index of another term, while it is read. */
  #reading: { term: number; next: number; index: Map<string, ServiceApps> } | null = null;
  /** Revisions that meta had before the reading began. */
  #settling: string[] = [];

  /** @param next strictly rising versions, for what is known here only */
  constructor(options: AppMetadataOptions, next: () => number) {
    this.#options = options;
    this.#next = next;
  }

  /** Bodies and ids kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Revisions that meta does not have yet. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Services known. */
  get services(): number {
    return this.#index.size;
  }

  /** A client registered a revision of `bytes` on the wire. @returns true if meta must hear of it */
  register(revision: MetaRegister, bytes: number, nowMs: number): boolean {
    const { revision: id } = revision;
    const known = this.#entries.get(id);
    // A revision is a hash of its content: the same id is the same thing.
    if (known !== undefined && (known.stored || known.revision !== null)) {
      if (known.revision === null) this.#fill(known, revision, bytes);
      this.#touch(id, known, nowMs);
      this.#shrink();
      return false;
    }
    this.#put(id, { revision, bytes, stored: false, heardMs: nowMs });
    this.#pending.add(id);
    this.#inLocal.set(id, revision);
    for (const service of revision.services.keys()) this.#offer(service, revision.application);
    this.#shrink();
    return true;
  }

  /** The revision, if it is here. */
  revision(id: string): MetaRegister | undefined {
    return this.#entries.get(id)?.revision ?? undefined;
  }

  /** A revision that meta answered. */
  learn(revision: MetaRegister, bytes: number, nowMs: number): void {
    const known = this.#entries.get(revision.revision);
    if (known === undefined) this.#put(revision.revision, { revision, bytes, stored: true, heardMs: nowMs });
    else if (known.revision === null) this.#fill(known, revision, bytes);
    this.#shrink();
  }

  /** Clients use these. @returns those that are unknown here */
  heard(ids: readonly string[], nowMs: number): string[] {
    const unknown: string[] = [];
    for (const id of ids) {
      const known = this.#entries.get(id);
      if (known === undefined) unknown.push(id);
      else this.#touch(id, known, nowMs);
    }
    return unknown;
  }

  /** Meta has these. */
  exists(ids: readonly string[], nowMs: number): void {
    for (const id of ids) {
      if (this.#entries.has(id)) continue;
      this.#put(id, { revision: null, bytes: 0, stored: true, heardMs: nowMs });
    }
    this.#shrink();
  }

  /** Applications that offer the service; undefined for an unknown one. */
  appsOf(service: string): ServiceApps | undefined {
    const shared = this.#index.get(service);
    const local = this.#local.get(service);
    if (local === undefined) return shared;
    const apps = new Set([...(shared?.apps ?? []), ...local.apps.keys()]);
    return { version: Math.max(shared?.version ?? 0, local.version), apps: [...apps] };
  }

  /** Every service known, for operators. */
  allServices(): Map<string, ServiceApps> {
    const all = new Map(this.#index);
    for (const service of this.#local.keys()) all.set(service, this.appsOf(service) as ServiceApps);
    return all;
  }

  /** Revisions that meta should get next. */
  takePending(itemsMax: number, bytesMax: number): MetaRegister[] {
    const batch: MetaRegister[] = [];
    let bytes = 0;
    for (const id of this.#pending) {
      const entry = this.#entries.get(id);
      if (entry === undefined || entry.revision === null) continue;
      if (batch.length === itemsMax || (batch.length > 0 && bytes + entry.bytes > bytesMax)) break;
      bytes += entry.bytes;
      batch.push(entry.revision);
    }
    return batch;
  }

  /** Meta has stored these. */
  stored(ids: readonly string[]): void {
    for (const id of ids) {
      this.#pending.delete(id);
      const entry = this.#entries.get(id);
      if (entry !== undefined) entry.stored = true;
    }
  }

  /** Meta will never take these; they stay known here. */
  refused(ids: readonly string[]): void {
    for (const id of ids) this.#pending.delete(id);
  }

  /** Ids that clients named since a time, to tell meta. */
  heardSince(sinceMs: number): string[] {
    const ids: string[] = [];
    for (const [id, { stored, heardMs }] of this.#entries) if (stored && heardMs >= sinceMs) ids.push(id);
    return ids;
  }

  /** Meta does not have these (any more): what is here goes there again. @returns true if something does */
  missing(ids: readonly string[]): boolean {
    let again = false;
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry === undefined || !entry.stored) continue;
      const { revision } = entry;
      if (revision === null) {
        this.#entries.delete(id);
        continue;
      }
      entry.stored = false;
      this.#pending.add(id);
      if (!this.#inLocal.has(id)) {
        this.#inLocal.set(id, revision);
        for (const service of revision.services.keys()) this.#offer(service, revision.application);
      }
      again = true;
    }
    return again;
  }

  /** True if the copy is not what the leader of this term has. */
  behind(term: number, version: number): boolean {
    return version > 0 && (term !== this.#term || version > this.#version);
  }

  /** A reading of the index begins or goes on. @returns after which version to read */
  readFrom(term: number): number {
    if (this.#reading?.term === term) return this.#reading.next;
    this.#reading = null;
    this.#settling = [...this.#inLocal.keys()].filter((id) => !this.#pending.has(id));
    return term === this.#term ? this.#version : 0;
  }

  /** A page of the index came. @returns true if that was the last one */
  page({ term, next, more, services }: IndexPage): boolean {
    let index = this.#index;
    if (term !== this.#term) {
      if (this.#reading?.term !== term) this.#reading = { term, next: 0, index: new Map() };
      ({ index } = this.#reading);
      this.#reading.next = next;
    } else {
      this.#version = next;
    }
    for (const { service, version, apps } of services) {
      if (apps.length === 0) index.delete(service);
      else if (index.size < INDEX_SERVICES_MAX || index.has(service)) index.set(service, { version, apps });
    }
    if (more) return false;
    this.#index = index;
    this.#term = term;
    this.#version = next;
    this.#reading = null;
    for (const id of this.#settling) this.#leaveLocal(id);
    this.#settling = [];
    return true;
  }

  #touch(id: string, entry: Entry, nowMs: number): void {
    entry.heardMs = nowMs;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  #put(id: string, entry: Entry): void {
    this.#entries.set(id, entry);
    this.#bytes += entry.bytes;
  }

  #fill(entry: Entry, revision: MetaRegister, bytes: number): void {
    entry.revision = revision;
    entry.bytes = bytes;
    this.#bytes += bytes;
  }

  /** The least recently named leave until the bounds hold; the newest stays. */
  #shrink(): void {
    const { revisionsMax, revisionBytesMax } = this.#options;
    for (const [id, entry] of this.#entries) {
      const fits = this.#entries.size <= revisionsMax && this.#bytes <= revisionBytesMax;
      if (fits || this.#entries.size === 1) return;
      this.#entries.delete(id);
      this.#bytes -= entry.bytes;
      if (this.#pending.delete(id)) this.lost++;
      this.#leaveLocal(id);
    }
  }

  #offer(service: string, app: string): void {
    let entry = this.#local.get(service);
    if (entry === undefined) {
      entry = { version: 0, apps: new Map() };
      this.#local.set(service, entry);
    }
    const count = entry.apps.get(app) ?? 0;
    entry.apps.set(app, count + 1);
    if (count === 0) entry.version = this.#next();
  }

  #leaveLocal(id: string): void {
    const revision = this.#inLocal.get(id);
    if (revision === undefined || !this.#inLocal.delete(id)) return;
    for (const service of revision.services.keys()) {
      const entry = this.#local.get(service);
      const count = entry?.apps.get(revision.application) ?? 0;
      if (entry === undefined || count === 0) continue;
      if (count > 1) entry.apps.set(revision.application, count - 1);
      else entry.apps.delete(revision.application);
      if (entry.apps.size === 0) this.#local.delete(service);
    }
  }
}
