/**
 * Follower -> slot leader: stream the slots' operations to me (design section 5 "Store", reference/data-and-slots.md 18.3.7).
 * On a link opened by sr.Hello. Asked when the link comes up, when the table changes, and when a stream was lost.
 *
 *   sr.Follow      = tableEpoch clock { slot leaderEpoch stream sequence digest }*
 *   sr.FollowReply = tableEpoch clock { slot code mode stream sequence }*                same order
 *
 * stream: identity of the sequence the follower's copy belongs to, 0 = none. digest: of its copy (SlotStore.digest in the data
 * package), as in sr.Compare. Answer with code accept:
 *   tail    the stream is the leader's own and its op-log still holds what follows `sequence`: it comes now
 *   equal   the digests are equal: take `stream` and `sequence` as yours; what follows comes now
 *   differ  the copies differ: take `stream` and `sequence` too, what follows comes now; repair the rest with sr.CopyList
 * Other codes: migrating (ask again: a leader that has not heard its sessions would only spread its gaps), moved, misMatch.
 *
 *   sr.HandOver      = tableEpoch { slot leaderEpoch }*      new leader -> old leader, same link
 *   sr.HandOverReply = tableEpoch { slot code sequence }*    all operations up to `sequence` were sent on this link before
 *
 * The old leader stops leading these slots below leaderEpoch, whatever its own table says. Code moved: the asker's stream is
 * not complete, it must do without.
 */
import { bytesOf, type Codec, list, message, struct, u8, uint } from './codec.ts';

/** How a follower and its leader go on. */
export const FollowMode = { tail: 0, equal: 1, differ: 2 } as const;
/** One of the values of {@link FollowMode}. */
export type FollowMode = (typeof FollowMode)[keyof typeof FollowMode];

export const Follow = message(
  'sr.Follow',
  struct({
    tableEpoch: uint,
    clock: uint,
    slots: list(struct({ slot: uint, leaderEpoch: uint, stream: uint, sequence: uint, digest: bytesOf(16) })),
  }),
);
/** Answers {@link Follow}. */
export const FollowReply = message(
  'sr.FollowReply',
  struct({
    tableEpoch: uint,
    clock: uint,
    slots: list(
      struct({ slot: uint, code: u8, mode: u8 as Codec<FollowMode>, stream: uint, sequence: uint }),
    ),
  }),
);

export const HandOver = message(
  'sr.HandOver',
  struct({ tableEpoch: uint, slots: list(struct({ slot: uint, leaderEpoch: uint })) }),
);
/** Answers {@link HandOver}. */
export const HandOverReply = message(
  'sr.HandOverReply',
  struct({ tableEpoch: uint, slots: list(struct({ slot: uint, code: u8, sequence: uint })) }),
);
