/** What the endpoints of a session work on. */
import type { RunningRole } from '../../compose/role.ts';
import type { RoleContext } from '../common-endpoints.ts';

/** See above. */
export type SessionContext = RoleContext<RunningRole & { role: 'session' }>;
