/** The registry connection: puts the keeper, the sender, publications and feeds together. */
import { type Scope } from '@sofa-registry/model';
import {
  type Clock,
  type Logger,
  type MetricSet,
  type Network,
  noopLogger,
  type Random,
} from '@sofa-registry/runtime';
import { packBoxes } from '@sofa-registry/wire';
import { checkAborted, untilAborted } from './abort.ts';
import type {
  ListListener,
  Publication,
  PublishValue,
  Registry,
  RegistryEvents,
  RegistryState,
  SubscribeOptions,
  Subscription,
  WaitOptions,
} from './api.ts';
import { Emitter } from './emitter.ts';
import { type ClientErrorCode, RegistryClientError, textOf } from './errors.ts';
import { Feed } from './feed.ts';
import { ConnectionKeeper } from './keeper.ts';
import { type ClientLimits, WARNING_INTERVAL_MS } from './limits.ts';
import { ClientMetrics } from './metrics.ts';
import { type ClientSettings, clientSettings, type RegistryOptions } from './options.ts';
import { checkedValues, ClientPublication } from './publication.ts';
import type { Push } from './push.ts';
import { Registration } from './registration.ts';
import { RegistrationSender } from './sender.ts';
import type { ServerListSource } from './server-list.ts';
import { badArgument, serviceKey, type ServiceName } from './service-key.ts';
import type { SessionLink } from './session-link.ts';
import { ClientSubscription } from './subscription.ts';
import { sendTemporary } from './temporary.ts';

/** The outside as `connectWith` takes it: for tests, simulations and runtimes other than Node. */
export interface ClientPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  /** Tells the session servers. */
  readonly list: ServerListSource;
}

/**
 * Connects with given ports. `connect` does the same with those of Node.
 * @throws RegistryClientError SR_CLIENT_ARGUMENT, SR_CLIENT_UNREACHABLE, SR_CLIENT_ABORTED
 */
export async function connectWith(ports: ClientPorts, options: RegistryOptions): Promise<Registry> {
  const settings = clientSettings(options);
  checkAborted(options.signal);
  const client = new RegistryClient(ports, settings, options.logger ?? noopLogger());
  try {
    await client.start(options.signal);
  } catch (error) {
    void client.close();
    throw error;
  }
  return client;
}

class RegistryClient implements Registry {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ClientLimits;
  readonly sender: RegistrationSender;
  readonly #settings: ClientSettings;
  readonly #logger: Logger;
  readonly #metrics = new ClientMetrics();
  readonly #events = new Emitter<RegistryEvents>((error) => this.listenerFailed(error));
  readonly #keeper: ConnectionKeeper;
  readonly #identity: { readonly app: string; zone: string; readonly clientId: string };
  readonly #publications = new Set<ClientPublication>();
  readonly #subscriptions = new Set<ClientSubscription>();
  /** By dataInfoId and scope. */
  readonly #feeds = new Map<string, Feed>();
  readonly #feedsById = new Map<string, Feed>();
  readonly #warnedMs = new Map<ClientErrorCode, number>();
  readonly #connected = Promise.withResolvers<void>();
  #state: RegistryState = 'connecting';
  #session = '';
  #closing: Promise<void> | null = null;

  constructor(ports: ClientPorts, settings: ClientSettings, logger: Logger) {
    this.clock = ports.clock;
    this.random = ports.random;
    this.limits = settings.limits;
    this.#settings = settings;
    this.#logger = logger;
    this.#identity = { app: settings.app, zone: settings.zone, clientId: ports.random.uuid() };
    this.sender = new RegistrationSender({
      clock: ports.clock,
      metrics: this.#metrics,
      identity: () => this.#identity,
      warn: (error) => this.warn(error),
    });
    this.#keeper = new ConnectionKeeper({
      ...ports,
      logger,
      settings,
      metrics: this.#metrics,
      events: {
        up: (link, settled) => this.#up(link, settled),
        down: (reason) => this.#down(reason),
        pushed: (push) => this.#pushed(push),
        drained: () => this.sender.flush(),
        warn: (error) => this.warn(error),
      },
    });
  }

  get state(): RegistryState {
    return this.#state;
  }

  get session(): string {
    return this.#session;
  }

  get metrics(): MetricSet {
    return this.#metrics.set;
  }

  /** Connects, and waits for that as long as the settings say. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#keeper.start();
    const { waitMs } = this.#settings;
    if (waitMs === 0) return;
    const timer =
      waitMs === Infinity
        ? null
        : this.clock.setTimer(waitMs, () => {
            const detail = `in ${waitMs} ms; ${this.#keeper.lastFailure}`;
            this.#connected.reject(new RegistryClientError('SR_CLIENT_UNREACHABLE', detail));
          });
    try {
      await untilAborted(this.#connected.promise, signal);
    } finally {
      timer?.cancel();
    }
  }

  async publish(service: ServiceName, value: PublishValue, options?: WaitOptions): Promise<Publication> {
    this.#checkOpen();
    checkAborted(options?.signal);
    const key = serviceKey(service, this.#settings.instanceId);
    const { publicationsMax } = this.limits;
    if (this.#publications.size >= publicationsMax) {
      throw this.limitHit('publications', `publicationsMax ${publicationsMax}`);
    }
    const publication = new ClientPublication(this, key, value);
    this.#publications.add(publication);
    await publication.start(options);
    return publication;
  }

  async publishTemporary(service: ServiceName, value: PublishValue): Promise<void> {
    this.#checkOpen();
    const key = serviceKey(service, this.#settings.instanceId);
    const values = checkedValues(value, this.limits);
    const owner = { acked: () => undefined, refused: () => undefined };
    const registerId = this.random.uuid();
    const spec = { kind: 'temporary', key, registerId, owner, scope: 'zone' } as const;
    const registration = new Registration(spec, this.clock.wallMs());
    registration.payload = packBoxes(values);
    await sendTemporary(this.sender.link, registration, this.#identity);
  }

  subscribe(options: SubscribeOptions, listener?: ListListener): Subscription {
    this.#checkOpen();
    const key = serviceKey(options, this.#settings.instanceId);
    const scope = checkedScope(options.scope);
    checkAborted(options.signal);
    if (listener !== undefined && typeof listener !== 'function')
      badArgument('listener', 'must be a function');
    const { subscriptionsMax } = this.limits;
    if (this.#subscriptions.size >= subscriptionsMax) {
      throw this.limitHit('subscriptions', `subscriptionsMax ${subscriptionsMax}`);
    }
    const feedKey = `${key.dataInfoId} ${scope}`;
    let feed = this.#feeds.get(feedKey);
    if (feed === undefined) {
      feed = new Feed(this, key, scope);
      this.#feeds.set(feedKey, feed);
      this.#feedsById.set(feed.registration.registerId, feed);
      this.sender.put(feed.registration);
    }
    const host = {
      clock: this.clock,
      listenerFailed: (error: unknown) => this.listenerFailed(error),
      closed: (closed: ClientSubscription) => this.#unsubscribe(feedKey, closed),
    };
    const subscription = new ClientSubscription(host, feed, listener ?? null, options.signal);
    feed.subscriptions.add(subscription);
    this.#subscriptions.add(subscription);
    return subscription;
  }

  on<K extends keyof RegistryEvents>(event: K, listener: (value: RegistryEvents[K]) => void): () => void {
    if (event !== 'state' && event !== 'warning') badArgument('event', `must be 'state' or 'warning'`);
    if (typeof listener !== 'function') badArgument('listener', 'must be a function');
    return this.#events.on(event, listener);
  }

  off<K extends keyof RegistryEvents>(event: K, listener: (value: RegistryEvents[K]) => void): void {
    this.#events.off(event, listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A publication has left. */
  closed(publication: ClientPublication): void {
    this.#publications.delete(publication);
  }

  /** Counts a limit that was hit, and makes its error. */
  limitHit(name: string, detail: string): RegistryClientError {
    this.#metrics.limits.with(name).value++;
    return new RegistryClientError('SR_CLIENT_LIMIT', detail);
  }

  /** An application's listener threw. */
  listenerFailed(error: unknown): void {
    this.#metrics.listenerErrors.value++;
    this.warn(new RegistryClientError('SR_CLIENT_LISTENER', textOf(error), error));
  }

  /** Tells of something the client deals with by itself, not too often. */
  warn(error: RegistryClientError): void {
    const nowMs = this.clock.monoMs();
    const lastMs = this.#warnedMs.get(error.code);
    if (this.#state === 'closed' || (lastMs !== undefined && nowMs - lastMs < WARNING_INTERVAL_MS)) return;
    this.#warnedMs.set(error.code, nowMs);
    this.#logger.warn(error.message, { code: error.code });
    this.#events.emit('warning', error);
  }

  async #close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.close();
    await Promise.all([...this.#publications].map((publication) => publication.close()));
    this.sender.detach();
    this.#keeper.close();
    this.#enter('closed', '', '');
    this.#connected.reject(new RegistryClientError('SR_CLIENT_CLOSED', 'registry'));
    this.#connected.promise.catch(() => undefined);
  }

  #up(link: SessionLink, settled: () => void): void {
    // Publishers without a zone of their own belong to the zone of the session, or scope zone would never find them.
    if (this.#identity.zone === '' && link.welcome !== null) this.#identity.zone = link.welcome.zone;
    this.sender.attach(link, settled);
    this.#enter('connected', link.address, '');
    this.#connected.resolve();
  }

  #down(reason: string): void {
    this.sender.detach();
    this.#enter('reconnecting', '', reason);
  }

  #enter(state: RegistryState, session: string, reason: string): void {
    this.#state = state;
    this.#session = session;
    this.#events.emit('state', Object.freeze({ state, session, reason }));
  }

  #pushed(push: Push): boolean {
    const metrics = this.#metrics;
    metrics.pushes.with(push.kind).value++;
    let resync = false;
    for (const registerId of push.registerIds) {
      const feed = this.#feedsById.get(registerId);
      if (feed === undefined) continue;
      for (const update of push.updates) {
        const outcome = feed.apply(update);
        if (outcome === 'stale') metrics.stale.value++;
        else if (outcome === 'resync') resync = true;
        else if (outcome === 'tooBig') this.warn(this.limitHit('listEntries', `list of ${feed.key.dataId}`));
      }
    }
    if (resync) metrics.resyncs.value++;
    return resync;
  }

  #unsubscribe(feedKey: string, subscription: ClientSubscription): void {
    const { feed } = subscription;
    this.#subscriptions.delete(subscription);
    feed.subscriptions.delete(subscription);
    if (feed.subscriptions.size > 0) return;
    this.#feeds.delete(feedKey);
    this.#feedsById.delete(feed.registration.registerId);
    feed.registration.withdraw();
    this.sender.put(feed.registration);
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new RegistryClientError('SR_CLIENT_CLOSED', 'registry');
  }
}

/** @throws RegistryClientError SR_CLIENT_ARGUMENT */
function checkedScope(scope: Scope | undefined): Scope {
  if (scope === undefined) return 'dataCenter';
  if (scope !== 'zone' && scope !== 'dataCenter' && scope !== 'global') {
    badArgument('scope', `must be 'zone', 'dataCenter' or 'global', not ${JSON.stringify(scope)}`);
  }
  return scope;
}
