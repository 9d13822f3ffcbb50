/** What the endpoints of a meta node work on. */
import type { RunningRole } from '../../compose/role.ts';
import type { RoleContext } from '../common-endpoints.ts';

/** See above. */
export type MetaContext = RoleContext<RunningRole & { role: 'meta' }>;
