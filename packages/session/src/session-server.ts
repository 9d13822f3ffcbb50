/**
 * One session: the shell around the cores. Owns connections and timers, wires the parts together, starts and stops in the order
 * that clients need (session.md 1 "Startup order", 9 "Graceful stop").
 */
import { MetaLink, type ViewChange } from '@sofa-registry/cluster';
import { formatAddress, HybridClock, type NodeRecord, toProcessId } from '@sofa-registry/model';
import {
  type Clock,
  every,
  type Listener,
  type Logger,
  type MetricSet,
  type Network,
  type Random,
  type Timer,
} from '@sofa-registry/runtime';
import type { ClientConnection } from './client-connection.ts';
import { ClientDoor } from './client-door.ts';
import { DataSide } from './data/data-side.ts';
import { DepartureKeeper } from './departure-keeper.ts';
import { dispatch } from './handlers/index.ts';
import type { HandlerContext } from './handlers/handler.ts';
import { MetadataSync } from './metadata/metadata-sync.ts';
import { type SessionMetrics, sessionMetrics } from './metrics.ts';
import { type Compressor, zlibCompressor } from './push/compressor.ts';
import { ConfigPush } from './push/config-push.ts';
import { SessionTraffic } from './operator/session-traffic.ts';
import { TrafficRules } from './operator/traffic-rules.ts';
import { PushEngine } from './push/push-engine.ts';
import { PushSwitch } from './push/push-switch.ts';
import { Refusals } from './refusals.ts';
import { RegistrationStore } from './registry/registration-store.ts';
import { RestartGate } from './restart-gate.ts';
import { SessionBalancer } from './session-balancer.ts';
import { addSessionGauges } from './session-gauges.ts';
import { SessionInspect } from './session-inspect.ts';
import { SessionLeaver } from './session-leaver.ts';
import { Doubts } from './registry/doubts.ts';
import { SessionRegistry } from './registry/session-registry.ts';
import { type SessionConfig, type SessionTunables, tunablesOf } from './settings.ts';
import { TokenBucket } from './token-bucket.ts';

/** Ports of a session. */
export interface SessionPorts {
  readonly clock: Clock;
  readonly random: Random;
  /** To meta and data nodes. */
  readonly network: Network;
  /** Listens for clients. */
  readonly clientNetwork: Network;
  readonly logger: Logger;
  /** Compresses pushes where the setting allows it; default zstd and gzip of Node. */
  readonly compressor?: Compressor;
}

/** Document by which an operator ends holds: groups separated by commas, or `*`. */
export const RELEASE_HOLD_KEY = 'operator/release-hold';

/** Longest wait for the links to all leaders before the client port opens all the same. */
const LINKS_WAIT_MS = 5000;
/** How often the start looks whether the links are up. */
const LINKS_POLL_MS = 5;
/** Period of the small chores: SDK silence, restart gate, operator override. */
const CHORE_MS = 250;
/** Longest wait for meta's answer and for the last writes while stopping. */
const STOP_WAIT_MS = 1000;

type Phase = 'new' | 'starting' | 'serving' | 'draining' | 'stopped';

/** A session server. */
export class SessionServer {
  readonly inspect: SessionInspect;
  readonly metrics: MetricSet;
  /** Takes clients out of the traffic and lets them in again. */
  readonly traffic: SessionTraffic;
  readonly #ports: SessionPorts;
  readonly #config: SessionConfig;
  readonly #settings: SessionTunables;
  readonly #metrics: SessionMetrics;
  readonly #zone: string;
  readonly #stamps: HybridClock;
  readonly #store: RegistrationStore;
  readonly #door: ClientDoor;
  readonly #meta: MetaLink;
  readonly #data: DataSide;
  readonly #engine: PushEngine;
  readonly #registry: SessionRegistry;
  readonly #doubts: Doubts;
  readonly #departures: DepartureKeeper;
  readonly #balancer: SessionBalancer;
  readonly #leaver: SessionLeaver;
  readonly #gate: RestartGate;
  readonly #pushSwitch = new PushSwitch();
  readonly #trafficRules = new TrafficRules();
  readonly #refusals = new Refusals();
  readonly #metadata: MetadataSync;
  readonly #context: HandlerContext;
  readonly #timers: Timer[] = [];
  readonly #startedMs: number;
  readonly #tag: number;
  readonly #compressor: Compressor;
  /** Ends a start that is under way when the session is stopped. */
  readonly #stopped = new AbortController();
  #phase: Phase = 'new';
  /** True once meta has named this session to it as one that takes clients. */
  #listed = false;
  #address = '';
  #processId = '';
  #listener: Listener | null = null;

  constructor(ports: SessionPorts, config: SessionConfig) {
    const { clock, random } = ports;
    this.#ports = ports;
    this.#config = config;
    this.#settings = tunablesOf(config);
    this.#metrics = sessionMetrics();
    this.metrics = this.#metrics.set;
    this.#zone = config.zone.toUpperCase();
    this.#stamps = new HybridClock(() => clock.wallMs());
    this.#startedMs = clock.wallMs();
    this.#tag = random.uint32();
    this.#compressor = ports.compressor ?? zlibCompressor();
    this.#store = new RegistrationStore(config.slotConfig.slotCount);
    const { restartBackShare, restartSettleMs } = this.#settings;
    this.#gate = new RestartGate({
      backShare: restartBackShare,
      settleMs: restartSettleMs,
    });
    this.#meta = this.#makeMeta();
    this.#engine = this.#makeEngine();
    this.#data = this.#makeDataSide();
    this.#registry = this.#makeRegistry();
    this.#doubts = new Doubts({
      clock,
      stamps: this.#stamps,
      metrics: this.#metrics,
      store: this.#store,
      forwarder: this.#data.forwarder,
    });
    this.#departures = new DepartureKeeper({
      clock,
      logger: ports.logger,
      settings: this.#settings,
      metrics: this.#metrics,
      clientOff: (publisher) => void this.#registry.clientOff(publisher),
    });
    this.#door = new ClientDoor(clock, this.#settings, this.#metrics, {
      request: (connection, frame) => dispatch(this.#context, connection, frame),
      closed: (connection) => this.#clientClosed(connection),
      drained: (connection) => this.#engine.drained(connection),
      crashed: (error) => ports.logger.error('a client handler failed', { error: String(error) }),
    });
    this.traffic = this.#makeTraffic();
    this.#metadata = this.#makeMetadata();
    this.#context = this.#makeContext();
    this.inspect = this.#makeInspect();
    this.#balancer = this.#makeBalancer();
    this.#leaver = new SessionLeaver(clock, this.#door, this.#data.forwarder);
    addSessionGauges(this.#metrics.set, {
      counts: this.#store.counts,
      connections: this.#door.connections,
      data: this.#data,
      engine: this.#engine,
      departures: this.#departures.core,
      metadata: this.#metadata.core,
      held: () => this.inspect.held().length,
    });
  }

  /** `host:port` clients use; '' before the start. */
  get address(): string {
    return this.#address;
  }

  /** Identity of this process in the cluster. */
  get processId(): string {
    return this.#processId;
  }

  /**
   * Joins the cluster and opens the client port last, when the session can route, filter and push.
   * @throws RuntimeError SR_NET_LISTEN when the port cannot be opened; the signal's reason
   */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#phase !== 'new') throw new Error('session was started before');
    this.#phase = 'starting';
    const { clock, logger } = this.#ports;
    const { listen, advertise } = this.#config;
    // Only with an unnamed port: the cluster must be told the real one. The door stays shut until we are ready.
    if (listen.port === 0) await this.#listen();
    const bound = this.#listener?.address ?? listen;
    this.#address = advertise === '' ? formatAddress(bound.host, bound.port) : advertise;
    this.#processId = toProcessId(this.#address, this.#startedMs, this.#config.pid ?? 0, this.#tag);
    this.#meta.onChange((changed) => this.#viewChanged(changed));
    this.#meta.start();
    try {
      await this.#meta.ready(
        AbortSignal.any([this.#stopped.signal, ...(signal === undefined ? [] : [signal])]),
      );
    } catch (error) {
      if (this.#stopping()) return;
      throw error;
    }
    await this.#linksUp(signal);
    if (this.#stopping()) return;
    const { expectedPublishers, expectedForMs } = this.#meta.view;
    this.#gate.start(clock.monoMs(), expectedPublishers, expectedForMs);
    if (this.#listener === null) await this.#listen();
    if (this.#stopping()) return;
    this.#door.setOpen(true);
    this.#phase = 'serving';
    this.#meta.beatSoon();
    const { scanMs } = this.#settings;
    this.#timers.push(
      every(clock, scanMs, () => {
        this.#engine.scan();
        this.#data.antiEntropy.compareAll();
      }),
      every(clock, CHORE_MS, () => this.#chores()),
    );
    logger.info('session serves clients', { address: this.#address, zone: this.#zone });
  }

  /** Leaves in good order: off the list first, then clients move elsewhere and stay listed meanwhile (session.md 9). */
  async stop(): Promise<void> {
    if (this.#stopping()) return;
    const serving = this.#phase === 'serving';
    this.#phase = 'draining';
    this.#stopped.abort();
    if (serving) {
      await this.#within(this.#meta.drain(true), STOP_WAIT_MS);
      const others = this.#otherSessions();
      await this.#leaver.sendClientsAway(others, others.length === 0 ? 0 : this.#settings.drainMs);
      await this.#leaver.flushWrites(STOP_WAIT_MS);
    }
    await this.#listener?.close();
    this.#close('session stops');
    await this.#within(this.#meta.leave(), STOP_WAIT_MS);
    this.#teardown();
  }

  /** True while the session asks to be left out of the lists. */
  get draining(): boolean {
    return this.#meta.draining;
  }

  /** Takes the session out of the lists, or back in: it keeps serving the clients it has (F183). */
  async drain(on: boolean): Promise<void> {
    await this.#meta.drain(on);
  }

  /** As if killed: everything is dropped at once, nobody is told. */
  kill(): void {
    if (this.#phase === 'stopped') return;
    this.#phase = 'stopped';
    this.#stopped.abort();
    void this.#listener?.close();
    this.#close('killed');
    this.#teardown();
  }

  #close(reason: string): void {
    this.#door.setOpen(false);
    this.#door.destroyAll(reason);
  }

  #teardown(): void {
    this.#phase = 'stopped';
    for (const timer of this.#timers) timer.cancel();
    this.#departures.stop();
    this.#meta.stop();
    this.#data.stop();
  }

  #stopping(): boolean {
    return this.#phase === 'draining' || this.#phase === 'stopped';
  }

  async #listen(): Promise<void> {
    const listener = await this.#ports.clientNetwork.listen(this.#config.listen, (connection) =>
      this.#door.accept(connection),
    );
    if (this.#stopping()) await listener.close();
    this.#listener = listener;
  }

  /** Waits for a link to each leader: a session that cannot fetch would make its first clients wait. */
  async #linksUp(signal: AbortSignal | undefined): Promise<void> {
    const { clock, logger } = this.#ports;
    const untilMs = clock.monoMs() + LINKS_WAIT_MS;
    while (!this.#stopping() && this.#data.missingLeaders().length > 0) {
      signal?.throwIfAborted();
      if (clock.monoMs() >= untilMs) {
        logger.warn('session opens without links to all data leaders', {
          missing: this.#data.missingLeaders().join(','),
        });
        return;
      }
      await this.#sleep(LINKS_POLL_MS);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#ports.clock.setTimer(ms, resolve));
  }

  /** Waits for `done`, but not longer; an error of it is not ours to report. */
  async #within(done: Promise<unknown>, ms: number): Promise<void> {
    await Promise.race([done.catch(() => undefined), this.#sleep(ms)]);
  }

  /** Client addresses of the other sessions that take clients: those of our zone, without any all others. */
  #otherSessions(): string[] {
    const others = this.inspect.sessions().filter((node) => node.processId !== this.#processId);
    const near = others.filter(({ zone }) => zone === this.#zone);
    return (near.length === 0 ? others : near).map(({ address }) => address);
  }

  #node(): NodeRecord {
    return {
      role: 'session',
      processId: this.#processId,
      address: this.#address,
      httpAddress: this.#config.httpAddress,
      zone: this.#zone,
      dataCenter: this.#config.dataCenter,
      startedMs: this.#startedMs,
      weight: this.#door.connections.size,
      // Not offered to clients before the port is open, and not while we leave.
      draining: this.#phase !== 'serving',
    };
  }

  #viewChanged(changed: ViewChange): void {
    if (this.#phase === 'stopped') return;
    if (changed.members) this.#noteListed();
    this.#data.viewChanged(changed);
    if (!changed.docs) return;
    if (this.#pushSwitch.update(this.#meta.view.docs)) this.#catchUpAll();
    this.traffic.update(this.#meta.view.docs);
  }

  /** Clients that ask right after the start must find this session: an official one that finds none comes back after 5 s. */
  #noteListed(): void {
    const own = this.#processId;
    // An operator may have drained its address before the restart: then clients shall not find it.
    this.#listed ||=
      this.inspect.sessions().some(({ processId }) => processId === own) ||
      this.#meta.view.docs.get('operator/draining')?.value.includes(JSON.stringify(this.#address)) === true;
  }

  /** Pushing is allowed again: everybody who is behind is pushed to at once (F213). */
  #catchUpAll(): void {
    for (const service of this.#store.services.values()) this.#engine.catchUp(service);
  }

  #clientClosed(connection: ClientConnection): void {
    const { saidGoodbye, spoke } = connection;
    const publishers = this.#registry.connectionClosed(connection);
    // While we stop, closes are our doing: data nodes keep the publishers until they are registered elsewhere or the lease ends.
    const reopened = this.traffic.takeLeft(connection);
    const sentAway = this.#balancer.takeLeft(connection) || reopened;
    if (this.#phase !== 'serving' || !spoke) return;
    const open = this.#door.spoken;
    if (saidGoodbye) this.#departures.left(open);
    else if (sentAway) this.#departures.sentAway(connection.address, publishers);
    else this.#departures.closed(connection.address, open, this.#gate.closed, publishers);
  }

  #chores(): void {
    const nowMs = this.#ports.clock.monoMs();
    this.#doubts.recheck();
    this.#door.sweep();
    this.#engine.sweepSlow();
    this.#checkGate(nowMs);
    this.#releaseHolds();
    this.traffic.check();
    this.#metadata.check();
    if (this.#phase === 'serving') this.#balancer.check(nowMs);
  }

  #checkGate(nowMs: number): void {
    const { expectedPublishers } = this.#meta.view;
    // What the sessions hold together is known to meta only: tell and ask more often than each second.
    if (this.#gate.closed) this.#meta.beatSoon();
    if (!this.#gate.check(nowMs, expectedPublishers, this.#store.counts.publishers)) return;
    this.#ports.logger.info('first pushes begin', {
      publishers: this.#store.counts.publishers,
      expectedPublishers,
    });
    this.#engine.openGate();
  }

  /** Operator override: publishers of these groups are not held any longer. */
  #releaseHolds(): void {
    const value = this.#meta.view.docs.get(RELEASE_HOLD_KEY)?.value ?? '';
    if (value === '') return;
    const groups = new Set(value.split(',').map((group) => group.trim()));
    const all = groups.has('*');
    if (all && this.#gate.closed) {
      this.#gate.open();
      this.#engine.openGate();
    }
    this.#departures.release(({ service }) => all || groups.has(service.group));
  }

  #makeMeta(): MetaLink {
    return new MetaLink(this.#ports, {
      metas: this.#config.metas,
      slotConfig: this.#config.slotConfig,
      node: () => this.#node(),
      publishers: () => this.#store.counts.publishers,
      heardMsAgo: (processId) => this.#data.links.heardMsAgo(processId),
    });
  }

  #makeEngine(): PushEngine {
    const { clock, random, logger } = this.#ports;
    const gate = this.#gate;
    const pushSwitch = this.#pushSwitch;
    return new PushEngine({
      clock,
      random,
      settings: this.#settings,
      metrics: this.#metrics,
      place: { segment: this.#config.dataCenter, zone: this.#zone },
      compressor: this.#compressor,
      gate: {
        allowed: (host) => pushSwitch.allowed(host),
        get cold() {
          return gate.closed;
        },
      },
      unsendable: (service, error) =>
        logger.error('a list does not fit a frame', { dataInfoId: service.dataInfoId, error: String(error) }),
    });
  }

  #makeDataSide(): DataSide {
    return new DataSide({
      ports: this.#ports,
      settings: this.#settings,
      metrics: this.#metrics,
      store: this.#store,
      stamps: this.#stamps,
      meta: this.#meta,
      slotCount: this.#config.slotConfig.slotCount,
      zone: this.#zone,
      node: () => this.#node(),
      changed: (service, first) => this.#engine.changed(service, first),
      stale: (write, version, stamp) => this.#doubts.stale(write, version, stamp),
      superseded: (dataInfoId, registerId, version, stamp) =>
        this.#doubts.superseded(dataInfoId, registerId, version, stamp),
    });
  }

  #makeRegistry(): SessionRegistry {
    const { clock } = this.#ports;
    return new SessionRegistry({
      clock,
      stamps: this.#stamps,
      settings: this.#settings,
      metrics: this.#metrics,
      store: this.#store,
      forwarder: this.#data.forwarder,
      subscriptions: this.#data.subscriptions,
      engine: this.#engine,
      config: new ConfigPush(clock, this.#stamps, this.#settings, this.#metrics),
      compressor: this.#compressor,
      traffic: this.#trafficRules,
    });
  }

  #makeTraffic(): SessionTraffic {
    const { clock, logger } = this.#ports;
    return new SessionTraffic({
      clock,
      logger,
      rules: this.#trafficRules,
      store: this.#store,
      registry: this.#registry,
      connections: this.#door.connections,
      departed: () => this.#departures.core.pending,
    });
  }

  #makeMetadata(): MetadataSync {
    const { clock, random, logger } = this.#ports;
    const ports = { clock, random, logger, settings: this.#settings, metrics: this.#metrics };
    return new MetadataSync({ ...ports, meta: () => this.#meta }, () => this.#stamps.next());
  }

  #makeContext(): HandlerContext {
    const { clock } = this.#ports;
    return {
      clock,
      metrics: this.#metrics,
      registry: this.#registry,
      metadata: this.#metadata,
      refusals: this.#refusals,
      logger: this.#ports.logger,
      pushSwitch: this.#pushSwitch,
      accessRate: new TokenBucket(this.#settings.accessRatePerSecond, clock.monoMs()),
      dataCenter: this.#config.dataCenter,
      welcome: (connection, frame) =>
        this.#door.welcome(connection, frame, {
          server: this.#address,
          processId: this.#processId,
          zone: this.#zone,
          dataCenter: this.#config.dataCenter,
          sessions: this.inspect.sessions(this.#zone).map((node) => node.address),
        }),
    };
  }

  #makeInspect(): SessionInspect {
    return new SessionInspect({
      store: this.#store,
      metadata: this.#metadata,
      refusals: this.#refusals,
      departures: this.#departures.core,
      processId: () => this.#processId,
      view: () => this.#meta.view,
      monoMs: () => this.#ports.clock.monoMs(),
      connections: () => this.#door.connections,
      linkUp: (address) => this.#data.links.channel(address) !== null,
      pushAllowed: () => !this.#pushSwitch.stopped,
      firstPushesWait: () => this.#gate.closed,
      ready: () => this.#readiness(),
      listed: () => this.#listed,
      slotCount: this.#config.slotConfig.slotCount,
    });
  }

  #makeBalancer(): SessionBalancer {
    const { clock, random, logger } = this.#ports;
    return new SessionBalancer({
      clock,
      random,
      logger,
      settings: this.#settings,
      metrics: this.#metrics,
      door: this.#door,
      view: () => this.#meta.view,
      sessions: () => this.inspect.sessions(this.#zone),
      processId: () => this.#processId,
      holding: () =>
        this.#gate.closed || this.#departures.core.holding || this.#data.missingLeaders().length > 0,
    });
  }

  #readiness(): { ready: boolean; waitingFor: string } {
    if (this.#phase === 'serving' && this.#listed) return { ready: true, waitingFor: '' };
    if (this.#phase === 'serving') return { ready: false, waitingFor: 'its place in the list of sessions' };
    if (this.#phase !== 'starting') return { ready: false, waitingFor: `session is ${this.#phase}` };
    const waitingFor = this.#meta.waitingFor;
    return {
      ready: false,
      waitingFor: waitingFor === '' ? `data leaders ${this.#data.missingLeaders().join(',')}` : waitingFor,
    };
  }
}
