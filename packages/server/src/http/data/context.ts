/** What the endpoints of a data node work on. */
import type { RunningRole } from '../../compose/role.ts';
import type { RoleContext } from '../common-endpoints.ts';

/** See above. */
export type DataContext = RoleContext<RunningRole & { role: 'data' }>;
