/**
 * What operators took out of the traffic, as the documents say (`traffic-docs.ts`): clients that are off, the blacklist, banned services.
 * Pure. Sessions ask for each registration, data nodes for what a session left that is gone.
 */
import {
  type Blacklist,
  BLACKLIST_KEY,
  CLIENT_OFF_KEY,
  type ClientOff,
  EMPTY_BLACKLIST,
  NOBODY_OFF,
  parseBlacklist,
  parseClientOff,
  parseServiceBlacklist,
  SERVICE_BLACKLIST_KEY,
} from './traffic-docs.ts';

/** What a client does with a service. */
export type Use = 'publish' | 'subscribe';

/** A service, as the rules name it. */
export interface ServiceName {
  readonly dataId: string;
  readonly dataInfoId: string;
}

type Docs = ReadonlyMap<string, { readonly value: string; readonly version: number }>;

/** The rules in force. */
export class TrafficRules {
  #off: ClientOff = NOBODY_OFF;
  #blacklist: Blacklist = EMPTY_BLACKLIST;
  #banned: ReadonlySet<string> = new Set();
  #active = false;
  /** Versions of the documents that were read, by key. */
  readonly #versions = new Map<string, number>();

  /** False while nothing is out of the traffic. */
  get active(): boolean {
    return this.#active;
  }

  /** Version of the document of clients that are off; 0 = none was seen. */
  get version(): number {
    return this.#versions.get(CLIENT_OFF_KEY) ?? 0;
  }

  /** Clients that are off. */
  get off(): ClientOff['off'] {
    return this.#off.off;
  }

  /** True if the client's mark was dropped without a word to it. */
  reduced(host: string): boolean {
    return this.#off.reduced.includes(host);
  }

  /** Takes the documents; one that cannot be read counts as absent. @returns true if one of ours is another than before */
  update(docs: Docs): boolean {
    let changed = false;
    for (const key of [CLIENT_OFF_KEY, BLACKLIST_KEY, SERVICE_BLACKLIST_KEY]) {
      const doc = docs.get(key);
      const version = doc?.version ?? 0;
      if (version === (this.#versions.get(key) ?? 0)) continue;
      this.#versions.set(key, version);
      this.#read(key, doc?.value ?? '');
      changed = true;
    }
    if (!changed) return false;
    const { publish, subscribe } = this.#blacklist;
    const lists = [publish, subscribe].some(({ hosts, prefixes }) => hosts.size > 0 || prefixes.length > 0);
    this.#active = lists || this.#off.off.size > 0 || this.#banned.size > 0;
    return true;
  }

  /** False if the client may not do this with the service: what it registers is acknowledged and has no effect. */
  allows(use: Use, host: string, service: ServiceName): boolean {
    return !this.#active || (this.allowsHost(use, host) && this.allowsService(use, service));
  }

  /** False if the client may not do this with any service. */
  allowsHost(use: Use, host: string): boolean {
    if (this.#blacklist[use].hosts.has(host)) return false;
    const mark = this.#off.off.get(host);
    if (mark === undefined) return true;
    return use === 'publish' ? !mark.pub : mark.sub !== true;
  }

  /** False if nobody may do this with the service. */
  allowsService(use: Use, { dataId, dataInfoId }: ServiceName): boolean {
    if (use === 'publish' && this.#banned.has(dataInfoId)) return false;
    return !this.#blacklist[use].prefixes.some((prefix) => dataId.startsWith(prefix));
  }

  /** True if services are forbidden by their name. */
  get namesServices(): boolean {
    const { publish, subscribe } = this.#blacklist;
    return this.#banned.size > 0 || publish.prefixes.length > 0 || subscribe.prefixes.length > 0;
  }

  #read(key: string, text: string): void {
    if (key === CLIENT_OFF_KEY) this.#off = parseClientOff(text) ?? NOBODY_OFF;
    else if (key === BLACKLIST_KEY) this.#blacklist = parseBlacklist(text) ?? EMPTY_BLACKLIST;
    else this.#banned = new Set(parseServiceBlacklist(text) ?? []);
  }
}
