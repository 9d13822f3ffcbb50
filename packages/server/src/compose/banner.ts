/** What the program says once it serves. */
import type { NodeRole } from '@sofa-registry/model';
import { VERSION } from '../version.ts';
import { isLoopback, type Plan } from './plan.ts';
import type { Secrets } from './secrets.ts';

const ROLE_WORDS: Readonly<Record<NodeRole, string>> = { meta: 'meta', data: 'data', session: 'session' };

/** The lines of the banner. */
export function banner(plan: Plan, secrets: Secrets, storeAddress: string, readyMs: number): string {
  const scheme = secrets.httpTls === null ? 'http' : 'https';
  const has = (role: NodeRole): boolean => plan.roles.some((entry) => entry.role === role);
  const lines = [
    `sofa-registry ${VERSION}  roles: ${plan.roles.map(({ role }) => role).join(', ')}  ready in ${readyMs} ms`,
  ];
  for (const { role, advertise, httpAddress } of plan.roles) {
    const port = role === 'session' ? 'clients' : 'internal';
    lines.push(
      `  ${ROLE_WORDS[role].padEnd(8)} ${port.padEnd(8)} ${advertise.padEnd(22)} ${scheme}://${httpAddress}`,
    );
  }
  if (!has('meta')) lines.push(`  metas    ${plan.metas.join(', ')}`);
  if (storeAddress !== '') lines.push(`  store    ${storeAddress}`);
  if (has('meta'))
    lines.push(
      `  data directory ${plan.store.url === 'memory:' ? '(none: nothing survives a restart)' : plan.dataDir}`,
    );
  lines.push(`  ${bindLine(plan, secrets)}`);
  lines.push(`  ${secretsLine(secrets)}`);
  lines.push(`  ${nextLine(plan, has)}`);
  return `${lines.join('\n')}\n`;
}

function bindLine(plan: Plan, { operators, reads }: Secrets): string {
  const hosts = plan.roles.flatMap(({ listen, http }) => [listen.host, http.host]);
  if (hosts.every(isLoopback)) return 'listening on loopback only; --bind 0.0.0.0 opens it';
  const token = operators.guarded
    ? `operator calls need a token, ${reads === 'open' ? 'everybody may look' : `looking is ${reads}`}`
    : 'HTTP serves this machine only, apart from health, metrics and session lists (operatorTokenFile opens it)';
  return `listening on ${plan.bind}, known as ${plan.advertisedHost}; ${token}`;
}

function secretsLine({ tierTls, clientTls, httpTls, clusterToken }: Secrets): string {
  const words = { plain: 'off', either: 'optional', tls: 'on' } as const;
  const word = (policy: { accept: keyof typeof words } | null | undefined): string =>
    words[policy?.accept ?? 'plain'];
  const demanded = clusterToken?.demand === true ? 'cluster token' : 'cluster token optional';
  const token = clusterToken === undefined ? 'no cluster token' : demanded;
  return `TLS between nodes ${word(tierTls)}, for clients ${word(clientTls)}, HTTP ${word(httpTls)}; ${token}`;
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
