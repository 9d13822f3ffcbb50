/**
 * Where the session servers are (wire 3.1): asked over HTTP from any session, or given.
 *
 *   GET /api/servers/queryWithWeight?...  ->  host:port?weight=N;host:port?weight=N
 *   GET /api/servers/query?...            ->  host:port;host:port         when the first answers other than 200
 */
import { formatAddress, type HostPort, parseAddress } from '@sofa-registry/model';
import { RegistryClientError, textOf } from './errors.ts';
import { SESSIONS_MAX } from './limits.ts';

/** A session server to connect to. */
export interface SessionAddress {
  readonly host: string;
  readonly port: number;
  /** Connections it has; fewer is better. 0 if unknown. */
  readonly weight: number;
}

/** Tells the session servers; a port of the SDK. */
export interface ServerListSource {
  /** The session servers now, possibly none. @throws when they cannot be learnt */
  fetch(signal: AbortSignal): Promise<readonly SessionAddress[]>;
}

/** One HTTP GET; a port of the SDK. Must give up when the signal aborts and bound the body. */
export type HttpGet = (url: string, signal: AbortSignal) => Promise<{ status: number; body: string }>;

/** Options of {@link httpServerList}. */
export interface HttpServerListOptions {
  readonly servers: readonly HostPort[];
  readonly get: HttpGet;
  /** Default `http`. */
  readonly scheme?: 'http' | 'https';
  /** Query parameters; only `zone` matters to a server. */
  readonly query: { readonly zone: string; readonly dataCenter: string; readonly appName: string };
}

/**
 * Reads a list as servers answer it. Bad entries and repeated addresses are left out, a bad or missing weight is 0, and no
 * more than 1000 entries are taken.
 */
export function parseServerList(body: string): readonly SessionAddress[] {
  const found = new Map<string, SessionAddress>();
  for (const entry of body.split(';')) {
    if (found.size >= SESSIONS_MAX) break;
    const [address, query = ''] = entry.trim().split('?', 2);
    const parsed = parseAddress(address);
    if (parsed === null || parsed.port === 0 || /\s/.test(parsed.host)) continue;
    const key = formatAddress(parsed.host, parsed.port);
    if (!found.has(key)) found.set(key, { ...parsed, weight: weightOf(query) });
  }
  return [...found.values()];
}

function weightOf(query: string): number {
  for (const pair of query.split('&')) {
    if (!pair.startsWith('weight=')) continue;
    const weight = Number(pair.slice('weight='.length));
    return Number.isInteger(weight) && weight > 0 ? weight : 0;
  }
  return 0;
}

/** Asks the servers one after the other, beginning where the last answer came from. */
export function httpServerList(options: HttpServerListOptions): ServerListSource {
  const { servers, get, scheme = 'http' } = options;
  const { zone, dataCenter, appName } = options.query;
  const query = new URLSearchParams({ zone, dataCenter, appName }).toString();
  let first = 0;

  async function ask(server: HostPort, signal: AbortSignal): Promise<readonly SessionAddress[]> {
    const base = `${scheme}://${formatAddress(server.host, server.port)}/api/servers/`;
    let answer = await get(`${base}queryWithWeight?${query}`, signal);
    if (answer.status !== 200) answer = await get(`${base}query?${query}`, signal);
    if (answer.status !== 200) throw new Error(`HTTP status ${answer.status}`);
    return parseServerList(answer.body);
  }

  return {
    async fetch(signal) {
      let failure = '';
      let answered = false;
      for (let i = 0; i < servers.length && !signal.aborted; i++) {
        const at = (first + i) % servers.length;
        const server = servers[at];
        try {
          const sessions = await ask(server, signal);
          answered = true;
          if (sessions.length === 0) continue;
          first = at;
          return sessions;
        } catch (error) {
          failure = `${formatAddress(server.host, server.port)}: ${textOf(error)}`;
        }
      }
      if (answered) return [];
      throw new RegistryClientError('SR_CLIENT_SERVER_LIST', failure);
    },
  };
}

/** A list that never changes. */
export function fixedServerList(sessions: readonly HostPort[]): ServerListSource {
  const list = sessions.map(({ host, port }) => ({ host, port, weight: 0 }));
  return { fetch: () => Promise.resolve(list) };
}
