/** Endpoints that every role has. */
import Type from 'typebox';
import type { ProcessContext, RunningRole } from '../compose/role.ts';
import { VERSION } from '../version.ts';
import { type Answer, json, text } from './answer.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import { PROMETHEUS_TYPE, renderMetrics } from './prometheus.ts';
import { statusOf } from './status.ts';

/** What the endpoints of a role work on. */
export interface RoleContext<R extends RunningRole = RunningRole> {
  readonly role: R;
  readonly process: ProcessContext;
}

/** Present and able to serve now, or what it waits for. */
export function readiness({ role, process: shared }: RoleContext): { ready: boolean; waitingFor: string } {
  if (shared.stopping()) return { ready: false, waitingFor: 'nothing: it is stopping' };
  let tier: { ready: boolean; waitingFor: string };
  try {
    tier = role.tier.inspect.ready();
  } catch {
    // Before its start a tier has nothing to look at.
    return { ready: false, waitingFor: 'its start' };
  }
  if (tier.ready && !role.started) return { ready: false, waitingFor: 'the end of its start' };
  return { ready: tier.ready, waitingFor: tier.waitingFor };
}

function health(context: RoleContext): Answer {
  const { success, message } = HEALTH[context.role.role](context);
  return json({ success, message }, success ? 200 : 500);
}

type Health = { readonly success: boolean; readonly message: string };

/** Flags of the reference's health text. They tell that the start has finished, not that the node can serve (7). */
const HEALTH: Record<RunningRole['role'], (context: RoleContext) => Health> = {
  meta: ({ role, process: shared }) => {
    const up = role.started;
    const { leader, isLeader, warm } = role.role === 'meta' ? role.tier.inspect.leader() : NO_LEADER;
    const success = up && leader !== '';
    const dc = shared.plan.dataCenter;
    const metas = shared.plan.metas.map((meta) => `META-Node{${hostName(meta)},region=null,dc=${dc}}`);
    const ports = [
      'sessionRegisterServer',
      'dataRegisterServerStart',
      'otherMetaRegisterServerStart',
      'httpServerStart',
      'remoteMetaRegisterServerStart',
    ];
    const flags = ports.map((name) => `${name}:${up}`).join(', ');
    const state = `role:${isLeader ? 'leader' : 'follower'}, warmuped:${warm}, leader:${hostName(leader)}`;
    return { success, message: `MetaServerBoot ${flags}, ${state}, meta-servers:[${metas.join(', ')}]` };
  },
  data: ({ role }) => {
    const up = role.started;
    const names = ['severForSession', 'severForDataSync', 'httpServer', 'schedulerStarted'];
    return { success: up, message: `DataServerBoot ${names.map((name) => `${name}:${up}`).join(', ')}` };
  },
  session: ({ role }) => {
    // Up means that clients who ask for the list of sessions find it.
    const up = role.started && role.role === 'session' && role.tier.inspect.listed();
    const names = [
      'MetaServerStart',
      'SchedulerStart',
      'HttpServerStart',
      'SessionServerStart',
      'ServerForSessionSyncStart',
      'ConnectDataServer',
      'ConsoleServer',
    ];
    return { success: up, message: `SessionServerBoot , ${names.map((name) => `${name}:${up}`).join(', ')}` };
  },
};

const NO_LEADER = { leader: '', isLeader: false, warm: false };

function hostName(address: string): string {
  return address.replace(/:\d+$/, '');
}

function readyAnswer(context: RoleContext): Answer {
  const state = readiness(context);
  return json(state, state.ready ? 200 : 503);
}

/** The list. */
export const COMMON_ENDPOINTS: readonly Endpoint<RoleContext>[] = [
  endpoint({
    method: 'GET',
    path: '/health/check',
    access: 'open',
    doc: 'Has the start finished: 200 or 500, with the flags of the reference.',
    handle: health,
  }),
  endpoint({
    method: 'GET',
    path: '/health/live',
    access: 'open',
    doc: 'The process runs and its event loop answers: 200.',
    handle: () => json({ live: true }),
  }),
  endpoint({
    method: 'GET',
    path: '/health/ready',
    access: 'open',
    doc: 'The role can serve now: 200, or 503 with what it waits for.',
    handle: readyAnswer,
  }),
  endpoint({
    method: 'GET',
    path: '/version',
    access: 'open',
    doc: 'Version of this release and of Node.js.',
    handle: () => text(`release properties: {version=${VERSION}, node=${process.versions.node}}`),
  }),
  endpoint({
    method: 'GET',
    path: '/metrics',
    access: 'open',
    doc: 'Metrics of the role and its process, Prometheus text 0.0.4.',
    handle: ({ role, process: shared }) => ({
      status: 200,
      type: PROMETHEUS_TYPE,
      body: renderMetrics([role.tier.metrics, ...shared.metrics]),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/registry/v1/status',
    doc: 'State of this node in one document: what `sofa-registry status` prints.',
    handle: (context) => json(statusOf(context, readiness(context))),
  }),
  endpoint({
    method: 'GET',
    path: '/registry/v1/audit',
    access: 'operator',
    query: Type.Object({ limit: Type.Optional(Type.String({ pattern: '^\\d{1,6}$' })) }),
    doc: 'The newest operator calls this process has seen, refused ones included, oldest first; `limit` of them, 100 by default.',
    handle: ({ process: shared }, { query }) => json(shared.audit.newest(Number(query.limit ?? 100))),
  }),
];
