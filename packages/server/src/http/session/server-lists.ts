/** Lists of session servers: what clients start from (reference/wire.md 3.1). Never compressed. */
import Type from 'typebox';
import type { NodeRecord } from '@sofa-registry/model';
import { json, text } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { slotRow, tableNames } from '../shapes/nodes.ts';
import type { SessionContext } from './context.ts';
import { offeredWeights } from './offered-weights.ts';

const zoneQuery = Type.Object({ zone: Type.Optional(Type.String()) });

/** Loads older than this are not told, ms. */
const LOAD_MS_MAX = 5000;

/** Sessions of the asked zone; blank or the literal `null` of Java clients: of the own zone. */
function sessionsOf(
  { role, process: shared }: SessionContext,
  zone: string | undefined,
): readonly NodeRecord[] {
  const asked = zone === undefined || zone === 'null' ? '' : zone.trim().toUpperCase();
  return role.tier.inspect.sessions(asked === '' ? shared.plan.zone : asked);
}

const addresses = (nodes: readonly NodeRecord[]): string[] => nodes.map(({ address }) => address);

/** The list. */
export const SERVER_LISTS: readonly Endpoint<SessionContext>[] = [
  endpoint({
    method: 'GET',
    path: '/api/servers/query',
    access: 'open',
    query: zoneQuery,
    doc: 'Client addresses of the sessions of a zone, joined by `;`.',
    handle: (context, { query }) => text(addresses(sessionsOf(context, query.zone)).join(';')),
  }),
  endpoint({
    method: 'GET',
    path: '/api/servers/query.json',
    access: 'open',
    query: zoneQuery,
    doc: 'The same as a JSON list.',
    handle: (context, { query }) => json(addresses(sessionsOf(context, query.zone))),
  }),
  endpoint({
    method: 'GET',
    path: '/api/servers/queryWithWeight',
    access: 'open',
    query: zoneQuery,
    doc: 'The same with the connections of each session as its weight; without too many it is the mean, and of two it always is.',
    handle: (context, { query }) => {
      const sessions = sessionsOf(context, query.zone);
      const weights = offeredWeights(
        sessions,
        context.role.tier.inspect.view().heardMetaMsAgo <= LOAD_MS_MAX,
      );
      return text(sessions.map(({ address }, i) => `${address}?weight=${weights[i]}`).join(';'));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/api/servers/dataCenter',
    doc: 'Client addresses of all sessions of the data centre.',
    handle: ({ role }) => json(addresses(role.tier.inspect.sessions())),
  }),
  endpoint({
    method: 'GET',
    path: '/api/servers/connectionNum',
    doc: 'Number of client connections of this session.',
    handle: ({ role }) => text(String(role.tier.inspect.counts().connections)),
  }),
  endpoint({
    method: 'GET',
    path: '/api/servers/alive',
    access: 'open',
    doc: 'OK.',
    handle: () => text('OK'),
  }),
  endpoint({
    method: 'GET',
    path: '/api/servers/slot',
    query: Type.Object({ dataInfoId: Type.String({ minLength: 1 }) }),
    doc: 'Slot of a service and the data nodes that hold it.',
    handle: ({ role }, { query }) => {
      const { inspect } = role.tier;
      return json(slotRow(inspect.slot(query.dataInfoId), tableNames(inspect.view().table)));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/connections/query',
    doc: 'Addresses of the connected clients.',
    handle: ({ role }) => json(role.tier.inspect.connections()),
  }),
];
