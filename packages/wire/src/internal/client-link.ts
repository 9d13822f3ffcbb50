/**
 * Our own SDK and a session (beside the registration messages, which the SDK sends in their protobuf form).
 *
 *   sr.ClientHello   = client appName zone beatMs delta        first message; official clients never send it
 *   sr.ClientWelcome = server processId zone dataCenter sessions beatMs delta
 *
 * beatMs: the SDK sends a heartbeat when it was silent for so long; the session closes the connection after 3 times that
 * (at least 3 s) without any byte, instead of 45 s. A reference server answers SERVER_EXCEPTION: the SDK then speaks plain protobuf.
 * With delta agreed, every push to the connection is
 *
 *   sr.ListPush = dataId group instanceId segment scope localZone registerIds version from kind { entry }* { registerId }*
 *   sr.ListAck  = resync            the response; resync true = the delta did not fit, send the full list
 *
 *   sr.Reconnect (oneway, session -> SDK) = withinMs reason sessions     this session drains: move elsewhere, spread over withinMs
 */
import { bool, list, message, str, struct, u8, uint, word } from './codec.ts';
import { listEntry } from './record.ts';

export const ClientHello = message(
  'sr.ClientHello',
  struct({ client: word, appName: word, zone: word, beatMs: uint, delta: bool }),
);
/** Answers {@link ClientHello}. `sessions` are client addresses (`host:port`) of sessions in the zone. */
export const ClientWelcome = message(
  'sr.ClientWelcome',
  struct({
    server: word,
    processId: word,
    zone: word,
    dataCenter: word,
    sessions: list(word),
    beatMs: uint,
    delta: bool,
  }),
);

/** A push to a delta-capable client. `version` and `from` are datum versions (not multiplied). kind: UpdateKind full or delta. */
export const ListPush = message(
  'sr.ListPush',
  struct({
    dataId: word,
    group: word,
    instanceId: word,
    segment: word,
    scope: word,
    localZone: word,
    registerIds: list(str),
    kind: u8,
    from: uint,
    version: uint,
    entries: list(listEntry),
    removed: list(str),
  }),
);
export const ListAck = message('sr.ListAck', struct({ resync: bool }));
export const Reconnect = message(
  'sr.Reconnect',
  struct({ withinMs: uint, reason: str, sessions: list(word) }),
);
