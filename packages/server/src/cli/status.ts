/** `sofa-registry status`: every node, and whether it serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerError } from '../errors.ts';
import type { Status } from '../http/status.ts';
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

/** Prints the state; with `--wait-ready` waits for it. Exit code 1 when something is not ready. */
export async function status(flags: StatusFlags): Promise<void> {
  const seconds = Number(flags.timeout ?? 60);
  const until = performance.now() + (Number.isFinite(seconds) ? seconds : 60) * 1000;
  for (;;) {
    const seen = await look(flags);
    const ready = seen !== null && seen.nodes.length > 0 && seen.nodes.every((node) => node.ready === true);
    if (ready || flags.waitReady !== true || performance.now() > until) {
      if (seen === null) throw new ServerError('SR_CLI_UNREACHABLE', `${flags.server} does not answer`);
      print(flags, seen, () => readable(seen));
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
  readonly ready: boolean;
  readonly nodes: readonly NodeState[];
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
    entry.leader !== ''
      ? entry.leader
      : (states.find((state) => state !== null && state.leader !== '')?.leader ?? '');
  const nodes = all.map((node, i) => nodeState(node, states[i], leader));
  nodes.sort(
    (a, b) =>
      ROLE_ORDER.indexOf(a.role) - ROLE_ORDER.indexOf(b.role) ||
      a.address.localeCompare(b.address, 'en', { numeric: true }),
  );
  const ready = nodes.every((node) => node.ready === true);
  return { dataCenter: entry.dataCenter, leader, slotTableEpoch: entry.slotTableEpoch, ready, nodes };
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

function readable(seen: Seen): string {
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
  const head = `data centre ${seen.dataCenter}, leader ${seen.leader || 'unknown'}, slot table ${seen.slotTableEpoch}\n`;
  return head + table(['role', 'address', 'http', 'zone', 'state', '', 'up', 'notes'], rows);
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
  const slots = known['table'] as { stable?: boolean } | undefined;
  // A meta that does not lead knows no reports of data nodes.
  if (known['isLeader'] === true && slots?.stable !== undefined)
    parts.push(slots.stable ? 'slots stable' : 'slots moving');
  return parts.join(', ');
}
