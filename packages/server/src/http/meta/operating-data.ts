/**
 * `registry.node.server.operating.data` of the reference (meta-and-admin.md 3.5): the nodes that were taken out, by an operator
 * or by themselves. Written by quit, join, drain and undrain alone.
 */
import { DRAINING_DOC } from '@sofa-registry/meta';
import { DATA_INFO_ID_SEPARATOR, type NodeRole } from '@sofa-registry/model';
import { NodeNames } from '../shapes/nodes.ts';
import type { MetaContext } from './context.ts';

/** Its id. */
export const OPERATING_DATA_ID = ['registry.node.server.operating.data', '9600', 'CONFIG'].join(
  DATA_INFO_ID_SEPARATOR,
);

interface Operation {
  readonly nodeType: string;
  readonly cell: string;
  readonly address: string;
  /** When it was taken out; not kept here. */
  readonly operateTs: 0;
}

function operations({ role }: MetaContext, kind: NodeRole): Operation[] {
  const nodes = role.tier.inspect.members(kind);
  const names = new NodeNames(nodes.map(({ address }) => address));
  const out = nodes.filter(({ draining }) => draining);
  const nodeType = kind.toUpperCase();
  return out.map(({ address, zone }) => ({ nodeType, cell: zone, address: names.of(address), operateTs: 0 }));
}

/** The value and its version; null when nothing was ever taken out. */
export async function operatingData(context: MetaContext): Promise<{ version: number; data: string } | null> {
  const doc = await context.role.tier.admin.getDoc(DRAINING_DOC);
  const metas = operations(context, 'meta');
  const datas = operations(context, 'data');
  const sessions: Record<string, Operation[]> = Object.create(null) as Record<string, Operation[]>;
  for (const operation of operations(context, 'session')) (sessions[operation.cell] ??= []).push(operation);
  if (doc === null && metas.length + datas.length + Object.keys(sessions).length === 0) return null;
  return { version: doc?.version ?? 0, data: JSON.stringify({ metas, datas, sessions }) };
}
