/**
 * The operator documents there are, and the form of each (F212-F224, reference/meta-and-admin.md 6). A write that a reader could not
 * take is refused here, with the rule; readers count what they cannot read as absent all the same.
 */
import {
  BLACKLIST_KEY,
  CLIENT_OFF_KEY,
  COMPRESS_PUSH_KEY,
  DOC_NAMES_MAX,
  isNames,
  parseBlacklist,
  parseClientOff,
  parseCompressPush,
  parseJson,
  parseServiceBlacklist,
  SERVICE_BLACKLIST_KEY,
} from '@sofa-registry/model';

/** What a document may hold. */
export interface DocType {
  /** The rule in words, as it stands behind "it must be". */
  readonly rule: string;
  readonly doc: string;
  /** Who acts on it; '' when nobody does yet. */
  readonly readBy: string;
  readonly allows: (value: string) => boolean;
}

const flag = (doc: string, readBy: string): DocType => ({
  rule: 'true or false',
  doc,
  readBy,
  allows: (value) => value === 'true' || value === 'false',
});

const HOST_LIST = new RegExp(`^[\\w.:[\\]%-]+(\\s*,\\s*[\\w.:[\\]%-]+){0,${DOC_NAMES_MAX}}$`);

function isHosts(value: string): boolean {
  const json = parseJson(value);
  if (json !== null && typeof json === 'object')
    return isNames(Array.isArray(json) ? json : (json as { ips?: unknown }).ips);
  return value === '' || HOST_LIST.test(value);
}

/** Keys of `switch/` and `operator/`, all of them. */
export const DOC_TYPES: Readonly<Record<string, DocType>> = {
  'switch/stop-push': flag('Stops all pushes.', 'session'),
  'switch/push-gray': {
    rule: 'hosts: a JSON list, {"ips": [...]}, or names separated by commas',
    doc: 'Clients that are pushed to although pushes are stopped.',
    readBy: 'session',
    allows: isHosts,
  },
  [COMPRESS_PUSH_KEY]: {
    rule: '{"enabled": true, "compressMinSize": 4096, "forbidEncodes": [], "enabledSessions": [], "enabledClients": []}',
    doc: 'Compression of pushes: on or off, for which sessions and clients. Absent: session.compressPush.',
    readBy: 'session',
    allows: (value) => parseCompressPush(value) !== null,
  },
  'operator/slot-reconcile': flag(
    'false freezes the slot table: no planned move, no new copy; fail-over goes on.',
    'meta',
  ),
  'operator/protection': {
    rule: 'off, or a share from 0 to 1',
    doc: 'Share of the data nodes that may be evicted within one lease; off: any number. Absent: meta.evictShareMax.',
    readBy: 'meta',
    allows: (value) => value === 'off' || (/^(0|1|0?\.\d+|1\.0+|0\.0+)$/.test(value) && Number(value) <= 1),
  },
  'operator/draining': {
    rule: 'a JSON list of addresses and process ids',
    doc: 'Nodes taken out; written by drain and undrain.',
    readBy: 'meta',
    allows: (value) => isNames(parseJson(value)),
  },
  'operator/release-hold': {
    rule: 'groups separated by commas, or *',
    doc: 'Lists of these groups that are held after a fault are let go at once.',
    readBy: 'session',
    allows: (value) => value === '' || /^[^,\s]+(\s*,\s*[^,\s]+)*$/.test(value),
  },
  'operator/session-balance': {
    rule: 'on or off',
    doc: 'off: sessions with more clients than the mean send none away.',
    readBy: 'session',
    allows: (value) => value === 'on' || value === 'off',
  },
  [BLACKLIST_KEY]: {
    rule: '{"FORBIDDEN_PUB": {"IP_FULL": [...], "DATA_ID_PREFIX": [...]}, "FORBIDDEN_SUB_BY_PREFIX": {...}}',
    doc: 'Who may not publish, and who may not subscribe: clients by address, services by the start of their dataId.',
    readBy: 'session',
    allows: (value) => parseBlacklist(value) !== null,
  },
  [SERVICE_BLACKLIST_KEY]: {
    rule: 'a JSON list of dataInfoIds',
    doc: 'Services that nobody may publish.',
    readBy: 'session',
    allows: (value) => parseServiceBlacklist(value) !== null,
  },
  [CLIENT_OFF_KEY]: {
    rule: '{"off": {"10.0.0.7": {"pub": true, "sub": false}, ...}, "reduced": [...]}',
    doc: 'Clients whose publications are taken out of the lists; written by client-off and client-open.',
    readBy: 'session',
    allows: (value) => parseClientOff(value) !== null,
  },
};

/** Longest value of a document under `persistent/` (provide-data), UTF-16 units. */
const PERSISTENT_UNITS_MAX = 262_144;

/** Why this document cannot be written; '' when it can. */
export function docRefusal(key: string, value: string): string {
  if (key.startsWith('persistent/')) {
    return value.length <= PERSISTENT_UNITS_MAX
      ? ''
      : `${key} = (${value.length} characters): it must be a text of at most ${PERSISTENT_UNITS_MAX}`;
  }
  const type = Object.hasOwn(DOC_TYPES, key) ? DOC_TYPES[key] : undefined;
  if (type === undefined)
    return `no document ${key}: there are ${Object.keys(DOC_TYPES).join(', ')}, and persistent/<dataInfoId>`;
  if (type.allows(value)) return '';
  return `${key} = ${value.length > 120 ? `${value.slice(0, 117)}...` : value}: it must be ${type.rule}`;
}
