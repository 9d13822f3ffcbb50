/**
 * Anti-entropy between a session and a data node (design section 5 "Guarantee"). The session asks, for the slots the node
 * leads, when it connects, when the table changes, and every few seconds.
 *
 *   sr.Compare      = tableEpoch clock { slot publishers:digest interests:digest }*
 *   sr.CompareReply = tableEpoch clock { slot code publishersDiffer interestsDiffer }*    only slots that are not equal or not accept
 *
 * publishers: digest of (crc32c(dataInfoId), registerId, version, stamp) of the session's own records of the slot, against what
 * the node holds with this process as owner. interests: digest of (crc32c(dataInfoId), '', cached version, 0) of the data the
 * session watches, against what the node believes. On the wire a digest is its four words, big-endian ({@link digestBytes}). An empty digest is sent too: it proves the session has nothing there.
 * Equal publishers mark the session as heard for the slot: when all sessions are heard a migrating leader starts to answer.
 *
 *   sr.Listing      = slot asOfStamp last { dataInfoId registerId version stamp }*        pages, in any order; last ends it
 *   sr.ListingReply = code { dataInfoId registerId version stamp }*
 *
 * Answer to a page: the records of it that the node lacks or holds older; the session writes them again. After the last page the
 * node removes records owned by this process that no page named and whose stamp is not above asOfStamp. A record held
 * with a newer version by another owner is neither missing nor removed.
 *
 *   sr.Interests      = slot { dataInfoId version }*       the whole set for the slot; replaces what the node believed
 *   sr.InterestsReply = code { dataInfoId version }*       ids whose current version differs; a session ahead of the node
 *                                                          makes the node raise its version first (reference/data-and-slots.md 4)
 *
 *   sr.Superseded = { dataInfoId registerId version stamp }*   oneway, node to session: newer records of another session have
 *                                                              replaced these of the session. What is lost, a comparison finds
 */
import { DIGEST_BYTES } from '@sofa-registry/model';
import { bool, bytesOf, list, message, struct, u8, uint, word } from './codec.ts';
import { recordVersion } from './record.ts';

const digest = bytesOf(DIGEST_BYTES);

/** A digest as its 16 bytes on the wire: the four words, big-endian. */
export function digestBytes(of: { readonly words: Uint32Array }): Buffer {
  const out = Buffer.allocUnsafe(DIGEST_BYTES);
  for (let i = 0; i < 4; i++) out.writeUInt32BE(of.words[i], i * 4);
  return out;
}

/** True if `bytes` (16 of them, from the wire) are the digest `of`. */
export function digestIs(bytes: Buffer, of: { readonly words: Uint32Array }): boolean {
  for (let i = 0; i < 4; i++) if (bytes.readUInt32BE(i * 4) !== of.words[i]) return false;
  return true;
}

export const Compare = message(
  'sr.Compare',
  struct({
    tableEpoch: uint,
    clock: uint,
    slots: list(struct({ slot: uint, publishers: digest, interests: digest })),
  }),
);
/** Answers {@link Compare}. */
export const CompareReply = message(
  'sr.CompareReply',
  struct({
    tableEpoch: uint,
    clock: uint,
    slots: list(struct({ slot: uint, code: u8, publishersDiffer: bool, interestsDiffer: bool })),
  }),
);

/** Records of a listing page at most. */
export const LISTING_ITEMS_MAX = 4000;
export const Listing = message(
  'sr.Listing',
  struct({ slot: uint, asOfStamp: uint, last: bool, records: list(recordVersion) }),
);
/** Answers {@link Listing}. */
export const ListingReply = message('sr.ListingReply', struct({ code: u8, missing: list(recordVersion) }));

/** Records of one {@link Superseded} at most. */
export const SUPERSEDED_ITEMS_MAX = 1000;
export const Superseded = message('sr.Superseded', struct({ records: list(recordVersion) }));

const interest = struct({ dataInfoId: word, version: uint });
export const Interests = message('sr.Interests', struct({ slot: uint, ids: list(interest) }));
/** Answers {@link Interests}. */
export const InterestsReply = message('sr.InterestsReply', struct({ code: u8, differing: list(interest) }));
