/** The effective configuration: defaults < file < environment < flags, each value with the place it came from. */
import { isIP } from 'node:net';
import { parseAddress } from '@sofa-registry/model';
import { ServerError } from '../errors.ts';
import { checkValue, defaultOf, type Setting, type SettingSpec, type SettingValue } from './setting.ts';
import type { ServerSettingKey } from './server-settings.ts';
import { nearestKey, REFERENCE_KEYS, SETTINGS, TIER_SETTINGS } from './settings.ts';
import { fromEnvironment, fromFile, fromSets, type RawValue } from './sources.ts';

/** What the command line says about the configuration. */
export interface ConfigInput {
  /** Path of the configuration file; undefined: `SOFA_REGISTRY_CONFIG`, or none. */
  readonly file?: string;
  /** Named flags, e.g. `--zone`. */
  readonly flags?: readonly RawValue[];
  /** `--set key=value`. */
  readonly sets?: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A value and where it came from: `default`, or the place as people know it. */
export interface EffectiveValue {
  readonly value: SettingValue;
  readonly from: string;
}

/** Shortest token: what can be guessed is no secret. */
export const TOKEN_UNITS_MIN = 16;

/** Shown in place of a secret in refusals and addresses. */
export const REDACTED = '***';

const KEY_OF_ENV: ReadonlyMap<string, string> = new Map(
  [...SETTINGS.values()].map((setting) => [setting.env, setting.key]),
);

/** A checked configuration. Immutable. */
export class Config {
  readonly #values: ReadonlyMap<string, EffectiveValue>;

  constructor(values: ReadonlyMap<string, EffectiveValue>) {
    this.#values = values;
  }

  /** Value and source of a key. */
  entry(key: string): EffectiveValue {
    const entry = this.#values.get(key);
    if (entry === undefined) throw new Error(`no setting ${key}`);
    return entry;
  }

  number(key: ServerSettingKey): number {
    return this.entry(key).value as number;
  }

  text(key: ServerSettingKey): string {
    return this.entry(key).value as string;
  }

  list(key: ServerSettingKey): readonly string[] {
    return this.entry(key).value as readonly string[];
  }

  /** The tunables of a tier, under the names the tier gave them. */
  tier<T extends keyof typeof TIER_SETTINGS>(
    tier: T,
  ): { readonly [K in keyof (typeof TIER_SETTINGS)[T]]: Widened<(typeof TIER_SETTINGS)[T][K]> } {
    const names = Object.keys(TIER_SETTINGS[tier]);
    return Object.fromEntries(names.map((name) => [name, this.entry(`${tier}.${name}`).value])) as never;
  }

  /** Everything, in the order of the table; of a secret only whether it is set. */
  printable(): { key: string; value: SettingValue; from: string; unit: string }[] {
    return [...SETTINGS.values()].map((setting) => {
      const { value, from } = this.entry(setting.key);
      const secret = value === '' ? '(unset)' : '(set)';
      const shown = setting.secret === true ? secret : redactUrl(setting, value);
      return { key: setting.key, value: shown, from, unit: setting.unit };
    });
  }
}

type Widened<S> = S extends { readonly default: infer D }
  ? D extends number
    ? number
    : D extends boolean
      ? boolean
      : string
  : never;

function redactUrl(setting: SettingSpec, value: SettingValue): SettingValue {
  if (setting.unit !== 'url' || typeof value !== 'string') return value;
  return value
    .replace(/(\/\/[^/?#]*?:)[^/?#]*(@)/, `$1${REDACTED}$2`)
    .replace(/([?&;](?:password|pass|pwd|token)=)[^&;]*/gi, `$1${REDACTED}`);
}

/** Reads all sources and checks them. @throws ServerError SR_CONFIG_*, one line that names key, value, rule and source */
export async function loadConfig(input: ConfigInput): Promise<Config> {
  const file = input.file ?? input.env['SOFA_REGISTRY_CONFIG'];
  const layers: RawValue[] = [
    ...(file === undefined || file === '' ? [] : await fromFile(file)),
    ...fromEnvironment(input.env, KEY_OF_ENV),
    ...(input.flags ?? []),
    ...fromSets(input.sets ?? []),
  ];
  const values = new Map<string, EffectiveValue>();
  for (const setting of SETTINGS.values()) {
    values.set(setting.key, { value: defaultOf(setting), from: 'default' });
  }
  for (const raw of layers) {
    const setting = settingOf(raw);
    values.set(setting.key, { value: checked(setting, raw), from: raw.from });
  }
  const config = new Config(values);
  checkTogether(config);
  return config;
}

function settingOf(raw: RawValue): Setting {
  const setting = SETTINGS.get(REFERENCE_KEYS.get(raw.key) ?? raw.key);
  if (setting !== undefined) return setting;
  const near = nearestKey(raw.key.startsWith('SOFA_REGISTRY_') ? keyLike(raw.key) : raw.key);
  const hint = near === null ? 'see all keys with: sofa-registry config' : `did you mean ${near}?`;
  throw new ServerError('SR_CONFIG_KEY', `unknown key ${raw.key} (from ${raw.from}); ${hint}`);
}

function keyLike(variable: string): string {
  const words = variable.slice('SOFA_REGISTRY_'.length).toLowerCase().split('_');
  return words.map((word, i) => (i === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('');
}

function checked(setting: Setting, raw: RawValue): SettingValue {
  if (setting.secret === true && raw.exposed) {
    throw refusal(
      setting.key,
      REDACTED,
      'given by the environment or a file, never on the command line',
      raw.from,
    );
  }
  const adapted = setting.key === 'metas' ? referenceMetas(raw.value) : raw.value;
  const result = checkValue(setting, adapted);
  if ('rule' in result) {
    const shown = setting.secret === true ? REDACTED : shorten(raw.value);
    throw refusal(setting.key, shown, result.rule, raw.from);
  }
  return setting.key === 'zone' ? String(result.value).toUpperCase() : result.value;
}

/** `DefaultDataCenter:h1,h2` of the reference means metas h1 and h2 on the usual port. */
function referenceMetas(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[A-Za-z]\w*:[^\d]/.test(value)) return value;
  return value
    .slice(value.indexOf(':') + 1)
    .split(',')
    .map((host) => (host.includes(':') ? host : `${host.trim()}:9610`));
}

function shorten(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

function refusal(key: string, shown: string, rule: string, from: string): ServerError {
  return new ServerError('SR_CONFIG_VALUE', `${key} = ${shown} (from ${from}): it must be ${rule}`);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

type Refuse = (key: ServerSettingKey, rule: string) => never;

/** Rules that one value alone cannot break. */
function checkTogether(config: Config): void {
  const refuse: Refuse = (key, rule) => {
    const { value, from } = config.entry(key);
    const secret = SETTINGS.get(key)?.secret === true;
    const shown = secret ? REDACTED : shorten(Array.isArray(value) ? value.join(',') : value);
    throw refusal(key, shown, rule, from);
  };
  if (config.list('roles').length === 0) refuse('roles', 'at least one of meta, data, session');
  if (!isPowerOfTwo(config.number('slotCount'))) refuse('slotCount', 'a power of two');
  for (const key of ['bind', 'zone', 'dataCenter'] as const) {
    if (config.text(key) === '') refuse(key, 'a text that is not empty');
  }
  for (const meta of config.list('metas')) {
    if (!isAddress(meta)) refuse('metas', 'a list of host:port');
  }
  checkPlaces(config, refuse);
  checkPorts(config, refuse);
  checkProcesses(config, refuse);
  checkTls(config, refuse);
  const token = config.text('clusterToken') + config.text('clusterTokenFile');
  if (token === '' && config.entry('clusterTokenMode').from !== 'default')
    refuse('clusterTokenMode', 'left out, or given together with clusterTokenFile or clusterToken');
  for (const key of ['operatorToken', 'clusterToken'] as const) {
    const { length } = config.text(key);
    if (length > 0 && length < TOKEN_UNITS_MIN) refuse(key, `at least ${TOKEN_UNITS_MIN} characters`);
  }
}

/** A name, an IPv4 address, or an IPv6 address with or without brackets. */
function isHost(text: string): boolean {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  return bare.includes(':') ? isIP(bare) === 6 : bare === text && /^[^\s,;[\]]+$/.test(text);
}

/** Every process needs ports of its own. */
function checkProcesses(config: Config, refuse: Refuse): void {
  const processes = config.number('processes');
  if (processes === 1) return;
  const roles = config.list('roles') as ('meta' | 'data' | 'session')[];
  if (roles.includes('meta')) refuse('processes', '1 for a process with the role meta: metas run one by one');
  const furthest = (processes - 1) * config.number('processPortStep');
  for (const key of roles.flatMap((role) => [`${role}.port`, `${role}.httpPort`] as const)) {
    if (config.number(key) + furthest > 65_535)
      refuse(key, `at most ${65_535 - furthest} for ${processes} processes`);
  }
}

/** `host:port`; an IPv6 host in brackets. */
function isAddress(text: string): boolean {
  const parsed = parseAddress(text);
  return parsed !== null && isHost(parsed.host);
}

function checkPlaces(config: Config, refuse: Refuse): void {
  const host = (key: ServerSettingKey): void => {
    if (config.text(key) !== '' && !isHost(config.text(key))) refuse(key, 'one address');
  };
  host('bind');
  if (config.text('advertise') !== '' && !isHost(config.text('advertise')))
    refuse('advertise', 'a host name or address without a port');
  for (const role of ['meta', 'data', 'session'] as const) {
    host(`${role}.bind`);
    host(`${role}.httpBind`);
    for (const key of [`${role}.advertise`, `${role}.httpAdvertise`] as const) {
      const text = config.text(key);
      if (text !== '' && !isHost(text) && !isAddress(text)) refuse(key, 'host or host:port');
    }
  }
}

/** TLS is whole or not at all. */
function checkTls(config: Config, refuse: Refuse): void {
  const on = config.text('tls.certFile') !== '';
  if (on) {
    if (config.text('tls.keyFile') === '') refuse('tls.keyFile', 'given together with tls.certFile');
    if (
      config.text('tls.caFile') === '' &&
      (config.text('tls.tiers') !== 'off' || config.text('tls.clients') === 'mutual')
    )
      refuse(
        'tls.caFile',
        'given together with tls.certFile, unless tls.tiers is off and tls.clients is not mutual',
      );
    return;
  }
  for (const key of ['tls.keyFile', 'tls.caFile', 'tls.peerName'] as const) {
    if (config.text(key) !== '') refuse(key, 'left out, or given together with tls.certFile');
  }
  for (const key of ['tls.tiers', 'tls.clients', 'tls.http'] as const) {
    if (config.entry(key).from !== 'default' && config.text(key) !== 'off')
      refuse(key, 'left out or off, or given together with tls.certFile');
  }
}

function checkPorts(config: Config, refuse: Refuse): void {
  const seen = new Map<number, string>();
  for (const role of config.list('roles') as ('meta' | 'data' | 'session')[]) {
    for (const key of [`${role}.port`, `${role}.httpPort`] as const) {
      const port = config.number(key);
      const other = seen.get(port);
      if (port !== 0 && other !== undefined) refuse(key, `another port than ${other}`);
      seen.set(port, key);
    }
  }
}
