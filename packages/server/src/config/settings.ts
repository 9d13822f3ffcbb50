/** All settings of the program: its own and those of the tiers, under one roof. */
import { DATA_SETTINGS } from '@sofa-registry/data';
import { META_SETTINGS } from '@sofa-registry/meta';
import { SESSION_SETTINGS } from '@sofa-registry/session';
import { SERVER_SETTINGS } from './server-settings.ts';
import { envName, type Setting, type SettingSpec } from './setting.ts';

/** Tunables of the tiers by the prefix of their keys. */
export const TIER_SETTINGS = {
  session: SESSION_SETTINGS,
  data: DATA_SETTINGS,
  meta: META_SETTINGS,
} as const satisfies Record<string, Readonly<Record<string, SettingSpec>>>;

/** Names of the reference's properties that mean the same as a key of ours (reference/meta-and-admin.md 9, 12.8). */
export const REFERENCE_KEYS: ReadonlyMap<string, string> = new Map([
  ['nodes.localDataCenter', 'dataCenter'],
  ['nodes.localRegion', 'zone'],
  ['nodes.clusterId', 'clusterId'],
  ['nodes.metaNode', 'metas'],
  ['registry.data.slot.num', 'slotCount'],
  ['registry.data.slot.replicas', 'replicas'],
  ['jdbc.url', 'store'],
  ['jdbc.username', 'storeUser'],
  ['jdbc.password', 'storePassword'],
  ['session.server.serverPort', 'session.port'],
  ['session.server.httpServerPort', 'session.httpPort'],
  ['data.server.port', 'data.port'],
  ['data.server.httpServerPort', 'data.httpPort'],
  ['meta.server.sessionServerPort', 'meta.port'],
  ['meta.server.httpServerPort', 'meta.httpPort'],
]);

function entries(prefix: string, table: Readonly<Record<string, SettingSpec>>): [string, Setting][] {
  return Object.entries(table).map(([name, spec]) => {
    const key = prefix + name;
    return [key, { ...spec, key, env: envName(key) }];
  });
}

/** Every setting by its key. */
export const SETTINGS: ReadonlyMap<string, Setting> = new Map([
  ...entries('', SERVER_SETTINGS),
  ...Object.entries(TIER_SETTINGS).flatMap(([tier, table]) => entries(`${tier}.`, table)),
]);

/** The key that somebody who typed `wrong` may have meant, or null. */
export function nearestKey(wrong: string): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(wrong.length / 3)) + 1;
  for (const key of SETTINGS.keys()) {
    const distance = editDistance(wrong.toLowerCase(), key.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = key;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, swap));
    }
    row = next;
  }
  return row[b.length];
}
