/**
 * Session -> meta leader: what applications offer (F235, F243; reference/meta-and-admin.md 5.1). A revision is immutable, its body is
 * the protobuf MetaRegister of the client (wire 5). Any other meta answers these with an error status.
 *
 *   sr.RevisionPut   = { body }*     -> sr.RevisionPutReply = { id }* stored  { id }* refused     neither: try again
 *   sr.RevisionGet   = { id }*       -> sr.RevisionGot = { body }*                                those that exist
 *   sr.RevisionTouch = { id }*       -> sr.RevisionIdList = { id }*                              clients use these; the unknown ones
 *   sr.RevisionIds   = after limit   -> sr.RevisionIdList = { id }*                              ids in order, for operators
 *   sr.AppIndexScan  = after         -> sr.AppIndexPage = term next more { service version { app }* }*
 *
 * The index says which applications offer a service. Each change of a service's set has a version of its own, in rising order over
 * terms; the beat tells the newest. A page holds services that changed after `after`; no apps: nobody offers it any more. Under
 * another term than before a session starts at 0 again, and what no page named then has gone.
 */
import { bool, bytes, list, message, str, struct, uint } from './codec.ts';

/** Most revisions of one put or get, and ids of one touch. */
export const REVISION_BATCH_MAX = 64;
/** Bodies of one put or answer, bytes; one larger body may stand alone. */
export const REVISION_BATCH_BYTES_MAX = 1_048_576;
/** Longest id of a revision, UTF-16 units. */
export const REVISION_ID_UNITS_MAX = 256;

export const RevisionPut = message('sr.RevisionPut', struct({ bodies: list(bytes) }));
export const RevisionPutReply = message(
  'sr.RevisionPutReply',
  struct({ stored: list(str), refused: list(str) }),
);
export const RevisionGet = message('sr.RevisionGet', struct({ ids: list(str) }));
export const RevisionGot = message('sr.RevisionGot', struct({ bodies: list(bytes) }));
export const RevisionTouch = message('sr.RevisionTouch', struct({ ids: list(str) }));
export const RevisionIds = message('sr.RevisionIds', struct({ after: str, limit: uint }));
export const RevisionIdList = message('sr.RevisionIdList', struct({ ids: list(str) }));
export const AppIndexScan = message('sr.AppIndexScan', struct({ after: uint }));
export const AppIndexPage = message(
  'sr.AppIndexPage',
  struct({
    term: uint,
    next: uint,
    more: bool,
    services: list(struct({ service: str, version: uint, apps: list(str) })),
  }),
);
