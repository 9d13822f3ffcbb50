/** The status document of a node. */
import type { NodeRecord } from '@sofa-registry/model';
import { VERSION } from '../version.ts';
import type { RoleContext } from './common-endpoints.ts';

/** A node as the status lists it. */
export type NodeSummary = Pick<
  NodeRecord,
  'role' | 'address' | 'httpAddress' | 'zone' | 'processId' | 'weight' | 'draining' | 'startedMs'
>;

/** The parts all roles have. */
export interface Status {
  readonly role: string;
  readonly version: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly zone: string;
  readonly dataCenter: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly ready: boolean;
  readonly waitingFor: string;
  /** Internal address of the meta leader; '' while none is known. */
  readonly leader: string;
  readonly slotTableEpoch: number;
  /** Ms since a meta leader was last heard (0 on the leader itself); null when never. */
  readonly heardLeaderMsAgo: number | null;
  /** True when that is so long ago that leader, table and members are what they last were. */
  readonly stale: boolean;
  /** Members of the cluster as this node knows them. */
  readonly members: readonly NodeSummary[];
  /** What only this role knows. */
  readonly detail: unknown;
}

/** Builds it. */
export function statusOf(
  context: RoleContext,
  { ready, waitingFor }: { ready: boolean; waitingFor: string },
): Status {
  const { role, process: shared } = context;
  const known = knownOf(context);
  return {
    role: role.role,
    version: VERSION,
    address: role.plan.advertise,
    httpAddress: role.plan.httpAddress,
    zone: shared.plan.zone,
    dataCenter: shared.plan.dataCenter,
    pid: process.pid,
    uptimeSeconds: Math.round(process.uptime()),
    ready,
    waitingFor,
    leader: known.leader,
    slotTableEpoch: known.epoch,
    heardLeaderMsAgo: Number.isFinite(known.heardMsAgo) ? Math.round(known.heardMsAgo) : null,
    stale: known.heardMsAgo > STALE_MS,
    members: known.members.map(summary),
    detail: known.detail,
  };
}

/** Beats come each second: a few lost ones are nothing to speak of, ms. */
const STALE_MS = 4_000;

interface Known {
  readonly leader: string;
  readonly heardMsAgo: number;
  readonly epoch: number;
  readonly members: readonly NodeRecord[];
  readonly detail: unknown;
}

function knownOf({ role }: RoleContext): Known {
  switch (role.role) {
    case 'meta': {
      const { inspect } = role.tier;
      const { leader, term, isLeader, warm } = inspect.leader();
      const members = [...inspect.members('meta'), ...inspect.members('data'), ...inspect.members('session')];
      const detail = {
        isLeader,
        term,
        warm,
        table: inspect.tableStatus(),
        drained: inspect.drained(),
        store: inspect.storeInfo(),
      };
      return { leader, heardMsAgo: inspect.seenMsAgo(), epoch: inspect.table().epoch, members, detail };
    }
    case 'data': {
      const { inspect } = role.tier;
      const { leader, table, members, heardMetaMsAgo: heardMsAgo } = inspect.view();
      const detail = { ...inspect.counts(), slots: inspect.slots().length };
      return { leader, heardMsAgo, epoch: table.epoch, members, detail };
    }
    case 'session': {
      const { inspect } = role.tier;
      const view = inspect.view();
      const detail = {
        ...inspect.counts(),
        pushAllowed: inspect.pushAllowed(),
        held: inspect.held(),
        refused: inspect.refused(),
      };
      const { leader, members, table, heardMetaMsAgo: heardMsAgo } = view;
      return { leader, heardMsAgo, epoch: table.epoch, members, detail };
    }
  }
}

function summary(node: NodeRecord): NodeSummary {
  const { role, address, httpAddress, zone, processId, weight, draining, startedMs } = node;
  return { role, address, httpAddress, zone, processId, weight, draining, startedMs };
}
