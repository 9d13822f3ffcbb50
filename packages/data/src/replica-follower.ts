/**
 * The follower's side of replication: links to the leaders of followed slots, applied operations, repairs, and the request of a
 * new leader for the old one's last changes (wire: replica-follow, replica-ops).
 */
import { PeerLink, type PeerLinkEvents } from '@sofa-registry/cluster';
import { stampToMs } from '@sofa-registry/model';
import type { BoltChannel, ReplyHandler, Timer } from '@sofa-registry/runtime';
import {
  AccessCode,
  Behind,
  BoltStatus,
  CODEC_INTERNAL,
  digestBytes,
  digestIs,
  Follow,
  FollowMode,
  FollowReply,
  type Frame,
  HandOver,
  HandOverReply,
  type HelloReply,
  type MessageOf,
  OpKind,
  Relay,
  Ops,
  type ReplicaOp,
} from '@sofa-registry/wire';
import { OWN_VERSION } from './datum-store.ts';
import type { HeldSlot } from './held-slot.ts';
import type { NodeState } from './node-state.ts';
import { Repair } from './replica-repair.ts';
import type { SlotBoard } from './slot-board.ts';
import type { SlotStore } from './slot-store.ts';

/** A link nobody needs any more is kept for so long, in ms: slots come back, and hand-overs end. */
const LINGER_MS = 5000;

type Relayed = (channel: BoltChannel, frame: Frame) => void;

/** One slot as it is followed. */
class Following {
  readonly slot: HeldSlot;
  readonly address: string;
  readonly leaderEpoch: number;
  /** True while the leader's operations arrive. */
  attached = false;
  /** True from the request to its answer. */
  asked = false;
  /** When it was last attached, monotonic ms. */
  attachedMs: number;
  repair: Repair | null = null;

  constructor(slot: HeldSlot, attachedMs: number) {
    this.slot = slot;
    this.address = slot.leader;
    this.leaderEpoch = slot.leaderEpoch;
    this.attachedMs = attachedMs;
  }
}

interface Peer {
  readonly link: PeerLink;
  /** Since when nobody needs it, monotonic ms; -1 = it is needed. */
  idleSinceMs: number;
}

/** All followed slots. */
export class ReplicaFollower implements PeerLinkEvents {
  readonly #state: NodeState;
  readonly #board: SlotBoard;
  readonly #relayed: Relayed;
  readonly #peers = new Map<string, Peer>();
  readonly #following = new Map<number, Following>();
  /** Slots to ask an old leader for, by its address; asked together at the end of the turn. */
  readonly #handOvers = new Map<string, HeldSlot[]>();
  readonly #followReplies: ReplyHandler<readonly Following[]>;
  readonly #handOverReplies: ReplyHandler<readonly HeldSlot[]>;
  #retryTimer: Timer | null = null;
  #stopped = false;

  /** @param relayed takes requests of sessions that an old leader passed on */
  constructor(state: NodeState, board: SlotBoard, relayed: Relayed) {
    this.#state = state;
    this.#board = board;
    this.#relayed = relayed;
    this.#followReplies = {
      reply: (asked, frame) => this.#followed(asked, FollowReply.decode(frame.content)),
      failed: (asked) => {
        for (const following of asked) following.asked = false;
        this.#retryLater();
      },
    };
    this.#handOverReplies = {
      reply: (slots, frame) => this.#handedOver(slots, HandOverReply.decode(frame.content)),
      failed: (slots) => {
        for (const slot of slots) this.#board.handOverDone(slot, false);
      },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#retryTimer?.cancel();
    for (const { link } of this.#peers.values()) link.close();
    this.#peers.clear();
    this.#following.clear();
  }

  /** True if the copy of a followed slot counts as complete: it was, and it was in step with its leader a moment ago. */
  copyComplete(slot: HeldSlot): boolean {
    const following = this.#following.get(slot.id);
    if (!slot.complete || following === undefined) return false;
    const { copyStaleMs } = this.#state.tunables;
    return following.attached || this.#state.nowMs() - following.attachedMs < copyStaleMs;
  }

  /**
   * True if the copy may be given the leadership by a planned move: complete, and fed by its leader unless that one cannot be reached.
   * Between a move and the new leader's first answer it is not: it could not take the last changes over.
   */
  copyInStep(slot: HeldSlot): boolean {
    const following = this.#following.get(slot.id);
    if (following === undefined || !this.copyComplete(slot)) return false;
    return following.attached || this.#peers.get(following.address)?.link.up !== true;
  }

  /** A slot was promoted here and its old leader lives: ask it for the rest. False if it cannot be asked. */
  handOver(slot: HeldSlot, oldLeader: string): boolean {
    const following = this.#following.get(slot.id);
    const peer = this.#peers.get(oldLeader);
    if (following?.attached !== true || following.address !== oldLeader || peer?.link.up !== true)
      return false;
    const slots = this.#handOvers.get(oldLeader);
    if (slots !== undefined) slots.push(slot);
    else {
      this.#handOvers.set(oldLeader, [slot]);
      this.#state.ports.clock.defer(() => this.#askHandOver(oldLeader));
    }
    return true;
  }

  /** A table was applied: follow who leads now. */
  tableApplied(): void {
    const nowMs = this.#state.nowMs();
    const needed = new Set<string>();
    for (const slot of this.#state.slots) {
      if (slot.role !== 'follower' || slot.leader === '') {
        this.#following.get(slot.id)?.repair?.abandon();
        this.#following.delete(slot.id);
        continue;
      }
      needed.add(slot.leader);
      const known = this.#following.get(slot.id);
      if (known?.address === slot.leader && known.leaderEpoch === slot.leaderEpoch) continue;
      known?.repair?.abandon();
      // A slot that was led here, or followed in step, is as fresh as can be.
      const attachedMs = known === undefined || known.attached ? nowMs : known.attachedMs;
      this.#following.set(slot.id, new Following(slot, attachedMs));
    }
    for (const address of needed) this.#need(address);
    for (const [address, peer] of this.#peers) {
      if (needed.has(address)) peer.idleSinceMs = -1;
      else if (peer.idleSinceMs < 0) peer.idleSinceMs = nowMs;
    }
    this.#followAll();
  }

  up(_link: PeerLink, reply: MessageOf<typeof HelloReply>): void {
    this.#state.observe(reply.clock);
    this.#followAll();
  }

  down(link: PeerLink): void {
    for (const following of this.#following.values())
      if (following.address === link.address) this.#detach(following);
  }

  message(link: PeerLink, channel: BoltChannel, frame: Frame): void {
    if (frame.className === Ops.className) this.#ops(link, Ops.decode(frame.content));
    else if (frame.className === Behind.className) this.#behind(link, Behind.decode(frame.content).slots);
    else if (frame.className === Relay.className) this.#relayed(channel, frame);
    else {
      this.#state.metrics.badMessages.value++;
      channel.respondError(frame, BoltStatus.noProcessor);
    }
  }

  #need(address: string): void {
    const known = this.#peers.get(address);
    if (known !== undefined) {
      known.link.retrySoon();
      return;
    }
    const { ports, identity } = this.#state;
    const link = new PeerLink(ports, {
      address,
      hello: () => ({
        node: identity.node(),
        tableEpoch: this.#state.tableEpoch,
        slotCount: identity.slotConfig.slotCount,
        clock: this.#state.hybrid.last,
      }),
      events: this,
    });
    this.#peers.set(address, { link, idleSinceMs: -1 });
  }

  /** Asks every leader that can be reached for the slots that are not attached. */
  #followAll(): void {
    const byLeader = new Map<string, Following[]>();
    for (const following of this.#following.values()) {
      if (following.attached || following.asked) continue;
      const list = byLeader.get(following.address);
      if (list === undefined) byLeader.set(following.address, [following]);
      else list.push(following);
    }
    for (const [address, list] of byLeader) {
      const channel = this.#peers.get(address)?.link.channel;
      if (channel) this.#follow(channel, list);
    }
  }

  #follow(channel: BoltChannel, list: readonly Following[]): void {
    const { hybrid, tableEpoch, tunables } = this.#state;
    const slots = list.map((following) => {
      const { id, leaderEpoch, damaged } = following.slot;
      const store = following.slot.store as SlotStore;
      following.asked = true;
      // A copy whose repair did not end has the right sequence and the wrong content.
      const stream = damaged ? 0 : store.stream;
      return { slot: id, leaderEpoch, stream, sequence: store.sequence, digest: digestBytes(store.digest()) };
    });
    const content = Follow.encode({ tableEpoch, clock: hybrid.last, slots });
    channel.request(
      Follow.className,
      CODEC_INTERNAL,
      content,
      tunables.rpcTimeoutMs,
      this.#followReplies,
      list,
    );
  }

  #followed(asked: readonly Following[], reply: MessageOf<typeof FollowReply>): void {
    this.#state.observe(reply.clock);
    let news = reply.tableEpoch > this.#state.tableEpoch;
    for (let i = 0; i < asked.length; i++) {
      const following = asked[i];
      const answer = reply.slots[i];
      following.asked = false;
      if (this.#following.get(following.slot.id) !== following || answer?.slot !== following.slot.id)
        continue;
      if (answer.code === AccessCode.accept) {
        this.#attach(following, answer);
        news = true;
      } else this.#retryLater();
    }
    // Meta plans with copies that are fed.
    if (news) this.#state.cluster.beatSoon();
  }

  #attach(following: Following, answer: MessageOf<typeof FollowReply>['slots'][number]): void {
    const { slot } = following;
    const store = slot.store as SlotStore;
    const fresh = this.copyComplete(slot);
    following.attached = true;
    if (answer.mode === FollowMode.tail) {
      this.#completed(slot, slot.complete);
      return;
    }
    // What we logged as a leader belongs to another stream.
    store.log = null;
    store.stream = answer.stream;
    store.sequence = answer.sequence;
    if (answer.mode === FollowMode.equal) this.#completed(slot, true);
    else {
      slot.complete = fresh;
      this.#repair(following);
    }
  }

  #completed(slot: HeldSlot, complete: boolean): void {
    slot.damaged = false;
    if (slot.complete === complete) return;
    slot.complete = complete;
    this.#state.cluster.beatSoon();
  }

  #repair(following: Following): void {
    const { slot, address } = following;
    const channel = this.#peers.get(address)?.link.channel ?? null;
    slot.damaged = true;
    if (channel === null || following.repair !== null) return;
    following.repair = new Repair(this.#state, slot.store as SlotStore, channel, (whole) => {
      following.repair = null;
      if (this.#following.get(slot.id) !== following) return;
      if (whole) this.#completed(slot, true);
      else this.#detach(following);
    });
  }

  #detach(following: Following): void {
    following.repair?.abandon();
    following.repair = null;
    if (following.attached) following.attachedMs = this.#state.nowMs();
    following.attached = false;
    following.asked = false;
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#retryTimer !== null || this.#stopped) return;
    this.#retryTimer = this.#state.ports.clock.setTimer(this.#state.tunables.replicaRetryMs, () => {
      this.#retryTimer = null;
      this.#closeIdle();
      this.#followAll();
    });
  }

  #closeIdle(): void {
    const nowMs = this.#state.nowMs();
    for (const [address, { link, idleSinceMs }] of this.#peers)
      if (idleSinceMs >= 0 && nowMs - idleSinceMs > LINGER_MS) {
        link.close();
        this.#peers.delete(address);
      }
  }

  #behind(link: PeerLink, slots: readonly number[]): void {
    for (const id of slots) {
      const following = this.#following.get(id);
      if (following?.address === link.address) this.#detach(following);
    }
    this.#followAll();
  }

  #ops(link: PeerLink, message: MessageOf<typeof Ops>): void {
    this.#state.observe(message.clock);
    for (const { slot: id, stream, first, ops } of message.runs) {
      const slot = this.#state.slots[id];
      if (slot?.store?.stream === stream && slot.role === 'follower') this.#run(link, slot, first, ops);
      else if (slot?.handOverUntilMs > 0 && slot.handOverStream === stream) this.#lastOps(slot, first, ops);
    }
    for (const { slot: id, stream, sequence, digest } of message.checks) {
      const following = this.#following.get(id);
      const store = following?.slot.store;
      if (!following?.attached || following.repair !== null) continue;
      if (store?.stream !== stream || store.sequence !== sequence) continue;
      this.#state.metrics.replicaChecks.value++;
      if (digestIs(digest, store.digest())) continue;
      this.#state.metrics.replicaChecksFailed.value++;
      this.#repair(following);
    }
  }

  #run(link: PeerLink, slot: HeldSlot, first: number, ops: readonly ReplicaOp[]): void {
    const following = this.#following.get(slot.id);
    const store = slot.store as SlotStore;
    if (following?.address !== link.address || !following.attached) return;
    if (first > store.sequence + 1) {
      this.#detach(following);
      return;
    }
    const from = store.sequence + 1 - first;
    for (let i = from; i < ops.length; i++) {
      this.#apply(store, ops[i], ops[i].datumVersion);
      store.sequence = first + i;
    }
    if (from < ops.length) this.#measureLag(ops[from]);
  }

  /** How old the oldest operation of a run is. Only a visible change has a datum version of its own time, later than its record's. */
  #measureLag({ record, datumVersion }: ReplicaOp): void {
    if (record === null || datumVersion <= record.stamp) return;
    const lagMs = this.#state.ports.clock.wallMs() - stampToMs(datumVersion);
    this.#state.metrics.replicaLagMs.observe(Math.max(0, lagMs));
  }

  /** Operations of the old leader while this node already leads: they are merged like writes, with its versions where they fit. */
  #lastOps(slot: HeldSlot, first: number, ops: readonly ReplicaOp[]): void {
    const store = slot.store as SlotStore;
    if (first > slot.handOverSequence + 1) return;
    this.#state.store.beginBatch();
    for (let i = slot.handOverSequence + 1 - first; i < ops.length; i++) {
      const { dataInfoId, datumVersion } = ops[i];
      const held = store.data.get(dataInfoId);
      this.#apply(
        store,
        ops[i],
        held !== undefined && held.version >= datumVersion ? OWN_VERSION : datumVersion,
      );
      slot.handOverSequence = first + i;
    }
  }

  #apply(store: SlotStore, op: ReplicaOp, version: number): void {
    const rules = this.#state.store;
    this.#state.metrics.opsApplied.value++;
    if (op.record !== null)
      rules.publish(store, op.dataInfoId, op.record, this.#state.owners.get(op.owner), version);
    else if (op.kind === OpKind.drop)
      rules.applyRemoval(store, op.dataInfoId, op.registerId, op.version, op.stamp, version);
    else {
      const datum = rules.shell(store, op.dataInfoId);
      if (typeof datum !== 'number' && version > datum.version) rules.raise(store, datum, version);
    }
  }

  #askHandOver(address: string): void {
    const slots = this.#handOvers.get(address) ?? [];
    this.#handOvers.delete(address);
    const channel = this.#peers.get(address)?.link.channel ?? null;
    if (channel === null) {
      for (const slot of slots) this.#board.handOverDone(slot, false);
      return;
    }
    const { tableEpoch, tunables } = this.#state;
    const asked = slots.map(({ id, leaderEpoch }) => ({ slot: id, leaderEpoch }));
    const content = HandOver.encode({ tableEpoch, slots: asked });
    channel.request(
      HandOver.className,
      CODEC_INTERNAL,
      content,
      tunables.handOverMs,
      this.#handOverReplies,
      slots,
    );
  }

  #handedOver(slots: readonly HeldSlot[], reply: MessageOf<typeof HandOverReply>): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      const answer = reply.slots[i];
      if (slot.handOverUntilMs === 0 || answer?.slot !== slot.id) continue;
      const whole = answer.code === AccessCode.accept && answer.sequence === slot.handOverSequence;
      this.#board.handOverDone(slot, whole);
    }
  }
}
