/** Loggers that write nowhere. */
import type { Logger } from '../ports.ts';

/** Levels of {@link Logger}. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line as {@link MemoryLogger} keeps it. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Lines a {@link MemoryLogger} keeps; the oldest leave first. */
export const LOG_LINES_MAX = 10_000;

/** Keeps its lines and those of its children, for tests. */
export class MemoryLogger implements Logger {
  readonly lines: LogLine[];
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Record<string, unknown> = {}, lines: LogLine[] = []) {
    this.#fields = fields;
    this.lines = lines;
  }

  child(fields: Record<string, unknown>): Logger {
    return new MemoryLogger({ ...this.#fields, ...fields }, this.lines);
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#add('debug', message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#add('info', message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#add('warn', message, fields);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#add('error', message, fields);
  }

  #add(level: LogLevel, message: string, fields?: Record<string, unknown>): void {
    if (this.lines.length >= LOG_LINES_MAX) this.lines.shift();
    this.lines.push({ level, message, fields: { ...this.#fields, ...fields } });
  }
}

/** A logger that keeps its lines. */
export function memoryLogger(): MemoryLogger {
  return new MemoryLogger();
}

const NOOP: Logger = Object.freeze({
  child: () => NOOP,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});

/** A logger that drops everything. */
export function noopLogger(): Logger {
  return NOOP;
}
