/** A subscription: the application's side of a feed. */
import type { Scope } from '@sofa-registry/model';
import type { Clock } from '@sofa-registry/runtime';
import { untilAborted } from './abort.ts';
import type { ListListener, Subscription } from './api.ts';
import { RegistryClientError } from './errors.ts';
import type { Feed } from './feed.ts';
import type { ServiceList } from './service-list.ts';

/** What a subscription needs of its registry. */
export interface SubscriptionHost {
  readonly clock: Clock;
  /** A listener threw. */
  listenerFailed(error: unknown): void;
  closed(subscription: ClientSubscription): void;
}

/** {@link Subscription} */
export class ClientSubscription implements Subscription {
  readonly feed: Feed;
  readonly #host: SubscriptionHost;
  readonly #listener: ListListener | null;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.close();
  /** Change of the feed the listener saw last. */
  #heard = 0;
  #calling = false;
  #scheduled = false;
  #closed = false;
  /** Why it ended, if not by `close`. */
  #error: RegistryClientError | null = null;
  /** Wakes all who wait for a change or the end: one promise for all of them. */
  #next: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;

  constructor(host: SubscriptionHost, feed: Feed, listener: ListListener | null, signal?: AbortSignal) {
    this.#host = host;
    this.feed = feed;
    this.#listener = listener;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (feed.changes > 0) this.changed();
  }

  get dataId(): string {
    return this.feed.key.dataId;
  }

  get group(): string {
    return this.feed.key.group;
  }

  get instanceId(): string {
    return this.feed.key.instanceId;
  }

  get scope(): Scope {
    return this.feed.scope;
  }

  get current(): ServiceList | null {
    return this.feed.list;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async ready(signal?: AbortSignal): Promise<ServiceList> {
    for (;;) {
      const list = this.feed.list;
      if (list !== null) return list;
      if (this.#error !== null) throw this.#error;
      if (this.#closed) throw new RegistryClientError('SR_CLIENT_CLOSED', `subscription of ${this.dataId}`);
      await untilAborted(this.#changeOrEnd(), signal);
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ServiceList, undefined> {
    let seen = 0;
    let left = false;
    return {
      next: async () => {
        while (!left && !this.#closed) {
          const list = this.feed.list;
          if (list !== null && this.feed.changes !== seen) {
            seen = this.feed.changes;
            return { done: false, value: list };
          }
          await this.#changeOrEnd();
        }
        if (this.#error !== null && !left) throw this.#error;
        return { done: true, value: undefined };
      },
      return: () => {
        left = true;
        this.#wakeAll();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#wakeAll();
    this.#host.closed(this);
  }

  /** The registry refused it for good. */
  fail(error: RegistryClientError): void {
    this.#error = error;
    this.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The feed has another list. */
  changed(): void {
    this.#wakeAll();
    if (this.#listener === null || this.#scheduled || this.#calling) return;
    this.#scheduled = true;
    this.#host.clock.defer(() => this.#call());
  }

  #call(): void {
    this.#scheduled = false;
    const list = this.feed.list;
    if (this.#closed || this.#listener === null || list === null || this.#heard === this.feed.changes) return;
    this.#heard = this.feed.changes;
    try {
      const result = this.#listener(list);
      if (!(result instanceof Promise)) return;
      this.#calling = true;
      result
        .catch((error: unknown) => this.#host.listenerFailed(error))
        .finally(() => {
          this.#calling = false;
          this.#call();
        });
    } catch (error) {
      this.#host.listenerFailed(error);
    }
  }

  #changeOrEnd(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  #wakeAll(): void {
    const next = this.#next;
    this.#next = null;
    next?.resolve();
  }
}
