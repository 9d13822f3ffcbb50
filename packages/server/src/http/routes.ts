/** Which endpoints each role has. Loaded beside the tiers while the process starts. */
import type { ProcessContext, RunningRole } from '../compose/role.ts';
import type { Logger } from '@sofa-registry/runtime';
import { type App, buildFastify } from './build-app.ts';
import { CLIENT_MANAGER, PERSISTENT_CLIENT_MANAGER } from './client-manager.ts';
import { COMMON_ENDPOINTS, type RoleContext } from './common-endpoints.ts';
import { DATUMS } from './data/datums.ts';
import type { Endpoint } from './endpoint.ts';
import { forwardToLeader } from './forward.ts';
import { BLACKLISTS } from './meta/blacklist.ts';
import { CLUSTER } from './meta/cluster.ts';
import { COMPRESS_SWITCH } from './meta/compress-switch.ts';
import { DOCUMENTS, PERSISTENT_DATA } from './meta/documents.ts';
import { PUSH_SWITCH } from './meta/push-switch.ts';
import { OPERATIONS } from './operations.ts';
import { SESSION_CLIENTS } from './session/clients.ts';
import { SESSION_DIGESTS } from './session/digests.ts';
import { SERVER_LISTS } from './session/server-lists.ts';
import { SLOT_TABLE_ENDPOINTS } from './slot-table.ts';

/** Endpoints by role, the common ones first. */
export const ENDPOINTS = {
  meta: [
    ...COMMON_ENDPOINTS,
    ...CLUSTER,
    ...PUSH_SWITCH,
    ...CLIENT_MANAGER,
    ...PERSISTENT_CLIENT_MANAGER,
    ...BLACKLISTS,
    ...COMPRESS_SWITCH,
    ...PERSISTENT_DATA,
    ...DOCUMENTS,
    ...SLOT_TABLE_ENDPOINTS,
  ],
  data: [...COMMON_ENDPOINTS, ...DATUMS, ...SLOT_TABLE_ENDPOINTS, ...OPERATIONS],
  session: [
    ...COMMON_ENDPOINTS,
    ...SERVER_LISTS,
    ...SESSION_DIGESTS,
    ...SESSION_CLIENTS,
    ...PERSISTENT_CLIENT_MANAGER,
    ...SLOT_TABLE_ENDPOINTS,
    ...OPERATIONS,
  ],
} as const satisfies Record<RunningRole['role'], readonly Endpoint<never>[]>;

/** The app of a role. */
export function buildApp(role: RunningRole, process: ProcessContext, logger: Logger | null): Promise<App> {
  const { bodyBytesMax } = process.plan;
  const { gate, audit } = process;
  const context: RoleContext = { role, process };
  return buildFastify({
    context,
    endpoints: ENDPOINTS[role.role] as readonly Endpoint<RoleContext>[],
    bodyBytesMax,
    gate,
    audit,
    node: role.plan.advertise,
    role: role.role,
    logger,
    forward: (request) => forwardToLeader(context, request),
  });
}
