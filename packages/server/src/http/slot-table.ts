/** The slot table as any role knows it. */
import type { SlotTable } from '@sofa-registry/model';
import { generic } from './answer.ts';
import type { RoleContext } from './common-endpoints.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import { tableNames, tableRow } from './shapes/nodes.ts';

/** The table a role has now. */
export function tableOf({ role }: RoleContext): SlotTable {
  return role.role === 'session' ? role.tier.inspect.view().table : role.tier.inspect.table();
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
    path: '/openapi/v1/slot/table/content',
    doc: 'The slot table this node has.',
    handle: (context) => generic(tableRow(tableOf(context), tableNames(tableOf(context)))),
  }),
];
