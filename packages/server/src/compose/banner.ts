/** What the program says once it serves. */
import type { NodeRole } from '@sofa-registry/model';
import { VERSION } from '../version.ts';
import { isLoopback, type Plan } from './plan.ts';

const ROLE_WORDS: Readonly<Record<NodeRole, string>> = { meta: 'meta', data: 'data', session: 'session' };

/** The lines of the banner. */
export function banner(plan: Plan, storeAddress: string, readyMs: number): string {
  const has = (role: NodeRole): boolean => plan.roles.some((entry) => entry.role === role);
  const lines = [
    `sofa-registry ${VERSION}  roles: ${plan.roles.map(({ role }) => role).join(', ')}  ready in ${readyMs} ms`,
  ];
  for (const { role, advertise, httpAddress } of plan.roles) {
    const port = role === 'session' ? 'clients' : 'internal';
    lines.push(
      `  ${ROLE_WORDS[role].padEnd(8)} ${port.padEnd(8)} ${advertise.padEnd(22)} http://${httpAddress}`,
    );
  }
  if (!has('meta')) lines.push(`  metas    ${plan.metas.join(', ')}`);
  if (storeAddress !== '') lines.push(`  store    ${storeAddress}`);
  if (has('meta'))
    lines.push(
      `  data directory ${plan.store.url === 'memory:' ? '(none: nothing survives a restart)' : plan.dataDir}`,
    );
  lines.push(`  ${bindLine(plan)}`);
  lines.push(`  ${nextLine(plan, has)}`);
  return `${lines.join('\n')}\n`;
}

function bindLine(plan: Plan): string {
  if (isLoopback(plan.bind)) return 'listening on loopback only; --bind 0.0.0.0 opens it';
  const token =
    plan.operatorToken === '' ? 'operator calls from this machine only' : 'operator calls need the token';
  return `listening on ${plan.bind}, known as ${plan.advertisedHost}; ${token}`;
}

function nextLine(plan: Plan, has: (role: NodeRole) => boolean): string {
  const session = plan.roles.find(({ role }) => role === 'session');
  if (session === undefined) {
    const meta = plan.roles.find(({ role }) => role === 'meta');
    return `next: npm run sofa-registry -- status${meta === undefined ? '' : ` --server ${meta.httpAddress}`}`;
  }
  const standard = session.httpAddress === '127.0.0.1:9603';
  const server = standard ? '' : ` --server ${session.httpAddress}`;
  const demo = standard && has('meta') && has('data') ? 'npm run demo, or ' : '';
  return `next: ${demo}npm run sofa-registry -- publish my.service 127.0.0.1:8080${server}`;
}
