/**
 * Takes clients and services out of the traffic, and back (F192, F199, F224): each call changes a document that reaches every session
 * (`packages/model/src/traffic-docs.ts`).
 */
import {
  CLIENT_OFF_KEY,
  type ClientOff,
  formatClientOff,
  isClientHost,
  NOBODY_OFF,
  type OffMark,
  parseClientOff,
  parseServiceBlacklist,
  SERVICE_BLACKLIST_KEY,
  DOC_NAMES_MAX,
} from '@sofa-registry/model';
import type { Doc } from '@sofa-registry/store';
import type { ReadDoc } from './meta-admin.ts';

/** Dropped marks that are remembered; of more the oldest are forgotten. */
const REDUCED_MAX = 1000;

/** How the documents are read and changed. */
export interface TrafficDocs {
  getDoc(key: string): Promise<ReadDoc | null>;
  /** Changes a document against other writers; what is equal is not written. */
  changeDoc(key: string, change: (value: string | null) => string): Promise<Pick<Doc, 'version'>>;
}

/** Clients that are off, and the version of the document; 0 = there is none. */
export interface ClientOffState extends ClientOff {
  readonly version: number;
}

/**
 * The calls. Those that change answer the version by which sessions can tell whether they have heard. All throw what reading and writing
 * documents throws, and RangeError for an address that is none or for more than {@link DOC_NAMES_MAX} names.
 */
export class ClientTraffic {
  readonly #docs: TrafficDocs;

  constructor(docs: TrafficDocs) {
    this.#docs = docs;
  }

  /** Takes the publications of clients at these addresses out of all lists; their connections and subscriptions stay. */
  off(addresses: readonly string[]): Promise<number> {
    return this.mark(addresses.map((address) => [address, { pub: true }]));
  }

  /** Takes off what each mark says. */
  mark(marks: readonly (readonly [address: string, mark: OffMark])[]): Promise<number> {
    return this.#change(
      marks.map(([address]) => address),
      (off, reduced) => {
        for (const [address, mark] of marks) {
          off.set(address, mark);
          reduced.delete(address);
        }
      },
    );
  }

  /** Ends that: sessions close the connections, so that clients register again. */
  open(addresses: readonly string[]): Promise<number> {
    return this.#change(addresses, (off, reduced) => {
      for (const address of addresses) {
        off.delete(address);
        reduced.delete(address);
      }
    });
  }

  /** Drops the marks and closes nothing: what clients register from now on counts. */
  reduce(addresses: readonly string[]): Promise<number> {
    return this.#change(addresses, (off, reduced) => {
      for (const address of addresses) {
        off.delete(address);
        reduced.delete(address);
        reduced.add(address);
      }
    });
  }

  /** Who is off. */
  async state(): Promise<ClientOffState> {
    const doc = await this.#docs.getDoc(CLIENT_OFF_KEY);
    return { ...parsed(doc?.value ?? null), version: doc?.version ?? 0 };
  }

  /** Bans a service from being published, or lets it again. */
  async banService(dataInfoId: string, banned: boolean): Promise<void> {
    await this.#docs.changeDoc(SERVICE_BLACKLIST_KEY, (value) => {
      const ids = new Set(value === null ? [] : parseServiceBlacklist(value));
      if (banned) ids.add(dataInfoId);
      else ids.delete(dataInfoId);
      bounded(ids.size, 'banned services');
      return JSON.stringify([...ids]);
    });
  }

  /** Services that are banned; null when there never was one. */
  async bannedServices(): Promise<readonly string[] | null> {
    const doc = await this.#docs.getDoc(SERVICE_BLACKLIST_KEY);
    return doc === null ? null : (parseServiceBlacklist(doc.value) ?? []);
  }

  async #change(
    addresses: readonly string[],
    edit: (off: Map<string, OffMark>, reduced: Set<string>) => void,
  ): Promise<number> {
    for (const address of addresses)
      if (!isClientHost(address)) throw new RangeError(`invalid ip address: ${address}`);
    const { version } = await this.#docs.changeDoc(CLIENT_OFF_KEY, (value) => {
      const before = parsed(value);
      const off = new Map(before.off);
      const reduced = new Set(before.reduced);
      edit(off, reduced);
      bounded(off.size, 'clients that are off');
      return formatClientOff({ off, reduced: [...reduced].slice(-REDUCED_MAX) });
    });
    return version;
  }
}

function parsed(value: string | null): ClientOff {
  return (value === null ? null : parseClientOff(value)) ?? NOBODY_OFF;
}

function bounded(count: number, what: string): void {
  if (count > DOC_NAMES_MAX) throw new RangeError(`more than ${DOC_NAMES_MAX} ${what}`);
}
