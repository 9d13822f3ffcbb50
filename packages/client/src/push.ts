/** Pushes in all their forms, decoded to one (wire 4.5, 5; sr.ListPush), and their answers. */
import { versionToWire } from '@sofa-registry/model';
import {
  decodeMultiReceivedData,
  decodeMultiReceivedDataPb,
  decodeReceivedData,
  decodeReceivedDataPb,
  encodeResult,
  encodeResultPb,
  type Int64,
  ListAck,
  ListPush,
  MULTI_RECEIVED_DATA,
  MULTI_RECEIVED_DATA_PB,
  type MultiReceivedData,
  normalInt64,
  type PackedBoxes,
  RECEIVED_DATA,
  RECEIVED_DATA_PB,
  type ReceivedData,
  RESULT,
  RESULT_PB,
  unpackBoxes,
  UpdateKind,
  WireError,
} from '@sofa-registry/wire';
import type { ListUpdate } from './list-state.ts';

/** A decoded push. */
export interface Push {
  readonly kind: 'full' | 'delta' | 'multi';
  /** Registrations it is for. */
  readonly registerIds: readonly string[];
  /** One per segment. */
  readonly updates: readonly ListUpdate[];
}

/** An answer of this side. */
export interface Answer {
  readonly className: string;
  readonly content: Buffer;
}

const NONE: readonly never[] = Object.freeze([]);
const ACK: Answer = { className: ListAck.className, content: ListAck.encode({ resync: false }) };
const ACK_RESYNC: Answer = { className: ListAck.className, content: ListAck.encode({ resync: true }) };
const OK: Answer = { className: RESULT, content: encodeResult({ success: true, message: null }) };
const OK_PB: Answer = { className: RESULT_PB, content: encodeResultPb({ success: true, message: null }) };

/** Decodes a push of any class; null if the class is no push of a list. Nothing of `content` is kept. @throws WireError */
export function decodePush(className: string, content: Buffer): Push | null {
  switch (className) {
    case ListPush.className:
      return fromListPush(content);
    case RECEIVED_DATA_PB:
      return fromReceivedData(decodeReceivedDataPb(content));
    case RECEIVED_DATA:
      return fromReceivedData(decodeReceivedData(content));
    case MULTI_RECEIVED_DATA_PB:
      return fromMulti(decodeMultiReceivedDataPb(content));
    case MULTI_RECEIVED_DATA:
      return fromMulti(decodeMultiReceivedData(content));
    default:
      return null;
  }
}

/** The answer to a push that was taken. `resync` is only heard by our own sessions. */
export function pushAnswer(className: string, resync: boolean): Answer {
  if (className === ListPush.className) return resync ? ACK_RESYNC : ACK;
  return className === RECEIVED_DATA || className === MULTI_RECEIVED_DATA ? OK : OK_PB;
}

function fromListPush(content: Buffer): Push {
  const message = ListPush.decode(content);
  if (message.kind !== UpdateKind.full && message.kind !== UpdateKind.delta) {
    throw new WireError('SR_WIRE_SYNTAX', `sr.ListPush kind ${message.kind}`);
  }
  const delta = message.kind === UpdateKind.delta;
  const publishers = message.entries.map((entry) => ({
    registerId: entry.registerId,
    zone: entry.zone,
    values: unpackBoxes(entry.payload),
  }));
  return {
    kind: delta ? 'delta' : 'full',
    registerIds: message.registerIds,
    updates: [
      {
        segment: message.segment,
        localZone: message.localZone,
        version: versionToWire(message.version),
        from: delta ? versionToWire(message.from) : null,
        publishers,
        removed: message.removed,
        zones: null,
      },
    ],
  };
}

function fromReceivedData(message: ReceivedData): Push {
  // Compression is never asked for (acceptEncoding stays empty), so an encoded body is an error of the server.
  if (message.encoding) throw new WireError('SR_WIRE_SYNTAX', 'compressed push that was not asked for');
  const registerIds = message.subscriberRegistIds ?? NONE;
  // A push without data is acknowledged and ignored (wire 4.5).
  if (message.data === null) return { kind: 'full', registerIds, updates: NONE };
  const update = whole(message.segment, message.localZone, message.version ?? 0, message.data);
  return { kind: 'full', registerIds, updates: [update] };
}

function fromMulti(message: MultiReceivedData): Push {
  const updates: ListUpdate[] = [];
  for (const [name, segment] of message.multiData ?? []) {
    if (segment.encoding) throw new WireError('SR_WIRE_SYNTAX', 'compressed push that was not asked for');
    updates.push(whole(name, message.localZone, segment.version, segment.unzipData ?? new Map()));
  }
  return { kind: 'multi', registerIds: message.subscriberRegistIds ?? NONE, updates };
}

function whole(
  segment: string | null,
  localZone: string | null,
  version: Int64,
  data: ReadonlyMap<string, PackedBoxes>,
): ListUpdate {
  const zones = new Map<string, readonly string[]>();
  for (const [zone, packed] of data) zones.set(zone, unpackBoxes(packed));
  return {
    segment: segment ?? '',
    localZone: localZone ?? '',
    version: normalInt64(version),
    from: null,
    publishers: null,
    removed: NONE,
    zones,
  };
}
