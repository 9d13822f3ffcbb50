/** Times and bounds of the links of a node to meta and to data nodes. */

/** Time between two beats, ms (F174; reference/meta-and-admin.md 3.1: 1 s on every role). */
export const BEAT_MS = 1000;
/** A beat without answer for so long means that the meta node is gone, ms. Above two beats, below the 3 s of an eviction. */
export const BEAT_TIMEOUT_MS = 2500;
/** Shortest time between two beats that are sent ahead of time, ms: a storm of Moved answers costs meta 20 beats a second at most. */
export const BEAT_SOON_MS = 50;
/**
 * Longest wait for a connection to a meta or data node, ms. A new meta leader acts on what it has heard after `listenMs` (3 s by default),
 * a data node that lost its copies answers 2 s after it heard the first session (`migratingCeilingMs`): whoever can be reached is
 * found before that, by one wait and one such attempt; or two, when two of three metas are silent.
 */
export const CONNECT_TIMEOUT_MS = 1000;
/** First and longest wait between attempts to reach a meta node, ms. A round over all known metas is one attempt. */
export const META_RETRY_MS = 100;
export const META_RETRY_MS_MAX = 500;
/** A node that finds no leader for so long begins to say so, ms; a leader that has just been elected is found sooner. */
export const WAITING_QUIET_MS = 1000;
/** How often a node that cannot find a leader says what it waits for, ms. */
export const WAITING_LOG_MS = 5000;
/** Meta addresses a node remembers beside the configured ones. */
export const METAS_KNOWN_MAX = 32;
/** Listeners of one MetaLink. */
export const LISTENERS_MAX = 64;
/** Wait for the answer of a data node to sr.Hello, ms. */
export const HELLO_TIMEOUT_MS = 3000;
/** First and longest wait between attempts to reach a data node, ms. Short: a restarted node should not wait for its peers. */
export const PEER_RETRY_MS = 50;
export const PEER_RETRY_MS_MAX = 500;
/** A tier link that received nothing for so long sends a heartbeat, ms; `sr.Probe` answers rest on it (1.5 s). */
export const LINK_HEARTBEAT_MS = 1000;
/** Unanswered heartbeats after which a tier link is closed: a silent data node is dropped after about 3 s. */
export const LINK_HEARTBEAT_MISSES_MAX = 2;
/** Wait for the answer to sr.Drain, sr.Leave and sr.TableOffer, ms. */
export const META_CALL_TIMEOUT_MS = 1000;
/** Answer to sr.Probe about a node never heard from: the longest span a beat can name, ms. */
export const NEVER_HEARD_MS = 2 ** 31;
