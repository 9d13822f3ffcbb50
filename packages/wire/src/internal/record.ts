/** PublisherRecord on the wire between our processes. */
import type { PublisherRecord } from '@sofa-registry/model';
import {
  type BinaryReader,
  type BinaryWriter,
  bytes,
  type Codec,
  double,
  optional,
  str,
  stringMap,
  struct,
  uint,
  word,
} from './codec.ts';

const attributes = optional(stringMap);

/** A whole record. The payload read is a view: copy it (`keepPacked`) before keeping it. Hot path: written by hand. */
export const publisherRecord: Codec<PublisherRecord> = {
  write(out: BinaryWriter, value: PublisherRecord): void {
    out.str(value.registerId);
    out.double(value.version);
    out.uint(value.stamp);
    out.str(value.zone);
    out.str(value.appName);
    out.str(value.clientAddress);
    out.double(value.clientTimestamp);
    attributes.write(out, value.attributes);
    out.bytes(value.payload);
  },
  read(from: BinaryReader): PublisherRecord {
    return {
      registerId: from.str(),
      version: from.double(),
      stamp: from.uint(),
      zone: from.sharedStr(),
      appName: from.sharedStr(),
      clientAddress: from.sharedStr(),
      clientTimestamp: from.double(),
      attributes: attributes.read(from),
      payload: from.bytes(),
    };
  },
};

/** What a session's cache and a delta-capable client keep of a publisher. */
export const listEntry = struct({ registerId: str, zone: word, payload: bytes });
/** One entry of a service's list. */
export interface ListEntry {
  readonly registerId: string;
  readonly zone: string;
  /** Packed boxes; a view on reading. */
  readonly payload: Buffer;
}

/** Identity of a record in listings and rejections. */
export const recordVersion = struct({ dataInfoId: word, registerId: str, version: double, stamp: uint });
