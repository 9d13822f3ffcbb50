/** Where values come from: file, environment, flags. Each source yields (key, value, place) triples; nothing is judged here. */
import { readFileSync, statSync } from 'node:fs';
import { ServerError, oneLine } from '../errors.ts';

/** One value as somebody wrote it. */
export interface RawValue {
  readonly key: string;
  readonly value: unknown;
  /** Where it was written, for people: `/etc/registry.yaml`, `SOFA_REGISTRY_ZONE`, `--set`. */
  readonly from: string;
  /** True for a place that other users of the machine can read. */
  readonly exposed: boolean;
}

const FILE_BYTES_MAX = 1_048_576;
const DEPTH_MAX = 8;

/** Values of a YAML file. `session: { port: 1 }` and `session.port: 1` mean the same. @throws SR_CONFIG_FILE */
export async function fromFile(path: string): Promise<RawValue[]> {
  const { parse } = await import('yaml');
  let root: unknown;
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
    root = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new ServerError('SR_CONFIG_FILE', `configuration file ${path}: ${oneLine(error)}`, error);
  }
  if (root === null || root === undefined) return [];
  if (typeof root !== 'object' || Array.isArray(root)) {
    throw new ServerError('SR_CONFIG_FILE', `configuration file ${path}: it must be a map of keys to values`);
  }
  const values: RawValue[] = [];
  flatten(root as Record<string, unknown>, '', path, values, 0);
  return values;
}

function flatten(
  node: Record<string, unknown>,
  prefix: string,
  path: string,
  out: RawValue[],
  depth: number,
): void {
  for (const [name, value] of Object.entries(node)) {
    const key = prefix + name;
    if (value !== null && typeof value === 'object' && !Array.isArray(value) && depth < DEPTH_MAX) {
      flatten(value as Record<string, unknown>, `${key}.`, path, out, depth + 1);
    } else {
      out.push({ key, value, from: path, exposed: false });
    }
  }
}

/** Variables that start with `SOFA_REGISTRY_` but are not settings. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  'SOFA_REGISTRY_CONFIG',
  'SOFA_REGISTRY_DEBUG',
  'SOFA_REGISTRY_SERVER',
]);

/** The reference's environment variables for its database (reference/meta-and-admin.md 9). */
const JDBC_VARIABLES: ReadonlyMap<string, string> = new Map([
  ['JDBC_URL', 'store'],
  ['JDBC_USERNAME', 'storeUser'],
  ['JDBC_PASSWORD', 'storePassword'],
]);

/**
 * Values of the environment. JDBC_* count only beside `PERSISTENCE_PROFILE_ACTIVE=jdbc`: many machines have them for other programs.
 * @param keyOfEnv key of a variable name, undefined if there is none
 */
export function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  keyOfEnv: ReadonlyMap<string, string>,
): RawValue[] {
  const values: RawValue[] = [];
  const jdbc = env['PERSISTENCE_PROFILE_ACTIVE']?.toLowerCase() === 'jdbc';
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    const jdbcKey = jdbc ? JDBC_VARIABLES.get(name) : undefined;
    if (jdbcKey !== undefined) values.unshift({ key: jdbcKey, value, from: name, exposed: false });
    if (!name.startsWith('SOFA_REGISTRY_') || OTHER_VARIABLES.has(name)) continue;
    values.push({ key: keyOfEnv.get(name) ?? name, value, from: name, exposed: false });
  }
  return values;
}

/** Values of `--set key=value`, in order. @throws SR_CONFIG_VALUE */
export function fromSets(sets: readonly string[]): RawValue[] {
  return sets.map((text) => {
    const at = text.indexOf('=');
    if (at <= 0) {
      throw new ServerError('SR_CONFIG_VALUE', `--set ${text}: write it as --set key=value`);
    }
    return { key: text.slice(0, at).trim(), value: text.slice(at + 1), from: '--set', exposed: true };
  });
}

/** The content of a file that a setting names: a secret, a certificate. @throws SR_CONFIG_FILE */
export function readNamedFile(path: string, key: string): string {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ServerError('SR_CONFIG_FILE', `${key} = ${path}: ${oneLine(error)}`, error);
  }
}
