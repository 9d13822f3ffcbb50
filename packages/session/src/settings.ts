/**
 * Tunables of the session tier. One table: the server builds its configuration keys `session.<name>` and the documentation
 * from it, `SESSION_DEFAULTS` derives from it.
 */
import type { HostPort, SlotConfig } from '@sofa-registry/model';

/** One tunable. */
export interface Setting<T extends number | string | boolean = number | string | boolean> {
  readonly default: T;
  /** Least allowed value of a number. */
  readonly min?: number;
  /** Greatest allowed value of a number. */
  readonly max?: number;
  /** `ms`, `bytes`, `items`, `perSecond`, `share`, `flag`. */
  readonly unit: string;
  readonly doc: string;
  /** Feature id or reference page the value comes from; '' if it is ours alone. */
  readonly source: string;
}

function number(
  value: number,
  min: number,
  max: number,
  unit: string,
  doc: string,
  source = '',
): Setting<number> {
  return Object.freeze({ default: value, min, max, unit, doc, source });
}

/** All tunables by name. */
export const SESSION_SETTINGS = Object.freeze({
  idleCloseMs: number(
    45_000,
    1000,
    600_000,
    'ms',
    'A client connection without a byte for so long is closed.',
    'wire 1.5',
  ),
  clientFrameBytesMax: number(
    10_485_760,
    65_536,
    1_073_741_824,
    'bytes',
    'Longest frame taken from a client.',
    'wire 1.3',
  ),
  connectionsMax: number(100_000, 1, 1_000_000, 'items', 'Open client connections; more are closed at once.'),
  registrationsPerConnectionMax: number(
    50_000,
    1,
    10_000_000,
    'items',
    'Publishers, subscribers and watchers of one connection; more are refused.',
  ),
  registrationsMax: number(
    4_000_000,
    1,
    100_000_000,
    'items',
    'Publishers, subscribers and watchers of this session; more are refused.',
    'session.md 2',
  ),
  payloadBytesMax: number(
    1_048_576,
    1,
    10_485_760,
    'bytes',
    'Payload of one publisher; a longer one is refused.',
  ),
  accessRatePerSecond: number(
    30_000,
    1,
    10_000_000,
    'perSecond',
    'Registrations taken per second (token bucket of one second); more are answered success=false.',
    'session.md 4',
  ),
  writeItemsMax: number(
    100,
    1,
    1024,
    'items',
    'Writes of one batch to a data leader.',
    'session.md 13 dataNodeMaxBatchSize',
  ),
  writeBatchBytes: number(
    65_536,
    1024,
    8_388_608,
    'bytes',
    'Payload after which a batch to a data leader is sent.',
  ),
  writeInFlightMax: number(2, 1, 16, 'items', 'Unanswered batches per data leader.'),
  writeTimeoutMs: number(
    3000,
    100,
    60_000,
    'ms',
    'Time a data leader has to answer a batch.',
    'session.md 13',
  ),
  writeRetryMs: number(
    50,
    1,
    10_000,
    'ms',
    'First wait before a failed write is sent again; grows to 2 s with jitter.',
  ),
  removalsPendingMax: number(
    500_000,
    1000,
    50_000_000,
    'items',
    'Removals waiting for their data leader; the oldest is left to the digest comparison.',
  ),
  fetchTimeoutMs: number(
    5000,
    100,
    60_000,
    'ms',
    'Time a data leader has to answer a fetch.',
    'session.md 13',
  ),
  fetchRetryMs: number(
    100,
    1,
    10_000,
    'ms',
    'First wait before a failed fetch is sent again; grows to 500 ms with jitter.',
    'data-and-slots.md',
  ),
  lingerMs: number(
    5000,
    0,
    600_000,
    'ms',
    'A cached list stays so long after its last subscriber left.',
    'session.md 6.3',
  ),
  historySteps: number(64, 0, 10_000, 'items', 'Recent changes kept per list for delta pushes to the SDK.'),
  historyEntriesMax: number(
    2048,
    0,
    1_000_000,
    'items',
    'Changed entries kept per list for delta pushes to the SDK.',
  ),
  pushTimeoutMs: number(
    2000,
    50,
    60_000,
    'ms',
    'Time a client has to acknowledge a push.',
    'session.md 13 clientNodeExchangeTimeoutMillis',
  ),
  pushRetries: number(
    3,
    0,
    100,
    'items',
    'Retries of a push before it is left to the scan.',
    'session.md 6.6',
  ),
  pushRetryFirstMs: number(500, 1, 60_000, 'ms', 'Wait before the first retry of a push.', 'session.md 6.6'),
  pushRetryStepMs: number(500, 0, 60_000, 'ms', 'What each further retry waits longer.', 'session.md 6.6'),
  pushRetryJitterMs: number(
    340,
    0,
    60_000,
    'ms',
    'Random part of the wait before a retry.',
    'session.md 6.6',
  ),
  breakerFailures: number(
    10,
    1,
    1000,
    'items',
    'Failed pushes in a row after which a subscriber pauses.',
    'session.md 6.6',
  ),
  breakerPauseMs: number(60_000, 100, 3_600_000, 'ms', 'Length of that pause.', 'session.md 6.6'),
  scanMs: number(
    5000,
    100,
    600_000,
    'ms',
    'Period in which pushes that were given up are tried again and digests are compared.',
    'session.md 7',
  ),
  debounceMs: number(
    200,
    0,
    60_000,
    'ms',
    'Least time between two pushes of one changing list; the first goes at once.',
    'design 5',
  ),
  debounceMaxMs: number(3000, 0, 60_000, 'ms', 'The same when the session is overloaded.', 'session.md 6.2'),
  pushSliceItems: number(256, 1, 100_000, 'items', 'Pushes sent before other work gets its turn.'),
  pushInFlightMax: number(
    200_000,
    1,
    10_000_000,
    'items',
    'Unacknowledged pushes of this session; more wait.',
  ),
  pushInFlightBytesMax: number(
    536_870_912,
    65_536,
    17_179_869_184,
    'bytes',
    'Bytes of unacknowledged pushes; more wait.',
  ),
  pushBytesMax: number(
    67_108_864,
    65_536,
    2_000_000_000,
    'bytes',
    'Longest push to an official client; a longer list is not pushed and counted.',
  ),
  slowSocketBytes: number(
    524_288,
    1024,
    1_073_741_824,
    'bytes',
    'Queued bytes above which a connection gets no pushes until it has drained.',
    'wire 1.6',
  ),
  graceMs: number(500, 0, 60_000, 'ms', 'Publishers of a closed connection stay listed so long.', 'design 5'),
  holdMs: number(
    10_000,
    0,
    600_000,
    'ms',
    'Publishers stay so long when many connections closed together.',
    'design 5',
  ),
  // An official client whose sessions are all away is silent for up to 10 s (wire 3.2), then registers again one by one.
  restartHoldMs: number(
    15_000,
    0,
    600_000,
    'ms',
    'Longest wait of first pushes after a restart of everything; official clients take up to 10 s to come back.',
    'design 5, wire 3.2',
  ),
  massCloseShare: number(
    0.2,
    0,
    1,
    'share',
    'Share of the connections that closes within massCloseWindowMs to count as a fault of ours.',
    'design 5',
  ),
  massCloseMin: number(
    10,
    1,
    1_000_000,
    'items',
    'Connections that must close together to count as a fault of ours.',
    'design 5',
  ),
  massCloseWindowMs: number(1000, 1, 60_000, 'ms', 'Window of massCloseShare.', 'design 5'),
  restartBackShare: number(
    0.95,
    0,
    1,
    'share',
    'Share of the expected publishers that counts as nearly all after a restart of everything.',
    'design 5',
  ),
  restartSettleMs: number(
    2000,
    0,
    60_000,
    'ms',
    'Time without a new publisher that ends the wait once nearly all are back.',
    'design 5',
  ),
  drainMs: number(
    5000,
    0,
    600_000,
    'ms',
    'Time over which a stopping session sends its clients away; 0 when it is the only session.',
    'session.md 16',
  ),
  sdkBeatMs: number(
    2000,
    100,
    60_000,
    'ms',
    'Beat offered to SDK clients that ask for none; 3 beats (at least 3 s) without a byte close.',
    'design 6',
  ),
  revisionsMax: number(
    10_000,
    1,
    10_000_000,
    'items',
    'Application revisions kept; the oldest leaves.',
    'session.md 10',
  ),
  compressMinUnits: number(
    4096,
    0,
    1_000_000_000,
    'items',
    'UTF-16 units of a list from which a protobuf push may be compressed.',
    'wire 4.7',
  ),
  compressPush: Object.freeze({
    default: false,
    unit: 'flag',
    doc: 'Compress pushes to protobuf clients that accept it.',
    source: 'wire 4.7',
  }) as Setting<boolean>,
});

/** Name of a tunable. */
export type SessionSettingName = keyof typeof SESSION_SETTINGS;

type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** Values of all tunables. */
export type SessionTunables = { readonly [K in SessionSettingName]: ValueOf<(typeof SESSION_SETTINGS)[K]> };

/** Default of every tunable. */
export const SESSION_DEFAULTS: SessionTunables = Object.freeze(
  Object.fromEntries(Object.entries(SESSION_SETTINGS).map(([name, setting]) => [name, setting.default])),
) as SessionTunables;

/** Complete, validated configuration of one session. */
export interface SessionConfig extends Partial<SessionTunables> {
  /** Client port to open; port 0 = any free one. */
  readonly listen: HostPort;
  /** `host:port` that clients are told; '' = the bound one. */
  readonly advertise: string;
  /** `host:port` of this node's HTTP port, for the node lists. */
  readonly httpAddress: string;
  /** `host:port` of metas to ask first. */
  readonly metas: readonly string[];
  /** Region; upper-cased, because scope zone compares with the upper-case form (wire 4.6). */
  readonly zone: string;
  readonly dataCenter: string;
  readonly slotConfig: SlotConfig;
}

/** Fills in the defaults. */
export function tunablesOf(config: Partial<SessionTunables>): SessionTunables {
  const out: Record<string, unknown> = { ...SESSION_DEFAULTS };
  for (const name of Object.keys(SESSION_SETTINGS)) {
    const value = (config as Record<string, unknown>)[name];
    if (value !== undefined) out[name] = value;
  }
  return Object.freeze(out) as SessionTunables;
}
