/** How the process logs, once `auto` is decided: a terminal gets few readable lines, everything else JSON. */
import type { Config } from '../config/effective.ts';

/** Least severe level and form of the log lines. */
export interface LogForm {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
}

/** Decides what `auto` means for this process. */
export function logFormOf(config: Config): LogForm {
  const terminal = process.stdout.isTTY;
  const level = config.text('log.level') as 'auto' | LogForm['level'];
  const format = config.text('log.format') as 'auto' | LogForm['format'];
  return {
    level: level === 'auto' ? (terminal ? 'warn' : 'info') : level,
    format: format === 'auto' ? (terminal ? 'text' : 'json') : format,
  };
}
