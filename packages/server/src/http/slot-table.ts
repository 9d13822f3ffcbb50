/** The slot table as any role knows it. */
import type { SlotTable } from '@sofa-registry/model';
import { ServerError } from '../errors.ts';
import { generic } from './answer.ts';
import type { RoleContext } from './common-endpoints.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import { type NodeNames, tableNames, tableRow } from './shapes/nodes.ts';

/** The table a role has now. */
function tableOf({ role }: RoleContext): SlotTable {
  return role.role === 'meta' ? role.tier.inspect.table() : role.tier.inspect.view().table;
}

function renamed(counts: Readonly<Record<string, number>>, names: NodeNames): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([address, count]) => [names.of(address), count]));
}

function tableStatus({ role }: RoleContext) {
  if (role.role !== 'meta') throw new ServerError('SR_HTTP_NOT_READY', 'no leader found');
  const { inspect } = role.tier;
  const status = inspect.tableStatus();
  const names = tableNames(inspect.table(), [
    ...Object.keys(status.leaderCount),
    ...Object.keys(status.followerCount),
  ]);
  return generic({
    slotTableEpoch: status.epoch,
    protectionMode: status.protectionMode,
    leaderCount: renamed(status.leaderCount, names),
    followerCount: renamed(status.followerCount, names),
    slotTableLeaderBalanced: status.leaderBalanced,
    slotTableFollowerBalanced: status.followerBalanced,
    slotTableStable: status.stable,
  });
}

/** The list. */
export const SLOT_TABLE_ENDPOINTS: readonly Endpoint<RoleContext>[] = [
  endpoint({
    method: 'GET',
    path: '/openapi/v1/slot/table/epoch',
    doc: 'Epoch of the slot table this node has.',
    handle: (context) => generic(tableOf(context).epoch),
  }),
  endpoint({
    method: 'GET',
    path: '/openapi/v1/slot/table/status',
    leader: 'last-seen',
    doc: 'How evenly slots are placed, and whether anything still moves.',
    handle: tableStatus,
  }),
  endpoint({
    method: 'GET',
    path: '/openapi/v1/slot/table/content',
    doc: 'The slot table this node has.',
    handle: (context) => generic(tableRow(tableOf(context), tableNames(tableOf(context)))),
  }),
];
