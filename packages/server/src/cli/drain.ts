/** `sofa-registry drain` and `undrain`. */
import { askJson, metaOf, print } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';

/** Takes a node out gently, or back in. */
export async function drain(node: string, on: boolean, flags: QueryFlags): Promise<void> {
  const meta = await metaOf(flags);
  const path = `/registry/v1/${on ? 'drain' : 'undrain'}?node=${encodeURIComponent(node)}`;
  const answer = await askJson<{ node: string; role: string }>(meta, path, { method: 'PUT' });
  print(flags, answer, () =>
    on
      ? `${answer.role} ${node} drains: it keeps serving and gets nothing new; see: sofa-registry status\n`
      : `${answer.role} ${node} takes part again\n`,
  );
}
