/** The document by which operators switch the compression of pushes (F230): written by meta, obeyed by sessions. Pure. */
import { isNames, isRecord, parseJson } from './doc-json.ts';

/** Its key. Without it sessions do what their settings say. */
export const COMPRESS_PUSH_KEY = 'switch/compress-push';

/** The switch, in the reference's terms. */
export interface CompressPush {
  readonly enabled: boolean;
  /** Shorter lists are not compressed, UTF-16 units. */
  readonly compressMinSize: number;
  /** Encodings that are not used. */
  readonly forbidEncodes: readonly string[];
  /** Sessions that compress, by `host:port` or host; none named: all. */
  readonly enabledSessions: readonly string[];
  /** Clients that are sent compressed pushes, by address; none named: all. */
  readonly enabledClients: readonly string[];
}

/** What stands for a member that is not there. */
export const COMPRESS_PUSH_DEFAULT: CompressPush = Object.freeze({
  enabled: false,
  compressMinSize: 4096,
  forbidEncodes: [],
  enabledSessions: [],
  enabledClients: [],
});

const SIZE_MAX = 1_000_000_000;

/** The switch of a text; null when it is none. */
export function parseCompressPush(text: string): CompressPush | null {
  const json = parseJson(text);
  if (!isRecord(json)) return null;
  const given = { ...COMPRESS_PUSH_DEFAULT, ...(json as Partial<Record<keyof CompressPush, unknown>>) };
  const { enabled, compressMinSize: size, forbidEncodes, enabledSessions, enabledClients, ...rest } = given;
  if (Object.keys(rest).length > 0 || typeof enabled !== 'boolean') return null;
  if (!Number.isInteger(size) || (size as number) < 0 || (size as number) > SIZE_MAX) return null;
  if (!isNames(forbidEncodes) || !isNames(enabledSessions) || !isNames(enabledClients)) return null;
  return { enabled, compressMinSize: size as number, forbidEncodes, enabledSessions, enabledClients };
}
