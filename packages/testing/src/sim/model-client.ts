/**
 * What a client of the simulation holds and sees, whatever it is made of: the official client's protocol over Bolt
 * ({@link ./official-client.ts}) or our SDK ({@link ./sdk-client.ts}).
 */
import type { Scope } from '@sofa-registry/model';
import type { SimHost } from './sim-host.ts';

/** A publication as its owner knows it. */
export interface ModelPublication {
  /** Unique in the simulation: `client/number`. */
  readonly key: string;
  readonly service: string;
  /** Zone the publisher declares. */
  readonly zone: string;
  /** Newest value sent or to be sent; values are `key#revision`. */
  revision: number;
  /** False once its owner has taken it back. */
  wanted: boolean;
  /** True if the present connection has acknowledged the newest revision. */
  acked(): boolean;
}

/** What one subscription shows to the application. */
export interface ModelView {
  /** Version as the application sees it (datum version). */
  readonly version: number;
  /** Zone of the session the list came from, as the push says. */
  readonly localZone: string;
  /** Zone to values. */
  readonly zones: ReadonlyMap<string, readonly string[]>;
}

/** A subscription. */
export interface ModelSubscription {
  /** Unique in the simulation: `client/number`. */
  readonly key: string;
  readonly service: string;
  readonly scope: Scope;
  /** What the application sees now; null before the first list. */
  view: ModelView | null;
  wanted: boolean;
}

/** A client tells the model what happens to it. */
export interface ModelClientEvents {
  /** Connected to the session of this name. */
  connected(client: ModelClient, session: string): void;
  disconnected(client: ModelClient, reason: string): void;
  /** The application sees another list. `session` is where it came from. */
  listed(
    client: ModelClient,
    subscription: ModelSubscription,
    before: ModelView | null,
    after: ModelView,
    session: string,
  ): void;
  /** A message of the session arrived although it must not. */
  broke(client: ModelClient, what: string): void;
  /** A push arrived, applied or not; `empty`: of no publishers. */
  pushed(client: ModelClient, subscription: ModelSubscription, empty: boolean): void;
}

/** A client. */
export interface ModelClient {
  readonly name: string;
  readonly kind: 'official-hessian' | 'official-pb' | 'sdk';
  /** Zone it declares as a publisher. */
  readonly zone: string;
  readonly host: SimHost;
  readonly publications: ReadonlyMap<string, ModelPublication>;
  readonly subscriptions: ReadonlyMap<string, ModelSubscription>;
  /** Name of the session it is connected to; '' if none. */
  readonly session: string;
  /** False once it has left or died. */
  readonly alive: boolean;
  start(): void;
  publish(service: string): void;
  /** Shows {@link temporaryValue} once, if its protocol can. */
  publishTemporary(service: string): void;
  update(key: string): void;
  unpublish(key: string): void;
  /** Sends all its publications again as they are, if its protocol does such a thing. */
  republish(): void;
  subscribe(service: string, scope: Scope): void;
  unsubscribe(key: string): void;
  /** Closes in good order. */
  leave(): void;
  /** Its process ends without a word. */
  die(silent: boolean): void;
  /** Registrations that the session has not acknowledged yet. */
  unacked(): number;
}

/** The value a publication offers at a revision. */
export function valueOf(publication: { readonly key: string; readonly revision: number }): string {
  return `${publication.key}#${publication.revision}`;
}

/** The value of a temporary publication; its key is that of no {@link ModelPublication}. */
export function temporaryValue(client: string, number: number): string {
  return `${client}/once-${number}#0`;
}

/** True if the key is that of a temporary publication. */
export function isTemporary(key: string): boolean {
  return key.includes('/once-');
}

/** Publication key and revision of a value; null for a foreign one. */
export function parseValue(value: string): { key: string; revision: number } | null {
  const at = value.lastIndexOf('#');
  const revision = Number(value.slice(at + 1));
  return at > 0 && Number.isInteger(revision) ? { key: value.slice(0, at), revision } : null;
}

/** A view in one line, without its order. */
export function viewText(view: ModelView): string {
  const zones = [...view.zones]
    .filter(([, values]) => values.length > 0)
    .map(([zone, values]) => `${zone}: ${[...values].sort().join(' ')}`);
  return `[${zones.sort().join('; ')}]`;
}
