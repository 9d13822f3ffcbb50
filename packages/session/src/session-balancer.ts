/**
 * Runs the load shedder: sends a few clients per second to less loaded sessions of the zone. Our SDK is asked and moves without a
 * gap; an official client is disconnected, and its publishers stay listed until it is back elsewhere (`holdMs` at most).
 */
import type { ClusterView } from '@sofa-registry/cluster';
import type { NodeRecord } from '@sofa-registry/model';
import type { Clock, Logger, Random } from '@sofa-registry/runtime';
import type { ClientConnection } from './client-connection.ts';
import type { ClientDoor } from './client-door.ts';
import { chooseToShed, LoadShedder } from './load-shedder.ts';
import type { SessionMetrics } from './metrics.ts';
import type { SessionTunables } from './settings.ts';

/** Document by which an operator stops the balance of sessions: `off`. */
export const SESSION_BALANCE_KEY = 'operator/session-balance';

/** A mean older than this is no reason to move anybody, ms. */
const MEAN_MS_MAX = 3000;
/** Time an SDK has to move. A session that is not rid of it then counts it as its own again. */
const MOVE_MS = 10_000;
/** SDKs move within so long of being asked, ms. */
const MOVE_WITHIN_MS = 500;
/** An official client refreshes its list each 30 s (wire 3.1), and a newcomer must be on it, or it comes back here. Ms. */
const LISTS_MS = 31_000;
/** A client that came less than this ago is left alone, ms: it may just have been sent here. */
const SETTLED_MS = 10_000;

/** What the balancer needs. */
export interface SessionBalancerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly door: ClientDoor;
  readonly view: () => ClusterView;
  /** Sessions of our zone that take clients, this one among them. */
  readonly sessions: () => readonly NodeRecord[];
  readonly processId: () => string;
  /** True while lists or clients are held because of a fault, or first pushes wait. */
  readonly holding: () => boolean;
}

/** The balancer. */
export class SessionBalancer {
  readonly #ports: SessionBalancerPorts;
  readonly #core: LoadShedder;
  /** Asked to leave and still here. */
  readonly #leaving = new Set<ClientConnection>();
  /** Sessions that took clients when we last looked, and since when. */
  #known = new Map<string, number>();
  /** From when on official clients know all sessions. */
  #listedMs = -Infinity;

  constructor(ports: SessionBalancerPorts) {
    const { settings } = ports;
    this.#ports = ports;
    this.#core = new LoadShedder({
      perSecondMax: settings.shedPerSecondMax,
      overShare: settings.shedOverShare,
      surplusMin: settings.shedSurplusMin,
      quietMs: settings.shedQuietMs,
    });
  }

  /** A client that was asked to leave has gone: this is our doing. */
  takeLeft(connection: ClientConnection): boolean {
    return this.#leaving.delete(connection);
  }

  /** Looks at the load; call it a few times per second while the session serves. */
  check(nowMs: number): void {
    const { door, view, metrics, logger } = this.#ports;
    for (const client of this.#leaving) {
      if (nowMs - client.sinceMs < MOVE_MS) continue;
      client.sinceMs = nowMs;
      this.#leaving.delete(client);
    }
    const others = this.#others(nowMs);
    const { meanWeight } = view();
    const lightest = others.reduce((least, { weight }) => Math.min(least, weight), Infinity);
    const own = door.connections.size - this.#leaving.size;
    const wasActive = this.#core.active;
    const count = this.#core.step(nowMs, { own, mean: meanWeight, lightest, busy: this.#busy() });
    if (this.#core.active !== wasActive) {
      logger.info(
        wasActive ? 'has its share of clients' : 'has more than its share of clients: some are sent away',
        {
          connections: own,
          mean: meanWeight,
        },
      );
    }
    if (count === 0) return;
    const better = others.filter(({ weight }) => weight < meanWeight);
    const addresses = (better.length === 0 ? others : better).map(({ address }) => address);
    const chosen = chooseToShed(this.#settled(nowMs), count, () => this.#ports.random.next());
    for (const client of chosen) this.#send(client, addresses, nowMs);
    metrics.shed.value += chosen.length;
  }

  /** The other sessions of the zone, lightest first; notes when one has gone. */
  #others(nowMs: number): NodeRecord[] {
    const { sessions, processId } = this.#ports;
    const own = processId();
    const others = sessions().filter((node) => node.processId !== own);
    const before = this.#known;
    this.#known = new Map(others.map((node) => [node.processId, before.get(node.processId) ?? nowMs]));
    for (const id of before.keys()) if (!this.#known.has(id)) this.#core.disturbed(nowMs);
    this.#listedMs = Math.max(...this.#known.values()) + LISTS_MS;
    return others.sort((a, b) => a.weight - b.weight);
  }

  #busy(): boolean {
    const { view, sessions, processId, holding } = this.#ports;
    const { warm, heardMetaMsAgo, docs } = view();
    if (!warm || heardMetaMsAgo > MEAN_MS_MAX || holding()) return true;
    if (docs.get(SESSION_BALANCE_KEY)?.value.trim() === 'off') return true;
    // Drained by an operator, or not yet listed.
    const own = processId();
    return !sessions().some((node) => node.processId === own);
  }

  *#settled(nowMs: number): Iterable<ClientConnection> {
    const officialToo = nowMs >= this.#listedMs;
    for (const client of this.#ports.door.connections.values()) {
      if (this.#leaving.has(client) || nowMs - client.sinceMs < SETTLED_MS) continue;
      if (officialToo || client.sdk !== null) yield client;
    }
  }

  #send(client: ClientConnection, sessions: readonly string[], nowMs: number): void {
    this.#leaving.add(client);
    client.sinceMs = nowMs;
    if (client.sdk === null) client.channel.end();
    else
      this.#ports.door.sendAway(
        client,
        MOVE_WITHIN_MS,
        'session has more than its share of clients',
        sessions,
      );
  }
}
