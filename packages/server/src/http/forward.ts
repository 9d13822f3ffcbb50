/**
 * Hands requests that only the leading meta answers to it, query and body included; one hop, never more. A meta that finds no
 * leader answers itself where the last it knew will do.
 */
import { formatAddress, type NodeRecord, parseAddress } from '@sofa-registry/model';
import { oneLine, ServerError } from '../errors.ts';
import type { Answer } from './answer.ts';
import type { ForwardedRequest } from './build-app.ts';
import { credentialsOf, ORIGIN_HEADER } from './caller-headers.ts';
import type { RoleContext } from './common-endpoints.ts';

const HOP_HEADER = 'x-sofa-registry-forwarded';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const FORWARD_MS = 3_000;

/** Null when this node is to answer itself. @throws SR_HTTP_NOT_READY when nobody can be asked */
export async function forwardToLeader(
  context: RoleContext,
  request: ForwardedRequest,
): Promise<Answer | null> {
  const target = leaderHttp(context);
  if (target === null) return null;
  try {
    if (request.headers[HOP_HEADER] !== undefined || target === '') {
      throw new ServerError('SR_HTTP_NOT_READY', 'no leader found');
    }
    const { headers, url: path, method, body, remote } = request;
    const type = headers['content-type'];
    const credentials = credentialsOf(headers);
    return await askNode(target, { method, path, body, remote, credentials, type }, context);
  } catch (error) {
    if (context.role.role === 'meta' && request.lastSeenWillDo) return null;
    throw error;
  }
}

/** HTTP address of the leading meta as this node knows it; '' when it knows none, null when it leads itself. */
function leaderHttp({ role }: RoleContext): string | null {
  if (role.role !== 'meta') {
    const { leader, members } = role.tier.inspect.view();
    return httpOf(members, leader) ?? '';
  }
  const { leader, isLeader } = role.tier.inspect.leader();
  if (isLeader) return null;
  if (leader === '') return '';
  // A meta that has just taken over may not be listed yet: metas mostly have the same HTTP port.
  return (
    httpOf(role.tier.inspect.members('meta'), leader) ??
    formatAddress(parseAddress(leader)?.host ?? leader, role.plan.http.port)
  );
}

function httpOf(members: readonly NodeRecord[], meta: string): string | undefined {
  return members.find(({ role, address }) => role === 'meta' && address === meta)?.httpAddress;
}

/** A request to another node in the name of its caller. */
export interface NodeRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly body?: string;
  /** Content type of the body; a form unless told. */
  readonly type?: string | string[];
  readonly credentials: Readonly<Record<string, string>>;
  /** `ip:port` of the caller. */
  readonly remote: string;
}

/** Asks another node over HTTP. @throws SR_HTTP_NOT_READY when it does not answer */
export async function askNode(
  target: string,
  { method, path, body, type = FORM_TYPE, credentials, remote }: NodeRequest,
  context: RoleContext,
): Promise<Answer> {
  const headers: Record<string, string> = { ...credentials, [HOP_HEADER]: '1', [ORIGIN_HEADER]: remote };
  if (typeof type === 'string') headers['content-type'] = type;
  const tls = context.process.secrets.httpPeer ?? undefined;
  try {
    const { httpCall } = await import('@sofa-registry/runtime/node');
    return await httpCall({
      url: `${tls === undefined ? 'http' : 'https'}://${target}${path}`,
      method,
      headers,
      body: method === 'GET' || method === 'HEAD' ? undefined : body,
      signal: AbortSignal.timeout(FORWARD_MS),
      tls,
    });
  } catch (error) {
    throw new ServerError('SR_HTTP_NOT_READY', `${target} did not answer: ${oneLine(error)}`, error);
  }
}
