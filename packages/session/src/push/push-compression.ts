/** Which pushes are compressed, and how (F228, F230): as the settings say, or the document {@link COMPRESS_PUSH_KEY}. */
import {
  COMPRESS_PUSH_DEFAULT,
  COMPRESS_PUSH_KEY,
  type CompressPush,
  parseAddress,
  parseCompressPush,
} from '@sofa-registry/model';
import type { SessionTunables } from '../settings.ts';
import type { Compressor } from './compressor.ts';

/** Encodings of one subscriber that are looked at. */
const ENCODINGS_MAX = 16;

/** The rule in force. */
export class PushCompression {
  readonly #settings: CompressPush;
  readonly #compressor: Compressor;
  readonly #address: () => string;
  #switch: CompressPush;
  #version = 0;
  #enabled: boolean;
  #clients: ReadonlySet<string> = new Set();

  /** @param address client address of this session */
  constructor(settings: SessionTunables, compressor: Compressor, address: () => string) {
    const { compressPush: enabled, compressMinUnits: compressMinSize } = settings;
    this.#settings = { ...COMPRESS_PUSH_DEFAULT, enabled, compressMinSize };
    this.#switch = this.#settings;
    this.#enabled = enabled;
    this.#compressor = compressor;
    this.#address = address;
  }

  /** The switch as it is applied here. */
  get state(): CompressPush {
    return this.#switch;
  }

  /** Takes the documents; what cannot be read counts as absent. */
  update(docs: ReadonlyMap<string, { readonly value: string; readonly version: number }>): void {
    const doc = docs.get(COMPRESS_PUSH_KEY);
    const version = doc?.version ?? 0;
    if (version === this.#version) return;
    this.#version = version;
    this.#switch = parseCompressPush(doc?.value ?? '') ?? this.#settings;
    const { enabled, enabledSessions: sessions, enabledClients } = this.#switch;
    const own = this.#address();
    const here = [own, parseAddress(own)?.host ?? own].some((name) => sessions.includes(name));
    this.#enabled = enabled && (sessions.length === 0 || here);
    this.#clients = new Set(enabledClients);
  }

  /** True if a client can be sent compressed pushes at all: it accepts an encoding that we know. */
  accepts(acceptEncoding: string): boolean {
    return this.#choose(acceptEncoding, []) !== '';
  }

  /** The encoding of a push now: the first the client accepts (wire 4.7: its order decides, nothing is trimmed); '' = none. */
  encoding(host: string, acceptEncoding: string): string {
    if (!this.#enabled || (this.#clients.size > 0 && !this.#clients.has(host))) return '';
    return this.#choose(acceptEncoding, this.#switch.forbidEncodes);
  }

  #choose(acceptEncoding: string, forbidden: readonly string[]): string {
    if (acceptEncoding === '') return '';
    const names = acceptEncoding.split(',', ENCODINGS_MAX);
    return names.find((name) => this.#compressor.knows(name) && !forbidden.includes(name)) ?? '';
  }
}
