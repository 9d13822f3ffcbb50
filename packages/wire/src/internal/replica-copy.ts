/**
 * Follower -> slot leader: repair of a copy that differs, while operations are streamed already.
 *
 *   sr.CopyList      = slot stream after                                    after: dataInfoId, '' = from the start
 *   sr.CopyListReply = code last { dataInfoId version digest }*             ascending dataInfoIds; at most COPY_LIST_ITEMS_MAX
 *
 * digest: of the datum's records and their owners. What the follower holds in the range of a page and the page does not name is
 * gone at the leader. What differs is copied whole:
 *
 *   sr.CopyData      = slot stream { dataInfoId }*
 *   sr.CopyDataReply = code { dataInfoId version { owner record }* { registerId version stamp }* }*
 *
 * The answer holds the first of the asked data, at least one, as far as a frame goes; the rest is asked again. Last field:
 * tombstones. version 0: the leader does not have it any more.
 */
import { bool, bytesOf, double, list, message, str, struct, u8, uint, word } from './codec.ts';
import { publisherRecord } from './record.ts';

/** Data of one page at most. */
export const COPY_LIST_ITEMS_MAX = 4000;

export const CopyList = message('sr.CopyList', struct({ slot: uint, stream: uint, after: str }));
/** Answers {@link CopyList}. */
export const CopyListReply = message(
  'sr.CopyListReply',
  struct({
    code: u8,
    last: bool,
    data: list(struct({ dataInfoId: str, version: uint, digest: bytesOf(16) })),
  }),
);

/** Data of one copy request at most. */
export const COPY_DATA_ITEMS_MAX = 1024;

export const CopyData = message('sr.CopyData', struct({ slot: uint, stream: uint, dataInfoIds: list(str) }));
/** Answers {@link CopyData}. */
export const CopyDataReply = message(
  'sr.CopyDataReply',
  struct({
    code: u8,
    data: list(
      struct({
        dataInfoId: str,
        version: uint,
        records: list(struct({ owner: word, record: publisherRecord })),
        tombstones: list(struct({ registerId: str, version: double, stamp: uint })),
      }),
    ),
  }),
);
