/**
 * A step of one datum from version `from` to `to`, as fetch answers and change notices carry it.
 *
 *   update = dataInfoId kind from to count changedMs { entry }* { registerId }* once?
 *   once   = version { entry }*      temporary publications (F027), with a change notice of kind delta only
 *
 * kind full: `entries` is the whole list (`from` 0, `removed` empty). kind delta: apply to exactly `from`. kind version: only
 * the version is told (the delta is too big); fetch it. `count` = live publishers at `to`. `changedMs` = wall time (ms since
 * 1970, the leader's clock) of the oldest change in the step, for the delay metric; 0 when there is none. once: the list at `to`,
 * with these entries put in, is shown to subscribers once, as `version`: between `from` and `to`, and the version of nothing else.
 */
import { type Codec, list, optional, str, struct, u8, uint, word } from './codec.ts';
import { listEntry } from './record.ts';

/** Kinds of a {@link DatumUpdate}. */
export const UpdateKind = { full: 0, delta: 1, version: 2 } as const;
/** One of the values of {@link UpdateKind}. */
export type UpdateKind = (typeof UpdateKind)[keyof typeof UpdateKind];

const onceShown = struct({ version: uint, entries: list(listEntry) });
/** What is shown once. */
export type OnceShown = ReturnType<typeof onceShown.read>;

export const datumUpdate = struct({
  dataInfoId: word,
  kind: u8 as Codec<UpdateKind>,
  from: uint,
  to: uint,
  count: uint,
  changedMs: uint,
  entries: list(listEntry),
  removed: list(str),
  once: optional(onceShown),
});
/** One step of one datum. */
export type DatumUpdate = ReturnType<typeof datumUpdate.read>;
