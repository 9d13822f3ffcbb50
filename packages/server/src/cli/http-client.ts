/** Asks a running registry over HTTP. */
import type { HttpCallAnswer } from '@sofa-registry/runtime/node';
import { oneLine, ServerError } from '../errors.ts';
import type { Status } from '../http/status.ts';
import { operatorHeaders, tlsPeer } from './credentials.ts';
import type { QueryFlags } from './query-flags.ts';

const ANSWER_MS = 5_000;
/** Ports tried when the default server does not answer: meta and data of this machine. */
const OTHER_DEFAULTS = ['127.0.0.1:9615', '127.0.0.1:9622'];
/** Nodes asked for the leader. */
const ASKED_MAX = 8;

/** A request of a command. */
export interface AskInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer as text. @throws SR_CLI_UNREACHABLE, SR_CLI_REFUSED */
export async function ask(server: string, path: string, init: AskInit = {}): Promise<string> {
  const { httpCall } = await import('@sofa-registry/runtime/node');
  const tls = (await tlsPeer()) ?? undefined;
  const scheme = tls === undefined ? 'http' : 'https';
  let answer: HttpCallAnswer;
  try {
    answer = await httpCall({
      ...init,
      url: `${scheme}://${server}${path}`,
      headers: { ...operatorHeaders(), ...init.headers },
      signal: AbortSignal.timeout(ANSWER_MS),
      tls,
    });
  } catch (error) {
    const advice =
      'is a registry running there? Start one with: npm start; or name another with --server host:port (an HTTP port)';
    throw new ServerError(
      'SR_CLI_UNREACHABLE',
      `${server} does not answer (${oneLine(error)}): ${advice}`,
      error,
    );
  }
  const { status, body } = answer;
  if (status >= 200 && status < 300) return body;
  throw new ServerError('SR_CLI_REFUSED', `${server} answered ${status}: ${messageOf(body)}`);
}

/** An answer as JSON. */
export async function askJson<T>(server: string, path: string, init: AskInit = {}): Promise<T> {
  return JSON.parse(await ask(server, path, init)) as T;
}

function messageOf(body: string): string {
  try {
    const parsed = JSON.parse(body) as { message?: unknown };
    if (typeof parsed.message === 'string') return parsed.message;
  } catch {
    // Not JSON: shown as it is.
  }
  return body.trim() === '' ? 'no reason given' : body.trim().slice(0, 300);
}

/** The cluster as one of its nodes sees it. */
export interface ClusterSight {
  /** The node that was asked. */
  readonly entry: Status;
  /** What the leading meta says of itself; null when none was found. */
  readonly leader: Status | null;
  /** The best list of members: the leader's, else that of the node asked. */
  readonly members: Status['members'];
}

/** Finds the cluster behind `--server`. */
export async function sight(flags: QueryFlags): Promise<ClusterSight> {
  const entry = await entryOf(flags.server);
  const leader = await leaderFrom(entry);
  return { entry, leader, members: (leader ?? entry).members };
}

/** Follows what the node asked knows to the meta that says that it leads. */
async function leaderFrom(entry: Status): Promise<Status | null> {
  if (leads(entry)) return entry;
  const asked = new Set([entry.httpAddress]);
  const views = [entry];
  while (asked.size < ASKED_MAX) {
    const next = views.flatMap(whoMayKnow).find((address) => address !== '' && !asked.has(address));
    if (next === undefined) return null;
    asked.add(next);
    const status = await statusOf(next);
    if (status === null) continue;
    if (leads(status)) return status;
    views.unshift(status);
  }
  return null;
}

/** The leader a node names, then any meta, then sessions, which know all of them. */
function whoMayKnow({ leader, members }: Status): string[] {
  const metas = members.filter(({ role }) => role === 'meta');
  const named = metas.filter(({ address }) => address === leader);
  return [...named, ...metas, ...members.filter(({ role }) => role === 'session')].map(
    ({ httpAddress }) => httpAddress,
  );
}

/** True for the status of a meta that leads. */
export function leads({ role, detail }: Status): boolean {
  return role === 'meta' && (detail as { isLeader?: unknown } | null)?.isLeader === true;
}

async function entryOf(server: string): Promise<Status> {
  const tries = server === '127.0.0.1:9603' ? [server, ...OTHER_DEFAULTS] : [server];
  let failure: unknown;
  for (const address of tries) {
    try {
      return await askJson<Status>(address, '/registry/v1/status');
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** Status of a node, or null when it does not answer. */
export async function statusOf(httpAddress: string): Promise<Status | null> {
  try {
    return await askJson<Status>(httpAddress, '/registry/v1/status');
  } catch {
    return null;
  }
}

/** HTTP address of a meta of the cluster. @throws SR_CLI_UNREACHABLE */
export async function metaOf(flags: QueryFlags): Promise<string> {
  const { entry, leader, members } = await sight(flags);
  if (leader !== null) return leader.httpAddress;
  if (entry.role === 'meta') return entry.httpAddress;
  const meta = members.find(({ role }) => role === 'meta');
  if (meta !== undefined) return meta.httpAddress;
  throw new ServerError('SR_CLI_UNREACHABLE', `${entry.httpAddress} knows no meta: name one with --server`);
}

/** HTTP addresses of all nodes of a role. */
export function addressesOf({ entry, members }: ClusterSight, role: string): string[] {
  const addresses = members.filter((node) => node.role === role).map(({ httpAddress }) => httpAddress);
  if (entry.role === role && !addresses.includes(entry.httpAddress)) addresses.push(entry.httpAddress);
  return addresses;
}

/** Prints JSON or text. */
export function print(flags: QueryFlags, value: unknown, readable: () => string): void {
  process.stdout.write(flags.json === true ? `${JSON.stringify(value, null, 2)}\n` : readable());
}
