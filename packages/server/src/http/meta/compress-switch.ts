/** Switches the compression of pushes (F230). Compression between data nodes and sessions has no switch: there is none. */
import Type from 'typebox';
import { COMPRESS_PUSH_DEFAULT, COMPRESS_PUSH_KEY, parseCompressPush } from '@sofa-registry/model';
import { json, result } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import type { MetaContext } from './context.ts';
import { checkDoc } from './doc-rule.ts';

async function stored({ role }: MetaContext) {
  const doc = await role.tier.admin.getDoc(COMPRESS_PUSH_KEY);
  return parseCompressPush(doc?.value ?? '') ?? COMPRESS_PUSH_DEFAULT;
}

async function set(context: MetaContext, given: object) {
  const text = JSON.stringify(given);
  checkDoc(COMPRESS_PUSH_KEY, text);
  await context.role.tier.admin.putDoc(COMPRESS_PUSH_KEY, JSON.stringify(parseCompressPush(text)));
  return result(true);
}

/** The list. */
export const COMPRESS_SWITCH: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'POST',
    path: '/compress/push/switch',
    bodyKind: 'json',
    body: Type.Object({}),
    leader: true,
    changes: true,
    affects: stored,
    doc: 'Switches the compression of pushes: `{"enabled", "compressMinSize", "forbidEncodes", "enabledSessions", "enabledClients"}`.',
    handle: (context, { body }) => set(context, body),
  }),
  endpoint({
    method: 'GET',
    path: '/compress/push/state',
    leader: 'last-seen',
    doc: 'The switch that was set; without one, off (sessions do what their settings say).',
    handle: async (context) => json(await stored(context)),
  }),
];
