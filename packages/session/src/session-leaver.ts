/** How a session that stops parts from its clients without harm to anybody (session.md 9 "Graceful stop"). */
import type { Clock } from '@sofa-registry/runtime';
import type { ClientConnection } from './client-connection.ts';
import type { ClientDoor } from './client-door.ts';
import type { WriteForwarder } from './write/write-forwarder.ts';

/** Share of the time over which clients are sent away; the rest is for those that come back once more. */
const SPREAD_SHARE = 0.6;
/** An official client that was disconnected has chosen its next session after so long (wire 4.1), ms. */
const RETURN_MS = 1000;
/** How often the clients are looked at, ms. */
const STEP_MS = 50;
/** How often the waiting writes are looked at, ms. */
const FLUSH_STEP_MS = 10;
const REASON = 'session stops';

/** Sends clients elsewhere and the last writes to the data nodes. */
export class SessionLeaver {
  readonly #clock: Clock;
  readonly #door: ClientDoor;
  readonly #forwarder: WriteForwarder;

  constructor(clock: Clock, door: ClientDoor, forwarder: WriteForwarder) {
    this.#clock = clock;
    this.#door = door;
    this.#forwarder = forwarder;
  }

  /**
   * SDKs are asked to move, official clients disconnected one after the other. The port stays open to the end: an official client
   * whose list still names us may come back, and a refused connection would make it sleep for up to 5 s (wire 3.2), while one that is
   * closed makes it try the next session at once.
   * @param others client addresses of the sessions they can go to
   * @param withinMs longest time for all of it
   */
  async sendClientsAway(others: readonly string[], withinMs: number): Promise<void> {
    const beganMs = this.#clock.monoMs();
    const spreadMs = withinMs * SPREAD_SHARE;
    const known = new Set(this.#door.connections.values());
    const official = [...known].filter(({ sdk }) => sdk === null);
    for (const client of this.#door.sdkConnections) this.#door.sendAway(client, spreadMs, REASON, others);
    let at = 0;
    let endedMs = -Infinity;
    while (this.#clock.monoMs() < beganMs + withinMs) {
      const nowMs = this.#clock.monoMs();
      const share = Math.min(1, (nowMs - beganMs) / spreadMs);
      for (const until = Math.ceil(official.length * share); at < until; at++) {
        official[at].channel.end();
        endedMs = nowMs;
      }
      if (this.#sendBack(known, others)) endedMs = nowMs;
      if (this.#door.connections.size === 0 && nowMs >= endedMs + RETURN_MS) break;
      await this.#sleep(Math.min(STEP_MS, withinMs));
    }
  }

  /** Sends what waits for the data nodes, and waits for their answers, but not longer than `withinMs`. */
  async flushWrites(withinMs: number): Promise<void> {
    const untilMs = this.#clock.monoMs() + withinMs;
    this.#forwarder.flush();
    while (this.#forwarder.queue.size > 0 && this.#clock.monoMs() < untilMs) await this.#sleep(FLUSH_STEP_MS);
  }

  /** Clients that came although we are leaving go at once. @returns true if an official one was among them */
  #sendBack(known: Set<ClientConnection>, others: readonly string[]): boolean {
    let ended = false;
    for (const client of this.#door.connections.values()) {
      if (known.has(client)) continue;
      known.add(client);
      if (client.sdk !== null) {
        this.#door.sendAway(client, 0, REASON, others);
        continue;
      }
      client.channel.end();
      ended = true;
    }
    return ended;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(ms, resolve));
  }
}
