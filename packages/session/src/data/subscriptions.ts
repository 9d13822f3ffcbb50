/**
 * The lists this session watches: fetches them (single-flight, batched per leader and turn), applies the leaders' change notices,
 * drops them when nobody subscribes any more. A list whose leader does not answer is held as it is and says why (I6).
 */
import {
  type Clock,
  type BoltChannel,
  every,
  type Random,
  type ReplyHandler,
  type RpcError,
  type Timer,
} from '@sofa-registry/runtime';
import { NO_DATUM_VERSION } from '@sofa-registry/model';
import {
  AccessCode,
  Changed,
  CODEC_INTERNAL,
  type DatumUpdate,
  Fetch,
  FETCH_ITEMS_MAX,
  FetchReply,
  Forget,
  type Frame,
  type OnceShown,
  UpdateKind,
} from '@sofa-registry/wire';
import type { SessionMetrics } from '../metrics.ts';
import type { RegistrationStore } from '../registry/registration-store.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import type { SessionTunables } from '../settings.ts';
import { EmptyDoubts } from './empty-doubts.ts';
import type { OnceList } from './once-list.ts';
import type { Routing } from './routing.ts';
import { type HistoryLimits, WatchedDatum } from './watched-datum.ts';

/** Longest wait before a fetch is sent again (reads: 100-500 ms). */
const FETCH_RETRY_MS_MAX = 500;
/** How often lingering and unknown lists are looked through. */
const SWEEP_MS = 1000;

/** What the subscriptions need. */
export interface SubscriptionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly store: RegistrationStore;
  readonly routing: Routing;
  /** The session's region. */
  readonly zone: string;
  channel(leader: string): BoltChannel | null;
  /** A clock value of a data node. */
  observe(stamp: number): void;
  /** The cached list got a new version; `first` = it was fetched for the first time. */
  changed(service: ServiceEntry, first: boolean): void;
  /** The same, with a list that is to be shown once. */
  shownOnce(service: ServiceEntry, list: OnceList): void;
  /** A data node is to raise versions of the slot above ours (sr.Interests). */
  raise(slot: number): void;
}

interface FetchBatch {
  readonly leader: string;
  readonly services: ServiceEntry[];
}

/** The watched lists. */
export class Subscriptions implements ReplyHandler<FetchBatch> {
  readonly #ports: SubscriptionPorts;
  /** To be fetched at the end of the turn, by leader. */
  readonly #queued = new Map<string, ServiceEntry[]>();
  /** To be fetched when a link or a table comes, or by the retry timer. */
  readonly #waiting = new Set<ServiceEntry>();
  /** Unanswered batches. */
  readonly #inFlight = new Set<FetchBatch>();
  readonly #lingering = new Map<ServiceEntry, number>();
  /** Ids that nobody publishes, and when they are to get a real version. */
  readonly #unknown = new Map<ServiceEntry, number>();
  readonly #historyLimits: HistoryLimits;
  readonly #doubts: EmptyDoubts;
  readonly #sweep: Timer;
  #armed = false;
  #retry: Timer | null = null;
  #watched = 0;

  constructor(ports: SubscriptionPorts) {
    this.#ports = ports;
    const { historySteps, historyEntriesMax } = ports.settings;
    this.#historyLimits = { steps: historySteps, entriesMax: historyEntriesMax };
    this.#doubts = new EmptyDoubts(ports.clock, ports.settings.emptyDoubtMs, (service) =>
      this.fetch(service),
    );
    this.#sweep = every(ports.clock, SWEEP_MS, () => {
      this.#dropLingering();
      this.#confirmUnknown();
    });
  }

  /** Lists that are watched. */
  get watched(): number {
    return this.#watched;
  }

  /** Lists that wait for a leader. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Somebody subscribes to the service: makes sure its list is cached and kept current. */
  watch(service: ServiceEntry): WatchedDatum {
    this.#lingering.delete(service);
    if (service.datum !== null) return service.datum;
    const datum = new WatchedDatum(this.#ports.zone, this.#historyLimits, service);
    service.datum = datum;
    this.#watched++;
    this.fetch(service);
    return datum;
  }

  /** The last subscriber left: the list lingers. */
  unwatch(service: ServiceEntry): void {
    if (service.datum === null) return;
    this.#lingering.set(service, this.#ports.clock.monoMs() + this.#ports.settings.lingerMs);
  }

  /** Fetches what changed since the cached version, unless a fetch is under way. */
  fetch(service: ServiceEntry): void {
    const { datum } = service;
    if (datum === null || datum.fetching) return;
    datum.fetching = true;
    this.#waiting.delete(service);
    this.#queue(service);
  }

  /** sr.Changed from a data node. */
  onChanged(leader: string, frame: Frame): void {
    const { updates } = Changed.decode(frame.content);
    const { routing, store } = this.#ports;
    for (const update of updates) {
      const service = store.find(update.dataInfoId);
      if (service === undefined || service.datum === null) continue;
      if (routing.leaderOf(service.slot) !== leader) {
        // Not the leader by our table: either it is older than ours or ours is old. The comparison after the next table heals.
        routing.tableIsOld();
        continue;
      }
      this.#notice(service, service.datum, update);
    }
  }

  /** A data node reported that its version of these ids differs from the cached one. */
  differs(dataInfoId: string, version: number): void {
    const service = this.#ports.store.find(dataInfoId);
    if (service === undefined || service.datum === null) return;
    service.datum.promisedVersion = Math.max(service.datum.promisedVersion, version);
    this.fetch(service);
  }

  /** A link came up or the table changed: what waits is tried at once. */
  wake(): void {
    for (const service of this.#waiting) this.#queue(service);
    this.#waiting.clear();
  }

  /** The table changed: what is asked of a node that leads no more is asked of the new leader, for that one may never answer. */
  moved(): void {
    const { routing } = this.#ports;
    for (const { leader, services } of this.#inFlight)
      for (const service of services) {
        const { datum } = service;
        if (datum === null || datum.askedAt !== leader || routing.leaderOf(service.slot) === leader) continue;
        datum.askedAt = null;
        this.#queue(service);
      }
    this.wake();
  }

  reply(batch: FetchBatch, frame: Frame): void {
    this.#inFlight.delete(batch);
    let reply: ReturnType<typeof FetchReply.decode>;
    try {
      reply = FetchReply.decode(frame.content);
    } catch (error) {
      this.#failed(batch, `bad answer: ${String(error)}`);
      return;
    }
    const { routing } = this.#ports;
    this.#ports.observe(reply.clock);
    if (reply.tableEpoch > routing.table.epoch) routing.tableIsOld();
    for (let i = 0; i < batch.services.length; i++) {
      const service = batch.services[i];
      const item = reply.items[i];
      if (!this.#awaits(service, batch)) continue;
      if (item === undefined) this.#wait(service, 'incomplete answer', 'noAnswer');
      else if (item.code !== AccessCode.accept) this.#refused(service, batch.leader, item.code);
      else if (item.update !== null) this.#fetched(service, service.datum, item.update);
    }
  }

  failed(batch: FetchBatch, error: RpcError): void {
    this.#failed(batch, error.code === 'SR_RPC_CLOSED' ? 'link lost' : error.message);
  }

  /** Stops the timers. */
  stop(): void {
    this.#sweep.cancel();
    this.#doubts.stop();
    this.#retry?.cancel();
  }

  #notice(service: ServiceEntry, datum: WatchedDatum, update: DatumUpdate): void {
    const before = datum.version;
    const outcome = before === 0 ? 'gap' : datum.apply(update);
    if (outcome === 'applied') {
      this.#ports.metrics.deltas.value++;
      this.#advanced(service, datum, before, update.once);
    } else if (outcome === 'gap') {
      if (update.kind !== UpdateKind.version) this.#ports.metrics.gaps.value++;
      datum.promisedVersion = Math.max(datum.promisedVersion, update.to);
      this.fetch(service);
    }
  }

  #fetched(service: ServiceEntry, datum: WatchedDatum, update: DatumUpdate): void {
    datum.fetching = false;
    const before = datum.version;
    if (before === 0 && isEmpty(update) && this.#doubts.doubts(service)) return;
    const outcome = datum.apply(update);
    if (outcome === 'stale') {
      // The node lost what we have seen: it must raise its version before its list may replace ours.
      this.#ports.metrics.staleUpdates.value++;
      this.#ports.raise(service.slot);
      this.#wait(service, 'data node is behind the version held', 'behind');
      return;
    }
    if (outcome === 'gap') {
      // Changes overtook the fetch and made its base old.
      this.fetch(service);
      return;
    }
    datum.attempts = 0;
    datum.hold = null;
    if (outcome === 'applied') this.#advanced(service, datum, before);
    if (datum.version === NO_DATUM_VERSION && !this.#unknown.has(service)) {
      this.#unknown.set(service, this.#ports.clock.monoMs() + this.#ports.settings.holdMs);
    }
    if (datum.version < datum.promisedVersion) {
      // Once: a promise that was wrong must not make a loop.
      datum.promisedVersion = 0;
      this.fetch(service);
    }
  }

  #advanced(service: ServiceEntry, datum: WatchedDatum, before: number, once: OnceShown | null = null): void {
    if (before === 0) this.#doubts.forget(service);
    this.#ports.store.moveInterest(service, before, datum.version);
    if (once === null) this.#ports.changed(service, before === 0);
    else this.#ports.shownOnce(service, datum.showOnce(once));
  }

  #refused(service: ServiceEntry, leader: string, code: number): void {
    if (code === AccessCode.moved || code === AccessCode.misMatch) this.#ports.routing.tableIsOld();
    const why = code === AccessCode.migrating ? 'migrating' : 'access';
    this.#wait(service, `${leader}: ${REFUSALS[code] ?? `access code ${code}`}`, why);
  }

  /** True if the answer of this batch is what the list waits for: it was not asked elsewhere since. */
  #awaits(service: ServiceEntry, { leader }: FetchBatch): service is ServiceEntry & { datum: WatchedDatum } {
    const { datum } = service;
    if (datum === null || datum.askedAt !== leader) return false;
    datum.askedAt = null;
    return true;
  }

  #failed(batch: FetchBatch, reason: string): void {
    this.#inFlight.delete(batch);
    for (const service of batch.services) {
      if (this.#awaits(service, batch)) this.#wait(service, `${batch.leader}: ${reason}`, 'noAnswer');
    }
  }

  #wait(service: ServiceEntry, reason: string, counted: keyof SessionMetrics['fetchRetries']): void {
    const { datum } = service;
    if (datum === null) return;
    const { clock, random, settings, metrics } = this.#ports;
    datum.fetching = true;
    datum.attempts++;
    metrics.fetchRetries[counted].value++;
    datum.hold = { reason, sinceMonoMs: datum.hold?.sinceMonoMs ?? clock.monoMs() };
    this.#waiting.add(service);
    if (this.#retry !== null) return;
    const waitMs = Math.min(settings.fetchRetryMs * 2 ** Math.min(datum.attempts - 1, 8), FETCH_RETRY_MS_MAX);
    this.#retry = clock.setTimer(waitMs * (0.5 + 0.5 * random.next()), () => {
      this.#retry = null;
      this.wake();
    });
  }

  #queue(service: ServiceEntry): void {
    const leader = this.#ports.routing.leaderOf(service.slot);
    const list = this.#queued.get(leader);
    if (list === undefined) this.#queued.set(leader, [service]);
    else list.push(service);
    if (this.#armed) return;
    this.#armed = true;
    this.#ports.clock.defer(() => this.#flush());
  }

  #flush(): void {
    this.#armed = false;
    const { routing, settings, metrics } = this.#ports;
    const queued = [...this.#queued];
    this.#queued.clear();
    for (const [leader, list] of queued) {
      const channel = this.#ports.channel(leader);
      for (let at = 0; at < list.length; at += FETCH_ITEMS_MAX) {
        const services = list.slice(at, at + FETCH_ITEMS_MAX).filter((service) => service.datum !== null);
        if (services.length === 0) continue;
        const batch = { leader, services };
        for (const { datum } of services) if (datum !== null) datum.askedAt = leader;
        if (channel === null) {
          this.#failed(batch, leader === '' ? 'slot has no leader' : 'no link');
          continue;
        }
        metrics.fetches.value += services.length;
        this.#inFlight.add(batch);
        const items = services.map((service) => ({
          slot: service.slot,
          dataInfoId: service.dataInfoId,
          since: service.datum?.version ?? 0,
        }));
        const content = Fetch.encode({ tableEpoch: routing.table.epoch, items });
        channel.request(Fetch.className, CODEC_INTERNAL, content, settings.fetchTimeoutMs, this, batch);
      }
    }
  }

  #dropLingering(): void {
    const nowMs = this.#ports.clock.monoMs();
    const forgotten = new Map<string, string[]>();
    for (const [service, dueMs] of this.#lingering) {
      if (dueMs > nowMs) continue;
      this.#lingering.delete(service);
      this.#drop(service, forgotten);
    }
    for (const [leader, dataInfoIds] of forgotten) {
      this.#ports.channel(leader)?.oneway(Forget.className, CODEC_INTERNAL, Forget.encode({ dataInfoIds }));
    }
  }

  /**
   * Subscribers of an id that nobody publishes hold an empty list of version 1, which does not replace what they may have had before
   * everything restarted. When the hold is over and there is still nobody, the id gets a real version and they are told.
   */
  #confirmUnknown(): void {
    const { clock, settings } = this.#ports;
    const nowMs = clock.monoMs();
    const slots = new Set<number>();
    for (const [service, dueMs] of this.#unknown) {
      if (dueMs > nowMs) continue;
      if (service.datum === null || service.datum.version !== NO_DATUM_VERSION) {
        this.#unknown.delete(service);
        continue;
      }
      service.datum.confirmEmpty = true;
      this.#unknown.set(service, nowMs + settings.scanMs);
      slots.add(service.slot);
    }
    for (const slot of slots) this.#ports.raise(slot);
  }

  #drop(service: ServiceEntry, forgotten: Map<string, string[]>): void {
    const { store, routing } = this.#ports;
    if (service.subscribers !== null || service.datum === null) return;
    store.moveInterest(service, service.datum.version, 0);
    service.datum = null;
    this.#watched--;
    this.#waiting.delete(service);
    this.#unknown.delete(service);
    this.#doubts.forget(service);
    const leader = routing.leaderOf(service.slot);
    const list = forgotten.get(leader);
    if (list === undefined) forgotten.set(leader, [service.dataInfoId]);
    else list.push(service.dataInfoId);
    store.release(service);
  }
}

function isEmpty(update: DatumUpdate): boolean {
  return update.kind === UpdateKind.full && update.entries.length === 0;
}

const REFUSALS: Record<number, string> = {
  [AccessCode.migrating]: 'leader is still collecting publishers',
  [AccessCode.moved]: 'leads the slot no more',
  [AccessCode.misMatch]: 'has an older slot table',
  [AccessCode.unSupported]: 'cannot serve the slot',
};
