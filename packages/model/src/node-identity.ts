/** Identity of registry processes (design section 3: process id + host:port, never an IP alone). */

/** Roles a process can have. */
export type NodeRole = 'session' | 'data' | 'meta';
/** All roles, in the order they start. */
export const NODE_ROLES: readonly NodeRole[] = ['meta', 'data', 'session'];

/** One node of the cluster as meta lists it. */
export interface NodeRecord {
  readonly role: NodeRole;
  /** Unique per process start, see {@link toProcessId}. */
  readonly processId: string;
  /** Advertised `host:port` of the node's registry port: session = client port, data and meta = internal port. */
  readonly address: string;
  /** Advertised `host:port` of the HTTP port. */
  readonly httpAddress: string;
  /** Zone (region) of a session, upper case; placement label of a data node, '' = none. */
  readonly zone: string;
  readonly dataCenter: string;
  /** Milliseconds since 1970 when the process started. */
  readonly startedMs: number;
  /** Client connections of a session; 0 for other roles. */
  readonly weight: number;
  /** True once the node is leaving or was taken out by an operator: keeps serving, gets nothing new. */
  readonly draining: boolean;
}

/**
 * Process id of a process of `address`: `host:port/<start ms>/<pid>/<random>`, numbers in base 36.
 * @param pid number by which its operating system knows it; 0 = none
 */
export function toProcessId(address: string, startedMs: number, pid: number, random: number): string {
  return [address, ...[startedMs, pid, random].map((number) => number.toString(36))].join('/');
}

/** What {@link toProcessId} put into a process id beside the address; 0 for what is not there. */
export function processIdParts(processId: string): { readonly pid: number; readonly random: number } {
  const [, , pid = '', random = ''] = processId.split('/');
  return { pid: Number.parseInt(pid, 36) || 0, random: Number.parseInt(random, 36) || 0 };
}

/** A host and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Host and port of an address, or null if it has no valid port. */
export function parseAddress(address: string): HostPort | null {
  const at = address.lastIndexOf(':');
  if (at <= 0) return null;
  const port = Number(address.slice(at + 1));
  if (!Number.isInteger(port) || port < 0 || port > 65_535 || address.length === at + 1) return null;
  const host = address.slice(0, at);
  if (host.startsWith('[') && host.endsWith(']')) return { host: host.slice(1, -1), port };
  return host.includes(':') ? null : { host, port };
}
