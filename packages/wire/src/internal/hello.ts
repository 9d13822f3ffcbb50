/**
 * First message on a link to a data node, from a session or from another data node.
 *
 *   sr.Hello      = node tableEpoch slotCount clock
 *   sr.HelloReply = processId tableEpoch clock
 *
 * `clock` is the sender's hybrid stamp; the receiver observes it. A wrong slot count or data centre is answered with status
 * ERROR (1) and the link is closed by the caller.
 */
import { message, struct, uint, word } from './codec.ts';
import { nodeRecord } from './node.ts';

/** Opens a link. */
export const Hello = message(
  'sr.Hello',
  struct({ node: nodeRecord, tableEpoch: uint, slotCount: uint, clock: uint }),
);
/** Answers {@link Hello}. */
export const HelloReply = message(
  'sr.HelloReply',
  struct({ processId: word, tableEpoch: uint, clock: uint }),
);
