/** Tells a node that came without cluster token why it is refused, in the protocol it speaks, and closes. */
import { BoltStatus } from '@sofa-registry/wire';
import { BoltChannel } from '../bolt-channel.ts';
import type { Clock, Connection } from '../ports.ts';

/** How long such a node may take to ask its first question, ms. */
const REFUSAL_MS = 1000;

/** Answers requests with `errorComm`: the status by which our links know that a cluster token is needed. */
export function refuseWithoutToken(connection: Connection, clock: Clock): void {
  const channel = new BoltChannel(connection, {
    clock,
    handler: {
      request: (from, frame) => {
        from.respondError(frame, BoltStatus.errorComm);
        from.end();
      },
      closed: () => timer.cancel(),
      crashed: () => undefined,
    },
  });
  const timer = clock.setTimer(REFUSAL_MS, () => channel.destroy('no cluster token'));
}
