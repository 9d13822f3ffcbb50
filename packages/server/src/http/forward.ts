/**
 * Hands requests that only the leading meta answers to it, query and body included; one hop, never more. A meta that finds no
 * leader answers itself where the last it knew will do.
 */
import { formatAddress, type NodeRecord, parseAddress } from '@sofa-registry/model';
import { oneLine, ServerError } from '../errors.ts';
import type { Answer } from './answer.ts';
import { type ForwardedRequest, ORIGIN_HEADER } from './build-app.ts';
import type { RoleContext } from './common-endpoints.ts';

const HOP_HEADER = 'x-sofa-registry-forwarded';
const KEPT_HEADERS = ['content-type', 'authorization', 'x-apiauth-token', 'x-operator'];
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
    return await send(target, request, context);
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

async function send(target: string, request: ForwardedRequest, context: RoleContext): Promise<Answer> {
  const headers: Record<string, string> = { [HOP_HEADER]: '1', [ORIGIN_HEADER]: request.remote };
  for (const name of KEPT_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const tls = context.process.secrets.httpPeer ?? undefined;
  try {
    const { httpCall } = await import('@sofa-registry/runtime/node');
    return await httpCall({
      url: `${tls === undefined ? 'http' : 'https'}://${target}${request.url}`,
      method: request.method,
      headers,
      body: request.method === 'GET' || request.method === 'HEAD' ? undefined : request.body,
      signal: AbortSignal.timeout(FORWARD_MS),
      tls,
    });
  } catch (error) {
    throw new ServerError(
      'SR_HTTP_NOT_READY',
      `the leader at ${target} did not answer: ${oneLine(error)}`,
      error,
    );
  }
}
