/** Stops and resumes pushing (F211-F217). `open` opens the stop switch: it stops pushing, as in the reference. */
import Type from 'typebox';
import { json, result } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import type { MetaContext } from './context.ts';
import { GRAY_PUSH_KEY, STOP_PUSH_KEY } from './documents.ts';

const GRAY_MAX = 10_000;

async function setStop(context: MetaContext, stop: boolean) {
  const { admin } = context.role.tier;
  await admin.putDoc(STOP_PUSH_KEY, String(stop));
  await admin.removeDoc(GRAY_PUSH_KEY);
  return result(true);
}

async function setGray(context: MetaContext, ips: readonly string[]) {
  const { admin } = context.role.tier;
  if (ips.length === 0) await admin.removeDoc(GRAY_PUSH_KEY);
  else await admin.putDoc(GRAY_PUSH_KEY, JSON.stringify({ ips }));
  return result(true);
}

async function switches(context: MetaContext) {
  const { admin } = context.role.tier;
  const stopPush = (await admin.getDoc(STOP_PUSH_KEY))?.value ?? 'false';
  const gray = await admin.getDoc(GRAY_PUSH_KEY);
  return gray === null
    ? json({ stopPush, 'gray push switch msg': 'data is empty', grayPushSwitch: '' })
    : json({ stopPush, grayPushSwitch: gray.value });
}

const affected = async ({ role }: MetaContext): Promise<unknown> => ({
  stopPush: (await role.tier.admin.getDoc(STOP_PUSH_KEY))?.value ?? 'false',
  grayPush: (await role.tier.admin.getDoc(GRAY_PUSH_KEY))?.value ?? '',
});

/** The list. */
export const PUSH_SWITCH: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'GET',
    path: '/digest/pushSwitch',
    leader: 'last-seen',
    doc: 'Whether pushing is stopped, and for whom it goes on.',
    handle: switches,
  }),
  endpoint({
    method: 'GET',
    path: '/stopPushDataSwitch/open',
    leader: true,
    changes: true,
    affects: affected,
    doc: 'Stops pushing on all sessions.',
    handle: (context) => setStop(context, true),
  }),
  endpoint({
    method: 'GET',
    path: '/stopPushDataSwitch/close',
    leader: true,
    changes: true,
    affects: affected,
    doc: 'Resumes pushing; what was missed is pushed.',
    handle: (context) => setStop(context, false),
  }),
  endpoint({
    method: 'POST',
    path: '/stopPushDataSwitch/grayOpen',
    bodyKind: 'json',
    body: Type.Union([
      Type.Undefined(),
      Type.Null(),
      Type.Object({ ips: Type.Optional(Type.Array(Type.String(), { maxItems: GRAY_MAX })) }),
    ]),
    leader: true,
    changes: true,
    affects: affected,
    doc: 'Pushes to clients at these addresses although pushing is stopped.',
    handle: (context, { body }) => setGray(context, body?.ips ?? []),
  }),
];
