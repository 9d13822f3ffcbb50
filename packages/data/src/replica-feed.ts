/**
 * The leader's side of replication: streams the op-logs of led slots to their followers, answers their repairs, hands slots over
 * (wire: replica-follow, replica-ops, replica-copy; design section 5 "Store").
 */
import {
  AccessCode,
  Behind,
  CODEC_INTERNAL,
  digestBytes,
  digestIs,
  Follow,
  FollowMode,
  FollowReply,
} from '@sofa-registry/wire';
import {
  type Frame,
  HandOver,
  HandOverReply,
  type MessageOf,
  OpKind,
  Ops,
  type ReplicaOp,
} from '@sofa-registry/wire';
import { every, type Timer } from '@sofa-registry/runtime';
import { ledSlot, noteEpoch, refusalCode } from './access.ts';
import type { HeldSlot } from './held-slot.ts';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import type { SlotOp } from './op-log.ts';
import type { SlotBoard } from './slot-board.ts';
import type { SlotStore } from './slot-store.ts';

type FollowItem = MessageOf<typeof Follow>['slots'][number];
type FollowAnswer = MessageOf<typeof FollowReply>['slots'][number];
type OpsRun = MessageOf<typeof Ops>['runs'][number];
type OpsCheck = MessageOf<typeof Ops>['checks'][number];

/** How often slow followers are looked at beside their drain events, in ms. */
const SLOW_LINK_MS = 100;
const RUN_BYTES = 32;
const OP_BYTES = 160;
const NO_CHECKS: readonly OpsCheck[] = Object.freeze([]);
const NO_RUNS: readonly OpsRun[] = Object.freeze([]);

/** One slot streamed to one follower. */
class Feed {
  readonly link: Link;
  readonly slot: HeldSlot;
  readonly store: SlotStore;
  readonly stream: number;
  /** Sequence of the last operation sent. */
  sent: number;

  constructor(link: Link, slot: HeldSlot, store: SlotStore, sent: number) {
    this.link = link;
    this.slot = slot;
    this.store = store;
    this.stream = store.stream;
    this.sent = sent;
  }
}

/** All feeds of this node. */
export class ReplicaFeeds {
  readonly #state: NodeState;
  readonly #board: SlotBoard;
  readonly #links = new Map<Link, Map<number, Feed>>();
  readonly #due = new Set<Link>();
  #deferred = false;
  #checkTimer: Timer | null = null;
  #slowTimer: Timer | null = null;

  constructor(state: NodeState, board: SlotBoard) {
    this.#state = state;
    this.#board = board;
    state.onLogged = (slotId) => this.#logged(slotId);
  }

  start(): void {
    const { ports, tunables } = this.#state;
    this.#checkTimer = every(ports.clock, tunables.replicaCheckMs, () => this.#check());
  }

  stop(): void {
    this.#checkTimer?.cancel();
    this.#slowTimer?.cancel();
    this.#links.clear();
  }

  /** sr.Follow */
  follow(link: Link, frame: Frame): void {
    const message = Follow.decode(frame.content);
    this.#state.observe(message.clock);
    noteEpoch(this.#state, message.tableEpoch);
    const slots = message.slots.map((item) => this.#followOne(link, item, message.tableEpoch));
    const { tableEpoch, hybrid } = this.#state;
    const reply = FollowReply.encode({ tableEpoch, clock: hybrid.last, slots });
    link.channel.respond(frame, FollowReply.className, reply);
  }

  /** sr.HandOver: stop leading these slots, and send all there is. */
  handOver(link: Link, frame: Frame): void {
    const message = HandOver.decode(frame.content);
    noteEpoch(this.#state, message.tableEpoch);
    const slots = message.slots.map(({ slot: id, leaderEpoch }) => {
      const refused = { slot: id, code: AccessCode.moved as number, sequence: 0 };
      if (id >= this.#state.slots.length) return refused;
      this.#board.fence(this.#state.slots[id], leaderEpoch, link.node?.address ?? '');
      const feed = this.#links.get(link)?.get(id);
      if (feed === undefined || feed.store.stream !== feed.stream) return refused;
      return { slot: id, code: AccessCode.accept as number, sequence: feed.store.sequence };
    });
    // All of it leaves before the answer does, however slow the link is: it is what the new leader waits for.
    this.#send(link, Infinity);
    const reply = HandOverReply.encode({ tableEpoch: this.#state.tableEpoch, slots });
    link.channel.respond(frame, HandOverReply.className, reply);
  }

  /** The store of a slot if its stream is still this one and this node may be asked about it; what is due is sent first. */
  streamed(link: Link, slotId: number, stream: number): SlotStore | null {
    const feed = this.#links.get(link)?.get(slotId);
    if (feed === undefined || feed.stream !== stream || feed.store.stream !== stream || !feed.slot.leads)
      return null;
    this.#send(link, Infinity);
    return feed.store;
  }

  /** The link can take more. */
  drained(link: Link): void {
    if (this.#links.has(link)) this.#schedule(link);
  }

  left(link: Link): void {
    this.#links.delete(link);
    this.#due.delete(link);
  }

  /**
   * A table was applied: who follows no more is fed no more, and is told so; a new leader still gets the rest. Untold, a node that
   * missed this table and hears of a later one, in which it follows again, would believe that it had been in step all the time.
   */
  tableApplied(): void {
    for (const [link, feeds] of this.#links) {
      const address = link.node?.address ?? '';
      const ended: number[] = [];
      for (const [id, { slot }] of feeds) {
        const wanted = slot.role === 'leader' ? slot.followers.includes(address) : slot.leader === address;
        if (!wanted || slot.store === null) ended.push(id);
      }
      this.#tellBehind(link, feeds, ended);
    }
  }

  #followOne(link: Link, item: FollowItem, callerEpoch: number): FollowAnswer {
    const refused = (code: AccessCode): FollowAnswer => ({
      slot: item.slot,
      code,
      mode: FollowMode.differ,
      stream: 0,
      sequence: 0,
    });
    const slot = ledSlot(this.#state, item.slot);
    if (slot === null || !slot.followers.includes(link.node?.address ?? ''))
      return refused(refusalCode(this.#state, item.slot, callerEpoch));
    const store = slot.store as SlotStore;
    // A leader that has not heard its sessions yet would only spread its gaps.
    if (!slot.readable || store.log === null) return refused(AccessCode.migrating);
    const { first } = store.log;
    const inLog =
      item.stream === store.stream && item.sequence + 1 >= first && item.sequence <= store.sequence;
    let mode: FollowMode = FollowMode.tail;
    if (!inLog) mode = digestIs(item.digest, store.digest()) ? FollowMode.equal : FollowMode.differ;
    if (mode === FollowMode.differ) this.#state.metrics.followDiffers.value++;
    this.#feed(link, new Feed(link, slot, store, inLog ? item.sequence : store.sequence));
    const sequence = inLog ? item.sequence : store.sequence;
    return { slot: item.slot, code: AccessCode.accept, mode, stream: store.stream, sequence };
  }

  #feed(link: Link, feed: Feed): void {
    let feeds = this.#links.get(link);
    if (feeds === undefined) {
      feeds = new Map();
      this.#links.set(link, feeds);
    }
    feeds.set(feed.slot.id, feed);
    this.#schedule(link);
  }

  #logged(slotId: number): void {
    for (const [link, feeds] of this.#links) if (feeds.has(slotId)) this.#schedule(link);
  }

  #schedule(link: Link): void {
    this.#due.add(link);
    if (this.#deferred) return;
    this.#deferred = true;
    this.#state.ports.clock.defer(this.#flush);
  }

  readonly #flush = (): void => {
    this.#deferred = false;
    for (const link of this.#due) {
      this.#due.delete(link);
      if (!this.#send(link, this.#state.tunables.linkHighWaterBytes)) this.#later();
    }
  };

  /** Sends what is due on a link, in frames; false if it became too slow for the rest. */
  #send(link: Link, highWaterBytes: number): boolean {
    const feeds = this.#links.get(link);
    if (feeds === undefined) return true;
    const { replicaFrameBytesMax } = this.#state.tunables;
    const behind: number[] = [];
    let runs: OpsRun[] = [];
    let bytes = 0;
    for (const [id, feed] of feeds) {
      while (feed.sent < feed.store.sequence && feed.store.stream === feed.stream) {
        if (link.channel.bufferedBytes > highWaterBytes) {
          this.#write(link, runs, NO_CHECKS);
          return false;
        }
        const ops: ReplicaOp[] = [];
        const first = feed.sent + 1;
        bytes = this.#run(feed, ops, bytes + RUN_BYTES, replicaFrameBytesMax);
        if (ops.length === 0) {
          behind.push(id);
          break;
        }
        runs.push({ slot: id, stream: feed.stream, first, ops });
        if (bytes < replicaFrameBytesMax) continue;
        this.#write(link, runs, NO_CHECKS);
        runs = [];
        bytes = 0;
      }
    }
    this.#write(link, runs, NO_CHECKS);
    this.#tellBehind(link, feeds, behind);
    return true;
  }

  /** Takes operations of a feed into `ops` until the frame is full; the bytes of the frame so far. */
  #run(feed: Feed, ops: ReplicaOp[], start: number, bytesMax: number): number {
    const { log, sequence } = feed.store;
    let bytes = start;
    while (feed.sent < sequence && bytes < bytesMax) {
      const op = log?.at(feed.sent + 1);
      if (op === undefined) break;
      ops.push(toReplicaOp(op));
      bytes += OP_BYTES + op.datum.dataInfoId.length + (op.record?.bytes ?? 0);
      feed.sent++;
    }
    return bytes;
  }

  #tellBehind(link: Link, feeds: Map<number, Feed>, slots: readonly number[]): void {
    if (slots.length === 0) return;
    for (const id of slots) feeds.delete(id);
    this.#state.metrics.followBehind.value += slots.length;
    link.channel.oneway(Behind.className, CODEC_INTERNAL, Behind.encode({ slots }));
  }

  #write(link: Link, runs: readonly OpsRun[], checks: readonly OpsCheck[]): void {
    if (runs.length === 0 && checks.length === 0) return;
    for (const run of runs) this.#state.metrics.opsSent.value += run.ops.length;
    const content = Ops.encode({ clock: this.#state.hybrid.last, runs, checks });
    link.channel.oneway(Ops.className, CODEC_INTERNAL, content);
  }

  #check(): void {
    for (const [link, feeds] of this.#links) {
      if (!this.#send(link, this.#state.tunables.linkHighWaterBytes)) continue;
      const checks: OpsCheck[] = [];
      for (const [slot, { sent, stream, store }] of feeds)
        if (store.stream === stream && sent === store.sequence)
          checks.push({ slot, stream, sequence: sent, digest: digestBytes(store.digest()) });
      this.#write(link, NO_RUNS, checks);
    }
  }

  #later(): void {
    if (this.#slowTimer !== null) return;
    this.#slowTimer = this.#state.ports.clock.setTimer(SLOW_LINK_MS, () => {
      this.#slowTimer = null;
      for (const link of this.#links.keys()) this.#schedule(link);
    });
  }
}

function toReplicaOp(op: SlotOp): ReplicaOp {
  const { record, registerId, datumVersion } = op;
  return {
    kind: record !== null ? OpKind.put : registerId !== null ? OpKind.drop : OpKind.raise,
    dataInfoId: op.datum.dataInfoId,
    datumVersion,
    owner: record === null ? '' : record.owner.processId,
    record,
    registerId: registerId ?? '',
    version: op.version,
    stamp: op.stamp,
  };
}
