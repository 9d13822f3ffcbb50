/** A client of the simulation that uses our SDK, delta pushes included. */
import { connectWith, type Publication, type Registry, type Subscription } from '@sofa-registry/client';
import { parseAddress, type Scope } from '@sofa-registry/model';
import type {
  ModelClient,
  ModelClientEvents,
  ModelPublication,
  ModelSubscription,
  ModelView,
} from './model-client.ts';
import { temporaryValue, valueOf } from './model-client.ts';
import type { SimHost } from './sim-host.ts';

class SdkPublication implements ModelPublication {
  readonly key: string;
  readonly service: string;
  readonly zone: string;
  revision = 1;
  wanted = true;
  handle: Publication | null = null;
  readonly aborter = new AbortController();
  /** The SDK has one `update` at a time; what came meanwhile is sent after it. */
  updating = false;

  constructor(key: string, service: string, zone: string) {
    this.key = key;
    this.service = service;
    this.zone = zone;
  }

  acked(): boolean {
    return this.handle !== null && this.handle.acked && this.handle.values[0] === valueOf(this);
  }
}

interface SdkSubscription extends ModelSubscription {
  handle: Subscription | null;
}

/** The client. */
export class SdkClient implements ModelClient {
  readonly name: string;
  readonly kind = 'sdk' as const;
  readonly zone: string;
  readonly host: SimHost;
  readonly publications = new Map<string, SdkPublication>();
  readonly subscriptions = new Map<string, SdkSubscription>();
  session = '';
  alive = true;
  readonly #sessions: () => readonly string[];
  readonly #events: ModelClientEvents;
  #registry: Registry | null = null;
  #waiting: ((registry: Registry) => void)[] = [];
  #numbers = 0;
  #temporaries = 0;

  /** @param sessions client addresses of the sessions it knows */
  constructor(host: SimHost, zone: string, sessions: () => readonly string[], events: ModelClientEvents) {
    this.name = host.name;
    this.host = host;
    this.zone = zone;
    this.#sessions = sessions;
    this.#events = events;
  }

  start(): void {
    void this.#start();
  }

  publish(service: string): void {
    const publication = new SdkPublication(this.#nextKey(), service, this.zone);
    this.publications.set(publication.key, publication);
    this.#with((registry) => void this.#publish(registry, publication));
  }

  publishTemporary(service: string): void {
    const value = temporaryValue(this.name, ++this.#temporaries);
    // Without a connection it is not shown, which is right.
    this.#registry?.publishTemporary({ dataId: service }, value).catch(() => undefined);
  }

  update(key: string): void {
    const publication = this.publications.get(key);
    if (publication === undefined || !publication.wanted) return;
    publication.revision++;
    void this.#update(publication);
  }

  /** The SDK publishes again only what changed. */
  republish(): void {}

  unpublish(key: string): void {
    const publication = this.publications.get(key);
    if (publication === undefined || !publication.wanted) return;
    publication.wanted = false;
    if (publication.handle === null) publication.aborter.abort();
    else void publication.handle.close();
  }

  subscribe(service: string, scope: Scope): void {
    const subscription: SdkSubscription = {
      key: this.#nextKey(),
      service,
      scope,
      view: null,
      wanted: true,
      handle: null,
    };
    this.subscriptions.set(subscription.key, subscription);
    this.#with((registry) => {
      if (!subscription.wanted) return;
      subscription.handle = registry.subscribe({ dataId: service, scope }, (list) => {
        if (!subscription.wanted || !this.alive) return;
        const before = subscription.view;
        const after: ModelView = { version: list.version, localZone: list.localZone, zones: list.zones };
        subscription.view = after;
        this.#events.pushed(this, subscription, list.all.length === 0);
        this.#events.listed(this, subscription, before, after, this.session);
      });
    });
  }

  unsubscribe(key: string): void {
    const subscription = this.subscriptions.get(key);
    if (subscription === undefined) return;
    subscription.wanted = false;
    subscription.handle?.close();
  }

  leave(): void {
    this.alive = false;
    for (const publication of this.publications.values()) publication.wanted = false;
    this.session = '';
    void this.#registry?.close();
  }

  die(silent: boolean): void {
    this.alive = false;
    this.session = '';
    this.host.die(silent);
  }

  unacked(): number {
    let count = 0;
    for (const publication of this.publications.values())
      if (publication.wanted && !publication.acked()) count++;
    return count;
  }

  #nextKey(): string {
    return `${this.name}/${++this.#numbers}`;
  }

  #with(use: (registry: Registry) => void): void {
    if (this.#registry !== null) use(this.#registry);
    else this.#waiting.push(use);
  }

  async #start(): Promise<void> {
    const { clock, random, network, logger } = this.host;
    const list = {
      fetch: async () =>
        this.#sessions()
          .map((address) => parseAddress(address))
          .filter((address) => address !== null)
          .map((address) => ({ ...address, weight: 0 })),
    };
    const registry = await connectWith(
      { clock, random, network, list },
      { app: 'sim', zone: this.zone, waitMs: 0, logger },
    );
    registry.on('state', ({ state, session, reason }) => {
      if (!this.alive) return;
      const name = parseAddress(session)?.host ?? '';
      if (state === 'connected') {
        if (this.session !== '' && this.session !== name) this.#events.disconnected(this, 'moved');
        this.session = name;
        this.#events.connected(this, name);
      } else if (this.session !== '') {
        this.session = '';
        this.#events.disconnected(this, reason);
      }
    });
    this.#registry = registry;
    if (registry.state === 'connected') {
      this.session = parseAddress(registry.session)?.host ?? '';
      this.#events.connected(this, this.session);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const use of waiting) use(registry);
  }

  async #publish(registry: Registry, publication: SdkPublication): Promise<void> {
    const sent = publication.revision;
    try {
      publication.handle = await registry.publish({ dataId: publication.service }, valueOf(publication), {
        signal: publication.aborter.signal,
      });
    } catch (error) {
      if (publication.wanted && this.alive) this.#events.broke(this, `publish failed: ${String(error)}`);
      return;
    }
    if (!publication.wanted) void publication.handle.close();
    else if (publication.revision !== sent) void this.#update(publication);
  }

  async #update(publication: SdkPublication): Promise<void> {
    const { handle } = publication;
    if (handle === null || publication.updating) return;
    publication.updating = true;
    try {
      while (publication.wanted && handle.values[0] !== valueOf(publication))
        await handle.update(valueOf(publication));
    } catch (error) {
      if (publication.wanted && this.alive) this.#events.broke(this, `update failed: ${String(error)}`);
    }
    publication.updating = false;
  }
}
