/** What operators may see of a session: HTTP endpoints and tests read it, nothing on the hot path does. */
import type { ClusterView } from '@sofa-registry/cluster';
import type { CompressPush, NodeRecord, Slot } from '@sofa-registry/model';
import { slotOf } from '@sofa-registry/model';
import type { Departures } from './departures.ts';
import type { ServiceApps } from './metadata/app-metadata.ts';
import type { MetadataSync } from './metadata/metadata-sync.ts';
import type { Refusal, Refusals } from './refusals.ts';
import type { RegistrationStore } from './registry/registration-store.ts';
import type { SessionPublisher, SessionSubscriber, SessionWatcher } from './registry/registrations.ts';
import type { ServiceEntry } from './registry/service-entry.ts';

/** Fields that all registrations have in the answers of the digest endpoints (http-answers.md). */
export interface RegistrationView {
  readonly dataInfoId: string;
  readonly dataId: string;
  readonly instanceId: string;
  readonly group: string;
  readonly registerId: string;
  readonly zone: string;
  readonly appName: string;
  /** Remote `ip:port` of the client. */
  readonly clientAddress: string;
  readonly version: number;
  /** Hybrid stamp of this session. */
  readonly stamp: number;
  readonly clientTimestamp: number;
  readonly attributes: ReadonlyMap<string, string> | null;
}

/** A publisher. `held` = its connection is gone and it stays listed for now. */
export interface PublisherView extends RegistrationView {
  readonly payload: Buffer;
  readonly held: boolean;
}

/** A subscriber. */
export interface SubscriberView extends RegistrationView {
  readonly scope: string;
  readonly acceptEncoding: string;
  readonly acceptMulti: boolean;
  /** Datum version acknowledged by the client; 0 = none. */
  readonly pushedVersion: number;
  /** Publishers in that push. */
  readonly pushedCount: number;
}

/** A watcher. */
export interface WatcherView extends RegistrationView {
  readonly pushedVersion: number;
}

/** A list, or publishers, that a fault keeps as they are. */
export interface HeldService {
  readonly dataInfoId: string;
  readonly reason: string;
  readonly sinceMs: number;
}

/** A refused registration; `sinceMs` and `lastMs`: how long ago the first and the last time were, ms. */
export type RefusedView = Refusal;

/** What the view reads. */
export interface InspectSource {
  readonly store: RegistrationStore;
  readonly metadata: MetadataSync;
  readonly refusals: Refusals;
  readonly departures: Departures;
  readonly processId: () => string;
  readonly view: () => ClusterView;
  readonly monoMs: () => number;
  readonly connections: () => ReadonlyMap<string, unknown>;
  readonly linkUp: (address: string) => boolean;
  readonly pushAllowed: () => boolean;
  readonly compressPush: () => CompressPush;
  /** True while first pushes wait for publishers to come back after a restart of everything. */
  readonly firstPushesWait: () => boolean;
  readonly ready: () => { ready: boolean; waitingFor: string };
  readonly listed: () => boolean;
  readonly slotCount: number;
}

/** Most entries of one answer that lists services. */
export const HELD_MAX = 10_000;

/** The view of one session. */
export class SessionInspect {
  readonly #source: InspectSource;

  constructor(source: InspectSource) {
    this.#source = source;
  }

  counts(): { publishers: number; subscribers: number; watchers: number; connections: number } {
    const { publishers, subscribers, watchers } = this.#source.store.counts;
    return { publishers, subscribers, watchers, connections: this.#source.connections().size };
  }

  /** True while first pushes wait for publishers to come back after a restart of everything. */
  get firstPushesWait(): boolean {
    return this.#source.firstPushesWait();
  }

  /** Every dataInfoId with a registration here. */
  dataInfoIds(): string[] {
    const out: string[] = [];
    for (const service of this.#source.store.services.values())
      if (registered(service)) out.push(service.dataInfoId);
    return out;
  }

  /** Publishers of a service that count: not those whose clients have registered anew elsewhere. */
  publishers(dataInfoId: string): PublisherView[] {
    return [...(this.#source.store.find(dataInfoId)?.publishers?.values() ?? [])]
      .filter((publisher) => !publisher.hidden)
      .map(publisherView);
  }

  subscribers(dataInfoId: string): SubscriberView[] {
    return [...(this.#source.store.find(dataInfoId)?.subscribers?.values() ?? [])].map(subscriberView);
  }

  watchers(dataInfoId: string): WatcherView[] {
    return [...(this.#source.store.find(dataInfoId)?.watchers?.values() ?? [])].map(watcherView);
  }

  /** What the connection `ip:port` registered. */
  byConnection(address: string): {
    publishers: PublisherView[];
    subscribers: SubscriberView[];
    watchers: WatcherView[];
  } {
    const publishers: PublisherView[] = [];
    const subscribers: SubscriberView[] = [];
    const watchers: WatcherView[] = [];
    for (const service of this.#source.store.services.values()) {
      for (const item of service.publishers?.values() ?? []) {
        if (item.clientAddress === address) publishers.push(publisherView(item));
      }
      for (const item of service.subscribers?.values() ?? []) {
        if (item.target.connection.address === address) subscribers.push(subscriberView(item));
      }
      for (const item of service.watchers?.values() ?? []) {
        if (item.connection.address === address) watchers.push(watcherView(item));
      }
    }
    return { publishers, subscribers, watchers };
  }

  /** Remote `ip:port` of every client. */
  connections(): string[] {
    return [...this.#source.connections().keys()];
  }

  /** Sessions that take clients, of one zone or of all. */
  sessions(zone?: string): NodeRecord[] {
    const wanted = zone?.toUpperCase();
    return this.#source
      .view()
      .members.filter((node) => node.role === 'session' && !node.draining)
      .filter((node) => wanted === undefined || wanted === '' || node.zone === wanted);
  }

  /** Slot of a dataInfoId in the newest table known; without a table one without leader. */
  slot(dataInfoId: string): Slot {
    const { slotCount, view } = this.#source;
    const id = slotOf(dataInfoId, slotCount);
    return view().table.slots[id] ?? { id, leader: '', leaderEpoch: 0, followers: [] };
  }

  /** Registrations that were refused within the last minute, most of them again and again; the first hundred. */
  refused(): RefusedView[] {
    const nowMs = this.#source.monoMs();
    return this.#source.refusals.now(nowMs).map((refusal) => ({
      ...refusal,
      sinceMs: Math.round(nowMs - refusal.sinceMs),
      lastMs: Math.round(nowMs - refusal.lastMs),
    }));
  }

  /** Ids of all application revisions, from meta; those known here while it is away. */
  revisionIds(): Promise<string[]> {
    return this.#source.metadata.revisionIds();
  }

  /** Applications that offer each service. */
  serviceApps(): Map<string, ServiceApps> {
    return this.#source.metadata.core.allServices();
  }

  /** How pushes are compressed now. */
  compressPush(): CompressPush {
    return this.#source.compressPush();
  }

  pushAllowed(): boolean {
    return this.#source.pushAllowed();
  }

  /** Services whose list is held at its last good state, or whose publishers are, and why (I6); at most {@link HELD_MAX}. */
  held(): HeldService[] {
    const out: HeldService[] = [];
    const { store, departures, monoMs, view, linkUp } = this.#source;
    const nowMs = monoMs();
    for (const { dataInfoId, datum, slot } of store.services.values()) {
      if (out.length >= HELD_MAX) return out;
      if (datum === null) continue;
      const leader = view().table.slots[slot]?.leader ?? '';
      if (datum.hold !== null) {
        out.push({ dataInfoId, reason: datum.hold.reason, sinceMs: nowMs - datum.hold.sinceMonoMs });
      } else if (leader === '' || !linkUp(leader)) {
        out.push({
          dataInfoId,
          reason: leader === '' ? 'slot has no leader' : `${leader}: no link`,
          sinceMs: 0,
        });
      }
    }
    for (const { held, closedMs, publishers } of departures.pending) {
      if (!held) continue;
      const ids = new Set<string>();
      for (const publisher of publishers) if (store.holds(publisher)) ids.add(publisher.service.dataInfoId);
      for (const dataInfoId of ids) {
        if (out.length >= HELD_MAX) return out;
        out.push({
          dataInfoId,
          reason: 'many clients lost their connection together',
          sinceMs: nowMs - closedMs,
        });
      }
    }
    return out;
  }

  /** True once the list of sessions named this one to clients. */
  listed(): boolean {
    return this.#source.listed();
  }

  ready(): { ready: boolean; waitingFor: string } {
    return this.#source.ready();
  }

  view(): ClusterView {
    return this.#source.view();
  }

  /** Identity of this process. */
  processId(): string {
    return this.#source.processId();
  }
}

function registered(service: ServiceEntry): boolean {
  return service.publishers !== null || service.subscribers !== null || service.watchers !== null;
}

function commonView(
  item: SessionPublisher | SessionSubscriber | SessionWatcher,
  service: ServiceEntry,
  clientAddress: string,
): RegistrationView {
  const { dataInfoId, dataId, instanceId, group } = service;
  const { registerId, zone, appName, version, stamp, clientTimestamp, attributes } = item;
  return {
    dataInfoId,
    dataId,
    instanceId,
    group,
    registerId,
    zone,
    appName,
    clientAddress,
    version,
    stamp,
    clientTimestamp,
    attributes,
  };
}

function publisherView(item: SessionPublisher): PublisherView {
  return {
    ...commonView(item, item.service, item.clientAddress),
    payload: item.payload,
    held: item.connection === null,
  };
}

function subscriberView(item: SessionSubscriber): SubscriberView {
  const { target, acceptEncoding } = item;
  const { scope, multi, pushedVersion, pushedCount, service, connection } = target;
  return {
    ...commonView(item, service, connection.address),
    scope,
    acceptEncoding,
    acceptMulti: multi,
    pushedVersion,
    pushedCount,
  };
}

function watcherView(item: SessionWatcher): WatcherView {
  return { ...commonView(item, item.service, item.connection.address), pushedVersion: item.pushedVersion };
}
