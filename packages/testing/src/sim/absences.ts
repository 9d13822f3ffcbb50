/**
 * Who is away, and from when on that excuses the absence of what they hold: connections that were lost and the documented holds,
 * sessions that ended, ways that are not sound, copies that were lost together, restarts of everything.
 */
import { ColdRestart } from './cold-restart.ts';
import type { ModelClient } from './model-client.ts';
import type { ModelHolds, ModelWorld } from './model-world.ts';
import type { Publishers } from './publication-ledger.ts';
import type { TakenOff } from './taken-off.ts';

/** A client and its session. */
export interface ClientState {
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

interface SessionState {
  /** When connections to it closed, newest last. */
  closes: number[];
  stopping: boolean;
}

/** So many closes that leave a session without any connection count as many. */
const ALL_CLOSED_MIN = 2;
/** A way that is not sound for so long may have been given up by the session, without the client's knowledge. */
const UNSOUND_MS = 3500;
/** Lists that had to wait on a broken way arrive within so long once it is sound. */
const CATCH_UP_MS = 1500;
/** After which an unsound way that healed proves nothing against the session any more. */
const HEALED_MS = 60_000;
/** What a client reads when its session ends the connection; one that was killed or gave the client up resets it. */
const CLOSED_BY_SESSION = 'peer closed';
/** Latencies and the grain of the model's own sampling. */
const SLACK_MS = 150;

/** True if a session holds a registration of the client. */
function holdsAnything(client: ModelClient, off: boolean): boolean {
  for (const { wanted } of client.publications.values()) if (wanted && !off) return true;
  for (const { wanted } of client.subscriptions.values()) if (wanted) return true;
  return false;
}

/** The absences. */
export class Absences {
  readonly clients = new Map<string, ClientState>();
  readonly #world: ModelWorld;
  readonly #holds: ModelHolds;
  readonly #publishers: Publishers;
  readonly #sessions = new Map<string, SessionState>();
  readonly #takenOff: TakenOff;
  readonly #restart: ColdRestart;

  constructor(world: ModelWorld, holds: ModelHolds, publishers: Publishers, takenOff: TakenOff) {
    this.#world = world;
    this.#holds = holds;
    this.#publishers = publishers;
    this.#takenOff = takenOff;
    this.#restart = new ColdRestart(world, this.clients, takenOff);
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
    this.#restart.remember(nowMs);
    for (const client of this.clients.values()) {
      if (client.session !== name) continue;
      // Also of who was sent away by a session that stopped: from now on the data nodes alone know.
      client.orphaned = true;
      if (client.lostMs !== Infinity) continue;
      this.#lost(client, nowMs, graceful ? this.#holds.holdMs : this.#holds.leaseMs, `${name} ended`);
    }
  }

  /** A data node ended: it may be back, and have told its sessions what it knows, before anybody looks. */
  dataDown(): void {
    for (const state of this.clients.values()) this.#watchOrphan(state, this.#world.nowMs());
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
      this.#restart.returns(state);
      this.#excuse(state, nowMs + this.#holds.holdMs - SLACK_MS, 'everything was restarted');
    }
  }

  connected(client: ModelClient, session: string): void {
    const state = this.clients.get(client.name);
    if (state === undefined) return;
    state.session = session;
    state.unsoundMs = Infinity;
    state.lostMs = Infinity;
    state.orphaned = false;
    state.cold = false;
  }

  disconnected(client: ModelClient, reason: string): void {
    const state = this.clients.get(client.name);
    if (state === undefined) return;
    const nowMs = this.#world.nowMs();
    const session = this.#session(state.session);
    // A session that closes in good order sends the client elsewhere: what it holds must stay listed until it is there.
    const sentAway = reason === CLOSED_BY_SESSION;
    // A client that holds nothing has said goodbye: its close is no sign that sockets are being lost.
    if (!sentAway && holdsAnything(client, this.#takenOff.isOff(client))) session.closes.push(nowMs);
    if (state.lostMs !== Infinity) return;
    const hold = sentAway || session.stopping ? this.#holds.holdMs : this.#holds.graceMs;
    this.#lost(state, nowMs, hold, `lost ${state.session}`);
    this.#noticeMass(state.session, session, nowMs);
  }

  /** Looks at a client's way to its session; call it often. */
  watch(state: ClientState, nowMs: number): void {
    this.#watchWay(state, nowMs);
    this.#watchOrphan(state, nowMs);
  }

  /** Those who come back after nearly all that meta remembers may be missing meanwhile. */
  watchReturn(nowMs: number): void {
    for (const state of this.#restart.watch(nowMs))
      if (state.client.alive && state.lostMs !== Infinity)
        this.#excuse(state, nowMs, 'nearly all others are back');
  }

  /** A client left or died: nothing of it need be listed. */
  left(client: ModelClient): void {
    const nowMs = this.#world.nowMs();
    for (const publication of client.publications.values()) {
      publication.wanted = false;
      this.#publishers.get(publication.key)?.presence.excuse(nowMs, 'its client left');
    }
    this.clients.delete(client.name);
  }

  /** Why the absence of what a client holds is excused now; '' if it is not, but for what was lost before. */
  doubt(state: ClientState, nowMs: number): string {
    const { session } = state;
    if (session === '') return '';
    if (this.#world.isolated(session)) return `${session} is isolated`;
    if (this.#world.dataAtRisk() && this.#world.cutOff(session))
      return `${session} is cut off and copies of data were lost`;
    return state.unsoundMs < nowMs - UNSOUND_MS ? `no sound way to ${session}` : '';
  }

  /** True if a client may only just receive lists that waited for it, old ones among them. */
  late(client: ModelClient, nowMs: number): boolean {
    const brokenMs = this.clients.get(client.name)?.brokenMs ?? -Infinity;
    return nowMs - brokenMs < CATCH_UP_MS || this.#world.slow(client.name);
  }

  /** What its owner took back while it was cut off may still be registered, and withdrawn, when it is back. */
  mayReturn(client: ModelClient): boolean {
    const state = this.clients.get(client.name);
    return state !== undefined && (state.lostMs !== Infinity || state.unsoundMs !== Infinity);
  }

  #session(name: string): SessionState {
    let state = this.#sessions.get(name);
    if (state === undefined) this.#sessions.set(name, (state = { closes: [], stopping: false }));
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
      // Whoever is back already is not lost any more.
      if (state.session !== name || state.lostMs < session.closes[0] || state.lostMs > nowMs) continue;
      for (const publication of state.client.publications.values()) {
        this.#publishers
          .get(publication.key)
          ?.presence.extend(nowMs, state.lostMs + holdMs - SLACK_MS, `lost ${name} with many others`);
      }
    }
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
}
