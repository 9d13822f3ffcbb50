/**
 * What operators did: who, what, before, after. The newest entries stay in memory, every one goes to the log, and to a file
 * (JSON lines, rotated by size) if one is configured.
 */
import { appendFile, rename, rm, stat } from 'node:fs/promises';
import type { Logger } from '@sofa-registry/runtime';
import { MetricSet } from '@sofa-registry/runtime';
import { oneLine } from '../errors.ts';

/** One call of an operator. */
export interface AuditEntry {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Registry address of the node that did it. */
  readonly node: string;
  readonly role: string;
  readonly who: {
    /** Owner of the token; `local` while none is configured; '' when the call was refused. */
    readonly operator: string;
    /** `ip:port` of the caller. */
    readonly from: string;
    /** What the caller says who it is (header `x-operator`): not proved. '' if nothing. */
    readonly says: string;
  };
  /** Method and path. */
  readonly what: string;
  /** Parameters and body. */
  readonly input: string;
  readonly outcome: 'done' | 'failed' | 'refused';
  /** HTTP status answered. */
  readonly status: number;
  /** What the call is about as it was; null when the endpoint names nothing or the call was refused. */
  readonly before: unknown;
  readonly after: unknown;
}

/** Options of {@link AuditLog}. */
export interface AuditOptions {
  /** '' = none. */
  readonly file: string;
  readonly fileBytesMax: number;
  readonly filesMax: number;
  readonly entriesMax: number;
}

/** Lines that wait for the file; further ones are in the log and in memory only, counted. */
const QUEUE_MAX = 1000;
/** Longest text of an input, and of a value before or after, in UTF-16 units. */
export const AUDIT_VALUE_UNITS_MAX = 2048;

/** See above. */
export class AuditLog {
  readonly metrics = new MetricSet('audit');
  readonly #options: AuditOptions;
  readonly #entries: AuditEntry[] = [];
  readonly #counts = this.metrics.counterVec('entries_total', 'Operator calls, by outcome.', ['outcome']);
  readonly #lost = this.metrics.counter(
    'file_lost_total',
    'Entries that could not be appended to the audit file.',
  );
  #logger: Logger | null = null;
  #queue: string[] = [];
  #writing: Promise<void> | null = null;
  #bytes = -1;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** The log of the process, once there is one. */
  useLogger(logger: Logger): void {
    this.#logger = logger;
  }

  /** Resolves when the file has it, or cannot take it. */
  async record(entry: AuditEntry): Promise<void> {
    this.#entries.push(entry);
    if (this.#entries.length > this.#options.entriesMax) this.#entries.shift();
    this.#counts.with(entry.outcome).value++;
    this.#logger?.info('operator call', { audit: entry });
    if (this.#options.file === '') return;
    if (this.#queue.length >= QUEUE_MAX) {
      this.#lost.value++;
      return;
    }
    this.#queue.push(`${JSON.stringify(entry)}\n`);
    this.#writing ??= this.#write();
    await this.#writing;
  }

  /** The newest entries, the oldest of them first. */
  newest(limit: number): readonly AuditEntry[] {
    return this.#entries.slice(-limit);
  }

  /** Resolves when the file has everything. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      try {
        await this.#append(lines.join(''));
      } catch (error) {
        this.#lost.value += lines.length;
        this.#bytes = -1;
        this.#logger?.error('the audit file cannot be written', {
          file: this.#options.file,
          error: oneLine(error),
        });
      }
    }
    this.#writing = null;
  }

  async #append(text: string): Promise<void> {
    const { file, fileBytesMax } = this.#options;
    if (this.#bytes < 0) this.#bytes = (await stat(file).catch(() => ({ size: 0 }))).size;
    const bytes = Buffer.byteLength(text);
    if (this.#bytes > 0 && this.#bytes + bytes > fileBytesMax) {
      await this.#rotate();
      this.#bytes = 0;
    }
    await appendFile(file, text, { mode: 0o640 });
    this.#bytes += bytes;
  }

  /** `audit.jsonl` becomes `audit.jsonl.1`, that `.2`, and the last one goes. */
  async #rotate(): Promise<void> {
    const { file, filesMax } = this.#options;
    if (filesMax === 1) return rm(file, { force: true });
    for (let i = filesMax - 1; i >= 1; i--) {
      const from = i === 1 ? file : `${file}.${i - 1}`;
      await rename(from, `${file}.${i}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
}

/** A value as it may stand in an entry. */
export function auditValue(value: unknown): unknown {
  if (value === undefined) return null;
  const text = JSON.stringify(value) ?? 'null';
  return text.length <= AUDIT_VALUE_UNITS_MAX ? value : `${text.slice(0, AUDIT_VALUE_UNITS_MAX)}...`;
}
