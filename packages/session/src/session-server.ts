/**
 * One session: the shell around the cores. Owns connections and timers, wires the parts together, starts and stops in the order
 * that clients need (session.md 1 "Startup order", 9 "Graceful stop").
 */
import { MetaLink, type PeerLink, type ViewChange } from '@sofa-registry/cluster';
import { formatAddress, HybridClock, type NodeRecord, toProcessId } from '@sofa-registry/model';
import {
  type BoltChannel,
  type Clock,
  every,
  type Listener,
  type Logger,
  type MetricSet,
  type Network,
  type Random,
  type Timer,
} from '@sofa-registry/runtime';
import { BoltStatus, Changed, type Frame, type HelloReply, type MessageOf } from '@sofa-registry/wire';
import { AntiEntropy } from './anti-entropy.ts';
import type { ClientConnection } from './client-connection.ts';
import { ClientDoor } from './client-door.ts';
import { DataLinks } from './data/data-links.ts';
import type { Routing } from './data/routing.ts';
import { Subscriptions } from './data/subscriptions.ts';
import { Departures } from './departures.ts';
import { dispatch } from './handlers/index.ts';
import type { HandlerContext } from './handlers/handler.ts';
import { SessionMetadataStore } from './metadata-store.ts';
import { type SessionMetrics, sessionMetrics } from './metrics.ts';
import { ConfigPush } from './push/config-push.ts';
import { PushEngine } from './push/push-engine.ts';
import { PushSwitch } from './push/push-switch.ts';
import { RegistrationStore } from './registration-store.ts';
import type { SessionPublisher } from './registrations.ts';
import { RestartGate } from './restart-gate.ts';
import { SessionInspect } from './session-inspect.ts';
import { SessionRegistry } from './session-registry.ts';
import { type SessionConfig, type SessionTunables, tunablesOf } from './settings.ts';
import { TokenBucket } from './token-bucket.ts';
import { WriteForwarder } from './write/write-forwarder.ts';

/** Ports of a session. */
export interface SessionPorts {
  readonly clock: Clock;
  readonly random: Random;
  /** To meta and data nodes. */
  readonly network: Network;
  /** Listens for clients. */
  readonly clientNetwork: Network;
  readonly logger: Logger;
}

/** Document by which an operator ends holds: groups separated by commas, or `*` (issue: override per group). */
export const RELEASE_HOLD_KEY = 'operator/release-hold';

/** Longest wait for the links to all leaders before the client port opens all the same. */
const LINKS_WAIT_MS = 5000;
/** How often the start looks whether the links are up. */
const LINKS_POLL_MS = 5;
/** Period of the small chores: SDK silence, restart gate, operator override. */
const CHORE_MS = 250;
/** Publishers removed before other work gets its turn. */
const CLIENT_OFF_SLICE_ITEMS = 2000;
/** Longest wait for meta's answer and for the last writes while stopping. */
const STOP_WAIT_MS = 1000;

type Phase = 'new' | 'starting' | 'serving' | 'draining' | 'stopped';

/** A session server. */
export class SessionServer {
  readonly inspect: SessionInspect;
  readonly metrics: MetricSet;
  readonly #ports: SessionPorts;
  readonly #config: SessionConfig;
  readonly #settings: SessionTunables;
  readonly #metrics: SessionMetrics;
  readonly #zone: string;
  readonly #stamps: HybridClock;
  readonly #store: RegistrationStore;
  readonly #door: ClientDoor;
  readonly #links: DataLinks;
  readonly #meta: MetaLink;
  readonly #forwarder: WriteForwarder;
  readonly #subscriptions: Subscriptions;
  readonly #engine: PushEngine;
  readonly #registry: SessionRegistry;
  readonly #antiEntropy: AntiEntropy;
  readonly #departures: Departures;
  readonly #gate: RestartGate;
  readonly #pushSwitch = new PushSwitch();
  readonly #context: HandlerContext;
  readonly #timers: Timer[] = [];
  readonly #startedMs: number;
  readonly #tag: number;
  #phase: Phase = 'new';
  #address = '';
  #processId = '';
  #listener: Listener | null = null;
  #departureTimer: Timer | null = null;
  #departureDueMs = Infinity;

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
    this.#store = new RegistrationStore(config.slotConfig.slotCount);
    const settings = this.#settings;
    const metrics = this.#metrics;
    const store = this.#store;
    this.#meta = this.#makeMeta();
    this.#links = new DataLinks(ports, () => this.#hello(), {
      up: (link, reply) => this.#linkUp(link, reply),
      down: (link, reason) => ports.logger.info('data link down', { peer: link.address, reason }),
      message: (link, channel, frame) => this.#dataMessage(link, channel, frame),
    });
    const routing = this.#routing();
    const channel = (leader: string): BoltChannel | null => this.#links.channel(leader);
    const lastStamp = (): number => this.#stamps.last;
    const observe = (stamp: number): void => void this.#stamps.observe(stamp);
    this.#gate = new RestartGate({ holdMs: settings.holdMs, backShare: settings.restartBackShare });
    this.#departures = new Departures({
      graceMs: settings.graceMs,
      holdMs: settings.holdMs,
      massShare: settings.massCloseShare,
      massMin: settings.massCloseMin,
      windowMs: settings.massCloseWindowMs,
    });
    this.#engine = this.#makeEngine();
    this.#forwarder = new WriteForwarder({
      clock,
      random,
      settings,
      metrics,
      routing,
      channel,
      lastStamp,
      observe,
      stale: (write, version, stamp) => this.#registry.stale(write, version, stamp),
    });
    this.#subscriptions = new Subscriptions({
      clock,
      random,
      settings,
      metrics,
      store,
      routing,
      zone: this.#zone,
      channel,
      observe,
      changed: (service) => this.#engine.changed(service),
      ahead: (slot) => this.#antiEntropy.tellInterests(slot),
    });
    this.#antiEntropy = new AntiEntropy({
      clock,
      settings,
      metrics,
      store,
      routing,
      channel,
      lastStamp,
      observe,
      resend: (publisher) => this.#forwarder.publish(publisher),
      differs: (dataInfoId, version) => this.#subscriptions.differs(dataInfoId, version),
    });
    this.#registry = new SessionRegistry({
      clock,
      stamps: this.#stamps,
      settings,
      metrics,
      store,
      forwarder: this.#forwarder,
      subscriptions: this.#subscriptions,
      engine: this.#engine,
      config: new ConfigPush(clock, this.#stamps, settings, metrics),
    });
    this.#door = new ClientDoor(clock, settings, metrics, {
      request: (connection, frame) => dispatch(this.#context, connection, frame),
      closed: (connection) => this.#clientClosed(connection),
      drained: (connection) => this.#engine.drained(connection),
      crashed: (error) => ports.logger.error('a client handler failed', { error: String(error) }),
    });
    this.#context = this.#makeContext();
    this.inspect = this.#makeInspect();
    this.#addGauges();
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
    this.#processId = toProcessId(this.#address, this.#startedMs, this.#tag);
    this.#meta.onChange((changed) => this.#viewChanged(changed));
    this.#meta.start();
    await this.#meta.ready(signal);
    await this.#linksUp(signal);
    if (this.#stopping()) return;
    this.#gate.start(clock.monoMs(), this.#meta.view.expectedPublishers);
    if (this.#listener === null) await this.#listen();
    if (this.#stopping()) return;
    this.#door.setOpen(true);
    this.#phase = 'serving';
    this.#meta.beatSoon();
    const { scanMs } = this.#settings;
    this.#timers.push(
      every(clock, scanMs, () => {
        this.#engine.scan();
        this.#antiEntropy.compareAll();
      }),
      every(clock, CHORE_MS, () => this.#chores()),
    );
    logger.info('session serves clients', { address: this.#address, zone: this.#zone });
  }

  /** Leaves in good order: clients move elsewhere, their publishers stay listed meanwhile (session.md 9). */
  async stop(): Promise<void> {
    if (this.#stopping()) return;
    const serving = this.#phase === 'serving';
    this.#phase = 'draining';
    await this.#listener?.close();
    if (serving) await this.#drain();
    this.#close('session stops');
    await this.#within(this.#meta.leave(), STOP_WAIT_MS);
    this.#teardown();
  }

  /** As if killed: everything is dropped at once, nobody is told. */
  kill(): void {
    if (this.#phase === 'stopped') return;
    this.#phase = 'stopped';
    void this.#listener?.close();
    this.#close('killed');
    this.#teardown();
  }

  async #drain(): Promise<void> {
    const { clock } = this.#ports;
    await this.#within(this.#meta.drain(true), STOP_WAIT_MS);
    const others = this.#otherSessions();
    const drainMs = others.length === 0 ? 0 : this.#settings.drainMs;
    this.#door.sendAway(drainMs / 2, 'session stops', others);
    const official = [...this.#door.connections.values()].filter((connection) => connection.sdk === null);
    const deadlineMs = clock.monoMs() + drainMs;
    let at = 0;
    while (drainMs > 0 && this.#door.connections.size > 0 && clock.monoMs() < deadlineMs) {
      const share = 1 - (deadlineMs - clock.monoMs()) / drainMs;
      for (const until = Math.ceil(official.length * share); at < until; at++) official[at].channel.end();
      await this.#sleep(Math.min(50, drainMs));
    }
    const flushUntilMs = clock.monoMs() + STOP_WAIT_MS;
    this.#forwarder.flush();
    while (this.#forwarder.queue.size > 0 && clock.monoMs() < flushUntilMs) await this.#sleep(10);
  }

  #close(reason: string): void {
    this.#door.setOpen(false);
    this.#door.destroyAll(reason);
  }

  #teardown(): void {
    this.#phase = 'stopped';
    for (const timer of this.#timers) timer.cancel();
    this.#departureTimer?.cancel();
    this.#forwarder.stop();
    this.#subscriptions.stop();
    this.#meta.stop();
    this.#links.close();
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
    while (!this.#stopping() && this.#missingLeaders().length > 0) {
      signal?.throwIfAborted();
      if (clock.monoMs() >= untilMs) {
        logger.warn('session opens without links to all data leaders', {
          missing: this.#missingLeaders().join(','),
        });
        return;
      }
      await this.#sleep(LINKS_POLL_MS);
    }
  }

  #missingLeaders(): string[] {
    const leaders = new Set(this.#meta.view.table.slots.map((slot) => slot.leader));
    return [...leaders].filter((leader) => leader !== '' && this.#links.channel(leader) === null);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#ports.clock.setTimer(ms, resolve));
  }

  /** Waits for `done`, but not longer; an error of it is not ours to report. */
  async #within(done: Promise<unknown>, ms: number): Promise<void> {
    await Promise.race([done.catch(() => undefined), this.#sleep(ms)]);
  }

  /** Client addresses of the other sessions that take clients, those of our zone first. */
  #otherSessions(): string[] {
    return this.inspect
      .sessions()
      .filter((node) => node.processId !== this.#processId)
      .sort((a, b) => Number(b.zone === this.#zone) - Number(a.zone === this.#zone))
      .map((node) => node.address);
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

  #hello(): { node: NodeRecord; tableEpoch: number; slotCount: number; clock: number } {
    const tableEpoch = this.#meta.view.table.epoch;
    const { slotCount } = this.#config.slotConfig;
    return { node: this.#node(), tableEpoch, slotCount, clock: this.#stamps.last };
  }

  #viewChanged(changed: ViewChange): void {
    if (this.#phase === 'stopped') return;
    const { view } = this.#meta;
    if (changed.table || changed.members) this.#links.sync(view.members, view.table);
    if (changed.table) {
      this.#forwarder.reroute();
      this.#subscriptions.wake();
      this.#antiEntropy.compareAll();
    }
    if (changed.docs && this.#pushSwitch.update(view.docs)) this.#catchUpAll();
  }

  /** Pushing is allowed again: everybody who is behind is pushed to at once (F213). */
  #catchUpAll(): void {
    for (const service of this.#store.services.values()) this.#engine.catchUp(service);
  }

  #linkUp(link: PeerLink, reply: MessageOf<typeof HelloReply>): void {
    this.#stamps.observe(reply.clock);
    if (reply.tableEpoch > this.#meta.view.table.epoch) this.#meta.beatSoon();
    this.#ports.logger.info('data link up', { peer: link.address });
    this.#forwarder.wake();
    this.#subscriptions.wake();
    this.#antiEntropy.compare(link.address);
  }

  #dataMessage(link: PeerLink, channel: BoltChannel, frame: Frame): void {
    if (frame.className === Changed.className) this.#subscriptions.onChanged(link.address, frame);
    else channel.respondError(frame, BoltStatus.serverException);
  }

  #clientClosed(connection: ClientConnection): void {
    const publishers = this.#registry.connectionClosed(connection);
    // While we stop, closes are our doing: data nodes keep the publishers until they are registered elsewhere or the lease ends.
    if (this.#phase !== 'serving') return;
    const nowMs = this.#ports.clock.monoMs();
    const open = this.#door.connections.size;
    if (this.#departures.closed(nowMs, open, this.#gate.closed, connection.address, publishers)) {
      this.#metrics.massCloses.value++;
      this.#ports.logger.warn('many clients lost their connection together: their publishers are held', {
        open,
        holdMs: this.#settings.holdMs,
      });
    }
    this.#armDepartures();
  }

  #armDepartures(): void {
    const dueMs = this.#departures.nextDueMs();
    if (dueMs === this.#departureDueMs && this.#departureTimer !== null) return;
    this.#departureTimer?.cancel();
    this.#departureTimer = null;
    this.#departureDueMs = dueMs;
    if (dueMs === Infinity) return;
    const { clock } = this.#ports;
    this.#departureTimer = clock.setTimer(Math.max(0, dueMs - clock.monoMs()), () => {
      this.#departureTimer = null;
      this.#clientOff(this.#departures.due(clock.monoMs()).flatMap((departure) => [...departure.publishers]));
      this.#armDepartures();
    });
  }

  #clientOff(publishers: readonly SessionPublisher[], from = 0): void {
    if (this.#phase !== 'serving') return;
    const end = Math.min(publishers.length, from + CLIENT_OFF_SLICE_ITEMS);
    for (let i = from; i < end; i++) this.#registry.clientOff(publishers[i]);
    if (end < publishers.length) this.#ports.clock.defer(() => this.#clientOff(publishers, end));
  }

  #chores(): void {
    const nowMs = this.#ports.clock.monoMs();
    this.#door.sweep();
    this.#checkGate(nowMs);
    this.#releaseHolds();
  }

  #checkGate(nowMs: number): void {
    const { expectedPublishers } = this.#meta.view;
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
    for (const { held, publishers } of this.#departures.pending) {
      if (!held) continue;
      for (const publisher of publishers) {
        if (all || groups.has(publisher.service.group)) this.#registry.clientOff(publisher);
      }
    }
  }

  #routing(): Routing {
    const { view } = this.#meta;
    const meta = this.#meta;
    return {
      get table() {
        return view.table;
      },
      leaderOf: (slot) => view.table.slots[slot]?.leader ?? '',
      tableIsOld: () => meta.beatSoon(),
    };
  }

  #makeMeta(): MetaLink {
    return new MetaLink(this.#ports, {
      metas: this.#config.metas,
      slotConfig: this.#config.slotConfig,
      node: () => this.#node(),
      publishers: () => this.#store.counts.publishers,
      heardMsAgo: (processId) => this.#links.heardMsAgo(processId),
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

  #makeContext(): HandlerContext {
    const { clock } = this.#ports;
    return {
      clock,
      metrics: this.#metrics,
      registry: this.#registry,
      metadata: new SessionMetadataStore(this.#settings.revisionsMax, () => this.#stamps.next()),
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
      departures: this.#departures,
      processId: () => this.#processId,
      view: () => this.#meta.view,
      monoMs: () => this.#ports.clock.monoMs(),
      connections: () => this.#door.connections,
      linkUp: (address) => this.#links.channel(address) !== null,
      pushAllowed: () => !this.#pushSwitch.stopped,
      ready: () => this.#readiness(),
      slotCount: this.#config.slotConfig.slotCount,
    });
  }

  #readiness(): { ready: boolean; waitingFor: string } {
    if (this.#phase === 'serving') return { ready: true, waitingFor: '' };
    if (this.#phase !== 'starting') return { ready: false, waitingFor: `session is ${this.#phase}` };
    const waitingFor = this.#meta.waitingFor;
    return {
      ready: false,
      waitingFor: waitingFor === '' ? `data leaders ${this.#missingLeaders().join(',')}` : waitingFor,
    };
  }

  #addGauges(): void {
    const { set } = this.#metrics;
    const { counts } = this.#store;
    set.gauge('publishers', 'Publishers held', () => counts.publishers, 'F251');
    set.gauge('subscribers', 'Subscribers held', () => counts.subscribers, 'F251');
    set.gauge('watchers', 'Watchers held', () => counts.watchers, 'F251');
    set.gauge('connections', 'Client connections', () => this.#door.connections.size, 'F251');
    set.gauge('watched_lists', 'Lists cached because somebody subscribes', () => this.#subscriptions.watched);
    set.gauge('fetch_waiting', 'Lists that wait for their data leader', () => this.#subscriptions.waiting);
    set.gauge(
      'write_pending',
      'Writes not yet acknowledged by a data leader',
      () => this.#forwarder.queue.size,
    );
    set.gauge('push_in_flight', 'Pushes not yet acknowledged', () => this.#engine.inFlight);
    set.gauge(
      'push_in_flight_bytes',
      'Bytes of pushes not yet acknowledged',
      () => this.#engine.inFlightBytes,
    );
    set.gauge('push_lagging', 'Subscribers left to the scan', () => this.#engine.laggingCount);
    set.gauge('push_gated', 'First pushes that wait for the end of a restart', () => this.#engine.gatedCount);
    set.gauge(
      'slow_connections',
      'Connections that wait until their socket has drained',
      () => this.#engine.slowCount,
    );
    set.gauge('push_lag_ms', 'Smoothed delay of deferred work', () => this.#engine.lagMs);
    set.gauge(
      'departures_held',
      'Closed connections whose publishers are still listed',
      () => this.#departures.pending.length,
    );
    set.gauge('held_lists', 'Lists held at their last good state', () => this.inspect.held().length, 'I6');
    set.gauge('data_links', 'Links to data nodes that are up', () => this.#links.up().length);
  }
}
