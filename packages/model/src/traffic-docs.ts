/**
 * The documents by which operators take clients and services out of the traffic (F192, F199, F220, F223, F224): written by meta, obeyed by
 * sessions. Pure.
 */
import { DOC_NAMES_MAX, isNames, isRecord, parseJson } from './doc-json.ts';

/** Clients whose publications, or subscriptions, are off: {@link ClientOff}. */
export const CLIENT_OFF_KEY = 'operator/client-off';
/** Who may not publish or subscribe: {@link Blacklist}. */
export const BLACKLIST_KEY = 'operator/blacklist';
/** Services nobody may publish: a JSON list of dataInfoIds. */
export const SERVICE_BLACKLIST_KEY = 'operator/datainfoid-blacklist';

/** A client address: an IPv4 or IPv6 address, or a host name. */
const HOST = /^[\w.:%-]{1,256}$/;

/** What is off for one client. */
export interface OffMark {
  /** Its publications leave the lists. */
  readonly pub: boolean;
  /** Its subscriptions are dropped; undefined when nobody said so: they stay. */
  readonly sub?: boolean;
}

/** Clients that are off, by address. */
export interface ClientOff {
  readonly off: ReadonlyMap<string, OffMark>;
  /** Addresses whose mark was dropped without a word to their clients (`reduce`), the newest last. */
  readonly reduced: readonly string[];
}

/** Nobody is off. */
export const NOBODY_OFF: ClientOff = Object.freeze({ off: new Map(), reduced: [] });

/** Clients by address and services by the prefix of their dataId. */
export interface TrafficMatch {
  readonly hosts: ReadonlySet<string>;
  readonly prefixes: readonly string[];
}

/** Who may not publish and who may not subscribe. */
export interface Blacklist {
  readonly publish: TrafficMatch;
  readonly subscribe: TrafficMatch;
}

const NO_MATCH: TrafficMatch = Object.freeze({ hosts: new Set<string>(), prefixes: [] });
/** Nobody is on the list. */
export const EMPTY_BLACKLIST: Blacklist = Object.freeze({ publish: NO_MATCH, subscribe: NO_MATCH });

/** True for an address that a client can have, without brackets. */
export function isClientHost(host: string): boolean {
  return HOST.test(host);
}

/** `{"off": {"10.0.0.7": {"pub": true}}, "reduced": []}`. Null when the text is not that. */
export function parseClientOff(text: string): ClientOff | null {
  const json = parseJson(text);
  if (!isRecord(json) || Object.keys(json).some((key) => key !== 'off' && key !== 'reduced')) return null;
  const { off: marks = {}, reduced = [] } = json;
  if (!isRecord(marks) || !isNames(reduced)) return null;
  const off = new Map<string, OffMark>();
  for (const [host, mark] of Object.entries(marks)) {
    if (!isClientHost(host) || !isRecord(mark) || off.size >= DOC_NAMES_MAX) return null;
    const { pub, sub, ...rest } = mark;
    if (typeof pub !== 'boolean' || (sub !== undefined && typeof sub !== 'boolean')) return null;
    if (Object.keys(rest).length > 0) return null;
    off.set(host, sub === undefined ? { pub } : { pub, sub });
  }
  return { off, reduced };
}

/** The text of the document. */
export function formatClientOff({ off, reduced }: ClientOff): string {
  return JSON.stringify({ off: Object.fromEntries(off), reduced });
}

/** `{"FORBIDDEN_PUB": {"IP_FULL": ["10.0.0.7"]}}`: kind of use, kind of match, what matches. Null when the text is not that. */
export function parseBlacklist(text: string): Blacklist | null {
  const json = parseJson(text);
  if (!isRecord(json)) return null;
  const { FORBIDDEN_PUB, FORBIDDEN_SUB_BY_PREFIX, ...rest } = json;
  if (Object.keys(rest).length > 0) return null;
  const publish = parseMatch(FORBIDDEN_PUB);
  const subscribe = parseMatch(FORBIDDEN_SUB_BY_PREFIX);
  return publish === null || subscribe === null ? null : { publish, subscribe };
}

/** `["dataInfoId", ...]`. Null when the text is not that. */
export function parseServiceBlacklist(text: string): readonly string[] | null {
  const names = parseJson(text);
  return isNames(names) ? names : null;
}

function parseMatch(json: unknown): TrafficMatch | null {
  if (json === undefined) return NO_MATCH;
  if (!isRecord(json)) return null;
  const { IP_FULL = [], DATA_ID_PREFIX = [], ...rest } = json;
  if (Object.keys(rest).length > 0 || !isNames(IP_FULL) || !isNames(DATA_ID_PREFIX)) return null;
  return { hosts: new Set(IP_FULL), prefixes: DATA_ID_PREFIX };
}
