/** What happened in a simulation, for people: kept only when asked for. */
import type { Logger } from '@sofa-registry/runtime';

/** Lines a trace keeps; the oldest leave first. */
export const TRACE_LINES_MAX = 200_000;

/** One line. */
export interface TraceLine {
  readonly atMs: number;
  /** Host, or `sim` for what the simulation itself does. */
  readonly who: string;
  readonly text: string;
}

/** A timeline. */
export class Trace {
  readonly lines: TraceLine[] = [];
  readonly enabled: boolean;
  readonly #nowMs: () => number;

  constructor(enabled: boolean, nowMs: () => number) {
    this.enabled = enabled;
    this.#nowMs = nowMs;
  }

  /** Adds a line; `text` is called only when the trace is kept. */
  add(who: string, text: string | (() => string)): void {
    if (!this.enabled) return;
    if (this.lines.length >= TRACE_LINES_MAX) this.lines.splice(0, TRACE_LINES_MAX / 10);
    this.lines.push({ atMs: this.#nowMs(), who, text: typeof text === 'string' ? text : text() });
  }

  /** The log of a host as part of the timeline. */
  logger(who: string, onError: (text: string) => void): Logger {
    const line = (level: string, message: string, fields?: Record<string, unknown>): void =>
      this.add(who, () => `${level} ${message}${fieldText(fields)}`);
    const logger: Logger = {
      child: () => logger,
      debug: (message, fields) => line('debug', message, fields),
      info: (message, fields) => line('info', message, fields),
      warn: (message, fields) => line('warn', message, fields),
      error: (message, fields) => {
        line('error', message, fields);
        onError(message + fieldText(fields));
      },
    };
    return logger;
  }
}

/** A line as it is printed. */
export function traceText(line: TraceLine): string {
  return `${(line.atMs / 1000).toFixed(4).padStart(10)}  ${line.who.padEnd(10)} ${line.text}`;
}

function fieldText(fields: Record<string, unknown> | undefined): string {
  if (fields === undefined) return '';
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
    .join('');
}
