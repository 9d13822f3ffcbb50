/**
 * The composition root: ports, store, tiers and HTTP of one process, started in the order meta, data, session and stopped in
 * the opposite one.
 */
import {
  type Clock,
  BOLT_METRICS,
  type Logger,
  memoryNetwork,
  type MetricSet,
  type Network,
  type Random,
} from '@sofa-registry/runtime';
import type { TlsDoor } from '@sofa-registry/runtime/node';
import type { MetaStore } from '@sofa-registry/store';
import { DataServer } from '@sofa-registry/data';
import { MetaServer, storeMetrics } from '@sofa-registry/meta';
import { SessionServer } from '@sofa-registry/session';
import type { Config } from '../config/effective.ts';
import { oneLine } from '../errors.ts';
import { AuditLog } from '../http/audit.ts';
import { Gate } from '../http/gate.ts';
import { type DoorMaker, HttpPort } from '../http/http-port.ts';
import { CLUSTER_METRICS } from '@sofa-registry/cluster';
import { openAwaitedStore } from './awaited-store.ts';
import { localFirstNetwork } from './local-first-network.ts';
import { logFormOf } from './log-form.ts';
import type { Plan, RolePlan } from './plan.ts';
import { processMetrics } from './process-metrics.ts';
import type { RunningRole } from './role.ts';
import { Secrets } from './secrets.ts';
import { startFailure } from './start-failure.ts';

interface Adapters {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Between nodes. */
  readonly tierTcp: Network;
  /** For clients. */
  readonly clientTcp: Network;
  readonly netMetrics: MetricSet;
  readonly makeDoor: (tls: NonNullable<Secrets['httpTls']>, ready: Parameters<DoorMaker>[0]) => TlsDoor;
}

/** One process of a registry. */
export class Registry {
  readonly plan: Plan;
  readonly #config: Config;
  readonly #roles: RunningRole[] = [];
  readonly #httpPorts = new Map<RolePlan, HttpPort>();
  readonly #startedMs = Date.now() - process.uptime() * 1000;
  readonly #storeMetrics = storeMetrics();
  readonly #audit: AuditLog;
  #secrets: Secrets | null = null;
  #store: MetaStore | null = null;
  #logger: Logger | null = null;
  #stopping: Promise<void> | null = null;
  #killed = false;

  constructor(plan: Plan, config: Config) {
    this.plan = plan;
    this.#config = config;
    this.#audit = new AuditLog({
      file: config.text('audit.file'),
      fileBytesMax: config.number('audit.fileBytesMax'),
      filesMax: config.number('audit.filesMax'),
      entriesMax: config.number('audit.entriesMax'),
    });
  }

  /** Certificates and tokens in force. @throws Error before `start` has read them */
  get secrets(): Secrets {
    if (this.#secrets === null) throw new Error('registry is not started');
    return this.#secrets;
  }

  /** Where the store is, without credentials; '' when this process has none. */
  get storeAddress(): string {
    return this.#store?.address ?? '';
  }

  /** Clients connected to the session of this process; 0 without one. */
  get clients(): number {
    const session = this.#roles.find(({ role }) => role === 'session');
    return session?.role === 'session' ? session.tier.inspect.counts().connections : 0;
  }

  /** True once a stop was asked for. */
  get stopping(): boolean {
    return this.#stopping !== null || this.#killed;
  }

  /** The log of the process, once it has one. */
  get logger(): Logger | null {
    return this.#logger;
  }

  /**
   * Starts everything; resolves when all roles serve.
   * @throws ServerError with one line for people; what had started is closed again
   */
  async start(): Promise<void> {
    try {
      const routes = import('../http/routes.ts');
      routes.catch(() => undefined);
      const secrets = await Secrets.load(this.#config);
      this.#secrets = secrets;
      const adapters = adaptersOf(this.#config, secrets);
      await this.#openHttpPorts(secrets.httpTls === null ? null : doorMaker(secrets.httpTls, await adapters));
      const ports = await adapters;
      this.#logger = ports.logger;
      this.#audit.useLogger(ports.logger);
      secrets.watch(ports.logger);
      await this.#startTiers(ports, await routes);
    } catch (error) {
      if (this.stopping) return;
      await this.kill();
      throw startFailure(error, this.plan);
    }
  }

  /** Drains session, data and meta in this order, then closes. Resolves at the latest after `stopMs`. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopGracefully();
    return this.#stopping;
  }

  /** Drops everything at once. */
  async kill(): Promise<void> {
    this.#killed = true;
    await Promise.all(this.#roles.map(async (role) => role.tier.kill()));
    for (const port of this.#httpPorts.values()) port.kill();
    this.#secrets?.stop();
    await this.#audit.close();
    await this.#store?.close();
  }

  async #openHttpPorts(makeDoor: DoorMaker | null): Promise<void> {
    for (const role of this.plan.roles) {
      const port = await HttpPort.open(
        role.http,
        `${role.role}.httpPort`,
        this.plan.connectionsMax,
        makeDoor,
      );
      this.#httpPorts.set(role, port);
    }
  }

  async #startTiers(adapters: Adapters, routes: typeof import('../http/routes.ts')): Promise<void> {
    const { clock, random, logger, tierTcp, clientTcp } = adapters;
    const network = localFirstNetwork({
      local: memoryNetwork({ clock }),
      remote: tierTcp,
      advertised: this.plan.roles,
    });
    const secrets = this.secrets;
    const { httpTls } = secrets;
    const gate = new Gate({
      operators: secrets.operators,
      reads: secrets.reads,
      secretsNeedTls: httpTls !== null && secrets.httpPeer !== null,
      nowMs: () => clock.monoMs(),
    });
    const context = {
      plan: this.plan,
      secrets,
      gate,
      audit: this.#audit,
      metrics: [
        processMetrics(),
        CLUSTER_METRICS,
        BOLT_METRICS.set,
        adapters.netMetrics,
        ...(this.plan.roles.some(({ role }) => role === 'meta') ? [this.#storeMetrics.set] : []),
        secrets.metrics,
        gate.metrics,
        this.#audit.metrics,
      ],
      roles: this.#roles,
      startedMs: this.#startedMs,
      stopping: () => this.stopping,
    };
    for (const role of this.plan.roles) {
      if (this.stopping) return;
      const ports = { clock, random, network, logger: logger.child({ role: role.role }) };
      const running = await this.#createRole(role, ports, clientTcp);
      if (running === null) return;
      this.#roles.push(running);
      // Health and readiness are answered while the tier still looks for its cluster.
      const app = routes.buildApp(running, context, ports.logger);
      const starting = running.tier.start();
      starting.catch(() => undefined);
      const { handler, repair } = await app;
      this.#httpPorts.get(role)?.serve(handler, repair);
      await starting;
      running.started = true;
    }
  }

  async #createRole(
    plan: RolePlan,
    ports: { clock: Clock; random: Random; network: Network; logger: Logger },
    clientNetwork: Network,
  ): Promise<RunningRole | null> {
    const { metas, zone, dataCenter, slotConfig } = this.plan;
    const { listen, advertise, httpAddress } = plan;
    const { pid } = process;
    const base = { listen, advertise, httpAddress, metas: [...metas], zone, dataCenter, pid, slotConfig };
    switch (plan.role) {
      case 'meta': {
        const { observer } = this.#storeMetrics;
        const { store } = this.plan;
        this.#store = await openAwaitedStore(store, { ...ports, observer }, () => this.stopping);
        if (this.#store === null) return null;
        const tier = new MetaServer(
          { ...ports, store: this.#store },
          { ...base, ...this.#config.tier('meta') },
        );
        return { role: 'meta', plan, tier, started: false };
      }
      case 'data': {
        const tier = new DataServer(ports, { ...base, ...this.#config.tier('data') });
        return { role: 'data', plan, tier, started: false };
      }
      case 'session': {
        const tier = new SessionServer(
          { ...ports, clientNetwork },
          { ...base, ...this.#config.tier('session') },
        );
        return { role: 'session', plan, tier, started: false };
      }
    }
  }

  async #stopGracefully(): Promise<void> {
    const deadline = new Promise<'late'>((resolve) => setTimeout(resolve, this.plan.stopMs, 'late').unref());
    if ((await Promise.race([this.#stopTiers(), deadline])) === 'late') {
      this.#logger?.warn('the graceful stop took too long, closing', { stopMs: this.plan.stopMs });
      await this.kill();
    }
  }

  async #stopTiers(): Promise<void> {
    for (const role of [...this.#roles].reverse()) {
      try {
        await role.tier.stop();
      } catch (error) {
        this.#logger?.warn('a role did not stop cleanly', { role: role.role, error: oneLine(error) });
        await role.tier.kill();
      }
    }
    await Promise.all([...this.#httpPorts.values()].map((port) => port.close()));
    this.#secrets?.stop();
    await this.#audit.close();
    await this.#store?.close();
  }
}

async function adaptersOf(config: Config, secrets: Secrets): Promise<Adapters> {
  const { nodeClock, nodeRandom, NET_METRICS, pinoLogger, tcpNetwork, TlsDoor } = await import(
    '@sofa-registry/runtime/node'
  );
  const { level, format } = logFormOf(config);
  const logger = pinoLogger({ level, format: format === 'text' ? 'pretty' : 'json' });
  const clock = nodeClock();
  return {
    clock,
    random: nodeRandom(),
    logger,
    tierTcp: tcpNetwork({
      clock,
      logger,
      tls: secrets.tierTls,
      token: secrets.clusterToken,
    }),
    clientTcp: tcpNetwork({ clock, logger, tls: secrets.clientTls }),
    netMetrics: NET_METRICS.set,
    makeDoor: ({ identity, accept }, ready) =>
      new TlsDoor({ identity, accept, askCertificate: false, clock, logger, metrics: NET_METRICS, ready }),
  };
}

function doorMaker(tls: NonNullable<Secrets['httpTls']>, { makeDoor }: Adapters): DoorMaker {
  return (ready) => makeDoor(tls, ready);
}
