/** `sofa-registry status`: every node, and whether it serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerError } from '../errors.ts';
import type { Status } from '../http/status.ts';
import { parseAddress } from '@sofa-registry/model';
import { type ClusterSight, print, sight, statusOf } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';
import { table } from './table.ts';

/** Flags of the command. */
export interface StatusFlags extends QueryFlags {
  readonly waitReady?: boolean;
  readonly timeout?: string;
}

interface NodeState {
  readonly role: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly zone: string;
  readonly draining: boolean;
  readonly leads: boolean;
  /** Null: it did not answer. */
  readonly ready: boolean | null;
  readonly waitingFor: string;
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly detail: unknown;
}

const POLL_MS = 200;
const ROLE_ORDER: readonly string[] = ['meta', 'data', 'session'];

/**
 * Prints the state; with `--wait-ready` waits until the whole cluster is at rest: the leader says who belongs to it, all of them are
 * ready, every drained address is there again, and no slot moves. Exit code 1 when something is not ready.
 */
export async function status(flags: StatusFlags): Promise<void> {
  const seconds = Number(flags.timeout ?? 60);
  const until = performance.now() + (Number.isFinite(seconds) ? seconds : 60) * 1000;
  for (;;) {
    const seen = await look(flags);
    const ready = seen !== null && (flags.waitReady === true ? seen.waitingFor === '' : seen.ready);
    if (ready || flags.waitReady !== true || performance.now() > until) {
      if (seen === null) throw new ServerError('SR_CLI_UNREACHABLE', `${flags.server} does not answer`);
      print(flags, seen, () => readable(seen, flags.waitReady === true));
      process.exitCode = ready ? 0 : 1;
      return;
    }
    await sleep(POLL_MS);
  }
}

interface Seen {
  readonly dataCenter: string;
  readonly leader: string;
  readonly slotTableEpoch: number;
  /** Nobody asked has heard a meta leader lately: leader, table and members are what they last were. */
  readonly stale: boolean;
  /** Every node listed says that it serves. */
  readonly ready: boolean;
  /** What the cluster as a whole waits for before it is at rest; '' when it is. */
  readonly waitingFor: string;
  readonly nodes: readonly NodeState[];
}

/** What the leading meta says, as far as this command needs it. */
interface LeaderDetail {
  readonly warm: boolean;
  readonly table: { readonly stable: boolean };
  /** Absent in an older version, as in the middle of an upgrade. */
  readonly drained?: readonly string[];
}

/** Null only while waiting: the server may not be up yet. */
async function look(flags: StatusFlags): Promise<Seen | null> {
  let found: ClusterSight;
  try {
    found = await sight(flags);
  } catch (error) {
    if (flags.waitReady === true) return null;
    throw error;
  }
  const { entry, members } = found;
  const listed = members.some(({ httpAddress }) => httpAddress === entry.httpAddress);
  const all = listed
    ? members
    : [...members, { ...entry, draining: false, processId: '', weight: 0, startedMs: 0 }];
  const states = await Promise.all(all.map(({ httpAddress }) => statusOf(httpAddress)));
  const leader =
    found.leader?.address ??
    (entry.leader || (states.find((state) => (state?.leader ?? '') !== '')?.leader ?? ''));
  const nodes = all.map((node, i) => nodeState(node, states[i], leader));
  nodes.sort(
    (a, b) =>
      ROLE_ORDER.indexOf(a.role) - ROLE_ORDER.indexOf(b.role) ||
      a.address.localeCompare(b.address, 'en', { numeric: true }),
  );
  const ready = nodes.length > 0 && nodes.every((node) => node.ready === true);
  const { dataCenter, slotTableEpoch, stale } = found.leader ?? entry;
  const waitingFor = unrest(found, listed, nodes);
  return { dataCenter, leader, slotTableEpoch, stale, ready, waitingFor, nodes };
}

/** Why the cluster is not at rest; '' when it is. */
function unrest(found: ClusterSight, entryListed: boolean, nodes: readonly NodeState[]): string {
  if (found.leader === null) return 'a meta leader';
  if (!entryListed) return `${found.entry.address} to join`;
  const late = nodes.find(({ ready }) => ready !== true);
  if (late !== undefined) return `${late.role} ${late.address}: ${late.waitingFor}`;
  const { warm, table: slots, drained } = found.leader.detail as LeaderDetail;
  // A drained address that nobody has is a node on its way through a restart.
  const away = drained?.find(
    (name) => parseAddress(name) !== null && !nodes.some(({ address }) => address === name),
  );
  if (away !== undefined) return `${away}, which is drained, to come back (undrain it if it never will)`;
  if (!warm) return 'the meta leader, which listens before it acts';
  return slots.stable ? '' : 'slots to stop moving';
}

function nodeState(
  node: Pick<Status['members'][number], 'address' | 'httpAddress' | 'zone' | 'draining'> & {
    readonly role: string;
  },
  state: Status | null,
  leader: string,
): NodeState {
  const { role, address, httpAddress, zone, draining } = node;
  return {
    role,
    address,
    httpAddress,
    zone,
    draining,
    leads: role === 'meta' && address === leader,
    ready: state?.ready ?? null,
    waitingFor: state?.waitingFor ?? 'an answer',
    version: state?.version ?? '',
    uptimeSeconds: state?.uptimeSeconds ?? 0,
    detail: state?.detail ?? null,
  };
}

function readable(seen: Seen, waited: boolean): string {
  const rows = seen.nodes.map((node) => [
    node.role,
    node.address,
    node.httpAddress,
    node.zone,
    node.ready === null ? 'no answer' : node.ready ? 'ready' : `waits for ${node.waitingFor}`,
    [node.leads ? 'leader' : '', node.draining ? 'draining' : ''].filter((word) => word !== '').join(' '),
    node.ready === null ? '' : `${node.uptimeSeconds} s`,
    notes(node.detail),
  ]);
  const head = `data centre ${seen.dataCenter}, leader ${seen.leader || 'unknown'}, slot table ${seen.slotTableEpoch}${seen.stale ? '; stale: no meta leads' : ''}\n`;
  const foot = waited && seen.waitingFor !== '' ? `still waits for ${seen.waitingFor}\n` : '';
  return head + table(['role', 'address', 'http', 'zone', 'state', '', 'up', 'notes'], rows) + foot;
}

function notes(detail: unknown): string {
  if (detail === null || typeof detail !== 'object') return '';
  const known = detail as Record<string, unknown>;
  const parts: string[] = [];
  for (const name of ['publishers', 'subscribers', 'connections', 'data', 'slots']) {
    if (typeof known[name] === 'number') parts.push(`${known[name]} ${name === 'data' ? 'services' : name}`);
  }
  if (known['pushAllowed'] === false) parts.push('push stopped');
  const held = Array.isArray(known['held']) ? known['held'].length : 0;
  if (held > 0) parts.push(`${held} lists held`);
  const refused = Array.isArray(known['refused']) ? known['refused'].length : 0;
  if (refused > 0) parts.push(`${refused} registrations refused`);
  if ((known['store'] as { available?: boolean } | undefined)?.available === false) parts.push('store away');
  const slots = known['table'] as { stable?: boolean } | undefined;
  // A meta that does not lead knows no reports of data nodes.
  if (known['isLeader'] === true && slots?.stable !== undefined)
    parts.push(slots.stable ? 'slots stable' : 'slots moving');
  return parts.join(', ');
}
