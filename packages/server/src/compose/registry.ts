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
import type { MetaStore } from '@sofa-registry/store';
import { DataServer } from '@sofa-registry/data';
import { MetaServer, storeMetrics } from '@sofa-registry/meta';
import { SessionServer } from '@sofa-registry/session';
import type { Config } from '../config/effective.ts';
import { oneLine } from '../errors.ts';
import { HttpPort } from '../http/http-port.ts';
import { CLUSTER_METRICS } from '@sofa-registry/cluster';
import { openAwaitedStore } from './awaited-store.ts';
import { localFirstNetwork } from './local-first-network.ts';
import type { Plan, RolePlan } from './plan.ts';
import { processMetrics } from './process-metrics.ts';
import type { RunningRole } from './role.ts';
import { startFailure } from './start-failure.ts';

interface Adapters {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tcp: Network;
  readonly netMetrics: MetricSet;
}

/** One process of a registry. */
export class Registry {
  readonly plan: Plan;
  readonly #config: Config;
  readonly #roles: RunningRole[] = [];
  readonly #httpPorts = new Map<RolePlan, HttpPort>();
  readonly #startedMs = Date.now() - process.uptime() * 1000;
  readonly #storeMetrics = storeMetrics();
  #store: MetaStore | null = null;
  #logger: Logger | null = null;
  #stopping: Promise<void> | null = null;
  #killed = false;

  constructor(plan: Plan, config: Config) {
    this.plan = plan;
    this.#config = config;
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
      const adapters = adaptersOf(this.#config);
      await this.#openHttpPorts(routes);
      const ports = await adapters;
      this.#logger = ports.logger;
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
    await this.#store?.close();
  }

  async #openHttpPorts(routes: Promise<unknown>): Promise<void> {
    routes.catch(() => undefined);
    for (const role of this.plan.roles) {
      const port = await HttpPort.open(role.http, `${role.role}.httpPort`, this.plan.connectionsMax);
      this.#httpPorts.set(role, port);
    }
  }

  async #startTiers(adapters: Adapters, routes: typeof import('../http/routes.ts')): Promise<void> {
    const { clock, random, logger, tcp } = adapters;
    const { advertisedHost } = this.plan;
    const network = localFirstNetwork({ local: memoryNetwork({ clock }), remote: tcp, advertisedHost });
    const context = {
      plan: this.plan,
      metrics: [
        processMetrics(),
        CLUSTER_METRICS,
        BOLT_METRICS.set,
        adapters.netMetrics,
        ...(this.plan.roles.some(({ role }) => role === 'meta') ? [this.#storeMetrics.set] : []),
      ],
      roles: this.#roles,
      startedMs: this.#startedMs,
      stopping: () => this.stopping,
    };
    for (const role of this.plan.roles) {
      if (this.stopping) return;
      const ports = { clock, random, network, logger: logger.child({ role: role.role }) };
      const running = await this.#createRole(role, ports, tcp);
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
    tcp: Network,
  ): Promise<RunningRole | null> {
    const { metas, zone, dataCenter, slotConfig } = this.plan;
    const { listen, advertise, httpAddress } = plan;
    const base = { listen, advertise, httpAddress, metas: [...metas], zone, dataCenter, slotConfig };
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
          { ...ports, clientNetwork: tcp },
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
    await this.#store?.close();
  }
}

async function adaptersOf(config: Config): Promise<Adapters> {
  const { nodeClock, nodeRandom, NET_METRICS, pinoLogger, tcpNetwork } = await import(
    '@sofa-registry/runtime/node'
  );
  const format = config.text('log.format');
  const pretty = format === 'text' || (format === 'auto' && process.stdout.isTTY);
  const configured = config.text('log.level') as 'auto' | 'debug' | 'info' | 'warn' | 'error';
  const level = configured !== 'auto' ? configured : process.stdout.isTTY ? 'warn' : 'info';
  const logger = pinoLogger({ level, format: pretty ? 'pretty' : 'json' });
  const clock = nodeClock();
  return {
    clock,
    random: nodeRandom(),
    logger,
    tcp: tcpNetwork({ clock, logger }),
    netMetrics: NET_METRICS.set,
  };
}
