/**
 * Operator documents. The reference's `persistentData` speaks of dataInfoIds, our own interface of keys; both reach the same
 * documents. The reference's push switches, blacklists and the nodes taken out are documents of their own here, everything else is stored
 * with its version.
 */
import Type from 'typebox';
import {
  BLACKLIST_KEY,
  COMPRESS_PUSH_KEY,
  DATA_INFO_ID_SEPARATOR,
  SERVICE_BLACKLIST_KEY,
} from '@sofa-registry/model';
import { ServerError } from '../../errors.ts';
import { empty, generic, json, result } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import type { MetaContext } from './context.ts';
import { checkDoc } from './doc-rule.ts';
import { OPERATING_DATA_ID, operatingData } from './operating-data.ts';

/** Document that stops pushing: 'true' or 'false'. */
export const STOP_PUSH_KEY = 'switch/stop-push';
/** Document with the addresses that are pushed to although pushing is stopped. */
export const GRAY_PUSH_KEY = 'switch/push-gray';
/** Prefix of documents that `persistentData` stores. Unlike `switch/` and `operator/` they are not sent to every node. */
const PERSISTENT_PREFIX = 'persistent/';

/** The switch that is never absent in the reference: nobody has touched it. */
const STOP_PUSH_ID = 'session.stop.push.data.switch#@#9600#@#CONFIG';
/** Documents that hold the bare value. */
const BARE_KEYS: ReadonlyMap<string, string> = new Map([
  [STOP_PUSH_ID, STOP_PUSH_KEY],
  ['session.push.switch.gray.open#@#9600#@#CONFIG', GRAY_PUSH_KEY],
  ['session.blacklist.data#@#9600#@#CONFIG', BLACKLIST_KEY],
  ['compress.push.switch#@#9600#@#CONFIG', COMPRESS_PUSH_KEY],
  ['session.dataid.blacklist#@#9600#@#CONFIG', SERVICE_BLACKLIST_KEY],
]);

/** Keys that operators own. */
const OPERATOR_KEY = /^(switch|operator|persistent)\//;

const text = Type.String({ minLength: 1, maxLength: 1024 });
const dataBody = Type.Object(
  {
    dataId: text,
    group: text,
    instanceId: text,
    version: Type.Optional(Type.Integer()),
    data: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: false },
);

interface Stored {
  /** Version the writer gave; that of the document for bare ones. */
  readonly version: number;
  readonly data: string;
  /** Version of the document. */
  readonly docVersion: number;
}

function keyOf(dataInfoId: string): string {
  return BARE_KEYS.get(dataInfoId) ?? PERSISTENT_PREFIX + dataInfoId;
}

async function read(context: MetaContext, dataInfoId: string): Promise<Stored | null> {
  const key = keyOf(dataInfoId);
  const doc = await context.role.tier.admin.getDoc(key);
  if (doc === null) return null;
  if (BARE_KEYS.has(dataInfoId)) return { version: doc.version, data: doc.value, docVersion: doc.version };
  try {
    const { version, data } = JSON.parse(doc.value) as { version?: unknown; data?: unknown };
    if (typeof version === 'number' && typeof data === 'string')
      return { version, data, docVersion: doc.version };
  } catch {
    // A document of ours that somebody wrote by its key: shown as it is.
  }
  return { version: doc.version, data: doc.value, docVersion: doc.version };
}

interface DataBody {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  readonly version?: number;
  readonly data?: string | null;
}

const idOf = ({ dataId, instanceId, group }: DataBody): string =>
  [dataId, instanceId, group].join(DATA_INFO_ID_SEPARATOR);

/** The id of what is to be changed. @throws ServerError for what follows from other calls */
function changeable(body: DataBody): string {
  const id = idOf(body);
  if (id === OPERATING_DATA_ID)
    throw new ServerError(
      'SR_HTTP_INPUT',
      'field dataId is that of the nodes taken out: change them with PUT /opsapi/v1/server/group/quit and join',
    );
  return id;
}

/** A newer version than the stored one wins; without a version nothing is written (recorded on the reference). */
async function putData(context: MetaContext, body: DataBody) {
  if (typeof body.data !== 'string') throw new ServerError('SR_HTTP_INPUT', 'field data is missing');
  const id = changeable(body);
  const version = body.version ?? 0;
  const stored = await read(context, id);
  if (version <= 0 || (stored !== null && version <= stored.version)) return result(false);
  const value = BARE_KEYS.has(id) ? body.data : JSON.stringify({ version, data: body.data });
  checkDoc(keyOf(id), value);
  await context.role.tier.admin.putDoc(keyOf(id), value, stored?.docVersion ?? 0);
  return result(true);
}

async function removeData(context: MetaContext, body: DataBody) {
  const id = changeable(body);
  if ((await read(context, id)) === null) return result(false);
  await context.role.tier.admin.removeDoc(keyOf(id));
  return result(true);
}

/** What a reader of the reference finds under an id. */
async function shown(context: MetaContext, dataInfoId: string): Promise<Omit<Stored, 'docVersion'> | null> {
  if (dataInfoId === OPERATING_DATA_ID) return operatingData(context);
  const stored = await read(context, dataInfoId);
  return stored ?? (dataInfoId === STOP_PUSH_ID ? { version: 0, data: 'false' } : null);
}

async function queryData(context: MetaContext, dataInfoId: string) {
  const stored = dataInfoId === '' ? null : await shown(context, dataInfoId);
  if (stored === null) return generic(null);
  const [dataId = dataInfoId, instanceId = null, group = null] = dataInfoId.split(DATA_INFO_ID_SEPARATOR);
  return generic({ dataId, group, instanceId, version: stored.version, data: stored.data });
}

/** A document as the audit shows it. */
async function docState(context: MetaContext, key: string): Promise<unknown> {
  const doc = await context.role.tier.admin.getDoc(key);
  return doc === null ? null : { version: doc.version, value: doc.value };
}

/** `persistentData` of the reference. */
export const PERSISTENT_DATA: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'GET',
    path: '/persistentData/query',
    query: Type.Object({ dataInfoId: Type.Optional(Type.String()) }),
    leader: 'last-seen',
    doc: 'A stored value and its version.',
    handle: (context, { query }) => queryData(context, query.dataInfoId ?? ''),
  }),
  endpoint({
    method: 'POST',
    path: '/persistentData/put',
    bodyKind: 'json',
    body: dataBody,
    leader: true,
    changes: true,
    affects: (context, { body }) => docState(context, keyOf(idOf(body))),
    doc: 'Stores a value; success false unless the version is higher than the stored one.',
    handle: (context, { body }) => putData(context, body),
  }),
  endpoint({
    method: 'POST',
    path: '/persistentData/remove',
    bodyKind: 'json',
    body: dataBody,
    leader: true,
    changes: true,
    affects: (context, { body }) => docState(context, keyOf(idOf(body))),
    doc: 'Removes a value; success false when there was none.',
    handle: (context, { body }) => removeData(context, body),
  }),
];

const keyQuery = Type.Object({ key: Type.String({ minLength: 1, maxLength: 1024 }) });

const writeQuery = Type.Object({
  ...keyQuery.properties,
  expect: Type.Optional(Type.String({ pattern: '^\\d{1,16}$' })),
});
/** Longest wait for a change, ms: below the time in which a follower wants the leader's answer. */
const WATCH_MS = 2000;

/** Our own interface. */
export const DOCUMENTS: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'GET',
    path: '/registry/v1/docs',
    query: Type.Object({ prefix: Type.Optional(Type.String({ maxLength: 1024 })) }),
    leader: 'last-seen',
    doc: 'Operator documents whose key starts with `prefix`; `stale` ones are as last seen, the store is away.',
    handle: async (context, { query }) => {
      const docs = await context.role.tier.admin.listDocs(query.prefix ?? '');
      return json(
        docs
          .filter(({ key }) => OPERATOR_KEY.test(key))
          .map(({ key, value, version, stale }) => ({ key, value, version, stale })),
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/registry/v1/docs/revision',
    query: Type.Object({ since: Type.Optional(Type.String({ pattern: '^\\d{1,16}$' })) }),
    leader: 'last-seen',
    doc: 'Revision of the documents of `switch/` and `operator/`: as soon as it is another than `since`, at the latest after 2 s.',
    handle: async (context, { query }) =>
      json({ revision: await context.role.tier.admin.docsRevision(Number(query.since ?? -1), WATCH_MS) }),
  }),
  endpoint({
    method: 'GET',
    path: '/registry/v1/doc',
    query: keyQuery,
    leader: 'last-seen',
    doc: 'An operator document `{key, value, version}`, or 404; with `stale` it is as last seen, the store is away.',
    handle: async (context, { query }) => {
      const doc = await context.role.tier.admin.getDoc(query.key);
      if (doc === null) throw new ServerError('SR_HTTP_NOT_FOUND', `no document ${query.key}`);
      return json({ key: query.key, value: doc.value, version: doc.version, stale: doc.stale });
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/registry/v1/doc',
    query: writeQuery,
    bodyKind: 'text',
    leader: true,
    changes: true,
    affects: (context, { query }) => docState(context, query.key),
    doc: 'Writes the body; `expect` is the version it must be at, 0 for none; 409 when it is not.',
    handle: async (context, { query, body }) => {
      checkKey(query.key);
      checkDoc(query.key, body as string);
      const expect = query.expect === undefined ? undefined : Number(query.expect);
      return json(await context.role.tier.admin.putDoc(query.key, body as string, expect));
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/registry/v1/doc',
    query: writeQuery,
    leader: true,
    changes: true,
    affects: (context, { query }) => docState(context, query.key),
    doc: 'Removes a document: 204; `expect` as in the write.',
    handle: async (context, { query }) => {
      checkKey(query.key);
      await context.role.tier.admin.removeDoc(
        query.key,
        query.expect === undefined ? undefined : Number(query.expect),
      );
      return empty(204);
    },
  }),
];

/** Only documents that operators own; the slot table and its like are the leader's. */
function checkKey(key: string): void {
  if (!OPERATOR_KEY.test(key)) {
    throw new ServerError('SR_HTTP_INPUT', 'parameter key must start with switch/, operator/ or persistent/');
  }
}
