/** A meta that does not lead hands leader-only requests to the one that does, query and body included; one hop, never more. */
import { parseAddress } from '@sofa-registry/model';
import { oneLine, ServerError } from '../../errors.ts';
import type { Answer } from '../answer.ts';
import type { ForwardedRequest } from '../build-app.ts';
import type { MetaContext } from './context.ts';

const HOP_HEADER = 'x-sofa-registry-forwarded';
const KEPT_HEADERS = ['content-type', 'authorization', 'x-apiauth-token'];
const FORWARD_MS = 3_000;

/** Null when this node leads. @throws SR_HTTP_NOT_READY when nobody can be asked */
export function forwardToLeader(context: MetaContext, request: ForwardedRequest): Promise<Answer> | null {
  const { leader, isLeader } = context.role.tier.inspect.leader();
  if (isLeader) return null;
  if (request.headers[HOP_HEADER] !== undefined || leader === '') {
    throw new ServerError('SR_HTTP_NOT_READY', 'no leader found');
  }
  const member = context.role.tier.inspect.members('meta').find(({ address }) => address === leader);
  const target = member?.httpAddress ?? guessed(context, leader);
  return send(target, request);
}

/** The leader's HTTP address when its record is not known yet: its host and our own port. */
function guessed(context: MetaContext, leader: string): string {
  return `${parseAddress(leader)?.host ?? leader}:${context.role.plan.http.port}`;
}

async function send(target: string, request: ForwardedRequest): Promise<Answer> {
  const headers: Record<string, string> = { [HOP_HEADER]: '1' };
  for (const name of KEPT_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  try {
    const answer = await fetch(`http://${target}${request.url}`, {
      method: request.method,
      headers,
      body: request.method === 'GET' || request.method === 'HEAD' ? undefined : request.body,
      redirect: 'manual',
      signal: AbortSignal.timeout(FORWARD_MS),
    });
    return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
  } catch (error) {
    throw new ServerError(
      'SR_HTTP_NOT_READY',
      `the leader at ${target} did not answer: ${oneLine(error)}`,
      error,
    );
  }
}
