/** `sofa-registry config`: the effective configuration. */
import { type ConfigFlags, configOf } from './config-flags.ts';
import { table } from './table.ts';

/** Prints every key, its value, and where the value came from. */
export async function printConfig(flags: ConfigFlags & { readonly json?: boolean }): Promise<void> {
  const rows = (await configOf(flags, process.env)).printable();
  if (flags.json === true) {
    const byKey = Object.fromEntries(rows.map(({ key, value, from }) => [key, { value, from }]));
    process.stdout.write(`${JSON.stringify(byKey, null, 2)}\n`);
    return;
  }
  const lines = rows.map(({ key, value, from, unit }) => [key, text(value), unit, from]);
  process.stdout.write(table(['key', 'value', 'unit', 'from'], lines));
}

function text(value: unknown): string {
  const shown = Array.isArray(value) ? value.join(',') : String(value);
  return shown === '' ? '(empty)' : shown;
}
