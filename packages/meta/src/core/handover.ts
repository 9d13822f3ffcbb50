/**
 * What a leader that stops in good order leaves to the next one: who was there. The next leader need not listen longer than until
 * all of them have beaten. Nothing depends on it being true: somebody who does not come, or a list that is old, makes the next
 * leader listen as long as after a crash.
 */
import type { NodeRecord } from '@sofa-registry/model';

/** Key of the document. */
export const HANDOVER_DOC = 'handover';

/** Text of the document. */
export function encodeHandover(nodes: readonly NodeRecord[]): string {
  return JSON.stringify({ nodes });
}

/** Data nodes and sessions that were there; none for a text that is no such document. */
export function decodeHandover(text: string): readonly NodeRecord[] {
  try {
    const { nodes } = JSON.parse(text) as { nodes?: unknown };
    return Array.isArray(nodes) ? (nodes as NodeRecord[]).filter(isNode) : [];
  } catch {
    return [];
  }
}

function isNode(node: NodeRecord | null): boolean {
  return (
    (node?.role === 'data' || node?.role === 'session') &&
    typeof node.address === 'string' &&
    typeof node.processId === 'string'
  );
}
