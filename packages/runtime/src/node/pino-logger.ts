/** Log lines through pino: JSON for machines, or one readable line each. */
import { pino } from 'pino';
import type { LogLevel } from '../memory/loggers.ts';
import type { Logger } from '../ports.ts';

/** Options of {@link pinoLogger}. */
export interface PinoLoggerOptions {
  /** Lowest level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** Default `json`. */
  readonly format?: 'json' | 'pretty';
  /** Where lines go. Default `stdout`. */
  readonly destination?: 'stdout' | 'stderr' | LineWriter;
  /** Fields of every line, e.g. the role. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Takes complete lines, each with its line end. */
export interface LineWriter {
  write(line: string): void;
}

class PinoLogger implements Logger {
  readonly #pino: pino.Logger;

  constructor(target: pino.Logger) {
    this.#pino = target;
  }

  child(fields: Record<string, unknown>): Logger {
    return new PinoLogger(this.#pino.child(fields));
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    if (fields === undefined) this.#pino.debug(message);
    else this.#pino.debug(fields, message);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    if (fields === undefined) this.#pino.info(message);
    else this.#pino.info(fields, message);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    if (fields === undefined) this.#pino.warn(message);
    else this.#pino.warn(fields, message);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    if (fields === undefined) this.#pino.error(message);
    else this.#pino.error(fields, message);
  }
}

/** Own fields of a line, in the order of the readable form. */
const HEAD = new Set(['time', 'level', 'msg']);

/** `2026-01-31T12:00:00.000Z INFO  message key=value ...`; values that are not plain words are JSON. */
export function prettyLine(json: string): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const head = `${String(line.time)} ${String(line.level).toUpperCase().padEnd(5)} ${oneLine(String(line.msg))}`;
  const fields = Object.entries(line)
    .filter(([key]) => !HEAD.has(key))
    .map(([key, value]) => ` ${key}=${fieldText(value)}`);
  return `${head}${fields.join('')}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@#+-]+$/.test(value)) return value;
  return oneLine(JSON.stringify(value));
}

/** Keeps a value from forging further lines, and control characters off the terminal. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return unit === '\n' ? '\\n' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A logger over pino. Lines are written at once, so the last ones before a crash are not lost. */
export function pinoLogger(options?: PinoLoggerOptions): Logger {
  const destination = options?.destination ?? 'stdout';
  const out =
    typeof destination === 'object'
      ? destination
      : pino.destination({ dest: destination === 'stdout' ? 1 : 2, sync: true });
  const target =
    options?.format === 'pretty' ? { write: (json: string) => out.write(prettyLine(json)) } : out;
  return new PinoLogger(
    pino(
      {
        level: options?.level ?? 'info',
        base: options?.fields ?? null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.err },
      },
      target,
    ),
  );
}
