/** Leader, members and slots, and what an operator can do to them. */
import Type from 'typebox';
import { type NodeRecord, type NodeRole, parseAddress } from '@sofa-registry/model';
import { ServerError } from '../../errors.ts';
import { generic, json, result } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { NodeNames, nodeRow, tableNames, tableRow } from '../shapes/nodes.ts';
import type { MetaContext } from './context.ts';

const ROLES: ReadonlySet<string> = new Set(['meta', 'data', 'session']);

function nodesOf(context: MetaContext, asked: string) {
  const role = asked.toLowerCase();
  if (!ROLES.has(role)) {
    throw new ServerError('SR_HTTP_INPUT', `no node type ${asked}: ask for meta, data or session`);
  }
  const nodes = context.role.tier.inspect.members(role as NodeRole).filter(({ draining }) => !draining);
  const names = new NodeNames(nodes.map(({ address }) => address));
  const rows: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const node of nodes) rows[names.of(node.address)] = nodeRow(node, names);
  return json({ [context.process.plan.dataCenter]: rows });
}

/** Reports of the data nodes, in the shape of the reference and with what only this registry knows. */
function slotReports({ role }: MetaContext): Record<string, unknown>[] {
  const { inspect } = role.tier;
  const table = inspect.table();
  const names = tableNames(table);
  return Object.entries(inspect.slotReports()).map(([address, reports]) => ({
    dataServer: names.of(address),
    slotTableEpoch: table.epoch,
    slotStatus: reports.map(({ slot, role: copy, leaderEpoch, sequence, complete }) => ({
      slotId: slot,
      slotLeaderEpoch: leaderEpoch,
      role: copy === 'follower' ? 'Follower' : 'Leader',
      server: names.of(address),
      ...(copy === 'follower' ? {} : { leaderStatus: copy === 'migrating' ? 'UNHEALTHY' : 'HEALTHY' }),
      sequence,
      complete,
      partial: copy === 'partial',
    })),
  }));
}

/** Nodes an operator means by an address: `host:port`, a process id, or a host that all of them share. */
export function nodesNamed(nodes: readonly NodeRecord[], name: string): readonly NodeRecord[] {
  return nodes.filter(
    ({ address, processId }) =>
      address === name || processId === name || parseAddress(address)?.host === name,
  );
}

const groupForm = Type.Object({ cell: Type.Optional(Type.String()), nodeType: Type.Optional(Type.String()) });

/** Takes nodes out of the lists or back in. A blank form does nothing and succeeds, as in the reference. */
async function setGroup(
  context: MetaContext,
  name: string,
  form: { cell?: string; nodeType?: string },
  out: boolean,
) {
  const { admin, inspect } = context.role.tier;
  if (!form.nodeType) return result(true, '');
  if (!/^[\w.:[\]-]+$/.test(name) || !/[.:]/.test(name)) return result(false, `invalid ip address: ${name}`);
  const role = form.nodeType.toLowerCase();
  if (!ROLES.has(role)) return result(false, `invalid nodeType: ${form.nodeType}`);
  const cell = (form.cell ?? '').toUpperCase();
  const found = nodesNamed(inspect.members(role as NodeRole), name).filter(
    ({ zone }) => role !== 'session' || cell === '' || zone === cell,
  );
  for (const { address } of found) await admin.setDraining(address, out);
  return result(true, '');
}

async function setReconcile(context: MetaContext, on: boolean) {
  await context.role.tier.admin.setReconcile(on);
  return result(true, 'succeed');
}

const reconciling = async ({ role }: MetaContext): Promise<unknown> => ({
  reconcile: await role.tier.admin.reconcile(),
});
const drained = ({ role }: MetaContext): unknown => ({ drained: role.tier.inspect.drained() });

const VIEWS: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'GET',
    path: '/meta/leader/query',
    leader: true,
    doc: 'Leading meta and its term.',
    handle: ({ role }) => {
      const { leader, term } = role.tier.inspect.leader();
      const names = new NodeNames(role.tier.inspect.members('meta').map(({ address }) => address));
      return generic({ epoch: term, leader: names.of(leader) });
    },
  }),
  endpoint({
    method: 'GET',
    path: '/digest/:role/node/query',
    leader: 'last-seen',
    doc: 'Nodes of a role: meta, data or session, in either case.',
    handle: (context, { params }) => nodesOf(context, params['role']),
  }),
  endpoint({
    method: 'GET',
    path: '/datacenter/query',
    doc: 'Name of the data centre.',
    handle: ({ process: shared }) => result(true, shared.plan.dataCenter),
  }),
  endpoint({
    method: 'GET',
    path: '/openapi/v1/slot/table/data/slot/status',
    leader: true,
    doc: 'Slots as each data node reported them.',
    handle: (context) => generic(slotReports(context)),
  }),
];

const CHANGES: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'PUT',
    path: '/openapi/v1/slot/table/force/refresh',
    leader: true,
    changes: true,
    affects: ({ role }) => ({ slotTableEpoch: role.tier.inspect.table().epoch }),
    doc: 'Places slots at once instead of at the next round, and answers the table.',
    handle: async ({ role }) => {
      const table = await role.tier.admin.refreshTable();
      return generic(tableRow(table, tableNames(table)));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/openapi/v1/slot/table/reconcile/status',
    leader: 'last-seen',
    doc: '`running`, or `stopped` when an operator froze the slot table.',
    handle: async ({ role }) => result(true, (await role.tier.admin.reconcile()) ? 'running' : 'stopped'),
  }),
  endpoint({
    method: 'PUT',
    path: '/openapi/v1/slot/table/reconcile/stop',
    leader: true,
    changes: true,
    affects: reconciling,
    doc: 'Freezes the slot table.',
    handle: (context) => setReconcile(context, false),
  }),
  endpoint({
    method: 'PUT',
    path: '/openapi/v1/slot/table/reconcile/start',
    leader: true,
    changes: true,
    affects: reconciling,
    doc: 'Lets the slot table follow the data nodes again.',
    handle: (context) => setReconcile(context, true),
  }),
  endpoint({
    method: 'PUT',
    path: '/opsapi/v1/server/group/quit/:address',
    bodyKind: 'form',
    body: groupForm,
    leader: true,
    changes: true,
    affects: drained,
    doc: 'Takes a node out of the lists; form fields cell and nodeType.',
    handle: (context, { params, body }) => setGroup(context, params['address'], body, true),
  }),
  endpoint({
    method: 'PUT',
    path: '/opsapi/v1/server/group/join/:address',
    bodyKind: 'form',
    body: groupForm,
    leader: true,
    changes: true,
    affects: drained,
    doc: 'Takes a node back into the lists; form fields cell and nodeType.',
    handle: (context, { params, body }) => setGroup(context, params['address'], body, false),
  }),
];

const nodeQuery = Type.Object({ node: Type.String({ minLength: 1, maxLength: 512 }) });

async function setDraining(context: MetaContext, name: string, on: boolean) {
  const { admin, inspect } = context.role.tier;
  const all = [...inspect.members('session'), ...inspect.members('data'), ...inspect.members('meta')];
  const found = all.filter(({ address, processId }) => address === name || processId === name);
  if (found.length === 0) throw new ServerError('SR_HTTP_NOT_FOUND', `no node ${name} in the cluster`);
  await admin.setDraining(name, on);
  return json({ node: name, role: found[0].role, draining: on });
}

const OWN: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'PUT',
    path: '/registry/v1/drain',
    query: nodeQuery,
    leader: true,
    changes: true,
    affects: drained,
    doc: 'Drains the node named by its address or process id.',
    handle: (context, { query }) => setDraining(context, query.node, true),
  }),
  endpoint({
    method: 'PUT',
    path: '/registry/v1/undrain',
    query: nodeQuery,
    leader: true,
    changes: true,
    affects: drained,
    doc: 'Takes a drained node back in.',
    handle: (context, { query }) => setDraining(context, query.node, false),
  }),
];

/** The list. */
export const CLUSTER: readonly Endpoint<MetaContext>[] = [...VIEWS, ...CHANGES, ...OWN];
