/** What a setting is, and the check of a value against it. Pure. */

/** Value of a setting after the check. */
export type SettingValue = number | string | boolean | readonly string[];

/** A setting as its owner declares it. The tiers export tables of this form (without `list` and `secret`). */
export interface SettingSpec {
  readonly default: number | string | boolean;
  readonly min?: number;
  readonly max?: number;
  /** The only values allowed (of each item, for a list). */
  readonly choices?: readonly string[];
  /** True: a comma separated list, or a YAML sequence. The default is the comma separated form. */
  readonly list?: boolean;
  /** True: never printed, and not taken from the command line, where other users can read it. */
  readonly secret?: boolean;
  /** ms, bytes, count, port, ... ; '' for none. */
  readonly unit: string;
  readonly doc: string;
  /** Feature id or reference page; '' if it is ours alone. */
  readonly source: string;
}

/** A setting under its full key. */
export interface Setting extends SettingSpec {
  readonly key: string;
  /** Environment variable that sets it. */
  readonly env: string;
}

const ENV_PREFIX = 'SOFA_REGISTRY_';
const TEXT_UNITS_MAX = 4096;
const FRACTION_UNITS: ReadonlySet<string> = new Set(['ratio', 'share', 'factor']);

/** `session.httpPort` is `SOFA_REGISTRY_SESSION_HTTP_PORT`. */
export function envName(key: string): string {
  return (
    ENV_PREFIX +
    key
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replaceAll('.', '_')
      .toUpperCase()
  );
}

/** A value, or the rule it breaks in words. */
export type Checked = { readonly value: SettingValue } | { readonly rule: string };

/** Checks a value from any source: text from the environment and flags, typed scalars from YAML. */
export function checkValue(setting: SettingSpec, raw: unknown): Checked {
  if (setting.list === true) return checkList(setting, raw);
  switch (typeof setting.default) {
    case 'number':
      return checkNumber(setting, raw);
    case 'boolean':
      return checkBoolean(raw);
    default:
      return checkText(setting, raw);
  }
}

/** The rule of a number in words. */
export function numberRule(setting: SettingSpec): string {
  const kind = allowsFraction(setting) ? 'a number' : 'a whole number';
  const { min, max } = setting;
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  if (min !== undefined) return `${kind}, at least ${min}`;
  return max === undefined ? kind : `${kind}, at most ${max}`;
}

function allowsFraction(setting: SettingSpec): boolean {
  return FRACTION_UNITS.has(setting.unit) || !Number.isInteger(setting.default);
}

function checkNumber(setting: SettingSpec, raw: unknown): Checked {
  const text = typeof raw === 'string' ? raw.trim().replace(/(?<=\d)_(?=\d)/g, '') : raw;
  const value = typeof text === 'string' && /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  const fits =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (allowsFraction(setting) || Number.isSafeInteger(value)) &&
    value >= (setting.min ?? -Infinity) &&
    value <= (setting.max ?? Infinity);
  return fits ? { value } : { rule: numberRule(setting) };
}

function checkBoolean(raw: unknown): Checked {
  if (raw === true || raw === 'true') return { value: true };
  if (raw === false || raw === 'false') return { value: false };
  return { rule: 'true or false' };
}

function checkText(setting: SettingSpec, raw: unknown): Checked {
  const value = typeof raw === 'number' || typeof raw === 'boolean' ? String(raw) : raw;
  if (typeof value !== 'string') return { rule: 'a text' };
  if (value.length > TEXT_UNITS_MAX) return { rule: `a text of at most ${TEXT_UNITS_MAX} characters` };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) return { rule: 'a text without control characters' };
  if (setting.choices !== undefined && !setting.choices.includes(value)) {
    return { rule: `one of ${setting.choices.join(', ')}` };
  }
  return { value };
}

function checkList(setting: SettingSpec, raw: unknown): Checked {
  const items = Array.isArray(raw) ? raw : typeof raw === 'string' ? raw.split(',') : null;
  if (items === null) return { rule: 'a list (comma separated, or a YAML sequence)' };
  const values: string[] = [];
  for (const item of items) {
    const text: unknown = typeof item === 'string' ? item.trim() : item;
    if (text === '') continue;
    const checked = checkText(setting, text);
    if ('rule' in checked) return { rule: `a list of ${checked.rule.replace(/^a /, '')}` };
    values.push(checked.value as string);
  }
  return { value: values };
}

/** The default as the checked form. */
export function defaultOf(setting: SettingSpec): SettingValue {
  if (setting.list !== true) return setting.default;
  return String(setting.default)
    .split(',')
    .filter((item) => item !== '');
}
