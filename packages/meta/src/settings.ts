/** Tunables of a meta node. Flat scalars: the server builds its keys `meta.<name>` from {@link META_SETTINGS}. */
import { completeTunables, type NodeConfig, setting, type Tunables } from '@sofa-registry/cluster';

/** Every tunable of a meta node. */
export const META_SETTINGS = Object.freeze({
  leaseTtlMs: setting(
    6000,
    500,
    600_000,
    'ms',
    'How long the store keeps the leadership for a meta that is silent. The holder stops leading after half of it. With the listening time it bounds how long nobody can fail slots over.',
    'meta-and-admin 2.1, 12.5 (2)',
  ),
  listenMs: setting(
    3000,
    0,
    600_000,
    'ms',
    'A new leader that takes over a slot table only listens for so long: it evicts and moves nothing. Who has not found it by then counts as gone; a node with two silent metas of three finds it in 2.5 s.',
    'meta-and-admin 2.3, 3.4',
  ),
  beatMs: setting(
    1000,
    50,
    60_000,
    'ms',
    'How often nodes beat; must be what the nodes use.',
    'meta-and-admin 3.1',
  ),
  missedBeatsMax: setting(
    3,
    1,
    100,
    'count',
    'A node that missed so many beats is suspect.',
    'data-and-slots 18.3 (12)',
  ),
  peerHeardMs: setting(
    1500,
    100,
    600_000,
    'ms',
    'A suspect that a peer heard from within so long stays a member, up to its lease.',
    'data-and-slots 18.3 (12)',
  ),
  closedGraceMs: setting(
    1500,
    0,
    600_000,
    'ms',
    'A node whose connection closed has so long to come back before it can be evicted.',
    'data-and-slots 18.3 (12)',
  ),
  probeMs: setting(
    400,
    50,
    60_000,
    'ms',
    'How often peers are asked about a suspect, and how long they may take.',
    'design',
  ),
  nodeLeaseMs: setting(
    20_000,
    1000,
    3_600_000,
    'ms',
    'A node silent for so long is evicted whatever its peers say. Also the window of the eviction guard.',
    'meta-and-admin 3.2',
  ),
  evictShareMax: setting(
    0.5,
    0,
    1,
    'share',
    "At most this share of the data nodes (but at least one) is evicted within one lease without an operator's word (document operator/protection).",
    'data-and-slots 18.3 (12)',
  ),
  expectedDataNodes: setting(
    1,
    1,
    1000,
    'count',
    'Data nodes the very first placement of slots waits for.',
    'design',
  ),
  settleMs: setting(
    50,
    0,
    60_000,
    'ms',
    'Wait after the first data node before slots are placed for the first time.',
    'design',
  ),
  expectWaitMs: setting(
    5000,
    0,
    600_000,
    'ms',
    'Longest wait for the expected data nodes once the first has come.',
    'design',
  ),
  copiesInFlightMax: setting(
    64,
    1,
    16_384,
    'count',
    'Slots with a surplus copy on its way at the same time.',
    'data-and-slots 11.3',
  ),
  leaderMovesMax: setting(
    32,
    1,
    16_384,
    'count',
    'Leaderships handed over in one table (planned moves).',
    'data-and-slots 11.3',
  ),
  dropsMax: setting(128, 1, 16_384, 'count', 'Surplus copies dropped in one table.', 'design'),
  membersMax: setting(4096, 3, 100_000, 'count', 'Nodes of the cluster; more are refused.', 'design'),
  weightPublishMs: setting(
    5000,
    100,
    600_000,
    'ms',
    'How often changed session weights are published.',
    'design',
  ),
  // An official client whose sessions are all away is silent for up to 10 s (wire 3.2), then registers again one by one.
  restartHoldMs: setting(
    15_000,
    0,
    600_000,
    'ms',
    'Longest wait of first pushes after a restart of all sessions; official clients take up to 10 s to come back.',
    'design 5, wire 3.2',
  ),
  revisionExpireMs: setting(
    86_400_000,
    1000,
    31_536_000_000,
    'ms',
    'An application revision that no client has named for so long is forgotten.',
    'F241',
  ),
  revisionCleanMs: setting(
    600_000,
    100,
    86_400_000,
    'ms',
    'How often such revisions are looked for. The first time after three periods of revisionTouchMs as leader.',
    'meta-and-admin 5.1',
  ),
  revisionTouchMs: setting(
    600_000,
    100,
    86_400_000,
    'ms',
    'How often sessions name the revisions their clients use; must be what the sessions use (session.revisionTouchMs).',
    'wire 5',
  ),
  tickMs: setting(200, 10, 10_000, 'ms', 'How often leases are looked at.', 'meta-and-admin 3.2'),
});

/** Values of all tunables. */
export type MetaTunables = Tunables<typeof META_SETTINGS>;

/** The tunables of a configuration, completed with the defaults. */
export function tunablesOf(config: Partial<MetaTunables>): MetaTunables {
  return completeTunables(META_SETTINGS, config);
}

/** Default of every tunable. */
export const META_DEFAULTS: MetaTunables = tunablesOf({});

/** Complete, validated configuration of one meta. */
export interface MetaConfig extends NodeConfig, Partial<MetaTunables> {}
