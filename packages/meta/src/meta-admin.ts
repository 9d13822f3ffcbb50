/** What an operator can do. Every call works on the leader only. */
import { parseAddress, type SlotTable } from '@sofa-registry/model';
import type { Clock } from '@sofa-registry/runtime';
import { type Doc, isStoreError, type MetaStore } from '@sofa-registry/store';
import { ClientTraffic } from './client-traffic.ts';
import type { DocMirror } from './doc-mirror.ts';
import { NotLeaderError, UnknownNodeError } from './errors.ts';
import { DRAINING_DOC, DRAINING_MAX, parseNames, RECONCILE_DOC } from './operator-docs.ts';
import type { Term } from './term.ts';

/** Attempts of a change of a shared list against other writers. */
const ATTEMPTS_MAX = 5;
/** Errors after which the list is read again. */
const RETRY_ERRORS = ['SR_STORE_CONFLICT'] as const;

/** Errors of a store that does not answer. */
const AWAY_ERRORS = ['SR_STORE_UNAVAILABLE', 'SR_STORE_UNKNOWN'] as const;

/** Callers that wait for a change of the documents; further ones are answered at once. */
const WAITERS_MAX = 256;

/** A document that was read. */
export interface ReadDoc extends Doc {
  /** True when the store did not answer and this is what was last seen. */
  readonly stale?: boolean;
}

/** Where the calls find the leader's state. */
export interface AdminPorts {
  readonly clock: Clock;
  readonly store: MetaStore;
  readonly docs: DocMirror;
  /** The term in which this meta may act as leader now, else null. */
  readonly term: () => Term | null;
  readonly leader: () => string;
}

/** Operator's calls. All but reads of documents throw {@link NotLeaderError} on a meta that does not lead, and StoreError when the store refuses or is away. */
export class MetaAdmin {
  readonly #ports: AdminPorts;
  readonly #waiters = new Set<() => void>();
  /** Clients and services taken out of the traffic. */
  readonly traffic: ClientTraffic;

  constructor(ports: AdminPorts) {
    this.#ports = ports;
    this.traffic = new ClientTraffic(this);
  }

  /** @internal called after each change of the documents that reach every node */
  docsChanged(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  /**
   * Revision of the documents that reach every node, on any meta: as soon as it is another than `since`, at the latest after
   * `waitMs`. Revisions of different metas cannot be told apart: list the documents again after each answer.
   */
  async docsRevision(since: number, waitMs: number): Promise<number> {
    const { docs, clock } = this.#ports;
    if (docs.revision !== since || this.#waiters.size >= WAITERS_MAX) return docs.revision;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        timer.cancel();
        resolve();
      };
      const timer = clock.setTimer(waitMs, wake);
      this.#waiters.add(wake);
    });
    return docs.revision;
  }

  /** A document of the store, on any meta; as last seen while the store does not answer. @throws StoreError when it was never seen */
  async getDoc(key: string): Promise<ReadDoc | null> {
    const { store, docs } = this.#ports;
    try {
      return await store.docs.get(key);
    } catch (error) {
      const seen = docs.cached(key);
      if (seen === undefined || !isStoreError(error, ...AWAY_ERRORS)) throw error;
      return seen === null ? null : { ...seen, stale: true };
    }
  }

  /** All documents whose key starts with `prefix`, on any meta; as last seen while the store does not answer. @throws StoreError */
  async listDocs(prefix: string): Promise<readonly ReadDoc[]> {
    const { store, docs } = this.#ports;
    try {
      return (await store.docs.list(prefix)).docs;
    } catch (error) {
      const seen = docs.cachedList(prefix);
      if (seen === undefined || !isStoreError(error, ...AWAY_ERRORS)) throw error;
      return seen.map((doc) => ({ ...doc, stale: true }));
    }
  }

  /**
   * Writes a document. `switch/*` and `operator/*` reach every node within moments.
   * @param expectVersion version it must be at; 0 = must not exist; absent = whatever there is
   * @throws SR_STORE_CONFLICT
   */
  async putDoc(key: string, value: string, expectVersion?: number): Promise<{ readonly version: number }> {
    const { term } = this.#term();
    const expect = expectVersion === undefined ? 'any' : expectVersion === 0 ? 'absent' : expectVersion;
    const { version } = await this.#ports.store.docs.put(key, value, { expect, fence: { term } });
    this.#ports.docs.wrote(key, value, version);
    return { version };
  }

  /**
   * Changes a document against other writers: `change` makes the new value of the present one (null = there is none), again if another
   * was faster. What is equal is not written. @throws SR_STORE_CONFLICT when others were faster each time; what `change` throws
   */
  async changeDoc(
    key: string,
    change: (value: string | null) => string,
  ): Promise<{ readonly version: number }> {
    for (let attempt = 1; ; attempt++) {
      this.#term();
      const doc = await this.#ports.store.docs.get(key);
      const value = change(doc?.value ?? null);
      if (doc !== null && doc.value === value) return doc;
      try {
        return await this.putDoc(key, value, doc?.version ?? 0);
      } catch (error) {
        if (!isStoreError(error, ...RETRY_ERRORS) || attempt === ATTEMPTS_MAX) throw error;
      }
    }
  }

  /** Removes a document. False when there was none. @throws SR_STORE_CONFLICT */
  async removeDoc(key: string, expectVersion?: number): Promise<boolean> {
    const { term } = this.#term();
    return this.#ports.store.docs.remove(key, { expect: expectVersion ?? 'any', fence: { term } });
  }

  /**
   * Takes a node out (or back in): it keeps serving, gets nothing new, its slots move away. Kept in the store: an address stays
   * drained over restarts of the node and of meta, a process id as long as that process lives.
   * @throws UnknownNodeError when `on` and no such node is there
   */
  async setDraining(addressOrProcessId: string, on: boolean): Promise<void> {
    const term = this.#term();
    const known = term
      .records()
      .some((node) => node.address === addressOrProcessId || node.processId === addressOrProcessId);
    if (on && !known) throw new UnknownNodeError(addressOrProcessId);
    await this.changeDoc(DRAINING_DOC, (value) => {
      const names = new Set(parseNames(value));
      // A process id ends with its process, and no other will have it.
      const living = new Set(term.records().map(({ processId }) => processId));
      for (const name of names)
        if (term.warm && parseAddress(name) === null && !living.has(name)) names.delete(name);
      if (on) names.add(addressOrProcessId);
      else {
        // Undrained by either name, and whatever the node itself asked for.
        for (const node of term.records()) {
          if (node.address !== addressOrProcessId && node.processId !== addressOrProcessId) continue;
          names.delete(node.address);
          names.delete(node.processId);
          term.drain(node.processId, false);
        }
        names.delete(addressOrProcessId);
      }
      if (names.size > DRAINING_MAX) throw new RangeError(`more than ${DRAINING_MAX} drained nodes`);
      return JSON.stringify([...names]);
    });
    term.membersChanged();
  }

  /** Freezes the slot table (`false`) or lets it follow the data nodes again. Fail-over is never frozen. */
  async setReconcile(on: boolean): Promise<void> {
    const term = this.#term();
    await this.putDoc(RECONCILE_DOC, String(on));
    term.slots.arrangeSoon();
  }

  /** Whether the slot table follows the data nodes. */
  async reconcile(): Promise<boolean> {
    return (await this.getDoc(RECONCILE_DOC))?.value !== 'false';
  }

  /** Asks the allocator now and answers the table there is then. */
  async refreshTable(): Promise<SlotTable> {
    const term = this.#term();
    await term.slots.arrange();
    return term.table;
  }

  #term(): Term {
    const term = this.#ports.term();
    if (term === null) throw new NotLeaderError(this.#ports.leader());
    return term;
  }
}
