/**
 * Old leader -> new leader of a slot it has just handed over, on the link by which the new leader followed it: a request of a
 * session whose slot table was a moment too old (design section 5 "Membership": planned moves refuse nothing).
 *
 *   sr.Relay = processId className content        the session, its message (sr.WriteBatch, sr.Fetch) cut to the moved slots
 *
 * Treated as if it had come on the session's own link, interests included; answered with that message's own reply. A receiver
 * without a link of that session answers with an error, and the session is told to look for the leader itself.
 */
import { bytes, message, str, struct } from './codec.ts';

export const Relay = message('sr.Relay', struct({ processId: str, className: str, content: bytes }));
