/**
 * Node -> meta: membership by connection and beat (F162, F174, reference/meta-and-admin.md 3). Every second, and at once when
 * something in it changes.
 *
 *   sr.Beat      = node slotCount replicas slotFunction tableEpoch membersRevision docsRevision publishers slotReports
 *   sr.BeatReply = leader isLeader term warm table? membersRevision members? docsRevision docs? metas expectedPublishers
 *                  expectedForMs meanWeight appIndexVersion
 *
 * A meta that does not lead answers isLeader false and the leader's address ('' if there is none); the node turns there. `table`,
 * `members` and `docs` are sent only when newer than what the node named. A node refuses a table of a lower epoch than its own and
 * offers its own (`sr.TableOffer`) to a leader that has none. slotReports (data nodes): per slot held, role, op-log sequence
 * applied, and whether the copy is complete. `publishers`: how many this session holds, for the cold-restart memory
 * (`expectedPublishers`: how many there were in the whole cluster before everything restarted, 0 = not restarting; `expectedForMs`: how
 * long they are still waited for).
 *
 *   sr.View (oneway, meta leader -> node) = term table? membersRevision members? docsRevision docs?    as soon as something changed
 *   sr.Leave                              = processId            the node is gone for good now: forget it without a lease
 *   sr.Drain                              = processId on         the node wants to leave: give it nothing new, move its slots away
 *   sr.Probe (meta -> node)               = processId address    has this node heard from that one lately?
 *   sr.ProbeReply                         = heardMsAgo           elapsed ms; a large number when never
 */
import { bool, list, message, optional, struct, u8, uint, word } from './codec.ts';
import { nodeRecord, slotTable, watchedDoc } from './node.ts';

/** Roles of a slot copy in reports. */
export const SlotRole = { follower: 0, migratingLeader: 1, leader: 2, partialLeader: 3 } as const;

const slotReport = struct({ slot: uint, role: u8, leaderEpoch: uint, sequence: uint, complete: bool });

export const Beat = message(
  'sr.Beat',
  struct({
    node: nodeRecord,
    slotCount: uint,
    replicas: uint,
    slotFunction: word,
    tableEpoch: uint,
    membersRevision: uint,
    docsRevision: uint,
    publishers: uint,
    slotReports: list(slotReport),
  }),
);

const view = {
  table: optional(slotTable),
  membersRevision: uint,
  members: optional(list(nodeRecord)),
  docsRevision: uint,
  docs: optional(list(watchedDoc)),
};

/** Answers {@link Beat}. */
export const BeatReply = message(
  'sr.BeatReply',
  struct({
    leader: word,
    isLeader: bool,
    term: uint,
    /** False while a new leader listens for one lease before it evicts or moves anything. */
    warm: bool,
    ...view,
    metas: list(word),
    expectedPublishers: uint,
    expectedForMs: uint,
    /** Mean connections of the sessions of the node's zone that take clients. */
    meanWeight: uint,
    /** Version of the newest change of the application index (app-metadata.ts); 1 = none; 0 = not known yet. */
    appIndexVersion: uint,
  }),
);

export const View = message('sr.View', struct({ term: uint, ...view }));
export const Leave = message('sr.Leave', struct({ processId: word }));
export const Drain = message('sr.Drain', struct({ processId: word, on: bool }));
export const TableOffer = message('sr.TableOffer', struct({ table: slotTable }));
/** Empty answer to Leave, Drain and TableOffer. */
export const Done = message('sr.Done', struct({ ok: bool }));
export const Probe = message('sr.Probe', struct({ processId: word, address: word }));
export const ProbeReply = message('sr.ProbeReply', struct({ heardMsAgo: uint }));
