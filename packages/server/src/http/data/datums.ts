/** What a data node holds, by service and by client. */
import type { SlotView } from '@sofa-registry/data';
import { boxCount } from '@sofa-registry/wire';
import Type from 'typebox';
import { DEFAULT_INSTANCE_ID, parseDataInfoId, toDataInfoId, versionToWire } from '@sofa-registry/model';
import { bareText, generic, json, result } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { NodeNames, tableNames } from '../shapes/nodes.ts';
import { storedPublisherRow } from '../shapes/registrations.ts';
import { ServerError } from '../../errors.ts';
import type { DataContext } from './context.ts';

const CONNECTIONS_MAX = 1000;

const datumBody = Type.Object({
  dataInfoId: Type.Optional(Type.String()),
  dataCenter: Type.Optional(Type.String()),
});
type DatumBody = { dataInfoId?: string; dataCenter?: string };

const ownDataCenter = ({ process: shared }: DataContext): string => shared.plan.dataCenter;

/** The datum as a row; null if this node has none. */
function datumRow(context: DataContext, dataInfoId: string): Record<string, unknown> | null {
  const datum = context.role.tier.inspect.datum(dataInfoId);
  if (datum === null) return null;
  const parts = parseDataInfoId(dataInfoId);
  const pubMap: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const publisher of datum.publishers) {
    pubMap[publisher.registerId] = storedPublisherRow(dataInfoId, publisher, sessionOf(publisher.owner));
  }
  return {
    dataInfoId,
    dataCenter: ownDataCenter(context),
    dataId: parts?.dataId ?? dataInfoId,
    instanceId: parts?.instanceId ?? null,
    group: parts?.group ?? null,
    pubMap,
    version: versionToWire(datum.version),
    recentVersions: datum.recentVersions.map(versionToWire),
  };
}

/** Client address of the session that owns a publisher: its process id starts with it. */
function sessionOf(owner: string): string {
  return owner.split('/')[0];
}

/** Printed form of `datum/api/get`. */
function datumText(context: DataContext, dataInfoId: string): string | null {
  const datum = context.role.tier.inspect.datum(dataInfoId);
  if (datum === null) return null;
  const publishers = datum.publishers.map((publisher) => {
    const { registerId, version, zone, appName, clientAddress, stamp, clientTimestamp } = publisher;
    const fields = [
      `dataInfoId='${dataInfoId}'`,
      "clientId='null'",
      `cell='${zone}'`,
      `appName='${appName}'`,
      `processId='${clientAddress}'`,
      `registerId='${registerId}'`,
      `version=${version}`,
      `sourceAddress=URL{address='${clientAddress}'}`,
      'clientVersion=StoreData',
      `registerTimestamp=${stamp}`,
      `clientRegisterTimestamp=${clientTimestamp}`,
      `otherInfo=dataList=${boxCount(publisher.payload)},publishType=NORMAL`,
      'attributes=null',
    ];
    return `${registerId}=PUBLISHER{${fields.join(', ')}}`;
  });
  const head = `${dataInfoId}, dataCenter=${ownDataCenter(context)}, size=${datum.publishers.length}, ver=${versionToWire(datum.version)}`;
  return `datum=Datum={${head}}, publishers={${publishers.join(', ')}}`;
}

function getDatum(context: DataContext, body: DatumBody | undefined) {
  if (body === undefined || body === null) return result(false, 'datumParam is null');
  if (!body.dataInfoId) return result(false, 'datumParam.dataInfoId is empty');
  const dataCenter = body.dataCenter ?? ownDataCenter(context);
  const found = dataCenter === ownDataCenter(context) ? datumText(context, body.dataInfoId) : null;
  return found === null
    ? result(false, `datum not found by dataCenter=${dataCenter}, dataInfoId=${body.dataInfoId}`)
    : result(true, found);
}

function byConnections(context: DataContext, asked: Record<string, string>): Record<string, unknown> {
  const answer: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const names = Object.entries(asked).slice(0, CONNECTIONS_MAX);
  for (const [name, value] of names) {
    // The form of the v5 documents is {"ip": "port"}, of the client.
    const old = !name.includes(':') && /^\d+$/.test(value);
    const client = old ? `${name}:${value}` : name;
    const found = context.role.tier.inspect.byConnection(client);
    if (found.length === 0) continue;
    const session = old ? sessionOf(found[0].owner) : value;
    const rows: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const entry of found) {
      rows[entry.registerId] = storedPublisherRow(entry.dataInfoId, entry, sessionOf(entry.owner));
    }
    answer[`${client}_${session}`] = rows;
  }
  return answer;
}

function serverList(context: DataContext, asked: string): Record<string, string[]> {
  const { inspect } = context.role.tier;
  const dataCenter = ownDataCenter(context);
  switch (asked.toLowerCase()) {
    case 'session':
      return { [dataCenter]: inspect.sessions().map(({ address }) => address) };
    case 'meta': {
      const metas = context.process.plan.metas;
      const names = new NodeNames(metas);
      return { [dataCenter]: metas.map((address) => names.of(address)) };
    }
    default:
      throw new ServerError('SR_HTTP_INPUT', `no list of ${asked} servers here: ask for session or meta`);
  }
}

/** A slot as the reference reports it, and what only this registry knows. */
function slotStatusRow(slot: SlotView, server: string): Record<string, unknown> {
  const { sequence, complete, partial, waitingFor, publishers } = slot;
  const leads = slot.role === 'leader';
  const leaderStatus = leads ? { leaderStatus: slot.migrating ? 'UNHEALTHY' : 'HEALTHY' } : {};
  const role = leads ? 'Leader' : 'Follower';
  const known = { slotId: slot.slot, slotLeaderEpoch: slot.leaderEpoch, role, server, ...leaderStatus };
  return { ...known, sequence, complete, partial, waitingFor, publishers };
}

/** Services and their publishers, as pairs. */
function countsById(context: DataContext): Record<string, number> {
  const counts: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const [dataInfoId, publishers] of context.role.tier.inspect.dataInfoIds())
    counts[dataInfoId] = publishers;
  return counts;
}

const LOOKUPS: readonly Endpoint<DataContext>[] = [
  endpoint({
    method: 'GET',
    path: '/digest/datum/query',
    query: Type.Object({
      dataId: Type.String({ minLength: 1 }),
      group: Type.String({ minLength: 1 }),
      instanceId: Type.Optional(Type.String()),
      dataCenter: Type.Optional(Type.String()),
    }),
    doc: 'A service with all its publishers, as this node holds it.',
    handle: (context, { query }) => {
      const dataCenter = query.dataCenter || ownDataCenter(context);
      const id = toDataInfoId(query.dataId, query.instanceId || DEFAULT_INSTANCE_ID, query.group);
      return json({ [dataCenter]: dataCenter === ownDataCenter(context) ? datumRow(context, id) : null });
    },
  }),
  endpoint({
    method: 'POST',
    path: '/digest/connect/query',
    bodyKind: 'json',
    body: Type.Union([Type.Undefined(), Type.Record(Type.String(), Type.String())]),
    doc: 'Publishers of clients, asked as `{"clientIp:port": "sessionIp:port"}` or, as in v5, `{"clientIp": "port"}`.',
    handle: (context, { body }) => json(byConnections(context, body ?? {})),
  }),
  endpoint({
    method: 'POST',
    path: '/datum/api/get',
    bodyKind: 'json',
    body: Type.Union([Type.Undefined(), Type.Null(), datumBody]),
    doc: 'A service printed into the message.',
    handle: (context, { body }) => getDatum(context, body ?? undefined),
  }),
];

const COUNTS: readonly Endpoint<DataContext>[] = [
  endpoint({
    method: 'GET',
    path: '/digest/datum/count',
    doc: 'Numbers of services and publishers, as bare text.',
    handle: (context) => {
      const { data, publishers } = context.role.tier.inspect.counts();
      const dc = ownDataCenter(context);
      return bareText(
        `CacheDigest [Datum] size of datum in ${dc} is ${data},[Publisher] size of publisher in ${dc} is ${publishers}`,
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/digest/datum/getDataInfoIdList',
    doc: 'Services of this node as `dataCenter,dataInfoId,publishers`.',
    handle: (context) =>
      json(
        context.role.tier.inspect
          .dataInfoIds()
          .map(([id, count]) => `${ownDataCenter(context)},${id},${count}`),
      ),
  }),
  endpoint({
    method: 'GET',
    path: '/datum/api/summary/query',
    query: Type.Object({ dataCenter: Type.Optional(Type.String()) }),
    doc: 'Services of this node and how many publishers each has.',
    handle: (context) => json(countsById(context)),
  }),
  endpoint({
    method: 'POST',
    path: '/datum/api/getDatumVersions',
    bodyKind: 'json',
    body: Type.Union([Type.Undefined(), datumBody]),
    doc: 'Versions of all services of this node.',
    handle: (context, { body }) => {
      if (body?.dataCenter !== ownDataCenter(context)) return json({});
      const versions: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const [id, version] of context.role.tier.inspect.versions()) versions[id] = versionToWire(version);
      return json(versions);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/datum/api/getDatumVersion',
    bodyKind: 'json',
    body: Type.Union([Type.Undefined(), datumBody]),
    doc: 'Version of one service, as bare text.',
    handle: (context, { body }) => {
      const id = body?.dataInfoId;
      const version = id === undefined ? null : (context.role.tier.inspect.datum(id)?.version ?? null);
      const shown = version === null ? 'null' : String(versionToWire(version));
      return bareText(
        `dataCenter:${body?.dataCenter ?? 'null'}, dataInfoId:${id ?? 'null'}, dataServer:null, version:${shown}`,
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/datum/api/getDatumSizes',
    doc: 'Number of services by data centre.',
    handle: (context) => json({ [ownDataCenter(context)]: context.role.tier.inspect.counts().data }),
  }),
];

/** `POST` paths of the reference's test interface: off there by default, and always off here. */
const TEST_API: readonly Endpoint<DataContext>[] = [
  '/datum/api/pub/add',
  '/datum/api/pub/delete',
  '/datum/api/delete',
].map((path) =>
  endpoint({
    method: 'POST',
    path,
    doc: 'Test interface of the reference: answers that it is off.',
    handle: () => result(false, 'This api is disabled'),
  }),
);

/** The list. */
export const DATUMS: readonly Endpoint<DataContext>[] = [
  ...LOOKUPS,
  ...COUNTS,
  ...TEST_API,
  endpoint({
    method: 'GET',
    path: '/digest/:role/serverList/query',
    doc: 'Sessions connected to this node, or the metas it knows.',
    handle: (context, { params }) => json(serverList(context, params['role'])),
  }),
  endpoint({
    method: 'GET',
    path: '/openapi/v1/slot/table/sync/task/status',
    doc: 'Slots this node holds, and whether each copy is complete.',
    handle: (context) => {
      const { inspect } = context.role.tier;
      const slots = inspect.slots();
      const own = tableNames(inspect.view().table).of(context.role.plan.advertise);
      return generic({
        epoch: inspect.view().table.epoch,
        currentSlotTableStable: slots.every(({ complete }) => complete),
        slotStatuses: slots.map((slot) => slotStatusRow(slot, own)),
      });
    },
  }),
];
