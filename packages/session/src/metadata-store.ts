/**
 * Application revisions and the index from services to applications (F235, session.md 10 "Application-level discovery").
 * For now each session keeps what its own clients registered, bounded; a store shared through meta is a later step and comes
 * behind the same port.
 */
import type { MetaRegister } from '@sofa-registry/wire';

/** Where revisions are kept. */
export interface MetadataStore {
  /** Keeps a revision and its services. */
  register(revision: MetaRegister): void;
  /** The revision, or undefined. Does not carry `clientVersion` (wire 5). */
  revision(id: string): MetaRegister | undefined;
  /** Applications that export the service, and the version of that set; undefined for an unknown service. */
  appsOf(service: string): { readonly version: number; readonly apps: readonly string[] } | undefined;
  /** Marks revisions alive. @returns those that are unknown */
  heartbeat(revisions: readonly string[]): string[];
  /** Revisions kept. */
  readonly size: number;
}

interface ServiceApps {
  version: number;
  /** Application to the number of its revisions that export the service. */
  readonly apps: Map<string, number>;
}

/** In memory, least recently used revision out first. */
export class SessionMetadataStore implements MetadataStore {
  readonly #revisionsMax: number;
  readonly #next: () => number;
  readonly #revisions = new Map<string, MetaRegister>();
  readonly #services = new Map<string, ServiceApps>();

  /** @param next strictly rising versions */
  constructor(revisionsMax: number, next: () => number) {
    this.#revisionsMax = revisionsMax;
    this.#next = next;
  }

  get size(): number {
    return this.#revisions.size;
  }

  register(revision: MetaRegister): void {
    const id = revision.revision;
    const known = this.#revisions.get(id);
    if (known !== undefined) {
      // A revision is a hash of its content: the same id is the same thing.
      this.#touch(id, known);
      return;
    }
    this.#revisions.set(id, revision);
    for (const service of revision.services.keys()) this.#index(service, revision.application);
    if (this.#revisions.size <= this.#revisionsMax) return;
    for (const [oldest, value] of this.#revisions) {
      this.#revisions.delete(oldest);
      for (const service of value.services.keys()) this.#unindex(service, value.application);
      break;
    }
  }

  revision(id: string): MetaRegister | undefined {
    return this.#revisions.get(id);
  }

  appsOf(service: string): { readonly version: number; readonly apps: readonly string[] } | undefined {
    const known = this.#services.get(service);
    return known === undefined ? undefined : { version: known.version, apps: [...known.apps.keys()] };
  }

  heartbeat(revisions: readonly string[]): string[] {
    const unknown: string[] = [];
    for (const id of revisions) {
      const known = this.#revisions.get(id);
      if (known === undefined) unknown.push(id);
      else this.#touch(id, known);
    }
    return unknown;
  }

  #touch(id: string, revision: MetaRegister): void {
    this.#revisions.delete(id);
    this.#revisions.set(id, revision);
  }

  #index(service: string, app: string): void {
    let entry = this.#services.get(service);
    if (entry === undefined) {
      entry = { version: 0, apps: new Map() };
      this.#services.set(service, entry);
    }
    const count = entry.apps.get(app) ?? 0;
    entry.apps.set(app, count + 1);
    if (count === 0) entry.version = this.#next();
  }

  #unindex(service: string, app: string): void {
    const entry = this.#services.get(service);
    const count = entry?.apps.get(app) ?? 0;
    if (entry === undefined || count === 0) return;
    if (count > 1) {
      entry.apps.set(app, count - 1);
      return;
    }
    entry.apps.delete(app);
    entry.version = this.#next();
    if (entry.apps.size === 0) this.#services.delete(service);
  }
}
