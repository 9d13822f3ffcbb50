/** One followed list: all subscriptions of one service and scope share one registration and one state. */
import type { Scope } from '@sofa-registry/model';
import type { Clock, Random } from '@sofa-registry/runtime';
import type { RegistryClientError } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import { ListState, type ListUpdate, type UpdateOutcome } from './list-state.ts';
import { Registration, type RegistrationOwner } from './registration.ts';
import type { ServiceKey } from './service-key.ts';
import type { ServiceList } from './service-list.ts';
import type { ClientSubscription } from './subscription.ts';

/** What a feed needs of its registry. */
export interface FeedHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ClientLimits;
  warn(error: RegistryClientError): void;
}

/** State of one followed list. */
export class Feed {
  readonly key: ServiceKey;
  readonly scope: Scope;
  readonly registration: Registration;
  readonly subscriptions = new Set<ClientSubscription>();
  /** Lists shown so far. */
  changes = 0;
  readonly #clock: Clock;
  readonly #state: ListState;

  constructor(host: FeedHost, key: ServiceKey, scope: Scope) {
    this.key = key;
    this.scope = scope;
    this.#clock = host.clock;
    this.#state = new ListState(key, scope, host.limits.listEntriesMax);
    const owner: RegistrationOwner = {
      acked: () => undefined,
      refused: (error) => {
        host.warn(error);
        for (const subscription of this.subscriptions) subscription.fail(error);
      },
    };
    const spec = { kind: 'subscriber', key, registerId: host.random.uuid(), owner, scope } as const;
    this.registration = new Registration(spec, host.clock.wallMs());
  }

  /** The newest list; null before the first. */
  get list(): ServiceList | null {
    return this.#state.list;
  }

  /** Takes a push and tells the subscriptions if it changed the list. */
  apply(update: ListUpdate): UpdateOutcome {
    const outcome = this.#state.apply(update, Math.floor(this.#clock.wallMs()));
    if (outcome === 'shown') {
      this.changes++;
      for (const subscription of this.subscriptions) subscription.changed();
    }
    return outcome;
  }
}
