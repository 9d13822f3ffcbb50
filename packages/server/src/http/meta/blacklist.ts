/** Who may not publish or subscribe, and services nobody may publish (F223, F224). */
import Type, { type Static } from 'typebox';
import { BLACKLIST_KEY, parseDataInfoId, toDataInfoId } from '@sofa-registry/model';
import { generic, result, withinLimits } from '../answer.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import type { MetaContext } from './context.ts';
import { checkDoc } from './doc-rule.ts';

async function setBlacklist(context: MetaContext, value: string) {
  checkDoc(BLACKLIST_KEY, value);
  await context.role.tier.admin.putDoc(BLACKLIST_KEY, value);
  return result(true);
}

const serviceForm = Type.Object({
  dataId: Type.Optional(Type.String({ maxLength: 1024 })),
  group: Type.Optional(Type.String({ maxLength: 1024 })),
  instanceId: Type.Optional(Type.String({ maxLength: 1024 })),
});

async function banService(context: MetaContext, form: Static<typeof serviceForm>, banned: boolean) {
  const { dataId = '', group = '', instanceId = '' } = form;
  const dataInfoId = toDataInfoId(dataId, instanceId, group);
  if (parseDataInfoId(dataInfoId) === null)
    return result(false, `${banned ? 'Save' : 'Delete'} dataid black list exception`);
  return withinLimits(async () => {
    await context.role.tier.admin.traffic.banService(dataInfoId, banned);
    return result(true);
  });
}

const bannedServices = ({ role }: MetaContext): Promise<unknown> => role.tier.admin.traffic.bannedServices();

/** The list. */
export const BLACKLISTS: readonly Endpoint<MetaContext>[] = [
  endpoint({
    method: 'POST',
    path: '/blacklist/update',
    bodyKind: 'text',
    leader: true,
    changes: true,
    affects: async ({ role }) => (await role.tier.admin.getDoc(BLACKLIST_KEY))?.value ?? '',
    doc: 'Replaces the blacklist: `{"FORBIDDEN_PUB": {"IP_FULL": [...]}, "FORBIDDEN_SUB_BY_PREFIX": {"DATA_ID_PREFIX": [...]}}`.',
    handle: (context, { body }) => setBlacklist(context, body as string),
  }),
  endpoint({
    method: 'POST',
    path: '/datainfoid/blacklist/add',
    bodyKind: 'form',
    body: serviceForm,
    leader: true,
    changes: true,
    affects: bannedServices,
    doc: 'Bans a service: its publishers leave the lists; form fields dataId, group and instanceId.',
    handle: (context, { body }) => banService(context, body, true),
  }),
  endpoint({
    method: 'POST',
    path: '/datainfoid/blacklist/delete',
    bodyKind: 'form',
    body: serviceForm,
    leader: true,
    changes: true,
    affects: bannedServices,
    doc: 'Lets a banned service be published again.',
    handle: (context, { body }) => banService(context, body, false),
  }),
  endpoint({
    method: 'GET',
    path: '/datainfoid/blacklist/query',
    leader: 'last-seen',
    doc: 'dataInfoIds of the banned services; null when there never was one.',
    handle: async (context) => generic(await bannedServices(context)),
  }),
];
