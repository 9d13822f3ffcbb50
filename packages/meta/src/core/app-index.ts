/**
 * Which applications offer which service, derived from the revisions in the store (F235, meta-and-admin 5.1). Pure. Each change of a
 * service's set of applications gets a version that only rises, so that sessions ask for what changed after theirs.
 */

/** What is kept of a revision: its body stays in the store. */
interface Known {
  readonly app: string;
  readonly services: readonly string[];
  /** When it was last written or touched in the store, monotonic ms. */
  touchedMs: number;
}

interface Service {
  /** The one copy of the name. */
  readonly name: string;
  version: number;
  /** Application to the number of its revisions that offer the service. */
  readonly apps: Map<string, number>;
}

/** A change of the index as sessions are told. */
export interface ServiceApps {
  readonly service: string;
  readonly version: number;
  /** None: nobody offers it any more. */
  readonly apps: readonly string[];
}

/** The change log is cleaned when it has twice as many entries as services, and so many more. */
const LOG_SLACK = 1024;
/** Services that nobody offers any more and that are still told; a session that slept through more keeps the oldest until the next term. */
const GONE_MAX = 10_000;

/** The index. */
export class AppIndex {
  readonly #next: () => number;
  readonly #revisions = new Map<string, Known>();
  readonly #services = new Map<string, Service>();
  /** Changes in order of version; an entry whose version is not its service's is out of date. */
  #log: { readonly version: number; readonly service: string }[] = [];
  readonly #gone = new Map<string, number>();

  /** @param next strictly rising versions */
  constructor(next: () => number) {
    this.#next = next;
  }

  /** Version of the newest change; 0 before the first. */
  get version(): number {
    return this.#log.at(-1)?.version ?? 0;
  }

  get revisions(): number {
    return this.#revisions.size;
  }

  get services(): number {
    return this.#services.size;
  }

  has(id: string): boolean {
    return this.#revisions.has(id);
  }

  /** Ids after `after` in their order, at most `limit`. */
  ids(after: string, limit: number): string[] {
    return [...this.#revisions.keys()]
      .filter((id) => id > after)
      .sort()
      .slice(0, limit);
  }

  /** A revision is in the store. */
  add(id: string, app: string, services: Iterable<string>, nowMs: number): void {
    if (this.#revisions.has(id)) return;
    const names: string[] = [];
    for (const service of services) names.push(this.#offer(service, app));
    this.#revisions.set(id, { app, services: names, touchedMs: nowMs });
  }

  /** A revision has left the store. */
  remove(id: string): void {
    const known = this.#revisions.get(id);
    if (known === undefined) return;
    this.#revisions.delete(id);
    for (const service of known.services) this.#withdraw(service, known.app);
  }

  /** Those of the ids that were not touched for `ageMs`; they count as touched from now on. */
  takeUntouched(ids: readonly string[], ageMs: number, nowMs: number): string[] {
    return ids.filter((id) => {
      const known = this.#revisions.get(id);
      if (known === undefined || nowMs - known.touchedMs < ageMs) return false;
      known.touchedMs = nowMs;
      return true;
    });
  }

  /** Changes after a version, at most `limit` services, in order. */
  scan(after: number, limit: number): { changes: ServiceApps[]; next: number; more: boolean } {
    const changes: ServiceApps[] = [];
    let next = after;
    for (let at = this.#firstAfter(after); at < this.#log.length; at++) {
      const { version, service } = this.#log[at];
      if (this.#versionOf(service) !== version) continue;
      if (changes.length === limit) return { changes, next, more: true };
      next = version;
      changes.push({ service, version, apps: [...(this.#services.get(service)?.apps.keys() ?? [])] });
    }
    return { changes, next: Math.max(next, this.version), more: false };
  }

  #firstAfter(version: number): number {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#log[middle].version <= version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #versionOf(service: string): number | undefined {
    return this.#services.get(service)?.version ?? this.#gone.get(service);
  }

  /** @returns the one copy of the service's name */
  #offer(service: string, app: string): string {
    let entry = this.#services.get(service);
    if (entry === undefined) {
      entry = { name: service, version: 0, apps: new Map() };
      this.#services.set(service, entry);
      this.#gone.delete(service);
    }
    const count = entry.apps.get(app) ?? 0;
    entry.apps.set(app, count + 1);
    if (count === 0) entry.version = this.#changed(entry.name);
    return entry.name;
  }

  #withdraw(service: string, app: string): void {
    const entry = this.#services.get(service);
    const count = entry?.apps.get(app) ?? 0;
    if (entry === undefined || count === 0) return;
    if (count > 1) {
      entry.apps.set(app, count - 1);
      return;
    }
    entry.apps.delete(app);
    entry.version = this.#changed(service);
    if (entry.apps.size > 0) return;
    this.#services.delete(service);
    this.#gone.set(service, entry.version);
    if (this.#gone.size <= GONE_MAX) return;
    for (const oldest of this.#gone.keys()) {
      this.#gone.delete(oldest);
      break;
    }
  }

  #changed(service: string): number {
    const version = this.#next();
    this.#log.push({ version, service });
    if (this.#log.length > 2 * (this.#services.size + this.#gone.size) + LOG_SLACK) {
      // The entry just made is not the service's version yet.
      this.#log = this.#log.filter(
        (entry) => entry.version === version || this.#versionOf(entry.service) === entry.version,
      );
    }
    return version;
  }
}
