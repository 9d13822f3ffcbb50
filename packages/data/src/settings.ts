/**
 * Tunables of a data node. Flat scalars: the server builds its keys `data.<name>` from {@link DATA_SETTINGS}, and
 * {@link DATA_DEFAULTS} derives from it.
 */
import { completeTunables, type NodeConfig, setting, type Tunables } from '@sofa-registry/cluster';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Every tunable of a data node. */
export const DATA_SETTINGS = Object.freeze({
  leaseMs: setting(
    30_000,
    1000,
    3_600_000,
    'ms',
    'A session that is neither connected nor listed by meta for so long loses its publishers.',
    'data-and-slots 9.1',
  ),
  leaseTickMs: setting(1000, 50, 60_000, 'ms', 'How often leases are looked at.', 'data-and-slots 9.1'),
  metaSilentMs: setting(
    5000,
    500,
    600_000,
    'ms',
    'Without a word from meta for so long every session counts as listed.',
    'data-and-slots 9.1',
  ),
  linkSilentMs: setting(
    15_000,
    1000,
    600_000,
    'ms',
    'A link on which nothing arrived for so long no longer proves its session alive.',
    'design',
  ),
  tombstoneKeepMs: setting(
    180_000,
    1000,
    86_400_000,
    'ms',
    'How long a removal is remembered, so that a delayed write cannot bring the publisher back.',
    'data-and-slots 1.4',
  ),
  emptyDatumKeepMs: setting(
    3_600_000,
    1000,
    86_400_000,
    'ms',
    'An empty datum nobody is interested in is dropped after so long.',
    'data-and-slots 18.3.14',
  ),
  sweepTickMs: setting(
    5000,
    100,
    600_000,
    'ms',
    'How often tombstones, empty data and old deltas are swept.',
    'design',
  ),
  sliceMs: setting(5, 1, 100, 'ms', 'Longest uninterrupted piece of background work.', 'design'),
  deltaOpsMax: setting(256, 0, 65_536, 'changes', 'Changes remembered per datum for deltas.', 'design'),
  deltaKeepMs: setting(
    60_000,
    1000,
    3_600_000,
    'ms',
    'Changes are forgotten when a datum rests so long.',
    'design',
  ),
  noticeDeltaBytesMax: setting(
    64 * KIB,
    0,
    4 * MIB,
    'bytes',
    'A change notice carries the delta up to this size, else the version alone.',
    'design',
  ),
  noticeFrameBytesMax: setting(MIB, 4 * KIB, 8 * MIB, 'bytes', 'Notices of one frame.', 'design'),
  fetchReplyBytesMax: setting(
    4 * MIB,
    64 * KIB,
    8 * MIB,
    'bytes',
    'Data in one fetch answer; ids beyond it are answered with their version only and fetched again.',
    'design',
  ),
  linkHighWaterBytes: setting(
    MIB,
    4 * KIB,
    64 * MIB,
    'bytes',
    'Above so many unsent bytes a link gets no notices; the newest per datum is sent when it has drained.',
    'design',
  ),
  parkedReadMs: setting(
    1500,
    0,
    60_000,
    'ms',
    'A read of a migrating slot waits so long before it is refused.',
    'design',
  ),
  parkedReadsMax: setting(
    10_000,
    0,
    1_000_000,
    'requests',
    'Waiting reads; more are refused at once.',
    'design',
  ),
  migratingCeilingMs: setting(
    2000,
    100,
    600_000,
    'ms',
    'So long after the first session was heard a slot answers although others are missing; it is then partial.',
    'data-and-slots 18.3.11',
  ),
  partialCeilingMs: setting(
    30_000,
    1000,
    3_600_000,
    'ms',
    'So long after the first session was heard, lists that readers hold may shrink by what the missing sessions had.',
    'design',
  ),
  handOverMs: setting(
    500,
    0,
    60_000,
    'ms',
    'A new leader waits so long for the last changes of the old one.',
    'design',
  ),
  relayMs: setting(
    2000,
    0,
    60_000,
    'ms',
    'So long after a hand-over the old leader passes requests on to the new one, and so long it waits for each answer.',
    'design',
  ),
  copyStaleMs: setting(
    10_000,
    100,
    600_000,
    'ms',
    'A follower without its leader for so long no longer counts its copy as complete.',
    'design',
  ),
  replicaCheckMs: setting(
    10_000,
    100,
    3_600_000,
    'ms',
    'How often followers are compared with their leader.',
    'data-and-slots 18.3.8',
  ),
  replicaFrameBytesMax: setting(
    MIB,
    4 * KIB,
    8 * MIB,
    'bytes',
    'Operations or data of one replication frame.',
    'design',
  ),
  replicaRetryMs: setting(
    200,
    10,
    60_000,
    'ms',
    'A follower asks a refusing leader again after so long.',
    'data-and-slots 6.4',
  ),
  rpcTimeoutMs: setting(3000, 100, 60_000, 'ms', 'Requests to other data nodes.', 'data-and-slots 14'),
  opLogOpsMax: setting(
    1024,
    0,
    1_048_576,
    'operations',
    'Operations remembered per slot for followers.',
    'data-and-slots 18.3.7',
  ),
  opLogBytesMax: setting(
    256 * KIB,
    0,
    64 * MIB,
    'bytes',
    'Payload of the operations remembered per slot.',
    'data-and-slots 18.3.7',
  ),
  publishersPerDatumMax: setting(
    100_000,
    1,
    10_000_000,
    'publishers',
    'Publishers of one dataInfoId.',
    'design',
  ),
  publishersMax: setting(
    5_000_000,
    1,
    50_000_000,
    'publishers',
    'Publishers of this node.',
    'data-and-slots 16',
  ),
  datumBytesMax: setting(
    8 * MIB,
    64 * KIB,
    9 * MIB,
    'bytes',
    'The list of one dataInfoId; it must fit a frame.',
    'design',
  ),
  payloadBytesMax: setting(MIB, KIB, 8 * MIB, 'bytes', 'Payload of one publisher.', 'design'),
  payloadTotalBytesMax: setting(
    4096 * MIB,
    MIB,
    1_048_576 * MIB,
    'bytes',
    'Payload of all publishers of this node.',
    'design',
  ),
  dataMax: setting(
    2_000_000,
    1,
    50_000_000,
    'data',
    'dataInfoIds of this node, empty ones included.',
    'design',
  ),
  tombstonesMax: setting(
    1_000_000,
    0,
    50_000_000,
    'tombstones',
    'Remembered removals of this node; above it a removal is not remembered.',
    'design',
  ),
  interestsPerLinkMax: setting(
    1_000_000,
    1,
    10_000_000,
    'interests',
    'dataInfoIds one link is told about; more are answered, but found by comparison only.',
    'design',
  ),
  listingRecordsMax: setting(
    1_000_000,
    1,
    10_000_000,
    'records',
    'Records named by unfinished listings of one link.',
    'design',
  ),
  listingIdleMs: setting(
    60_000,
    1000,
    3_600_000,
    'ms',
    'An unfinished listing is forgotten after so long.',
    'design',
  ),
  linksMax: setting(4096, 1, 65_536, 'links', 'Open links of sessions and data nodes.', 'design'),
  linkIdleCloseMs: setting(
    45_000,
    1000,
    600_000,
    'ms',
    'A link on which nothing arrives for so long is closed.',
    'wire 1.5',
  ),
  drainMs: setting(
    10_000,
    0,
    600_000,
    'ms',
    'On a graceful stop: longest wait until the node leads nothing.',
    'F185',
  ),
});

/** Values of all tunables. */
export type DataTunables = Tunables<typeof DATA_SETTINGS>;

/** The tunables of a configuration, completed with the defaults. */
export function dataTunables(config: Partial<DataTunables>): DataTunables {
  return completeTunables(DATA_SETTINGS, config);
}

/** The defaults of {@link DATA_SETTINGS}. */
export const DATA_DEFAULTS: DataTunables = dataTunables({});

/** Everything a data node is told at its start. */
export interface DataConfig extends NodeConfig, Partial<DataTunables> {}
