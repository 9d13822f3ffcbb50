/**
 * Session -> slot leader: registrations, coalesced per registerId, many slots in one message (F087).
 *
 *   sr.WriteBatch = tableEpoch clock { op slot dataInfoId (record | registerId version stamp) }*
 *   sr.WriteReply = tableEpoch clock { index code version stamp }*      rejected items only; the rest was applied
 *
 * Operations:
 *   publish    store the record, owned by the link's process. Strictly newer (version, stamp) wins.
 *   unpublish  explicit removal: as a write of its own (version, stamp); leaves a tombstone.
 *   temporary  as publish, but shown once to the sessions that follow the service now (datum-update: once), never stored, copied or
 *              compared (F027). Sent again only if it was refused: it is shown once at the most. Not relayed to another leader.
 *   clientOff  removal because the connection closed: only while the record is owned by the link's process and is not newer.
 *
 * Rejection codes: an AccessCode (moved, misMatch, unSupported: try again with a newer table), or
 *   stale      a newer record is held; `version` and `stamp` are its own. The session observes the stamp and, if its client is
 *              still connected, stamps the registration anew and sends it again, so clock skew between sessions cannot hide
 *              a live publisher (design section 4).
 *   full       a limit of the data node was hit (publishers per datum or in total); counted there.
 */
import type { PublisherRecord } from '@sofa-registry/model';
import {
  type BinaryReader,
  type BinaryWriter,
  type Codec,
  double,
  list,
  message,
  struct,
  u8,
  uint,
} from './codec.ts';
import { publisherRecord } from './record.ts';

/** Operations of a write item. */
export const WriteOp = { publish: 0, unpublish: 1, clientOff: 2, temporary: 3 } as const;
/** One of the values of {@link WriteOp}. */
export type WriteOp = (typeof WriteOp)[keyof typeof WriteOp];

/** Rejection code beside the AccessCodes: a newer record is held. */
export const REJECT_STALE = 16;
/** Rejection code: a limit of the data node. */
export const REJECT_FULL = 17;

/** One operation. `record` is set if and only if `op` is publish or temporary; else the three identity fields count. */
export interface WriteItem {
  readonly op: WriteOp;
  readonly slot: number;
  readonly dataInfoId: string;
  readonly registerId: string;
  readonly version: number;
  readonly stamp: number;
  readonly record: PublisherRecord | null;
}

const writeItem: Codec<WriteItem> = {
  write(out: BinaryWriter, item: WriteItem): void {
    out.u8(item.op);
    out.uint(item.slot);
    out.str(item.dataInfoId);
    if (item.record !== null) {
      publisherRecord.write(out, item.record);
      return;
    }
    out.str(item.registerId);
    out.double(item.version);
    out.uint(item.stamp);
  },
  read(from: BinaryReader): WriteItem {
    const op = from.u8() as WriteOp;
    const slot = from.uint();
    const dataInfoId = from.sharedStr();
    if (op === WriteOp.publish || op === WriteOp.temporary) {
      const record = publisherRecord.read(from);
      return {
        op,
        slot,
        dataInfoId,
        registerId: record.registerId,
        version: record.version,
        stamp: record.stamp,
        record,
      };
    }
    return {
      op,
      slot,
      dataInfoId,
      registerId: from.str(),
      version: from.double(),
      stamp: from.uint(),
      record: null,
    };
  },
};

/** Writes of one session to one leader. At most {@link WRITE_ITEMS_MAX} items. */
export const WriteBatch = message(
  'sr.WriteBatch',
  struct({ tableEpoch: uint, clock: uint, items: list(writeItem) }),
);
/** Most items of a batch. */
export const WRITE_ITEMS_MAX = 1024;

const rejection = struct({ index: uint, code: u8, version: double, stamp: uint });
/** Answers {@link WriteBatch}. */
export const WriteReply = message(
  'sr.WriteReply',
  struct({ tableEpoch: uint, clock: uint, rejected: list(rejection) }),
);
