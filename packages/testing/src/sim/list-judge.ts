/** Judges each list that a client sees: no shrunken or empty one by fault (I6), none older (I9, I10), one content per version (I8). */
import { zoneInScope } from '@sofa-registry/model';
import type { Absences } from './absences.ts';
import {
  isTemporary,
  type ModelClient,
  type ModelSubscription,
  type ModelView,
  parseValue,
  viewText,
} from './model-client.ts';
import type { ModelWorld } from './model-world.ts';
import type { Publishers } from './publication-ledger.ts';
import type { TakenOff } from './taken-off.ts';

interface SubscriptionState {
  /** Zone of the session the last list came from: scope zone means another set elsewhere. */
  zone: string;
  readonly shownSinceMs: Map<string, number>;
  /** Publications that left the list for good. */
  readonly gone: Set<string>;
  /** Those an operator took off, by the number of his word. */
  readonly takenOff: Map<string, number>;
  /** When its first list came. */
  readonly sinceMs: number;
  /** Temporary publications it has seen, each with the session it came from. */
  readonly once: Set<string>;
}

/** A wrong removal is excused by an absence at most so long ago: lists may be old by as much while faults go on. */
const STALE_MS_MAX = 60_000;
/** After copies were lost, an official client takes up to so long to be back and outdo the old one that is left. */
const OLD_COPY_MS = 30_000;
/** How long an acknowledged publication may take to be visible to a first push. */
const FIRST_PUSH_MS = 5000;

/** The judge. */
export class ListJudge {
  readonly #world: ModelWorld;
  readonly #publishers: Publishers;
  readonly #absences: Absences;
  readonly #takenOff: TakenOff;
  readonly #subscriptions = new Map<string, SubscriptionState>();
  /** Contents by service, version and zone. */
  readonly #contents = new Map<string, string>();
  /** When each temporary publication was first seen. */
  readonly #temporaries = new Map<string, number>();

  constructor(world: ModelWorld, publishers: Publishers, absences: Absences, takenOff: TakenOff) {
    this.#takenOff = takenOff;
    this.#world = world;
    this.#publishers = publishers;
    this.#absences = absences;
  }

  /** A client is gone. */
  forget(client: ModelClient): void {
    for (const subscription of client.subscriptions.values()) this.#subscriptions.delete(subscription.key);
  }

  /** `client` sees `after` instead of `before`; it came from `session`. */
  judge(
    client: ModelClient,
    subscription: ModelSubscription,
    before: ModelView | null,
    after: ModelView,
    session: string,
  ): void {
    const zone = after.localZone;
    const shown = this.#read(client, subscription, after, zone);
    const state = this.#subscription(subscription);
    const moved = subscription.scope === 'zone' && state.zone !== zone;
    state.zone = zone;
    const earlier = before === null || moved ? new Map<string, number>() : keysOf(before);
    const nowMs = this.#world.nowMs();
    const where = `${client.name} (${client.kind}, ${subscription.scope}) at ${session}, ${subscription.service} v${after.version}`;
    const torn = this.#world.torn(session);
    const late = this.#absences.late(client, nowMs);
    for (const [key, revision] of shown) {
      const old = earlier.get(key);
      if (old !== undefined && old > revision && !torn && !this.#mayBeOld(key, state, nowMs))
        this.#world.violated('I9', `${where}: ${key} went from revision ${old} to ${revision}`);
      if (old === undefined && isTemporary(key)) this.#once(where, state, `${session} ${key}`, key, nowMs);
      if (old === undefined) {
        if (!moved && !torn && state.gone.has(key) && !this.#world.dataAtRisk())
          this.#world.violated('I10', `${where}: ${key} had left for good and is back`);
        const owner = this.#publishers.get(key)?.client;
        const word = owner === undefined ? 0 : this.#takenOff.number(owner);
        if (word > 0 && state.takenOff.get(key) === word && !moved && !torn && !this.#world.dataAtRisk())
          this.#world.violated('I10', `${where}: ${key} was taken off and is back`);
        // Of a list that was late on its way nobody knows since when it was true.
        state.shownSinceMs.set(key, late ? -Infinity : nowMs);
      }
    }
    for (const key of earlier.keys()) {
      if (shown.has(key)) continue;
      this.#removed(where, state, key, nowMs, shown.size, torn, before);
      // What left an old list may be in the next one.
      if (!late) continue;
      state.gone.delete(key);
      state.takenOff.delete(key);
    }
    if (before === null && shown.size === 0 && !torn && !this.#world.slow(client.name))
      this.#emptyFirst(where, subscription, zone, nowMs);
    this.#sameContent(where, subscription, after);
  }

  /** F027: a temporary publication is shown once at the most, and to nobody who came after all others had seen it. */
  #once(where: string, state: SubscriptionState, seen: string, key: string, nowMs: number): void {
    if (state.once.has(seen)) this.#world.violated('F027', `${where}: ${key} is shown once more`);
    state.once.add(seen);
    const firstMs = this.#temporaries.get(key) ?? nowMs;
    this.#temporaries.set(key, firstMs);
    if (state.sinceMs > firstMs + STALE_MS_MAX)
      this.#world.violated('F027', `${where}: ${key} is shown to a late subscriber`);
  }

  #subscription(subscription: ModelSubscription): SubscriptionState {
    let state = this.#subscriptions.get(subscription.key);
    if (state === undefined)
      this.#subscriptions.set(
        subscription.key,
        (state = {
          zone: '',
          shownSinceMs: new Map(),
          gone: new Set(),
          sinceMs: this.#world.nowMs(),
          once: new Set(),
          takenOff: new Map(),
        }),
      );
    return state;
  }

  #removed(
    where: string,
    state: SubscriptionState,
    key: string,
    nowMs: number,
    left: number,
    torn: boolean,
    before: ModelView | null,
  ): void {
    const sinceMs = Math.max(state.shownSinceMs.get(key) ?? 0, nowMs - STALE_MS_MAX);
    state.shownSinceMs.delete(key);
    const publisher = this.#publishers.get(key);
    if (publisher === undefined) return;
    if (!publisher.publication.wanted) {
      // While copies may be lost its session may have it still, half open, and give it back.
      if (!this.#world.dataAtRisk() && !this.#absences.mayReturn(publisher.client)) state.gone.add(key);
      return;
    }
    const word = this.#takenOff.settled(publisher.client);
    if (word > 0 && !this.#world.dataAtRisk()) state.takenOff.set(key, word);
    if (torn || publisher.presence.excusedWithin(sinceMs, nowMs)) return;
    const kind = left === 0 ? 'empty' : 'shrunken';
    const owner = publisher.client;
    this.#world.violated(
      'I6',
      `${where}: ${kind} list, ${key} (of ${owner.name} at ${owner.session || 'no session'}) is missing; before: v${before?.version} ${before === null ? '' : viewText(before)}`,
    );
  }

  /**
   * When copies were lost together with its session, an old copy may know of a publisher best, as it was or not at all, until its client
   * is back.
   */
  #mayBeOld(key: string, state: SubscriptionState, nowMs: number): boolean {
    if (!this.#world.dataAtRisk() && nowMs - this.#world.dataLostMs() > OLD_COPY_MS) return false;
    const sinceMs = Math.max(state.shownSinceMs.get(key) ?? 0, nowMs - STALE_MS_MAX);
    return this.#publishers.get(key)?.presence.excusedWithin(sinceMs, nowMs) ?? true;
  }

  #emptyFirst(where: string, subscription: ModelSubscription, zone: string, nowMs: number): void {
    for (const [key, { publication, presence, client }] of this.#publishers) {
      if (publication.service !== subscription.service || !publication.wanted) continue;
      if (!zoneInScope(subscription.scope, publication.zone, zone)) continue;
      // What was acknowledged while somebody was down may not be visible before all is calm again.
      if (presence.sureSince(nowMs) > Math.min(nowMs, this.#world.disturbedSince()) - FIRST_PUSH_MS) continue;
      this.#world.violated(
        'I6',
        `${where}: empty first list though ${key} is held by ${client.name} at ${client.session}`,
      );
      return;
    }
  }

  /** Publications of a list, with revisions; complains about what must not be there. */
  #read(
    client: ModelClient,
    subscription: ModelSubscription,
    view: ModelView,
    sessionZone: string,
  ): Map<string, number> {
    const shown = new Map<string, number>();
    const bad = (what: string): void =>
      this.#world.violated('L1', `${client.name}: ${subscription.service} v${view.version}: ${what}`);
    for (const [zone, values] of view.zones) {
      for (const value of values) {
        const parsed = parseValue(value);
        const publisher = parsed === null ? undefined : this.#publishers.get(parsed.key);
        if (parsed === null) {
          bad(`foreign value ${value}`);
          continue;
        }
        if (shown.has(parsed.key)) bad(`${parsed.key} is listed twice`);
        shown.set(parsed.key, parsed.revision);
        if (publisher === undefined) continue;
        const { publication } = publisher;
        if (publication.service !== subscription.service) bad(`${value} belongs to ${publication.service}`);
        if (publication.zone !== zone) bad(`${value} of zone ${publication.zone} in zone ${zone}`);
        if (parsed.revision > publication.revision) bad(`${value} was never published`);
        if (!zoneInScope(subscription.scope, zone, sessionZone))
          bad(`${value} of zone ${zone} is out of scope`);
      }
    }
    return shown;
  }

  /** I8: a version means one content. */
  #sameContent(where: string, subscription: ModelSubscription, view: ModelView): void {
    if (view.version <= 1) return;
    const zones = new Map<string, string>();
    for (const [zone, values] of view.zones)
      if (values.length > 0) zones.set(zone, [...values].sort().join(' '));
    const base = `${subscription.service} v${view.version}`;
    if (subscription.scope !== 'zone') {
      const all = [...zones]
        .map(([zone, values]) => `${zone}: ${values}`)
        .sort()
        .join('; ');
      this.#content(where, base, all);
    }
    for (const [zone, values] of zones) this.#content(where, `${base} ${zone}`, values);
  }

  #content(where: string, key: string, content: string): void {
    const known = this.#contents.get(key);
    if (known === undefined) this.#contents.set(key, content);
    else if (known !== content)
      this.#world.violated('I8', `${where}: ${key} is ${content || 'empty'} and was ${known || 'empty'}`);
  }
}

function keysOf(view: ModelView): Map<string, number> {
  const keys = new Map<string, number>();
  for (const values of view.zones.values()) {
    for (const value of values) {
      const parsed = parseValue(value);
      if (parsed !== null) keys.set(parsed.key, parsed.revision);
    }
  }
  return keys;
}
