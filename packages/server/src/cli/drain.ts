/** `sofa-registry drain` and `undrain`. */
import { ServerError } from '../errors.ts';
import type { Status } from '../http/status.ts';
import { configOf } from './config-flags.ts';
import { askJson, metaOf, print } from './http-client.ts';
import { ownNodes } from './own-nodes.ts';
import type { QueryFlags } from './query-flags.ts';

/** Flags of the commands. */
export interface DrainFlags extends QueryFlags {
  /** The nodes that this configuration starts on this machine. */
  readonly self?: boolean;
}

/** Takes a node out gently, or back in. */
export async function drain(node: string | undefined, on: boolean, flags: DrainFlags): Promise<void> {
  if (node === undefined) {
    if (flags.self === true) return drainSelf(flags);
    throw new ServerError('SR_CONFIG_VALUE', 'name a node, host:port or process id');
  }
  const meta = await metaOf(flags);
  const answer = await mark(meta, node, on);
  print(flags, answer, () =>
    on
      ? `${answer.role} ${node} drains: it keeps serving and gets nothing new; see: sofa-registry status\n`
      : `${answer.role} ${node} takes part again\n`,
  );
}

function mark(meta: string, node: string, on: boolean): Promise<{ node: string; role: string }> {
  const path = `/registry/v1/${on ? 'drain' : 'undrain'}?node=${encodeURIComponent(node)}`;
  return askJson(meta, path, { method: 'PUT' });
}

/**
 * What a supervisor runs before it stops a node. Named by process id: the mark ends with the process, so that whoever has the address
 * next is not drained. Metas and a node that is the last of its role are left alone.
 */
async function drainSelf(flags: DrainFlags): Promise<void> {
  const drained: string[] = [];
  for (const { role, server } of await ownNodes(await configOf({}, process.env), 'possible')) {
    if (role === 'meta') continue;
    const { address, members } = await askJson<Status>(server, '/registry/v1/status');
    const own = members.find((member) => member.role === role && member.address === address);
    const others = members.some((member) => member.role === role && member !== own && !member.draining);
    if (own === undefined || !others) continue;
    await mark(await metaOf({ ...flags, server }), own.processId, true);
    drained.push(`${role} ${own.processId}`);
  }
  print(flags, { drained }, () => drained.map((node) => `${node} drains\n`).join(''));
}
