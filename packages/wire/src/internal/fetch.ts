/**
 * Session -> slot leader: read data and become interested in them (F071, F108, reference/data-and-slots.md 4).
 *
 *   sr.Fetch      = tableEpoch { slot dataInfoId since }*      since 0 = the whole list; at most FETCH_ITEMS_MAX items
 *   sr.FetchReply = tableEpoch clock { code update? }*         same order; update only with code accept
 *
 * The link is from then on told of every change of these ids (sr.Changed) until sr.Forget or its end. A datum nobody ever
 * published is answered with version 1 (NO_DATUM_VERSION), full, empty; the interest stands all the same. When `since` is
 * the current version the answer is an empty delta with from = to = since. A leader that is migrating holds the request back
 * for a bounded time instead of refusing it.
 */
import { list, message, optional, struct, u8, uint, word } from './codec.ts';
import { datumUpdate } from './datum-update.ts';

/** Most ids of one fetch. */
export const FETCH_ITEMS_MAX = 256;

export const Fetch = message(
  'sr.Fetch',
  struct({ tableEpoch: uint, items: list(struct({ slot: uint, dataInfoId: word, since: uint })) }),
);
/** Answers {@link Fetch}. */
export const FetchReply = message(
  'sr.FetchReply',
  struct({ tableEpoch: uint, clock: uint, items: list(struct({ code: u8, update: optional(datumUpdate) })) }),
);

/** Oneway, session -> leader: no more interest in these ids. */
export const Forget = message('sr.Forget', struct({ dataInfoIds: list(word) }));

/** Oneway, leader -> session: data it is interested in changed. In order, per link. */
export const Changed = message('sr.Changed', struct({ updates: list(datumUpdate) }));
