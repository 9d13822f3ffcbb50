/** `sofa-registry services` and `service`: what is registered. */
import {
  DEFAULT_GROUP,
  DEFAULT_INSTANCE_ID,
  formatAddress,
  parseDataInfoId,
  toDataInfoId,
  versionFromWire,
} from '@sofa-registry/model';
import { ServerError } from '../errors.ts';
import { addressesOf, askJson, type ClusterSight, print, sight } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';
import { table } from './table.ts';

const VALUE_UNITS_SHOWN = 80;
const JAVA_STRING_HEAD_BYTES = 7;

/** Prints all services with their number of publishers. */
export async function services(flags: QueryFlags): Promise<void> {
  const cluster = await sight(flags);
  const counts = new Map<string, number>();
  for (const address of need(cluster, 'data')) {
    const found = await askJson<Record<string, number>>(address, '/datum/api/summary/query');
    // A service is on the node that leads its slot and on the followers: the leader has the most.
    for (const [id, count] of Object.entries(found)) counts.set(id, Math.max(count, counts.get(id) ?? 0));
  }
  const rows = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, publishers]) => ({ ...partsOf(id), publishers }));
  print(flags, rows, () =>
    rows.length === 0
      ? 'no services\n'
      : table(
          ['dataId', 'group', 'instanceId', 'publishers'],
          rows.map(({ dataId, group, instanceId, publishers }) => [
            dataId,
            group,
            instanceId,
            String(publishers),
          ]),
        ),
  );
}

function partsOf(id: string): { dataId: string; group: string; instanceId: string } {
  const parts = parseDataInfoId(id);
  return { dataId: parts?.dataId ?? id, group: parts?.group ?? '', instanceId: parts?.instanceId ?? '' };
}

function need(cluster: ClusterSight, role: string): string[] {
  const addresses = addressesOf(cluster, role);
  if (addresses.length > 0) return addresses;
  throw new ServerError('SR_CLI_UNREACHABLE', `the cluster has no ${role} node that is known here`);
}

interface PublisherRow {
  readonly cell: string;
  readonly appName: string;
  readonly processId: string;
  readonly registerId: string;
  readonly version: number;
  readonly dataList: readonly { readonly bytes: string }[];
}
interface DatumRow {
  readonly version: number;
  readonly pubMap: Readonly<Record<string, PublisherRow>>;
}
interface SubscriberRow {
  /** Where the session takes clients. */
  readonly targetAddress: { readonly ipAddress: string; readonly port: number };
  readonly processId: string;
  readonly appName: string;
  readonly scope: string;
  readonly lastPushContexts: Readonly<
    Record<string, { readonly pushedVersion: number; readonly pushedNum: number }>
  >;
}

/** Prints the publishers of a service by zone, its subscribers, and their versions. */
export async function service(
  dataId: string,
  flags: QueryFlags & { readonly group?: string; readonly instanceId?: string },
): Promise<void> {
  const cluster = await sight(flags);
  const id = toDataInfoId(dataId, flags.instanceId ?? DEFAULT_INSTANCE_ID, flags.group ?? DEFAULT_GROUP);
  const datum = await newestDatum(cluster, id);
  const subscribers = await subscribersOf(cluster, id);
  const publishers = Object.values(datum?.pubMap ?? {}).map(
    ({ cell, appName, processId, version, dataList }) => ({
      zone: cell,
      client: processId,
      appName,
      version,
      values: dataList.map(({ bytes }) => valueOf(bytes)),
    }),
  );
  publishers.sort((a, b) => (a.zone + a.client < b.zone + b.client ? -1 : 1));
  const found = {
    dataInfoId: id,
    version: datum === null ? null : versionFromWire(datum.version),
    publishers,
    subscribers,
  };
  print(flags, found, () => readable(found));
}

async function newestDatum(cluster: ClusterSight, id: string): Promise<DatumRow | null> {
  const parts = parseDataInfoId(id);
  const query = new URLSearchParams({
    dataId: parts?.dataId ?? '',
    group: parts?.group ?? '',
    instanceId: parts?.instanceId ?? '',
  });
  let newest: DatumRow | null = null;
  for (const address of need(cluster, 'data')) {
    const answer = await askJson<Record<string, DatumRow | null>>(
      address,
      `/digest/datum/query?${query.toString()}`,
    );
    for (const row of Object.values(answer)) {
      if (row !== null && (newest === null || row.version > newest.version)) newest = row;
    }
  }
  return newest;
}

async function subscribersOf(cluster: ClusterSight, id: string) {
  const rows: {
    session: string;
    client: string;
    appName: string;
    scope: string;
    pushedVersion: number;
    pushed: number;
  }[] = [];
  for (const address of addressesOf(cluster, 'session')) {
    const query = new URLSearchParams({ dataInfoId: id });
    const answer = await askJson<{ SUB?: SubscriberRow[] }>(
      address,
      `/digest/sub/data/query?${query.toString()}`,
    );
    for (const { processId, targetAddress, appName, scope, lastPushContexts } of answer.SUB ?? []) {
      const [context] = Object.values(lastPushContexts);
      rows.push({
        session: formatAddress(targetAddress.ipAddress, targetAddress.port),
        client: processId,
        appName,
        scope,
        pushedVersion: versionFromWire(context?.pushedVersion ?? 0),
        pushed: context?.pushedNum ?? 0,
      });
    }
  }
  return rows;
}

/** The text inside Java's serialized form of a string. */
function valueOf(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  const head = bytes[4] === 0x7c ? 13 : JAVA_STRING_HEAD_BYTES;
  return bytes.toString('utf8', head);
}

function readable(found: {
  dataInfoId: string;
  version: number | null;
  publishers: readonly {
    zone: string;
    client: string;
    appName: string;
    version: number;
    values: readonly string[];
  }[];
  subscribers: Awaited<ReturnType<typeof subscribersOf>>;
}): string {
  const publishers = found.publishers.map(({ zone, client, appName, version, values }) => {
    const shown = values.join(' | ');
    return [
      zone,
      client,
      appName,
      String(version),
      shown.length > VALUE_UNITS_SHOWN ? `${shown.slice(0, VALUE_UNITS_SHOWN)}...` : shown,
    ];
  });
  const subscribers = found.subscribers.map(({ session, client, appName, scope, pushedVersion, pushed }) => [
    session,
    client,
    appName,
    scope,
    String(pushedVersion),
    String(pushed),
  ]);
  const lines = [`${found.dataInfoId}  version ${found.version ?? 'none'}\n`];
  lines.push(
    publishers.length === 0
      ? '\nno publishers\n'
      : `\n${table(['zone', 'publisher', 'app', 'version', 'values'], publishers)}`,
  );
  lines.push(
    subscribers.length === 0
      ? '\nno subscribers\n'
      : `\n${table(['session', 'subscriber', 'app', 'scope', 'pushed version', 'entries'], subscribers)}`,
  );
  return lines.join('');
}
