/**
 * Oneway, slot leader -> follower: operations of followed slots, in order, per slot without gaps; and digests to check the
 * copies by.
 *
 *   sr.Ops = clock { slot stream first { op }* }* { slot stream sequence digest }*
 *   op     = kind dataInfoId datumVersion (owner record | registerId version stamp | -)
 *
 * `first` is the sequence of the first operation of the run. datumVersion: the datum's version after the operation. Kinds: put
 * (stored), drop (removed; a tombstone at version and stamp stays), raise (only the version moved). A check holds when the
 * follower has applied exactly up to `sequence`.
 *
 *   sr.Behind = { slot }*       oneway: the op-log no longer holds what the follower needs next; it must follow anew
 */
import type { PublisherRecord } from '@sofa-registry/model';
import {
  type BinaryReader,
  type BinaryWriter,
  bytesOf,
  type Codec,
  list,
  message,
  struct,
  uint,
} from './codec.ts';
import { publisherRecord } from './record.ts';

/** Kinds of operation. */
export const OpKind = { put: 0, drop: 1, raise: 2 } as const;
/** One of the values of {@link OpKind}. */
export type OpKind = (typeof OpKind)[keyof typeof OpKind];

/** One operation. `record` and `owner` with put only; registerId '' with raise. */
export interface ReplicaOp {
  readonly kind: OpKind;
  readonly dataInfoId: string;
  readonly datumVersion: number;
  /** Process id of the owning session. */
  readonly owner: string;
  readonly record: PublisherRecord | null;
  readonly registerId: string;
  readonly version: number;
  readonly stamp: number;
}

/** Hot path. */
export const replicaOp: Codec<ReplicaOp> = {
  write(out: BinaryWriter, op: ReplicaOp): void {
    out.u8(op.kind);
    out.str(op.dataInfoId);
    out.uint(op.datumVersion);
    if (op.record !== null) {
      out.str(op.owner);
      publisherRecord.write(out, op.record);
    } else if (op.kind === OpKind.drop) {
      out.str(op.registerId);
      out.double(op.version);
      out.uint(op.stamp);
    }
  },
  read(from: BinaryReader): ReplicaOp {
    const kind = from.u8() as OpKind;
    const dataInfoId = from.sharedStr();
    const datumVersion = from.uint();
    if (kind === OpKind.put) {
      const owner = from.sharedStr();
      const record = publisherRecord.read(from);
      const { registerId, version, stamp } = record;
      return { kind, dataInfoId, datumVersion, owner, record, registerId, version, stamp };
    }
    const drop = kind === OpKind.drop;
    const registerId = drop ? from.str() : '';
    const version = drop ? from.double() : 0;
    const stamp = drop ? from.uint() : 0;
    return { kind, dataInfoId, datumVersion, owner: '', record: null, registerId, version, stamp };
  },
};

export const Ops = message(
  'sr.Ops',
  struct({
    clock: uint,
    runs: list(struct({ slot: uint, stream: uint, first: uint, ops: list(replicaOp) })),
    checks: list(struct({ slot: uint, stream: uint, sequence: uint, digest: bytesOf(16) })),
  }),
);

export const Behind = message('sr.Behind', struct({ slots: list(uint) }));
