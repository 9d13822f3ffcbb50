/** Every bound and period of the SDK in one place. */

/** Bounds an application may change. */
export interface ClientLimits {
  /** Open publications. Default 20000. */
  readonly publicationsMax: number;
  /** Open subscriptions. Default 20000. */
  readonly subscriptionsMax: number;
  /** Payload of one publication in bytes of UTF-8. Default 1 MiB, what a session takes by default. */
  readonly payloadBytesMax: number;
  /** Publishers in one list; a longer one is not applied and the last list is kept. Default 200000. */
  readonly listEntriesMax: number;
}

/** Default limits. */
export const CLIENT_LIMITS: ClientLimits = Object.freeze({
  publicationsMax: 20_000,
  subscriptionsMax: 20_000,
  payloadBytesMax: 1024 * 1024,
  listEntriesMax: 200_000,
});

/** Unanswered registrations of one connection; the others wait for their turn. */
export const REGISTRATIONS_IN_FLIGHT_MAX = 512;
/** Unanswered versions of one registration; above it only the newest is sent, when an answer came. */
export const VERSIONS_IN_FLIGHT_MAX = 4;
/** Queued bytes of a connection above which registrations wait until it has drained. */
export const SEND_BUFFERED_BYTES_MAX = 1024 * 1024;
/** Calls of `update` or `close` of one publication that wait for their acknowledgement. */
export const UPDATE_WAITERS_MAX = 1024;
/** Values of one publication. */
export const PAYLOAD_VALUES_MAX = 10_000;
/** Session servers taken from one list. */
export const SESSIONS_MAX = 1000;
/** Bytes of an answer of the HTTP server list. */
export const SERVER_LIST_BYTES_MAX = 256 * 1024;
/** Addresses in `servers` or `sessions`. */
export const SERVERS_MAX = 256;
/** Segments (data centres) kept of one service with scope global. */
export const SEGMENTS_MAX = 64;
/** Listeners of one event. */
export const EVENT_LISTENERS_MAX = 100;
/** Longest app, zone, data centre name, in UTF-16 units. */
export const NAME_UNITS_MAX = 256;

/** Time to open a connection in, and to get the answer to the first message in. */
export const CONNECT_TIMEOUT_MS = 3000;
/** Time of one HTTP request for the server list (wire 3.1). */
export const SERVER_LIST_TIMEOUT_MS = 3000;
/** Period in which the server list is read (wire 3.1). */
export const SERVER_LIST_REFRESH_MS = 30_000;
/** Time a session has to answer a registration. */
export const REGISTER_TIMEOUT_MS = 3000;
/** Wait before a registration that was not accepted is sent again (wire 4.1: the official client's check period). */
export const RESEND_MS = 500;
/** Silence of this side after which it sends a heartbeat. */
export const BEAT_MS = 2000;
/** Least `beatMs` an application may ask for. */
export const BEAT_MS_MIN = 500;
/** Greatest `beatMs`: half of the idle rule of a reference server (wire 1.5) with a reserve. */
export const BEAT_MS_MAX = 20_000;
/** Heartbeats that may stay without any answer: the connection is given up within 3 beats. */
export const BEAT_MISSES_MAX = 2;
/** Heartbeats are looked at in steps of 250 ms; taken off each beat so that three fit into 3 * beatMs. */
export const BEAT_RESERVE_MS = 250;
/** First wait after a lost connection, spread so that all clients of a dead session do not come in one instant. */
export const RECONNECT_FIRST_MS = 100;
/** Longest wait between two rounds over all sessions. */
export const RECONNECT_MAX_MS = 5000;
/** Longest time over which a `sr.Reconnect` is spread, whatever the session asks for. */
export const MOVE_WITHIN_MS_MAX = 60_000;
/** Longest time for which the old connection of a move stays open while the new one takes everything over. */
export const MOVE_OVERLAP_MS_MAX = 10_000;
/** How long `connect` waits for the first connection by default. */
export const CONNECT_WAIT_MS = 10_000;
/** How long `close` waits for the acknowledgements of what it withdraws. */
export const CLOSE_WAIT_MS = 2000;
/** Least time between two warnings of one code. */
export const WARNING_INTERVAL_MS = 10_000;
