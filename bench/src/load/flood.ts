/** Pipelined requests: every connection keeps a window of unanswered requests until the work or the time is over. */
import type { Frame } from '@sofa-registry/wire';
import type { LoadConnection } from './connection.ts';

/** One request of a flood and the check of its answer. */
export interface FloodItem {
  readonly className: string;
  readonly content: Buffer;
  /** True if the answer is the one expected. */
  accepted(frame: Frame | null): boolean;
}

/** How a flood ended. */
export interface FloodResult {
  answered: number;
  refused: number;
  /** Requests the connection lost before an answer. */
  lost: number;
  elapsedMs: number;
}

/**
 * Runs a flood. `next` gives the next request of a connection, or null when that connection is done.
 * Resolves when every request that was sent is answered or lost.
 */
export function flood(
  connections: readonly LoadConnection[],
  window: number,
  next: (connection: number) => FloodItem | null,
): Promise<FloodResult> {
  const started = performance.now();
  const result: FloodResult = { answered: 0, refused: 0, lost: 0, elapsedMs: 0 };
  let open = 0;
  return new Promise((resolve) => {
    const finish = (): void => {
      result.elapsedMs = performance.now() - started;
      resolve(result);
    };
    const send = (index: number): void => {
      const item = next(index);
      if (item === null) return;
      open++;
      connections[index].request(item.className, item.content, (frame) => {
        open--;
        if (frame === null) result.lost++;
        else if (item.accepted(frame)) result.answered++;
        else result.refused++;
        if (frame !== null) send(index);
        if (open === 0) finish();
      });
    };
    for (let i = 0; i < window; i++) {
      for (let index = 0; index < connections.length; index++) send(index);
    }
    if (open === 0) finish();
  });
}
