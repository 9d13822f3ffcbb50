/**
 * The naive model: it knows which clients hold what, which of them lost their session when, and the documented holds; nothing of
 * slots, leaders or versions. Against it every list that a client sees is judged, and at quiescence the whole (L1).
 */
import { zoneInScope } from '@sofa-registry/model';
import { Absences, type ClientState } from './absences.ts';
import { ListJudge } from './list-judge.ts';
import {
  type ModelClient,
  type ModelClientEvents,
  type ModelPublication,
  type ModelSubscription,
  type ModelView,
  viewText,
} from './model-client.ts';
import type { ModelHolds, ModelWorld } from './model-world.ts';
import { Presence, type Publishers } from './publication-ledger.ts';
import { TakenOff } from './taken-off.ts';

/** The model. */
export class SimModel implements ModelClientEvents {
  /** Sessions that ended, sockets that were lost: tell it. */
  readonly absences: Absences;
  /** Whom operators took out of the traffic: tell it. */
  readonly takenOff: TakenOff;
  /** Pushes of lists with publishers that arrived at clients so far. */
  pushes = 0;
  /** Connections of clients to sessions so far. */
  connects = 0;
  /** Lists that were judged. */
  judged = 0;
  readonly #world: ModelWorld;
  readonly #publishers: Publishers = new Map();
  readonly #judge: ListJudge;

  constructor(world: ModelWorld, holds: ModelHolds) {
    this.#world = world;
    this.takenOff = new TakenOff(world, this.#publishers);
    this.absences = new Absences(world, holds, this.#publishers, this.takenOff);
    this.#judge = new ListJudge(world, this.#publishers, this.absences, this.takenOff);
  }

  /** Clients that live, by name. */
  get clients(): ReadonlyMap<string, ClientState> {
    return this.absences.clients;
  }

  connected(client: ModelClient, session: string): void {
    this.#world.trace(client.name, () => `connected to ${session}`);
    this.connects++;
    this.absences.connected(client, session);
    this.takenOff.connected(client);
  }

  disconnected(client: ModelClient, reason: string): void {
    this.#world.trace(client.name, () => `lost its session: ${reason}`);
    this.absences.disconnected(client, reason);
  }

  /** That nobody publishes a service is told again with a real version after the hold; it may come late, and is not news. */
  pushed(_client: ModelClient, _subscription: ModelSubscription, empty: boolean): void {
    if (!empty) this.pushes++;
  }

  broke(client: ModelClient, what: string): void {
    this.#world.violated('protocol', `${client.name}: ${what}`);
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
    this.#judge.judge(client, subscription, before, after, session);
  }

  /** Takes over what clients did since the last call; call it often. */
  sample(): void {
    const nowMs = this.#world.nowMs();
    this.absences.watchReturn(nowMs);
    for (const state of this.clients.values()) {
      const { client } = state;
      if (!client.alive) {
        this.absences.left(client);
        this.#judge.forget(client);
        continue;
      }
      this.absences.watch(state, nowMs);
      for (const publication of client.publications.values())
        this.#samplePublication(state, publication, nowMs);
      if (this.takenOff.mustBeHidden(state)) this.#hidden(client);
    }
  }

  /** F192: who is off is not seen by anybody whose session can tell him. */
  #hidden(off: ModelClient): void {
    for (const { client, lostMs, unsoundMs } of this.clients.values()) {
      if (lostMs !== Infinity || unsoundMs !== Infinity || this.#world.slow(client.name)) continue;
      for (const subscription of client.subscriptions.values()) {
        const { service, view, wanted } = subscription;
        if (!wanted || this.#keepsOtherZone(client, subscription)) continue;
        if (view !== null && viewText(view).includes(` ${off.name}/`))
          this.#world.violated(
            'F192',
            `${client.name} still sees ${off.name} in ${service} ${viewText(view)}`,
          );
      }
    }
  }

  /** What each subscriber must see when nothing happens any more (L1), and that everything is acknowledged. */
  unsettled(limit: number): string[] {
    const wrong: string[] = this.takenOff.busy ? ['client-off and client-open are under way'] : [];
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

  #samplePublication(state: ClientState, publication: ModelPublication, nowMs: number): void {
    let publisher = this.#publishers.get(publication.key);
    if (publisher === undefined) {
      publisher = { client: state.client, publication, presence: new Presence() };
      this.#publishers.set(publication.key, publisher);
    }
    const { presence } = publisher;
    if (!publication.wanted) {
      presence.excuse(nowMs, 'taken back');
      return;
    }
    const doubt = this.takenOff.doubt(state) || this.absences.doubt(state, nowMs);
    if (doubt !== '') presence.excuse(nowMs, doubt);
    const connected = state.session !== '' && state.lostMs === Infinity && state.unsoundMs === Infinity;
    if (!presence.sure && connected && doubt === '' && publication.acked()) presence.confirm(nowMs);
  }

  #expected(subscription: ModelSubscription, sessionZone: string): string {
    const zones = new Map<string, string[]>();
    for (const { client } of this.clients.values()) {
      if (!client.alive || this.takenOff.isOff(client)) continue;
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
