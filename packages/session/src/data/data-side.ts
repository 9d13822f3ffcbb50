/**
 * The session's side towards the data nodes: links, routing, and the three conversations over them (writes, lists, comparison). What
 * one of them learns wakes the others here.
 */
import type { ClusterPorts, MetaLink, PeerLink, ViewChange } from '@sofa-registry/cluster';
import type { HybridClock, NodeRecord } from '@sofa-registry/model';
import type { BoltChannel } from '@sofa-registry/runtime';
import {
  BoltStatus,
  Changed,
  type Frame,
  type HelloReply,
  type MessageOf,
  Superseded,
} from '@sofa-registry/wire';
import { AntiEntropy } from '../anti-entropy.ts';
import type { SessionMetrics } from '../metrics.ts';
import type { RegistrationStamps } from '../registry/registration-stamps.ts';
import type { RegistrationStore } from '../registry/registration-store.ts';
import type { SessionPublisher } from '../registry/registrations.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import type { SessionTunables } from '../settings.ts';
import type { PendingWrite } from '../write/write-queue.ts';
import { WriteForwarder } from '../write/write-forwarder.ts';
import { DataLinks } from './data-links.ts';
import type { OnceList } from './once-list.ts';
import type { Routing } from './routing.ts';
import { Subscriptions } from './subscriptions.ts';

/** What the data side needs. */
export interface DataSidePorts {
  readonly ports: ClusterPorts;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly store: RegistrationStore;
  readonly stamps: HybridClock;
  readonly registrationStamps: RegistrationStamps;
  readonly meta: MetaLink;
  readonly slotCount: number;
  /** Region, upper case. */
  readonly zone: string;
  /** This node, as it is now. */
  node(): NodeRecord;
  /** The cached list of a service got a new version; `first` = it was fetched for the first time. */
  changed(service: ServiceEntry, first: boolean): void;
  /** The same, with a list that is to be shown once. */
  shownOnce(service: ServiceEntry, list: OnceList): void;
  /** A data leader holds a newer record than this write. */
  stale(write: PendingWrite, version: number, stamp: number): void;
  /** A newer record of another session has replaced ours. */
  superseded(dataInfoId: string, registerId: string, version: number, stamp: number): void;
}

/** The data side of one session. */
export class DataSide {
  readonly links: DataLinks;
  readonly forwarder: WriteForwarder;
  readonly subscriptions: Subscriptions;
  readonly antiEntropy: AntiEntropy;
  readonly #side: DataSidePorts;

  constructor(side: DataSidePorts) {
    this.#side = side;
    const { ports, settings, metrics, store, stamps, meta, zone } = side;
    const { clock, random } = ports;
    const routing = routingOf(meta);
    const channel = (leader: string): BoltChannel | null => this.links.channel(leader);
    const lastStamp = (): number => stamps.last;
    const observe = (stamp: number): void => void stamps.observe(stamp);
    const shared = { clock, random, settings, metrics, store, routing, channel, lastStamp, observe };
    this.links = new DataLinks(ports, () => this.#hello(), {
      up: (link, reply) => this.#up(link, reply),
      down: (link, reason) => ports.logger.info('data link down', { peer: link.address, reason }),
      message: (link, from, frame) => this.#message(link, from, frame),
    });
    this.forwarder = new WriteForwarder({
      ...shared,
      stale: (write, version, stamp) => side.stale(write, version, stamp),
    });
    this.subscriptions = new Subscriptions({
      ...shared,
      zone,
      changed: (service, first) => side.changed(service, first),
      shownOnce: (service, list) => side.shownOnce(service, list),
      raise: (slot) => this.antiEntropy.tellInterests(slot),
    });
    this.antiEntropy = new AntiEntropy({
      ...shared,
      registrationStamp: () => side.registrationStamps.next(),
      resend: (publisher: SessionPublisher) => this.forwarder.publish(publisher),
      differs: (dataInfoId, version) => this.subscriptions.differs(dataInfoId, version),
    });
  }

  /** Leaders of the newest table there is no link to. */
  missingLeaders(): string[] {
    const leaders = new Set(this.#side.meta.view.table.slots.map((slot) => slot.leader));
    return [...leaders].filter((leader) => leader !== '' && this.links.channel(leader) === null);
  }

  /** The cluster view changed. */
  viewChanged(changed: ViewChange): void {
    const { view } = this.#side.meta;
    if (changed.table || changed.members) this.links.sync(view.members, view.table);
    if (!changed.table) return;
    this.forwarder.reroute();
    this.subscriptions.moved();
    this.antiEntropy.compareAll();
  }

  /** Ends links and timers. */
  stop(): void {
    this.forwarder.stop();
    this.subscriptions.stop();
    this.antiEntropy.stop();
    this.links.close();
  }

  #hello(): { node: NodeRecord; tableEpoch: number; slotCount: number; clock: number } {
    const { meta, slotCount, stamps } = this.#side;
    return { node: this.#side.node(), tableEpoch: meta.view.table.epoch, slotCount, clock: stamps.last };
  }

  #up(link: PeerLink, reply: MessageOf<typeof HelloReply>): void {
    const { stamps, meta, ports } = this.#side;
    stamps.observe(reply.clock);
    if (reply.tableEpoch > meta.view.table.epoch) meta.beatSoon();
    ports.logger.info('data link up', { peer: link.address });
    this.forwarder.wake();
    this.subscriptions.wake();
    this.antiEntropy.compare(link.address);
  }

  #message(link: PeerLink, channel: BoltChannel, frame: Frame): void {
    if (frame.className === Changed.className) this.subscriptions.onChanged(link.address, frame);
    else if (frame.className === Superseded.className)
      for (const { dataInfoId, registerId, version, stamp } of Superseded.decode(frame.content).records)
        this.#side.superseded(dataInfoId, registerId, version, stamp);
    else channel.respondError(frame, BoltStatus.serverException);
  }
}

function routingOf(meta: MetaLink): Routing {
  const { view } = meta;
  return {
    get table() {
      return view.table;
    },
    leaderOf: (slot) => view.table.slots[slot]?.leader ?? '',
    tableIsOld: () => meta.beatSoon(),
  };
}
