/**
 * Nodes as the reference shows them. It names a node by its IP; here several nodes of a role may share a host, and those are
 * named `host:port` instead.
 */
import {
  type NodeRecord,
  parseAddress,
  processIdParts,
  type Slot,
  type SlotTable,
} from '@sofa-registry/model';

/** Names of addresses: the host alone where it is the only one of the list, else `host:port`. */
export class NodeNames {
  readonly #shared = new Set<string>();

  /** @param addresses all addresses of one role */
  constructor(addresses: Iterable<string>) {
    const seen = new Set<string>();
    for (const address of new Set(addresses)) {
      const host = hostOf(address);
      if (seen.has(host)) this.#shared.add(host);
      seen.add(host);
    }
  }

  /** Name of an address. */
  of(address: string): string {
    const host = hostOf(address);
    return this.#shared.has(host) ? address : host;
  }
}

/** Host of a `host:port`. */
export function hostOf(address: string): string {
  return parseAddress(address)?.host ?? address;
}

/** Port of a `host:port`, 0 if it has none. */
export function portOf(address: string): number {
  return parseAddress(address)?.port ?? 0;
}

/** `{protocol, ipAddress, port, serializerIndex}`. */
export function url(address: string, serializerIndex: number | null = 1): Record<string, unknown> {
  return { protocol: null, ipAddress: hostOf(address), port: portOf(address), serializerIndex };
}

/** Row of `digest/{role}/node/query`. */
export function nodeRow(node: NodeRecord, names: NodeNames): Record<string, unknown> {
  const name = names.of(node.address);
  const ip = hostOf(node.address);
  const port = name === ip ? 0 : portOf(node.address);
  const nodeUrl = { protocol: null, ipAddress: ip, port, serializerIndex: 1 };
  const tail = { nodeType: node.role.toUpperCase(), ip, addressString: `${ip}:${port}` };
  if (node.role === 'session') return { nodeUrl, ...sessionParts(node, name), ...tail };
  const middle = node.role === 'data' ? { registrationTimestamp: node.startedMs } : {};
  return { nodeUrl, regionId: null, dataCenter: node.dataCenter, nodeName: name, ...middle, ...tail };
}

function sessionParts(node: NodeRecord, nodeName: string): Record<string, unknown> {
  const { pid, random } = processIdParts(node.processId);
  const processId = { hostAddress: hostOf(node.address), timestamp: node.startedMs, pid, rand: random };
  return {
    regionId: node.zone,
    dataCenter: null,
    nodeName,
    processId,
    weight: node.weight,
    systemLoad: null,
  };
}

/** Row of a slot. */
export function slotRow(slot: Slot, names: NodeNames): Record<string, unknown> {
  const { id, leader, leaderEpoch, followers } = slot;
  return {
    id,
    leader: names.of(leader),
    leaderEpoch,
    followers: followers.map((address) => names.of(address)),
  };
}

/** Names of the data nodes of a table. */
export function tableNames(table: SlotTable, more: Iterable<string> = []): NodeNames {
  const addresses = new Set(more);
  for (const { leader, followers } of table.slots) {
    if (leader !== '') addresses.add(leader);
    for (const follower of followers) addresses.add(follower);
  }
  return new NodeNames(addresses);
}

/** `{epoch, slots}`. */
export function tableRow(table: SlotTable, names: NodeNames): Record<string, unknown> {
  return { epoch: table.epoch, slots: table.slots.map((slot) => slotRow(slot, names)) };
}
