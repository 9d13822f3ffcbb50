/** What an application holds and calls: the public interfaces of the SDK. */
import type { Scope } from '@sofa-registry/model';
import type { MetricSet } from '@sofa-registry/runtime';
import type { RegistryClientError } from './errors.ts';
import type { ServiceName } from './service-key.ts';
import type { ServiceList } from './service-list.ts';

/** What a publisher offers: usually one URL. */
export type PublishValue = string | readonly string[];

/** Options of waiting calls. */
export interface WaitOptions {
  /** Ends the wait with SR_CLIENT_ABORTED. */
  readonly signal?: AbortSignal;
}

/**
 * `connecting` = never connected so far; `connected`; `reconnecting` = the connection was lost, lists stay as they were, and
 * everything is registered again as soon as there is another; `closed` = by `close`.
 */
export type RegistryState = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** Argument of the event `state`. */
export interface RegistryStateChange {
  readonly state: RegistryState;
  /** `host:port` of the session; '' unless connected. */
  readonly session: string;
  /** Why, for people; '' if there is nothing to say. */
  readonly reason: string;
}

/** Events of a {@link Registry}. */
export interface RegistryEvents {
  /** The connection changed. Told with state `connected` again when the client has moved to another session. */
  state: RegistryStateChange;
  /** Something went wrong that the client deals with by itself. Each code at most once in 10 s. */
  warning: RegistryClientError;
}

/** What to subscribe to. */
export interface SubscribeOptions extends ServiceName {
  /**
   * Whose publishers: `zone` = of the own zone, `dataCenter` = of all zones of the data centre, `global` = of all data
   * centres (F021-F023). Default `dataCenter`.
   */
  readonly scope?: Scope;
  /** Closes the subscription when it aborts. */
  readonly signal?: AbortSignal;
}

/**
 * Called with the first list and after each change. If it returns a promise, it is called again only when that has settled,
 * with the newest list. What it throws becomes a warning SR_CLIENT_LISTENER.
 */
export type ListListener = (list: ServiceList) => void | Promise<void>;

/** A connection to the registry: to one session at a time, kept up until it is closed. */
export interface Registry extends AsyncDisposable {
  readonly state: RegistryState;
  /** `host:port` of the session; '' unless connected. */
  readonly session: string;
  /** Counters of this connection. */
  readonly metrics: MetricSet;

  /**
   * Offers a value under a service name. Resolves when the registry has acknowledged it. It stays registered, over lost
   * connections too, until it is closed. An aborted wait takes it back.
   * @throws RegistryClientError SR_CLIENT_ARGUMENT, SR_CLIENT_CLOSED, SR_CLIENT_REFUSED, SR_CLIENT_ABORTED, SR_CLIENT_LIMIT
   */
  publish(service: ServiceName, value: PublishValue, options?: WaitOptions): Promise<Publication>;

  /**
   * Shows a value once to those who follow the service now, beside what is offered: their next list has it, the one after that has not,
   * and who follows later never sees it. Nothing is kept. Resolves when the session has taken it; it is never sent again, so after an
   * error it may have been shown or not, and a slow consumer may see the list after it only.
   * @throws RegistryClientError SR_CLIENT_ARGUMENT, SR_CLIENT_CLOSED, SR_CLIENT_UNREACHABLE (no connection now), SR_CLIENT_REFUSED (a
   * reference server), SR_CLIENT_NOT_ACKED
   */
  publishTemporary(service: ServiceName, value: PublishValue): Promise<void>;

  /**
   * Follows a service. Returns at once; the first list comes soon after, an empty one if nobody has published it.
   * @throws RegistryClientError SR_CLIENT_ARGUMENT, SR_CLIENT_CLOSED, SR_CLIENT_ABORTED, SR_CLIENT_LIMIT
   */
  subscribe(options: SubscribeOptions, listener?: ListListener): Subscription;

  /** Adds a listener. @returns a function that takes it away @throws RegistryClientError SR_CLIENT_LIMIT */
  on<K extends keyof RegistryEvents>(event: K, listener: (value: RegistryEvents[K]) => void): () => void;
  /** Takes a listener away. */
  off<K extends keyof RegistryEvents>(event: K, listener: (value: RegistryEvents[K]) => void): void;

  /** Ends all subscriptions, withdraws all publications (waiting 2 s at most for that), closes the connection. */
  close(): Promise<void>;
}

/** Something this process offers. It stays in the registry until it is closed, or the process has gone. */
export interface Publication extends AsyncDisposable {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  /** Identity of this publication in the registry, a random UUID. */
  readonly registerId: string;
  /** What is offered now. */
  readonly values: readonly string[];
  /** Number of the newest change: 1, and one more with each update (wire 4.2). */
  readonly version: number;
  /** True if the registry has acknowledged the newest change over the present connection. */
  readonly acked: boolean;
  /** True once `close` was called, or the registry refused the publication. */
  readonly closed: boolean;

  /**
   * Offers something else. Resolves when the registry has acknowledged it, or a later change. While there is no connection
   * only the newest change is kept. An aborted wait does not take the change back.
   * @throws RegistryClientError SR_CLIENT_ARGUMENT, SR_CLIENT_CLOSED, SR_CLIENT_REFUSED, SR_CLIENT_ABORTED, SR_CLIENT_LIMIT
   */
  update(value: PublishValue, options?: WaitOptions): Promise<void>;

  /**
   * Takes the publication out of the registry. Resolves when that is acknowledged, after 2 s at most; without a connection at
   * once, since the registry drops what was registered with the connection.
   */
  close(): Promise<void>;
}

/**
 * A followed service. As an async iterable it gives the present list, if there is one, and then each newer one; a consumer
 * that is slow sees the newest only, nothing is queued. Each `for await` has a position of its own; leaving it does not
 * close the subscription. It ends when the subscription or the registry is closed, and throws SR_CLIENT_REFUSED if the
 * registry refuses the subscription for good.
 */
export interface Subscription extends AsyncIterable<ServiceList>, Disposable {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  readonly scope: Scope;
  /** The newest list; null before the first. Kept while there is no connection, and after `close`. */
  readonly current: ServiceList | null;
  readonly closed: boolean;

  /**
   * The newest list, waiting for the first one if need be.
   * @throws RegistryClientError SR_CLIENT_CLOSED, SR_CLIENT_REFUSED, SR_CLIENT_ABORTED
   */
  ready(signal?: AbortSignal): Promise<ServiceList>;

  /** Stops following. Harmless when done already. */
  close(): void;
}
