/**
 * The naive model: it knows which clients hold what, which of them lost their session when, and the documented holds; nothing of
 * slots, leaders or versions. Against it every list that a client sees is judged, and at quiescence the whole (L1).
 */
import { zoneInScope } from '@sofa-registry/model';
import type {
  ModelClient,
  ModelClientEvents,
  ModelPublication,
  ModelSubscription,
  ModelView,
} from './model-client.ts';
import { parseValue } from './model-client.ts';
import { Presence } from './publication-ledger.ts';

/** Documented times the model relies on. */
export interface ModelHolds {
  /** A single client's publishers stay so long after its connection. */
  readonly graceMs: number;
  /** Those of many clients that were lost together. */
  readonly holdMs: number;
  /** Those of a dead session. */
  readonly leaseMs: number;
  /** Share and number of connections that count as many. */
  readonly massShare: number;
  readonly massMin: number;
}

/** What the model asks about the rest of the simulation. */
export interface ModelWorld {
  nowMs(): number;
  /** Client connections a session has open, as it sees it. */
  openAt(session: string): number;
  /** Zone of a session. */
  zoneOf(session: string): string;
  /** True if bytes get through between the two, both ways, and the session runs. */
  sound(client: string, session: string): boolean;
  /** True if a session has been paused or cut off from metas or data nodes for longer than a lease allows. */
  isolated(session: string): boolean;
  /** True while so many data nodes were lost together that copies of a slot may be gone. */
  dataAtRisk(): boolean;
  /** True while a session is paused, cut off from somebody, or was until a moment ago. */
  cutOff(session: string): boolean;
  /** True if a client does not read, or did not until a moment ago: it may be shown what is old. */
  slow(client: string): boolean;
  /** Since when nodes or store have been disturbed without a long enough rest; Infinity while all is calm. */
  disturbedSince(): number;
  /**
   * True while a session and a data node may both not have heard yet that the data node was deposed: availability comes first, so
   * such a pair goes on with what it knows, which is older than what others show meanwhile.
   */
  torn(session: string): boolean;
  /** True if any session runs. */
  anySession(): boolean;
  violated(invariant: string, detail: string): void;
  trace(who: string, text: () => string): void;
}

interface Publisher {
  readonly client: ModelClient;
  readonly publication: ModelPublication;
  readonly presence: Presence;
  revisionMax: number;
}

interface ClientState {
  readonly client: ModelClient;
  session: string;
  /** Since when the way to its session is not sound; Infinity if it is. */
  unsoundMs: number;
  /** When the way was last seen not to be sound; -Infinity = never. */
  brokenMs: number;
  /** Since when it must have lost that session; Infinity while connected. */
  lostMs: number;
  /** Its session process ended (and did not just close the connection). */
  orphaned: boolean;
  /** No session was left at that time, nor safe data: what comes is a restart of everything. */
  cold: boolean;
}

interface SubscriptionState {
  /** Zone of the session the last list came from: scope zone means another set elsewhere. */
  zone: string;
  readonly shownSinceMs: Map<string, number>;
  /** Publications that left the list for good. */
  readonly gone: Set<string>;
}

interface SessionState {
  /** When connections to it closed, newest last. */
  closes: number[];
  stopping: boolean;
}

/** So many closes that leave a session without any connection count as many. */
const ALL_CLOSED_MIN = 2;
/** A wrong removal is excused by an absence at most so long ago: lists may be old by as much while faults go on. */
const STALE_MS_MAX = 60_000;
/** A way that is not sound for so long may have been given up by the session, without the client's knowledge. */
const UNSOUND_MS = 3500;
/**
 * After a restart of everything first pushes wait until nearly all publishers are back: 95 % of those that meta remembers, whose
 * number may be old by 10 %.
 */
const NEARLY_ALL = 0.85;
/** Meta's memory may be older than the restart by so long: beats, writes, the grain of our own sampling. */
const REMEMBER_MS = 4000;
/** How often publishers are counted, and for how long counts are kept. */
const COUNT_MS = 500;
const COUNTS_MAX = 240;
/** Lists that had to wait on a broken way arrive within so long once it is sound. */
const CATCH_UP_MS = 1500;
/** After which an unsound way that healed proves nothing against the session any more. */
const HEALED_MS = 60_000;
/** What a client reads when its session ends the connection; one that was killed or gave the client up resets it. */
const CLOSED_BY_SESSION = 'peer closed';
/** Latencies and the grain of the model's own sampling. */
const SLACK_MS = 150;
/** How long an acknowledged publication may take to be visible to a first push. */
const FIRST_PUSH_MS = 5000;

/** True if the client has a registration that it has not taken back. */
function holdsAnything(client: ModelClient): boolean {
  for (const { wanted } of client.publications.values()) if (wanted) return true;
  for (const { wanted } of client.subscriptions.values()) if (wanted) return true;
  return false;
}

/** The model. */
export class SimModel implements ModelClientEvents {
  readonly clients = new Map<string, ClientState>();
  /** Pushes of lists with publishers that arrived at clients so far. */
  pushes = 0;
  /** Connections of clients to sessions so far. */
  connects = 0;
  /** Lists that were judged. */
  judged = 0;
  readonly #world: ModelWorld;
  readonly #holds: ModelHolds;
  readonly #publishers = new Map<string, Publisher>();
  readonly #subscriptions = new Map<string, SubscriptionState>();
  readonly #sessions = new Map<string, SessionState>();
  /** Who lost everything with a restart of everything and may not be back yet. */
  readonly #returning = new Set<ClientState>();
  /** Registered publications over time, and how many of them meta remembers at least of the last restart of everything. */
  readonly #counts: { readonly atMs: number; readonly count: number }[] = [];
  #remembered = 0;
  /** Contents by service, version and zone. */
  readonly #contents = new Map<string, string>();

  constructor(world: ModelWorld, holds: ModelHolds) {
    this.#world = world;
    this.#holds = holds;
  }

  add(client: ModelClient): void {
    this.clients.set(client.name, {
      client,
      session: '',
      unsoundMs: Infinity,
      brokenMs: -Infinity,
      lostMs: Infinity,
      orphaned: false,
      cold: false,
    });
  }

  /** A session process ended. */
  sessionDown(name: string, graceful: boolean): void {
    const nowMs = this.#world.nowMs();
    const state = this.#session(name);
    state.stopping = false;
    this.#remember(nowMs);
    for (const client of this.clients.values()) {
      if (client.session !== name) continue;
      // Also of who was sent away by a session that stopped: from now on the data nodes alone know.
      client.orphaned = true;
      if (client.lostMs !== Infinity) continue;
      this.#lost(client, nowMs, graceful ? this.#holds.holdMs : this.#holds.leaseMs, `${name} ended`);
    }
  }

  /** All client sockets of a session were reset. Who stands still does not notice, and does not come back. */
  socketsReset(name: string): void {
    for (const state of this.clients.values()) {
      if (state.session !== name || state.lostMs !== Infinity || !state.client.host.clock.paused) continue;
      this.#lost(state, this.#world.nowMs(), this.#holds.graceMs, `lost ${name} while it stood still`);
    }
  }

  sessionStopping(name: string): void {
    this.#session(name).stopping = true;
  }

  /** A session serves. Whoever lost everything with a restart of everything has the hold from now on to come back. */
  sessionUp(name: string): void {
    this.#sessions.delete(name);
    const nowMs = this.#world.nowMs();
    for (const state of this.clients.values()) {
      if (!state.cold) continue;
      state.cold = false;
      state.orphaned = false;
      this.#returning.add(state);
      this.#excuse(state, nowMs + this.#holds.holdMs - SLACK_MS, 'everything was restarted');
    }
  }

  /** Those who come back after nearly all that meta remembers may be missing meanwhile. */
  #watchReturn(nowMs: number): void {
    if (this.#counts.length === 0 || nowMs >= (this.#counts.at(-1)?.atMs ?? 0) + COUNT_MS) {
      this.#counts.push({ atMs: nowMs, count: this.#registered() });
      if (this.#counts.length > COUNTS_MAX) this.#counts.shift();
    }
    if (this.#returning.size === 0 || this.#registered() < NEARLY_ALL * this.#remembered) return;
    for (const state of this.#returning)
      if (state.client.alive && state.lostMs !== Infinity)
        this.#excuse(state, nowMs, 'nearly all others are back');
    this.#returning.clear();
  }

  /** Publications that sessions hold and have acknowledged. */
  #registered(): number {
    let count = 0;
    for (const { client, session, lostMs } of this.clients.values()) {
      if (session === '' || lostMs !== Infinity) continue;
      for (const publication of client.publications.values())
        if (publication.wanted && publication.acked()) count++;
    }
    return count;
  }

  /** The least that meta may remember, should this have been the last session. */
  #remember(nowMs: number): void {
    const fromMs = Math.min(nowMs, this.#world.disturbedSince()) - REMEMBER_MS;
    const counts = this.#counts.filter(({ atMs }) => atMs >= fromMs).map(({ count }) => count);
    this.#remembered = counts.length === 0 ? 0 : Math.min(...counts);
  }

  connected(client: ModelClient, session: string): void {
    this.#world.trace(client.name, () => `connected to ${session}`);
    this.connects++;
    const state = this.clients.get(client.name);
    if (state === undefined) return;
    state.session = session;
    state.unsoundMs = Infinity;
    state.lostMs = Infinity;
    state.orphaned = false;
    state.cold = false;
  }

  disconnected(client: ModelClient, reason: string): void {
    this.#world.trace(client.name, () => `lost its session: ${reason}`);
    const state = this.clients.get(client.name);
    if (state === undefined) return;
    const nowMs = this.#world.nowMs();
    const session = this.#session(state.session);
    // A session that closes in good order sends the client elsewhere: what it holds must stay listed until it is there.
    const sentAway = reason === CLOSED_BY_SESSION;
    // A client that holds nothing has said goodbye: its close is no sign that sockets are being lost.
    if (!sentAway && holdsAnything(client)) session.closes.push(nowMs);
    if (state.lostMs !== Infinity) return;
    const hold = sentAway || session.stopping ? this.#holds.holdMs : this.#holds.graceMs;
    this.#lost(state, nowMs, hold, `lost ${state.session}`);
    this.#noticeMass(state.session, session, nowMs);
  }

  /** That nobody publishes a service is told again with a real version after the hold; it may come late, and is not news. */
  pushed(_client: ModelClient, _subscription: ModelSubscription, empty: boolean): void {
    if (!empty) this.pushes++;
  }

  broke(client: ModelClient, what: string): void {
    this.#world.violated('protocol', `${client.name}: ${what}`);
  }

  /** Takes over what clients did since the last call; call it often. */
  sample(): void {
    const nowMs = this.#world.nowMs();
    this.#watchReturn(nowMs);
    for (const state of this.clients.values()) {
      const { client } = state;
      if (!client.alive) {
        this.#left(client);
        this.clients.delete(client.name);
        continue;
      }
      this.#watchWay(state, nowMs);
      this.#watchOrphan(state, nowMs);
      for (const publication of client.publications.values())
        this.#samplePublication(state, publication, nowMs);
    }
  }

  listed(
    client: ModelClient,
    subscription: ModelSubscription,
    before: ModelView | null,
    after: ModelView,
    session: string,
  ): void {
    this.judged++;
    this.#world.trace(
      client.name,
      () => `${subscription.service} ${subscription.scope} v${after.version} ${viewText(after)}`,
    );
    // The clients' own state may be newer than the last sample.
    for (const publication of client.publications.values()) this.#sampleRevision(publication);
    const zone = after.localZone;
    const shown = this.#read(client, subscription, after, zone);
    const state = this.#subscription(subscription);
    const moved = subscription.scope === 'zone' && state.zone !== zone;
    state.zone = zone;
    const earlier = before === null || moved ? new Map<string, number>() : keysOf(before);
    const nowMs = this.#world.nowMs();
    const where = `${client.name} (${client.kind}, ${subscription.scope}) at ${session}, ${subscription.service} v${after.version}`;
    const torn = this.#world.torn(session);
    const late = this.#late(client, nowMs);
    for (const [key, revision] of shown) {
      const old = earlier.get(key);
      if (old !== undefined && old > revision && !torn && !this.#mayBeOld(key, state, nowMs))
        this.#world.violated('I9', `${where}: ${key} went from revision ${old} to ${revision}`);
      if (old === undefined) {
        if (!moved && !torn && state.gone.has(key) && !this.#world.dataAtRisk())
          this.#world.violated('I10', `${where}: ${key} had left for good and is back`);
        // Of a list that was late on its way nobody knows since when it was true.
        state.shownSinceMs.set(key, late ? -Infinity : nowMs);
      }
    }
    for (const key of earlier.keys()) {
      if (shown.has(key)) continue;
      this.#removed(where, state, key, nowMs, shown.size, torn, before);
      // What left an old list may be in the next one.
      if (late) state.gone.delete(key);
    }
    if (before === null && shown.size === 0 && !torn && !this.#world.slow(client.name))
      this.#emptyFirst(where, subscription, zone, nowMs);
    this.#sameContent(where, subscription, after);
  }

  /** What each subscriber must see when nothing happens any more (L1), and that everything is acknowledged. */
  unsettled(limit: number): string[] {
    const wrong: string[] = [];
    for (const { client } of this.clients.values()) {
      if (!client.alive) continue;
      if (wrong.length >= limit) break;
      if (client.session === '') {
        wrong.push(`${client.name} has no session`);
        continue;
      }
      if (client.unacked() > 0)
        wrong.push(`${client.name} waits for ${client.unacked()} answers of ${client.session}`);
      for (const subscription of client.subscriptions.values()) {
        if (!subscription.wanted || this.#keepsOtherZone(client, subscription)) continue;
        const expected = this.#expected(subscription, this.#world.zoneOf(client.session));
        const seen = subscription.view === null ? 'nothing' : viewText(subscription.view);
        if (seen !== expected) {
          wrong.push(
            `${client.name} (${client.kind}, ${subscription.scope}) at ${client.session} sees ${subscription.service} ${seen}, should see ${expected}`,
          );
        }
      }
    }
    return wrong;
  }

  /**
   * An official client ignores a list of the version it has. Come from a session of another zone, it keeps that zone's list until the
   * version moves on; a session cannot know where its clients come from.
   */
  #keepsOtherZone({ kind, session }: ModelClient, { scope, view }: ModelSubscription): boolean {
    if (kind === 'sdk' || scope !== 'zone' || view === null) return false;
    return view.localZone !== this.#world.zoneOf(session);
  }

  /** Live publications. */
  live(): { readonly key: string; readonly service: string; readonly session: string }[] {
    const out = [];
    for (const { client } of this.clients.values()) {
      if (!client.alive) continue;
      for (const { key, service, wanted } of client.publications.values())
        if (wanted) out.push({ key, service, session: client.session });
    }
    return out;
  }

  #session(name: string): SessionState {
    let state = this.#sessions.get(name);
    if (state === undefined) this.#sessions.set(name, (state = { closes: [], stopping: false }));
    return state;
  }

  #subscription(subscription: ModelSubscription): SubscriptionState {
    let state = this.#subscriptions.get(subscription.key);
    if (state === undefined)
      this.#subscriptions.set(
        subscription.key,
        (state = { zone: '', shownSinceMs: new Map(), gone: new Set() }),
      );
    return state;
  }

  #lost(state: ClientState, nowMs: number, holdMs: number, why: string): void {
    state.lostMs = nowMs;
    this.#excuse(state, nowMs + holdMs - SLACK_MS, why);
  }

  #excuse(state: ClientState, fromMs: number, why: string): void {
    for (const publication of state.client.publications.values()) {
      this.#publishers.get(publication.key)?.presence.excuse(fromMs, why);
    }
  }

  /** What a dead session's clients held is remembered by the data nodes alone. */
  #watchOrphan(state: ClientState, nowMs: number): void {
    if (!state.orphaned || state.cold || !this.#world.dataAtRisk()) return;
    if (this.#world.anySession()) this.#excuse(state, nowMs, 'its session and copies of data were lost');
    else state.cold = true;
  }

  #noticeMass(name: string, session: SessionState, nowMs: number): void {
    const { graceMs, holdMs, massShare, massMin } = this.#holds;
    session.closes = session.closes.filter((atMs) => atMs > nowMs - graceMs + SLACK_MS);
    const closes = session.closes.length;
    // Half-open connections count for the session; it cannot know better.
    const open = this.#world.openAt(name);
    const crowd = closes >= massMin && closes >= massShare * (open + closes) * 1.1;
    if (!crowd && (open > 0 || closes < ALL_CLOSED_MIN)) return;
    for (const state of this.clients.values()) {
      if (state.session !== name || state.lostMs < session.closes[0]) continue;
      for (const publication of state.client.publications.values()) {
        this.#publishers
          .get(publication.key)
          ?.presence.extend(nowMs, state.lostMs + holdMs - SLACK_MS, `lost ${name} with many others`);
      }
    }
  }

  #left(client: ModelClient): void {
    const nowMs = this.#world.nowMs();
    for (const publication of client.publications.values()) {
      publication.wanted = false;
      this.#publishers.get(publication.key)?.presence.excuse(nowMs, 'its client left');
    }
    for (const subscription of client.subscriptions.values()) this.#subscriptions.delete(subscription.key);
  }

  #watchWay(state: ClientState, nowMs: number): void {
    if (state.session === '') return;
    // While no session runs, nobody can take a lost way for a goodbye.
    if (state.cold) state.unsoundMs = Infinity;
    else if (!this.#world.sound(state.client.name, state.session)) {
      state.brokenMs = nowMs;
      if (state.unsoundMs > nowMs) state.unsoundMs = nowMs;
    } else if (state.unsoundMs < nowMs - HEALED_MS) {
      state.unsoundMs = Infinity;
    }
  }

  #sampleRevision(publication: ModelPublication): void {
    const publisher = this.#publishers.get(publication.key);
    if (publisher !== undefined && publication.revision > publisher.revisionMax)
      publisher.revisionMax = publication.revision;
  }

  #samplePublication(state: ClientState, publication: ModelPublication, nowMs: number): void {
    let publisher = this.#publishers.get(publication.key);
    if (publisher === undefined) {
      publisher = { client: state.client, publication, presence: new Presence(), revisionMax: 0 };
      this.#publishers.set(publication.key, publisher);
    }
    const { presence } = publisher;
    publisher.revisionMax = publication.revision;
    if (!publication.wanted) {
      presence.excuse(nowMs, 'taken back');
      return;
    }
    if (state.unsoundMs < nowMs - UNSOUND_MS) presence.excuse(nowMs, `no sound way to ${state.session}`);
    const doubtful = this.#doubtful(state.session);
    if (doubtful !== '') presence.excuse(nowMs, doubtful);
    const proven =
      state.session !== '' && state.lostMs === Infinity && state.unsoundMs === Infinity && doubtful === '';
    if (!presence.sure && proven && publication.acked()) presence.confirm(nowMs);
  }

  /** Why what a session holds may be unknown to the data nodes; '' if it must be known. */
  #doubtful(session: string): string {
    if (session === '') return '';
    if (this.#world.isolated(session)) return `${session} is isolated`;
    return this.#world.dataAtRisk() && this.#world.cutOff(session)
      ? `${session} is cut off and copies of data were lost`
      : '';
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
      if (!this.#world.dataAtRisk() && !this.#mayReturn(publisher)) state.gone.add(key);
      return;
    }
    if (torn || publisher.presence.excusedWithin(sinceMs, nowMs)) return;
    const kind = left === 0 ? 'empty' : 'shrunken';
    const owner = publisher.client;
    this.#world.violated(
      'I6',
      `${where}: ${kind} list, ${key} (of ${owner.name} at ${owner.session || 'no session'}) is missing; before: v${before?.version} ${before === null ? '' : viewText(before)}`,
    );
  }

  /** When copies may be lost together with its session, an old copy may know of a publisher best: as it was, or not at all. */
  #mayBeOld(key: string, state: SubscriptionState, nowMs: number): boolean {
    if (!this.#world.dataAtRisk()) return false;
    const sinceMs = Math.max(state.shownSinceMs.get(key) ?? 0, nowMs - STALE_MS_MAX);
    return this.#publishers.get(key)?.presence.excusedWithin(sinceMs, nowMs) ?? true;
  }

  /** True if a client may only just receive lists that waited for it, old ones among them. */
  #late(client: ModelClient, nowMs: number): boolean {
    const brokenMs = this.clients.get(client.name)?.brokenMs ?? -Infinity;
    return nowMs - brokenMs < CATCH_UP_MS || this.#world.slow(client.name);
  }

  /** What its owner took back while it was cut off may still be registered, and withdrawn, when it is back. */
  #mayReturn(publisher: Publisher): boolean {
    const state = this.clients.get(publisher.client.name);
    return state !== undefined && (state.lostMs !== Infinity || state.unsoundMs !== Infinity);
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

  #expected(subscription: ModelSubscription, sessionZone: string): string {
    const zones = new Map<string, string[]>();
    for (const { client } of this.clients.values()) {
      if (!client.alive) continue;
      for (const publication of client.publications.values()) {
        if (!publication.wanted || publication.service !== subscription.service) continue;
        if (!zoneInScope(subscription.scope, publication.zone, sessionZone)) continue;
        const values = zones.get(publication.zone) ?? [];
        values.push(`${publication.key}#${publication.revision}`);
        zones.set(publication.zone, values);
      }
    }
    return viewText({ version: 0, localZone: sessionZone, zones });
  }
}

/** A view in one line, without its order. */
export function viewText(view: ModelView): string {
  const zones = [...view.zones]
    .filter(([, values]) => values.length > 0)
    .map(([zone, values]) => `${zone}: ${[...values].sort().join(' ')}`);
  return `[${zones.sort().join('; ')}]`;
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
