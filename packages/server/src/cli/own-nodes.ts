/** The HTTP ports that this configuration opens on this machine: for probes, and for a node that takes itself out. */
import type { NodeRole } from '@sofa-registry/model';
import { formatAddress, parseAddress } from '@sofa-registry/model';
import { makePlan } from '../compose/plan.ts';
import type { Config } from '../config/effective.ts';
import { useCredentials } from './credentials.ts';

const ANY_HOSTS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** A node of this machine. */
export interface OwnNode {
  readonly role: NodeRole;
  /** HTTP `host:port` to ask. */
  readonly server: string;
}

/**
 * The nodes of all processes. Asked on the address they are bound to in plain text, or over TLS on the one they advertise:
 * certificates carry other names than loopback.
 * @param tls when TLS is used: where the ports take nothing else, or wherever they take it
 */
export async function ownNodes(config: Config, tls: 'required' | 'possible'): Promise<OwnNode[]> {
  const mode = config.text('tls.certFile') === '' ? 'off' : config.text('tls.http');
  const secure = tls === 'required' ? mode === 'required' : mode !== 'off';
  if (!secure) useCredentials({}, 'http://local');
  const plan = await makePlan(config, process.env);
  const processes = config.number('processes');
  const step = config.number('processPortStep');
  return plan.roles.flatMap(({ role, http, httpAddress }) => {
    const bound = { host: ANY_HOSTS[http.host] ?? http.host, port: http.port };
    const asked = (secure ? parseAddress(httpAddress) : null) ?? bound;
    return Array.from({ length: processes }, (_, i) => ({
      role,
      server: formatAddress(asked.host, asked.port + i * step),
    }));
  });
}
