/**
 * The parts of a session, put together: what each is made of and whom it tells. They run on what arrives; what runs by the clock, and
 * the order in which all begins and ends, is the server's.
 */
import { MetaLink } from '@sofa-registry/cluster';
import { HybridClock, type NodeRecord, TrafficRules } from '@sofa-registry/model';
import type { Clock, Logger, Network, Random } from '@sofa-registry/runtime';
import type { ClientConnection } from './client-connection.ts';
import { ClientDoor } from './client-door.ts';
import { DataSide } from './data/data-side.ts';
import { DepartureKeeper } from './departure-keeper.ts';
import type { HandlerContext } from './handlers/handler.ts';
import { dispatch } from './handlers/index.ts';
import { MetadataSync } from './metadata/metadata-sync.ts';
import { type SessionMetrics, sessionMetrics } from './metrics.ts';
import { type Compressor, zlibCompressor } from './push/compressor.ts';
import { ConfigPush } from './push/config-push.ts';
import { SessionTraffic } from './operator/session-traffic.ts';
import { PushCompression } from './push/push-compression.ts';
import { PushEngine } from './push/push-engine.ts';
import { PushSwitch } from './push/push-switch.ts';
import { Refusals } from './refusals.ts';
import { Doubts } from './registry/doubts.ts';
import { RegistrationStamps } from './registry/registration-stamps.ts';
import { RegistrationStore } from './registry/registration-store.ts';
import { SessionRegistry } from './registry/session-registry.ts';
import { RestartGate } from './restart-gate.ts';
import { SessionBalancer } from './session-balancer.ts';
import { addSessionGauges } from './session-gauges.ts';
import { SessionInspect } from './session-inspect.ts';
import { SessionLeaver } from './session-leaver.ts';
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

/** What the parts ask of the server they are in. */
export interface SessionShell {
  /** `host:port` clients use; '' before the start. */
  address(): string;
  /** Identity of this process in the cluster; '' before the start. */
  processId(): string;
  /** This node, as it is now. */
  node(): NodeRecord;
  clientClosed(connection: ClientConnection): void;
  /** True once meta has named this session to it as one that takes clients. */
  listed(): boolean;
  readiness(): { ready: boolean; waitingFor: string };
}

/** The parts. */
export class SessionParts {
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  /** Region, upper case. */
  readonly zone: string;
  readonly stamps: HybridClock;
  readonly registrationStamps: RegistrationStamps;
  readonly store: RegistrationStore;
  readonly gate: RestartGate;
  /** Registrations that are taken. */
  readonly accessRate: TokenBucket;
  readonly pushSwitch = new PushSwitch();
  readonly trafficRules = new TrafficRules();
  readonly refusals = new Refusals();
  readonly meta: MetaLink;
  readonly engine: PushEngine;
  readonly data: DataSide;
  readonly registry: SessionRegistry;
  readonly doubts: Doubts;
  readonly departures: DepartureKeeper;
  readonly door: ClientDoor;
  readonly traffic: SessionTraffic;
  readonly metadata: MetadataSync;
  readonly inspect: SessionInspect;
  readonly balancer: SessionBalancer;
  readonly leaver: SessionLeaver;
  readonly #ports: SessionPorts;
  readonly #config: SessionConfig;
  readonly #shell: SessionShell;
  readonly compression: PushCompression;
  readonly #compressor: Compressor;
  readonly #context: HandlerContext;

  constructor(ports: SessionPorts, config: SessionConfig, shell: SessionShell) {
    const { clock, logger } = ports;
    this.#ports = ports;
    this.#config = config;
    this.#shell = shell;
    this.#compressor = ports.compressor ?? zlibCompressor();
    this.settings = tunablesOf(config);
    this.metrics = sessionMetrics();
    this.zone = config.zone.toUpperCase();
    this.stamps = new HybridClock(() => clock.wallMs());
    this.registrationStamps = new RegistrationStamps(clock, this.stamps);
    this.store = new RegistrationStore(config.slotConfig.slotCount);
    const { restartBackShare, restartSettleMs } = this.settings;
    this.gate = new RestartGate({ backShare: restartBackShare, settleMs: restartSettleMs });
    this.accessRate = new TokenBucket(this.settings.accessRatePerSecond, clock.monoMs());
    this.compression = new PushCompression(this.settings, this.#compressor, () => shell.node().address);
    this.meta = this.#makeMeta();
    this.engine = this.#makeEngine();
    this.data = this.#makeDataSide();
    this.registry = this.#makeRegistry();
    this.doubts = this.#makeDoubts();
    this.departures = new DepartureKeeper({
      clock,
      logger,
      settings: this.settings,
      metrics: this.metrics,
      clientOff: (publisher) => void this.registry.clientOff(publisher),
    });
    this.door = new ClientDoor(clock, this.settings, this.metrics, {
      request: (connection, frame) => dispatch(this.#context, connection, frame),
      closed: (connection) => shell.clientClosed(connection),
      drained: (connection) => this.engine.drained(connection),
      crashed: (error) => logger.error('a client handler failed', { error: String(error) }),
    });
    this.traffic = this.#makeTraffic();
    this.metadata = this.#makeMetadata();
    this.#context = this.#makeContext();
    this.inspect = this.#makeInspect();
    this.balancer = this.#makeBalancer();
    this.leaver = new SessionLeaver(clock, this.door, this.data.forwarder);
    addSessionGauges(this.metrics.set, {
      counts: this.store.counts,
      connections: this.door.connections,
      data: this.data,
      engine: this.engine,
      departures: this.departures.core,
      metadata: this.metadata.core,
      held: () => this.inspect.held().length,
    });
  }

  #makeMeta(): MetaLink {
    return new MetaLink(this.#ports, {
      metas: this.#config.metas,
      slotConfig: this.#config.slotConfig,
      node: () => this.#shell.node(),
      publishers: () => this.store.counts.publishers,
      heardMsAgo: (processId) => this.data.links.heardMsAgo(processId),
    });
  }

  #makeEngine(): PushEngine {
    const { clock, random, logger } = this.#ports;
    const gate = this.gate;
    const pushSwitch = this.pushSwitch;
    return new PushEngine({
      clock,
      random,
      settings: this.settings,
      metrics: this.metrics,
      place: { segment: this.#config.dataCenter, zone: this.zone },
      compressor: this.#compressor,
      compression: this.compression,
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
      settings: this.settings,
      metrics: this.metrics,
      store: this.store,
      stamps: this.stamps,
      registrationStamps: this.registrationStamps,
      meta: this.meta,
      slotCount: this.#config.slotConfig.slotCount,
      zone: this.zone,
      node: () => this.#shell.node(),
      changed: (service, first) => this.engine.changed(service, first),
      shownOnce: (service, list) => this.engine.showOnce(service, list),
      stale: (write, version, stamp) => this.doubts.stale(write, version, stamp),
      superseded: (dataInfoId, registerId, version, stamp) =>
        this.doubts.superseded(dataInfoId, registerId, version, stamp),
    });
  }

  #makeRegistry(): SessionRegistry {
    const { clock } = this.#ports;
    return new SessionRegistry({
      clock,
      stamps: this.registrationStamps,
      settings: this.settings,
      metrics: this.metrics,
      store: this.store,
      forwarder: this.data.forwarder,
      subscriptions: this.data.subscriptions,
      engine: this.engine,
      config: new ConfigPush(clock, this.stamps, this.settings, this.metrics),
      compression: this.compression,
      traffic: this.trafficRules,
    });
  }

  #makeDoubts(): Doubts {
    return new Doubts({
      clock: this.#ports.clock,
      stamps: this.stamps,
      registrationStamps: this.registrationStamps,
      metrics: this.metrics,
      store: this.store,
      forwarder: this.data.forwarder,
    });
  }

  #makeTraffic(): SessionTraffic {
    const { clock, logger } = this.#ports;
    return new SessionTraffic({
      clock,
      logger,
      rules: this.trafficRules,
      store: this.store,
      registry: this.registry,
      connections: this.door.connections,
      departed: () => this.departures.core.pending,
    });
  }

  #makeMetadata(): MetadataSync {
    const { clock, random, logger } = this.#ports;
    const ports = { clock, random, logger, settings: this.settings, metrics: this.metrics };
    return new MetadataSync({ ...ports, meta: () => this.meta }, () => this.stamps.next());
  }

  #makeContext(): HandlerContext {
    const { clock } = this.#ports;
    return {
      clock,
      metrics: this.metrics,
      registry: this.registry,
      metadata: this.metadata,
      refusals: this.refusals,
      logger: this.#ports.logger,
      pushSwitch: this.pushSwitch,
      accessRate: this.accessRate,
      dataCenter: this.#config.dataCenter,
      welcome: (connection, frame) =>
        this.door.welcome(connection, frame, {
          server: this.#shell.address(),
          processId: this.#shell.processId(),
          zone: this.zone,
          dataCenter: this.#config.dataCenter,
          sessions: this.inspect.sessions(this.zone).map((node) => node.address),
        }),
    };
  }

  #makeInspect(): SessionInspect {
    return new SessionInspect({
      store: this.store,
      metadata: this.metadata,
      refusals: this.refusals,
      departures: this.departures.core,
      processId: () => this.#shell.processId(),
      view: () => this.meta.view,
      monoMs: () => this.#ports.clock.monoMs(),
      connections: () => this.door.connections,
      linkUp: (address) => this.data.links.channel(address) !== null,
      pushAllowed: () => !this.pushSwitch.stopped,
      compressPush: () => this.compression.state,
      firstPushesWait: () => this.gate.closed,
      ready: () => this.#shell.readiness(),
      listed: () => this.#shell.listed(),
      slotCount: this.#config.slotConfig.slotCount,
    });
  }

  #makeBalancer(): SessionBalancer {
    const { clock, random, logger } = this.#ports;
    return new SessionBalancer({
      clock,
      random,
      logger,
      settings: this.settings,
      metrics: this.metrics,
      door: this.door,
      view: () => this.meta.view,
      sessions: () => this.inspect.sessions(this.zone),
      processId: () => this.#shell.processId(),
      holding: () =>
        this.gate.closed || this.departures.core.holding || this.data.missingLeaders().length > 0,
    });
  }
}
