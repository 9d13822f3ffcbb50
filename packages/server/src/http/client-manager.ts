/**
 * Clients taken out of the traffic for good, until they are opened again (F192, F199, F220): the calls of meta, and those that a session
 * hands to it.
 */
import Type, { type Static } from 'typebox';
import type { ClientOffState, ClientTraffic } from '@sofa-registry/meta';
import { ServerError } from '../errors.ts';
import { type Answer, generic, result, withinLimits } from './answer.ts';
import type { RoleContext } from './common-endpoints.ts';
import { type Endpoint, endpoint } from './endpoint.ts';

/** Form field `ips`. */
export const ipsForm = Type.Object({ ips: Type.Optional(Type.String()) });
type IpsForm = Static<typeof ipsForm>;

/** Addresses of a form: `a;b`. */
export function ipsOf({ ips = '' }: IpsForm): string[] {
  return ips
    .split(';')
    .map((ip) => ip.trim())
    .filter((ip) => ip !== '');
}

const marksBody = Type.Array(
  Type.Object({
    address: Type.String({ minLength: 1, maxLength: 256 }),
    pub: Type.Optional(Type.Boolean()),
    sub: Type.Optional(Type.Boolean()),
  }),
);

function trafficOf({ role }: RoleContext): ClientTraffic {
  if (role.role !== 'meta') throw new ServerError('SR_HTTP_NOT_READY', 'no leader found');
  return role.tier.admin.traffic;
}

async function clientsOff(context: RoleContext): Promise<unknown> {
  return Object.fromEntries((await trafficOf(context).state()).off);
}

/** The four changes. Each answers the version of the list. */
type Change = (traffic: ClientTraffic, ips: readonly string[], form: IpsForm) => Promise<number>;

async function mark(traffic: ClientTraffic, _ips: readonly string[], { ips = '' }: IpsForm): Promise<number> {
  const { Check } = await import('typebox/value');
  let marks: unknown;
  try {
    marks = JSON.parse(ips);
  } catch {
    marks = null;
  }
  if (!Check(marksBody, marks))
    throw new ServerError('SR_HTTP_INPUT', 'field ips must be a JSON list of {address, pub, sub}');
  return traffic.mark(
    marks.map(({ address, pub = true, sub }) => [address, sub === undefined ? { pub } : { pub, sub }]),
  );
}

const CHANGES: readonly (readonly [name: string, doc: string, change: Change])[] = [
  [
    'clientOff',
    'Takes the publications of clients out of all lists, until they are opened; form field ips = `a;b`.',
    (traffic, ips) => traffic.off(ips),
  ],
  [
    'clientOffWithSub',
    'The same for publications, subscriptions or both; form field ips = `[{"address", "pub", "sub"}]`.',
    mark,
  ],
  [
    'clientOpen',
    'Opens clients that are off: sessions close their connections, and they register again.',
    (traffic, ips) => traffic.open(ips),
  ],
  [
    'reduce',
    'Forgets that clients are off and leaves their connections as they are: what they register from now on counts.',
    (traffic, ips) => traffic.reduce(ips),
  ],
];

async function changed(
  context: RoleContext,
  form: IpsForm,
  change: Change,
  empty: Answer,
  done: (version: number) => Answer,
): Promise<Answer> {
  const ips = ipsOf(form);
  if (ips.length === 0) return empty;
  return withinLimits(async () => done(await change(trafficOf(context), ips, form)));
}

/** `{version, clientOffAddress, reduces}` as the reference shows it: what nobody said of subscriptions is true there. */
function stateAnswer({ version, off, reduced }: ClientOffState): Answer {
  if (off.size === 0 && reduced.length === 0) return generic(null, false, 'data not found');
  const clientOffAddress = Object.fromEntries(
    [...off].map(([address, { pub, sub = true }]) => [address, { version: 0, address, pub, sub }]),
  );
  return generic({ version, clientOffAddress, reduces: reduced });
}

function query(path: string): Endpoint<RoleContext> {
  return endpoint({
    method: 'GET',
    path,
    leader: 'last-seen',
    doc: 'Clients that are off, and those whose mark was dropped; success false when there is none of either.',
    handle: async (context) => stateAnswer(await trafficOf(context).state()),
  });
}

/** At a meta. */
export const CLIENT_MANAGER: readonly Endpoint<RoleContext>[] = [
  ...CHANGES.map(([name, doc, change]) =>
    endpoint<RoleContext, never, typeof ipsForm>({
      method: 'POST',
      path: `/api/clientManager/${name}`,
      bodyKind: 'form',
      body: ipsForm,
      leader: true,
      changes: true,
      affects: clientsOff,
      doc,
      handle: (context, { body }) =>
        changed(context, body, change, result(false, 'ips is empty'), () => result(true, '')),
    }),
  ),
  query('/api/clientManager/query'),
];

/** At a meta, and at a session, which hands them to the leading meta. */
export const PERSISTENT_CLIENT_MANAGER: readonly Endpoint<RoleContext>[] = [
  ...CHANGES.map(([name, doc, change]) =>
    endpoint<RoleContext, never, typeof ipsForm>({
      method: 'POST',
      path: `/api/clientManager/persistence/${name}`,
      bodyKind: 'form',
      body: ipsForm,
      leader: true,
      changes: true,
      affects: clientsOff,
      doc: `${doc} Answers the version of the list.`,
      handle: (context, { body }) =>
        changed(context, body, change, generic(null, false, `${name} ips is empty.`), (version) =>
          generic(version),
        ),
    }),
  ),
  query('/api/clientManager/persistence/query'),
];
