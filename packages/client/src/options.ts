/** What `connect` takes, and its rules. */
import { type HostPort, parseAddress } from '@sofa-registry/model';
import type { Logger } from '@sofa-registry/runtime';
import {
  BEAT_MS,
  BEAT_MS_MAX,
  BEAT_MS_MIN,
  CLIENT_LIMITS,
  type ClientLimits,
  CONNECT_WAIT_MS,
  NAME_UNITS_MAX,
  SERVERS_MAX,
} from './limits.ts';
import { badArgument, instanceIdOf } from './service-key.ts';

/** Options common to `connect` and `connectWith`. */
export interface RegistryOptions {
  /** Name of this application, shown to operators. Not blank, up to 256 characters. */
  readonly app: string;
  /**
   * Zone (region) of this process; upper-cased, since scope `zone` compares with the upper-case form (wire 4.6). Default:
   * the zone of the first session this process is connected to, if it tells it.
   */
  readonly zone?: string;
  /** Data centre of this process, told when asking for servers. */
  readonly dataCenter?: string;
  /** Default tenant of publications and subscriptions. Default `DEFAULT_INSTANCE_ID`. */
  readonly instanceId?: string;
  /** Gets a few lines about connections, never about messages. Default: no log. */
  readonly logger?: Logger;
  /** Gives up waiting for the first connection. No effect later: use `close`. */
  readonly signal?: AbortSignal;
  /**
   * How long to wait for the first connection, in ms; then SR_CLIENT_UNREACHABLE. 0 = do not wait: what is published and
   * subscribed meanwhile is sent as soon as there is a connection. Infinity = until the signal aborts. Default 10000.
   */
  readonly waitMs?: number;
  /** Longest silence of this side, in ms, 500 to 20000; after 3 times that both sides give a dead peer up. Default 2000. */
  readonly beatMs?: number;
  /** Bounds of what this process keeps. */
  readonly limits?: Partial<ClientLimits>;
}

/** TLS of a client. All parts are PEM texts. */
export interface ClientTlsOptions {
  /** Authorities that are trusted. Default: those Node.js comes with. */
  readonly ca?: string;
  /** Own certificate, where the registry asks for one; with `key`. */
  readonly cert?: string;
  readonly key?: string;
  /** Name the certificates of the registry must carry. Default: the host of each address. */
  readonly servername?: string;
}

/** Options of `connect`. */
export interface ConnectOptions extends RegistryOptions {
  /** HTTP addresses (`host:port`, port 9603 by default) of any sessions, or of a load balancer before them. */
  readonly servers?: readonly string[];
  /** Client addresses (`host:port`, port 9600 by default) of sessions, in place of `servers`: nothing is asked over HTTP. */
  readonly sessions?: readonly string[];
  /** Speaks TLS with the sessions, and https with `servers`. True: with the authorities Node.js comes with. Default: plain text. */
  readonly tls?: ClientTlsOptions | boolean;
}

/** Checked options with all defaults. */
export interface ClientSettings {
  readonly app: string;
  /** '' if the application named none. */
  readonly zone: string;
  readonly dataCenter: string;
  readonly instanceId: string;
  readonly waitMs: number;
  readonly beatMs: number;
  readonly limits: ClientLimits;
}

/** Checks options and fills in the defaults. @throws RegistryClientError SR_CLIENT_ARGUMENT */
export function clientSettings(options: RegistryOptions): ClientSettings {
  if (typeof options !== 'object' || options === null) badArgument('options', 'must be an object');
  const app = name('app', options.app);
  if (app === '') badArgument('app', 'must be a string that is not blank');
  const waitMs = options.waitMs ?? CONNECT_WAIT_MS;
  if (typeof waitMs !== 'number' || !(waitMs >= 0))
    badArgument('waitMs', 'must be a number of ms, 0 or more');
  const beatMs = options.beatMs ?? BEAT_MS;
  if (!Number.isInteger(beatMs) || beatMs < BEAT_MS_MIN || beatMs > BEAT_MS_MAX) {
    badArgument('beatMs', `must be an integer from ${BEAT_MS_MIN} to ${BEAT_MS_MAX}`);
  }
  return Object.freeze({
    app,
    zone: name('zone', options.zone ?? '').toUpperCase(),
    dataCenter: name('dataCenter', options.dataCenter ?? ''),
    instanceId: instanceIdOf(options.instanceId),
    waitMs,
    beatMs,
    limits: clientLimits(options.limits ?? {}),
  });
}

/** Checks a list of addresses. @throws RegistryClientError SR_CLIENT_ARGUMENT */
export function addresses(
  field: string,
  values: readonly string[],
  defaultPort: number,
): readonly HostPort[] {
  if (!Array.isArray(values) || values.length === 0) {
    badArgument(field, `must be a list of 'host:port' with at least one entry`);
  }
  if (values.length > SERVERS_MAX) badArgument(field, `must have at most ${SERVERS_MAX} entries`);
  return values.map((value: unknown, i) => {
    const parsed = typeof value === 'string' ? parseAddress(withPort(value, defaultPort)) : null;
    if (parsed === null || parsed.port === 0 || !/^[A-Za-z0-9_.:-]+$/.test(parsed.host)) {
      badArgument(`${field}[${i}]`, `must be 'host:port', not ${JSON.stringify(value)}`);
    }
    return parsed;
  });
}

function withPort(value: string, port: number): string {
  if (value.startsWith('[')) return value.endsWith(']') ? `${value}:${port}` : value;
  return value.includes(':') ? value : `${value}:${port}`;
}

function name(field: string, value: unknown): string {
  if (typeof value !== 'string') badArgument(field, 'must be a string');
  if (value.length > NAME_UNITS_MAX) badArgument(field, `must have at most ${NAME_UNITS_MAX} characters`);
  if (/\p{Cc}/u.test(value)) badArgument(field, 'must not contain control characters');
  return value.trim();
}

function clientLimits(given: Partial<ClientLimits>): ClientLimits {
  const limits: Record<string, number> = { ...CLIENT_LIMITS };
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(CLIENT_LIMITS, key)) {
      badArgument(`limits.${key}`, `is unknown; known: ${Object.keys(CLIENT_LIMITS).join(', ')}`);
    }
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 1) badArgument(`limits.${key}`, 'must be an integer, 1 or more');
    limits[key] = value;
  }
  return Object.freeze(limits) as unknown as ClientLimits;
}
