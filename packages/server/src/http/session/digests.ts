/** What is registered at this session, by service and by client. */
import Type from 'typebox';
import { bareText, generic, json } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { javaHash } from '../shapes/java-string.ts';
import { NodeNames } from '../shapes/nodes.ts';
import { publisherRow, subscriberRow, watcherRow } from '../shapes/registrations.ts';
import type { SessionContext } from './context.ts';

type Inspect = SessionContext['role']['tier']['inspect'];
type Kind = 'PUB' | 'SUB' | 'WAT';
interface Registrations {
  readonly publishers: ReturnType<Inspect['publishers']>;
  readonly subscribers: ReturnType<Inspect['subscribers']>;
  readonly watchers: ReturnType<Inspect['watchers']>;
}

const CLIENTS_MAX = 1000;
const KINDS: ReadonlySet<string> = new Set(['PUB', 'SUB', 'WAT']);

/** The asked kinds; an unknown kind acts as `all`, as the reference does. */
function kindsOf(type: string): readonly Kind[] {
  const kind = type.toUpperCase();
  return KINDS.has(kind) ? [kind as Kind] : ['SUB', 'WAT', 'PUB'];
}

/** `{SUB, WAT, PUB}` with the asked kinds that are not empty. */
function rows(
  context: SessionContext,
  kinds: readonly Kind[],
  found: Registrations,
): Record<string, unknown> {
  const own = context.role.plan.advertise;
  const { dataCenter } = context.process.plan;
  const byKind: Record<Kind, () => unknown[]> = {
    PUB: () => found.publishers.map((view) => publisherRow(view, view.payload, own)),
    SUB: () => found.subscribers.map((view) => subscriberRow(view, own, dataCenter)),
    WAT: () => found.watchers.map((view) => watcherRow(view, own)),
  };
  const answer: Record<string, unknown> = {};
  for (const kind of kinds) {
    const list = byKind[kind]();
    if (list.length > 0) answer[kind] = list;
  }
  return answer;
}

function byService(inspect: Inspect, dataInfoId: string): Registrations {
  return {
    publishers: inspect.publishers(dataInfoId),
    subscribers: inspect.subscribers(dataInfoId),
    watchers: inspect.watchers(dataInfoId),
  };
}

/** Registrations of the clients named `ip:port` or `ip:port_sessionIp:port`. */
function byClients(inspect: Inspect, names: readonly string[]): Registrations {
  const clients = [...new Set(names.map((name) => name.split('_')[0]))];
  const found = clients.map((client) => inspect.byConnection(client));
  return {
    publishers: found.flatMap(({ publishers }) => publishers),
    subscribers: found.flatMap(({ subscribers }) => subscribers),
    watchers: found.flatMap(({ watchers }) => watchers),
  };
}

function serverList({ role, process: shared }: SessionContext, asked: string): string[] {
  const view = role.tier.inspect.view();
  const name = asked.toLowerCase();
  const addresses =
    name === 'meta'
      ? view.metas
      : view.members
          .filter((node) => node.role === name && (name !== 'session' || node.zone === shared.plan.zone))
          .map(({ address }) => address);
  const names = new NodeNames(addresses);
  return [...new Set(addresses.map((address) => names.of(address)))];
}

/** The list. */
export const SESSION_DIGESTS: readonly Endpoint<SessionContext>[] = [
  endpoint({
    method: 'GET',
    path: '/digest/:type/data/query',
    query: Type.Object({ dataInfoId: Type.Optional(Type.String()) }),
    doc: 'Registrations of a service at this session; type is pub, sub, wat or all.',
    handle: (context, { params, query }) =>
      json(
        rows(context, kindsOf(params['type']), byService(context.role.tier.inspect, query.dataInfoId ?? '')),
      ),
  }),
  endpoint({
    method: 'POST',
    path: '/digest/:type/connect/query',
    bodyKind: 'json',
    body: Type.Array(Type.String(), { maxItems: CLIENTS_MAX }),
    doc: 'Registrations of clients, named `ip:port` or `ip:port_sessionIp:port`.',
    handle: (context, { params, body }) =>
      json(rows(context, kindsOf(params['type']), byClients(context.role.tier.inspect, body))),
  }),
  endpoint({
    method: 'GET',
    path: '/digest/data/count',
    doc: 'Numbers of subscribers, publishers and watchers, as bare text.',
    handle: ({ role }) => {
      const { subscribers, publishers, watchers } = role.tier.inspect.counts();
      return bareText(
        `Subscriber count: ${subscribers}, Publisher count: ${publishers}, Watcher count: ${watchers}`,
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/digest/data/queryPublisher',
    query: Type.Object({ dataInfoId: Type.Optional(Type.String()) }),
    doc: 'Publishers of a service at this session, without their data.',
    handle: ({ role }, { query }) => {
      if (!query.dataInfoId) return generic(null, false, 'data info id can not be empty');
      const found = role.tier.inspect.publishers(query.dataInfoId);
      return generic(
        found.map(({ clientAddress, appName }) => ({
          clientId: null,
          sourceAddress: clientAddress,
          appName,
        })),
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/digest/pushSwitch',
    doc: 'Whether this session pushes: `open` or `closed`.',
    handle: ({ role }) => json({ pushSwitch: role.tier.inspect.pushAllowed() ? 'open' : 'closed' }),
  }),
  endpoint({
    method: 'GET',
    path: '/compress/push/state',
    doc: 'How this session compresses pushes.',
    handle: ({ role }) => json(role.tier.inspect.compressPush()),
  }),
  endpoint({
    method: 'GET',
    path: '/digest/getDataInfoIdList',
    doc: 'Services registered at this session.',
    handle: ({ role }) => json(role.tier.inspect.dataInfoIds()),
  }),
  endpoint({
    method: 'GET',
    path: '/digest/checkSumDataInfoIdList',
    doc: 'A number that is equal for equal sets of services.',
    handle: ({ role }) => {
      let sum = 0;
      for (const id of role.tier.inspect.dataInfoIds()) sum = (sum + javaHash(id)) | 0;
      return json(sum);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/digest/metadata/allRevisionIds',
    doc: 'Ids of all application revisions; while meta is away those this session knows.',
    handle: async ({ role }) => json(await role.tier.inspect.revisionIds()),
  }),
  endpoint({
    method: 'GET',
    path: '/digest/metadata/allServiceMapping',
    doc: 'Applications that offer each service, by data centre.',
    handle: ({ role, process: shared }) => {
      const mapping = Object.create(null) as Record<string, unknown>;
      for (const [service, { version, apps }] of role.tier.inspect.serviceApps())
        mapping[service] = { [shared.plan.dataCenter]: { nanosVersion: version, apps } };
      return json(mapping);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/digest/:role/serverList/query',
    doc: 'Nodes of a role as this session knows them.',
    handle: (context, { params }) => json(serverList(context, params['role'])),
  }),
];
