/**
 * Clients of this session, or of all sessions of its zone, taken out of the traffic once (F193, F221), and what sessions know of those that
 * are off for good.
 */
import Type, { type Static } from 'typebox';
import type { NodeRecord } from '@sofa-registry/model';
import { oneLine } from '../../errors.ts';
import { type Answer, generic, json, result } from '../answer.ts';
import { ipsForm, ipsOf } from '../client-manager.ts';
import { type Endpoint, endpoint, type Input } from '../endpoint.ts';
import { askNode } from '../forward.ts';
import { NodeNames } from '../shapes/nodes.ts';
import type { SessionContext } from './context.ts';

const OFF_PATH = '/registry/v1/clients/off';
/** How often, and how far apart, sessions are asked whether they have heard. */
const CHECK_TRIES = 15;
const CHECK_MS = 200;
const CONNECTIONS_MAX = 10_000;

const address = Type.String({ minLength: 1, maxLength: 512 });
const connectId = Type.Object({
  clientHostAddress: Type.String({ maxLength: 256 }),
  clientPort: Type.Integer({ minimum: 0, maximum: 65_535 }),
});
const connectIds = Type.Array(Type.Union([address, connectId]), { maxItems: CONNECTIONS_MAX });
const connectionsBody = Type.Union([
  Type.Undefined(),
  Type.Null(),
  connectIds,
  Type.Object({ connectIds: Type.Optional(Type.Union([Type.Null(), connectIds])) }),
]);

/** Runs a change on the connections a body names: `ip:port`, `ip:port_sessionIp:port`, or the fields of the reference. */
function onConnections(
  body: Static<typeof connectionsBody>,
  change: (addresses: readonly string[]) => void,
): Answer {
  if (body === undefined || body === null) return result(false, 'Request can not be null.');
  const given = Array.isArray(body) ? body : (body.connectIds ?? []);
  if (given.length === 0) return result(false, 'ConnectIds can not be null.');
  change(
    given.map((each) =>
      typeof each === 'string' ? each.split('_')[0] : `${each.clientHostAddress}:${each.clientPort}`,
    ),
  );
  return result(true, '');
}

/** What a session knows of clients that are off. */
interface OffState {
  readonly version: number;
  readonly off: readonly string[];
}

const stateOf = ({ role }: SessionContext): OffState => role.tier.traffic.state();

/** The sessions of the zone, this one among them. */
function zoneOf({ role, process: shared }: SessionContext): readonly NodeRecord[] {
  return role.tier.inspect
    .view()
    .members.filter((node) => node.role === 'session' && node.zone === shared.plan.zone);
}

/** Asks every session of the zone; null for those that did not answer, by address. */
async function askZone<T>(
  context: SessionContext,
  { credentials, remote }: Input<unknown, unknown>,
  own: () => T,
  request: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: string },
): Promise<Map<string, T | null>> {
  const self = context.role.tier.inspect.processId();
  const answers = await Promise.all(
    zoneOf(context).map(async ({ address: node, httpAddress, processId }) => {
      if (processId === self) return [node, own()] as const;
      try {
        const { status, body } = await askNode(httpAddress, { ...request, credentials, remote }, context);
        return [node, status === 200 ? (JSON.parse(body) as T) : null] as const;
      } catch {
        return [node, null] as const;
      }
    }),
  );
  return new Map(answers);
}

async function changeZone(
  context: SessionContext,
  input: Input<unknown, Static<typeof ipsForm>>,
  name: string,
  change: (hosts: ReadonlySet<string>) => void,
): Promise<Answer> {
  const ips = ipsOf(input.body);
  if (ips.length === 0) return result(false, 'ips is empty');
  const own = (): { success: boolean } => {
    change(new Set(ips));
    return { success: true };
  };
  const path = `/api/clientManager/${name}`;
  const body = `ips=${encodeURIComponent(ips.join(';'))}`;
  const answers = await askZone(context, input, own, { method: 'POST', path, body });
  const failed = [...answers].filter(([, answer]) => answer?.success !== true).map(([node]) => node);
  return failed.length === 0 ? result(true, '') : result(false, `not done by ${failed.join(', ')}`);
}

function statesOfZone(
  context: SessionContext,
  input: Input<unknown, unknown>,
): Promise<Map<string, OffState | null>> {
  return askZone(context, input, () => stateOf(context), { method: 'GET', path: OFF_PATH });
}

async function checkVersion(context: SessionContext, input: Input<{ version?: string }, unknown>) {
  const version = Number(input.query.version ?? NaN);
  if (!Number.isSafeInteger(version)) return result(false, 'check version fail.');
  for (let tries = 1; ; tries++) {
    const known = await statesOfZone(context, input);
    const behind = [...known].filter(([, state]) => (state?.version ?? -1) < version).map(([node]) => node);
    if (behind.length === 0) return result(true, '');
    if (tries === CHECK_TRIES) return result(false, `not loaded by ${oneLine(behind.join(', '))}`);
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
  }
}

async function zoneState(context: SessionContext, input: Input<unknown, unknown>) {
  const known = await statesOfZone(context, input);
  const names = new NodeNames(known.keys());
  return generic(
    Object.fromEntries(
      [...known].map(([node, state]) => [names.of(node), { success: state !== null, ips: state?.off ?? [] }]),
    ),
  );
}

const connections = ({ role }: SessionContext): unknown => role.tier.inspect.counts();

function localChange(
  name: 'clientOff' | 'clientOpen',
  doc: string,
  change: (context: SessionContext, hosts: ReadonlySet<string>) => void,
): Endpoint<SessionContext>[] {
  const common = {
    method: 'POST',
    bodyKind: 'form',
    body: ipsForm,
    changes: true,
    affects: connections,
  } as const;
  return [
    endpoint<SessionContext, never, typeof ipsForm>({
      ...common,
      path: `/api/clientManager/${name}`,
      doc: `${doc}, at this session; form field ips = \`a;b\`.`,
      handle: (context, { body }) => {
        const ips = ipsOf(body);
        if (ips.length === 0) return result(false, 'ips is empty');
        change(context, new Set(ips));
        return result(true, '');
      },
    }),
    endpoint<SessionContext, never, typeof ipsForm>({
      ...common,
      path: `/api/clientManager/zone/${name}`,
      doc: `${doc}, at all sessions of the zone.`,
      handle: (context, input) => changeZone(context, input, name, (hosts) => change(context, hosts)),
    }),
  ];
}

/** The list. */
export const SESSION_CLIENTS: readonly Endpoint<SessionContext>[] = [
  endpoint({
    method: 'POST',
    path: '/api/clients/off',
    bodyKind: 'json',
    body: connectionsBody,
    changes: true,
    affects: connections,
    doc: 'Once: forgets what connections registered and leaves them open; a JSON list of `ip:port`, or `{"connectIds": [{"clientHostAddress", "clientPort"}]}`.',
    handle: ({ role }, { body }) =>
      onConnections(body, (addresses) => role.tier.traffic.connectionsOff(addresses)),
  }),
  endpoint({
    method: 'POST',
    path: '/api/clients/on',
    bodyKind: 'json',
    body: connectionsBody,
    changes: true,
    affects: connections,
    doc: 'Closes connections, so that their clients register again; body as above.',
    handle: ({ role }, { body }) =>
      onConnections(body, (addresses) => role.tier.traffic.connectionsOn(addresses)),
  }),
  ...localChange('clientOff', 'Once: takes the publications of clients out of the lists', ({ role }, hosts) =>
    role.tier.traffic.clientsOff(hosts),
  ),
  ...localChange(
    'clientOpen',
    'Closes the connections of clients, so that they register again',
    ({ role }, hosts) => role.tier.traffic.clientsOpen(hosts),
  ),
  endpoint({
    method: 'POST',
    path: '/api/clientManager/zone/queryClientOff',
    doc: 'Clients that are off, as each session of the zone knows it.',
    handle: zoneState,
  }),
  endpoint({
    method: 'GET',
    path: '/api/clientManager/persistence/checkVersion',
    query: Type.Object({ version: Type.Optional(Type.String()) }),
    doc: 'Whether all sessions of the zone know this version of the list of clients that are off; waits for it, 3 s at most.',
    handle: checkVersion,
  }),
  endpoint({
    method: 'GET',
    path: OFF_PATH,
    doc: 'Clients that are off, and the version of the list, as this session knows it.',
    handle: (context) => json(stateOf(context)),
  }),
];
