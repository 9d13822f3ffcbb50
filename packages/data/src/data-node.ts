/**
 * A data node without its listener: the parts put together, and the dispatch of messages. Everything is driven by frames, tables
 * and timers, synchronously.
 */
import type { BoltChannel, BoltHandler, Timer } from '@sofa-registry/runtime';
import { every } from '@sofa-registry/runtime';
import {
  BoltStatus,
  Compare,
  CopyData,
  CopyList,
  EMPTY,
  Fetch,
  Follow,
  Forget,
  type Frame,
  HandOver,
  Hello,
  Interests,
  Listing,
  Relay,
  WireError,
  WriteBatch,
} from '@sofa-registry/wire';
import type { SlotReport } from '@sofa-registry/cluster';
import { CompareHandler } from './compare-handler.ts';
import { FetchHandler } from './fetch-handler.ts';
import type { HeldSlot } from './held-slot.ts';
import { LateRemovals } from './late-removals.ts';
import { LeaseKeeper } from './lease.ts';
import type { Link } from './link.ts';
import { LinkTable } from './link-table.ts';
import { DataMetrics } from './metrics.ts';
import { type ClusterPort, type DataIdentity, type DataPorts, NodeState } from './node-state.ts';
import { Notifier } from './notifier.ts';
import { ParkedRequests } from './parked.ts';
import type { DataTunables } from './settings.ts';
import { SlotBoard } from './slot-board.ts';
import { ReplicaFeeds } from './replica-feed.ts';
import { ReplicaFollower } from './replica-follower.ts';
import { RequestRelay } from './relay.ts';
import { ReplicaSource } from './replica-source.ts';
import { Sweeper } from './sweeper.ts';
import { Takeovers } from './takeovers.ts';
import { WriteHandler } from './write-handler.ts';

/** How often waiting slots are looked at, in ms: the grain of ceilings and hand-over waits. */
const ASSESS_MS = 100;

/** The node. */
export class DataNode implements BoltHandler<Link> {
  readonly state: NodeState;
  readonly board: SlotBoard;
  readonly #notifier: Notifier;
  readonly #parked: ParkedRequests;
  readonly #late = new LateRemovals();
  readonly #links: LinkTable;
  readonly #writes: WriteHandler;
  readonly #fetches: FetchHandler;
  readonly #compares: CompareHandler;
  readonly #leases: LeaseKeeper;
  readonly #sweeper: Sweeper;
  readonly #feeds: ReplicaFeeds;
  readonly #source: ReplicaSource;
  readonly #follower: ReplicaFollower;
  #assessTimer: Timer | null = null;

  constructor(
    ports: DataPorts,
    identity: DataIdentity,
    cluster: ClusterPort,
    tunables: DataTunables,
    metrics: DataMetrics = new DataMetrics(),
  ) {
    const state = new NodeState(ports, identity, cluster, tunables, metrics);
    this.state = state;
    this.#notifier = new Notifier(state);
    this.#parked = new ParkedRequests(ports.clock, tunables.parkedReadsMax);
    this.board = new SlotBoard(
      state,
      {
        opened: (slot) => this.#opened(slot),
        closed: (slot) => this.#closed(slot),
        handOver: (slot, oldLeader) => this.#follower.handOver(slot, oldLeader),
        tableApplied: () => this.#tableApplied(),
      },
      {
        copyComplete: (slot) => this.#follower.copyComplete(slot),
        copyInStep: (slot) => this.#follower.copyInStep(slot),
      },
    );
    this.#feeds = new ReplicaFeeds(state, this.board);
    this.#source = new ReplicaSource(state, this.#feeds);
    this.#follower = new ReplicaFollower(state, this.board, (channel, frame) =>
      this.#relayed(channel, frame),
    );
    this.#links = new LinkTable(state, {
      joined: (link) => this.#joined(link),
      left: (link) => this.#left(link),
    });
    const relay = new RequestRelay(state);
    this.#writes = new WriteHandler(state, this.board, this.#notifier, this.#parked, relay, this.#late);
    this.#fetches = new FetchHandler(state, this.#notifier, this.#parked, relay);
    this.#compares = new CompareHandler(state, this.board, this.#notifier, this.#parked, this.#late);
    this.#leases = new LeaseKeeper(state);
    this.#sweeper = new Sweeper(state);
    new Takeovers(state);
  }

  /** Starts the timers and applies the table there is. */
  start(): void {
    this.#leases.start();
    this.#sweeper.start();
    this.#feeds.start();
    this.#assessTimer = every(this.state.ports.clock, ASSESS_MS, () => this.board.takeCensus());
    this.viewChanged();
  }

  /** Stops the timers and closes every link. */
  stop(reason: string): void {
    this.#leases.stop();
    this.#sweeper.stop();
    this.#feeds.stop();
    this.#follower.stop();
    this.#assessTimer?.cancel();
    this.#parked.clear();
    for (const link of this.state.links) link.channel.destroy(reason);
  }

  /** The cluster view changed: a new table, other members. */
  viewChanged(): void {
    this.board.takeCensus();
    this.board.apply(this.state.cluster.view.table);
  }

  /** A connection of a session or of another data node. */
  opened(channel: BoltChannel<Link>): void {
    this.#links.open(channel);
  }

  /** Requests waiting for their slot. */
  get parkedReads(): number {
    return this.#parked.size;
  }

  /** Removals waiting for their slot. */
  get lateRemovals(): number {
    return this.#late.size;
  }

  /** Slots held, for beats. */
  reports(): SlotReport[] {
    return this.board.reports();
  }

  /** Ms since something was heard from a process, for meta's question; Infinity when never. */
  heardMsAgo(processId: string): number {
    const nowMs = this.state.nowMs();
    for (const link of this.state.links)
      if (link.processId === processId) return nowMs - link.channel.lastReceivedMonoMs;
    return Infinity;
  }

  request(channel: BoltChannel<Link>, frame: Frame): void {
    const link = channel.userData;
    try {
      if (!this.#dispatch(link, frame)) {
        this.state.metrics.badMessages.value++;
        channel.respondError(frame, BoltStatus.noProcessor);
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.state.metrics.badMessages.value++;
      channel.respondError(frame, BoltStatus.codecException);
    }
  }

  closed(channel: BoltChannel<Link>): void {
    if (channel.userData !== undefined) this.#links.close(channel.userData);
  }

  drained(channel: BoltChannel<Link>): void {
    this.#notifier.drained(channel.userData);
    this.#feeds.drained(channel.userData);
  }

  crashed(channel: BoltChannel<Link>, error: unknown): void {
    const { logger } = this.state.ports;
    logger.error('handler failed', { peer: channel.remoteAddress, error: String(error) });
  }

  #dispatch(link: Link, frame: Frame): boolean {
    if (frame.className === Hello.className) {
      this.#links.hello(link, frame);
      return true;
    }
    const { owner } = link;
    return owner !== null ? this.#fromSession(link, owner, frame) : this.#fromData(link, frame);
  }

  #fromSession(link: Link, owner: NonNullable<Link['owner']>, frame: Frame): boolean {
    switch (frame.className) {
      case WriteBatch.className:
        this.#writes.handle(link, owner, frame);
        return true;
      case Fetch.className:
        this.#fetches.handle(link, frame);
        return true;
      case Forget.className:
        this.#fetches.forget(link, frame);
        return true;
      case Compare.className:
        this.#compares.compare(link, owner, frame);
        return true;
      case Listing.className:
        this.#compares.listing(link, owner, frame);
        return true;
      case Interests.className:
        this.#compares.interests(link, frame);
        return true;
      default:
        return false;
    }
  }

  /** sr.Relay: a session's request that came to the old leader of a slot. */
  #relayed(channel: BoltChannel, frame: Frame): void {
    const { processId, className, content } = Relay.decode(frame.content);
    for (const link of this.state.links) {
      if (link.processId !== processId || link.owner === null) continue;
      const request: Frame = { ...frame, className, header: EMPTY, content };
      if (className === WriteBatch.className) this.#writes.handle(link, link.owner, request, channel);
      else if (className === Fetch.className) this.#fetches.handle(link, request, channel);
      else break;
      return;
    }
    channel.respondError(frame, BoltStatus.error);
  }

  #fromData(link: Link, frame: Frame): boolean {
    if (link.node === null) return false;
    switch (frame.className) {
      case Follow.className:
        this.#feeds.follow(link, frame);
        return true;
      case HandOver.className:
        this.#feeds.handOver(link, frame);
        return true;
      case CopyList.className:
        this.#source.list(link, frame);
        return true;
      case CopyData.className:
        this.#source.data(link, frame);
        return true;
      default:
        return false;
    }
  }

  #joined(link: Link): void {
    this.#notifier.attach(link);
    if (link.owner !== null) this.board.takeCensus();
  }

  #left(link: Link): void {
    this.#notifier.detach(link);
    this.#feeds.left(link);
    this.#parked.drop(link);
    if (link.owner !== null) this.board.takeCensus();
  }

  #tableApplied(): void {
    this.#feeds.tableApplied();
    this.#follower.tableApplied();
    this.#parked.wake();
  }

  #opened(slot: HeldSlot): void {
    if (slot.decided) this.#late.apply(slot, this.state.store);
    this.#notifier.slotOpened(slot);
    this.#parked.wake();
    // Meta plans with what the slots report.
    this.state.cluster.beatSoon();
  }

  #closed(slot: HeldSlot): void {
    this.#late.forget(slot.id);
    for (const link of this.state.links) {
      link.interests.clearSlot(slot.id);
      link.listings.forget(slot.id);
    }
    this.#parked.wake();
  }
}
