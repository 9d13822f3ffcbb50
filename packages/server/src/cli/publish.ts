/** `sofa-registry publish` and `watch`: the registry from a terminal, through the SDK. */
import { once } from 'node:events';
import { connect, type Registry, type ServiceList } from '@sofa-registry/client';
import { clientTls } from './credentials.ts';
import type { QueryFlags } from './query-flags.ts';

/** Flags of both commands. */
export interface ServiceFlags extends QueryFlags {
  readonly group?: string;
  readonly instanceId?: string;
  readonly scope?: string;
}

const APP = 'sofa-registry-cli';

async function open(flags: ServiceFlags): Promise<Registry> {
  const registry = await connect({ servers: [flags.server], app: APP, tls: clientTls() ?? undefined });
  registry.on('state', ({ state, session, reason }) => {
    const why = reason === '' ? '' : ` (${reason})`;
    process.stderr.write(`${state}${session === '' ? '' : ` to ${session}`}${why}\n`);
  });
  return registry;
}

/** The first of SIGINT and SIGTERM. */
async function signal(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

function line(flags: QueryFlags, value: Record<string, unknown>, readable: string): void {
  process.stdout.write(flags.json === true ? `${JSON.stringify(value)}\n` : `${readable}\n`);
}

/** Publishes values until a signal comes, then takes them back. */
export async function publish(dataId: string, values: readonly string[], flags: ServiceFlags): Promise<void> {
  const registry = await open(flags);
  try {
    const { group, instanceId } = flags;
    const publication = await registry.publish({ dataId, group, instanceId }, values);
    const shown = {
      dataId,
      group: publication.group,
      instanceId: publication.instanceId,
      registerId: publication.registerId,
      session: registry.session,
      values,
    };
    line(
      flags,
      shown,
      `published ${dataId} (group ${publication.group}) at ${registry.session}: ${values.join(' | ')}\nCtrl-C takes it back`,
    );
    await signal();
    await publication.close();
  } finally {
    await registry.close();
  }
}

/** Prints every list of a service until a signal comes. */
export async function watch(dataId: string, flags: ServiceFlags): Promise<void> {
  const registry = await open(flags);
  try {
    const { group, instanceId } = flags;
    const scope = flags.scope as 'zone' | 'dataCenter' | 'global' | undefined;
    registry.subscribe({ dataId, group, instanceId, scope }, (list) => show(flags, list));
    await signal();
  } finally {
    await registry.close();
  }
}

function show(flags: QueryFlags, list: ServiceList): void {
  const { dataId, group, instanceId, version, zones, all } = list;
  const value = {
    time: new Date(list.receivedMs).toISOString(),
    dataId,
    group,
    instanceId,
    version,
    zones: Object.fromEntries(zones),
  };
  const lines = [
    `${value.time}  ${dataId}  version ${version}  ${all.length} ${all.length === 1 ? 'value' : 'values'}`,
  ];
  for (const [zone, values] of zones) for (const entry of values) lines.push(`  ${zone}  ${entry}`);
  line(flags, value, lines.join('\n'));
}
