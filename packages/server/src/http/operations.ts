/** What a session or data node does to itself: leave the lists, come back. */
import type { RunningRole } from '../compose/role.ts';
import { result } from './answer.ts';
import type { RoleContext } from './common-endpoints.ts';
import { type Endpoint, endpoint } from './endpoint.ts';

type DrainableContext = RoleContext<RunningRole & { role: 'session' | 'data' }>;

async function setDraining({ role }: DrainableContext, on: boolean) {
  await role.tier.drain(on);
  return result(true, '');
}

const draining = ({ role }: DrainableContext): unknown => ({ draining: role.tier.draining });

/** The list. */
export const OPERATIONS: readonly Endpoint<DrainableContext>[] = [
  endpoint({
    method: 'PUT',
    path: '/opsapi/v1/server/group/quit',
    changes: true,
    affects: draining,
    doc: 'Takes this node out of the lists; it keeps serving.',
    handle: (context) => setDraining(context, true),
  }),
  endpoint({
    method: 'PUT',
    path: '/opsapi/v1/server/group/join',
    changes: true,
    affects: draining,
    doc: 'Takes this node back into the lists.',
    handle: (context) => setDraining(context, false),
  }),
];
