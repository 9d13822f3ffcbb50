/**
 * Keeps this client connected to one session: chooses, connects, notices the loss, tries all sessions and then again, and
 * moves to another one without a gap when a session asks for it (wire 3.1, 3.2; sr.Reconnect).
 */
import { formatAddress, parseAddress } from '@sofa-registry/model';
import {
  Backoff,
  type Clock,
  every,
  type Logger,
  type Network,
  type Random,
  RpcError,
  type Timer,
} from '@sofa-registry/runtime';
import { WireError } from '@sofa-registry/wire';
import { RegistryClientError, textOf } from './errors.ts';
import {
  MOVE_OVERLAP_MS_MAX,
  MOVE_WITHIN_MS_MAX,
  RECONNECT_FIRST_MS,
  RECONNECT_MAX_MS,
  SERVER_LIST_REFRESH_MS,
  SERVER_LIST_TIMEOUT_MS,
  SESSIONS_MAX,
} from './limits.ts';
import type { ClientMetrics } from './metrics.ts';
import type { ClientSettings } from './options.ts';
import { pickSession } from './pick.ts';
import type { Push } from './push.ts';
import type { ServerListSource, SessionAddress } from './server-list.ts';
import { type LinkEvents, type ReconnectRequest, SessionLink } from './session-link.ts';

/** What the keeper tells its owner. */
export interface KeeperEvents {
  /** This connection is in use now. Send everything over it and call `settled` when that is acknowledged. */
  up(link: SessionLink, settled: () => void): void;
  /** The connection in use is gone; another one is being looked for. */
  down(reason: string): void;
  pushed(push: Push): boolean;
  drained(): void;
  warn(error: RegistryClientError): void;
}

/** What the keeper needs. */
export interface KeeperOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  readonly list: ServerListSource;
  readonly settings: ClientSettings;
  readonly metrics: ClientMetrics;
  readonly events: KeeperEvents;
}

/** The one connection of a client, over time. */
export class ConnectionKeeper implements LinkEvents {
  readonly #options: KeeperOptions;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  /** Last list that was read. */
  #sessions: readonly SessionAddress[] = [];
  /** Sessions other sessions told of, for when the list cannot be read or is old. */
  #hints: readonly SessionAddress[] = [];
  /** Sessions the one in use told us to move to. Tried before the others; at most SESSIONS_MAX. */
  #preferred: ReadonlySet<string> = new Set();
  #link: SessionLink | null = null;
  /** The connection that was left in a move, until the new one has taken everything over. */
  #retiring: SessionLink | null = null;
  #retireTimer: Timer | null = null;
  #refreshTimer: Timer | null = null;
  /** True while the session in use wants us to go. */
  #leaving = false;
  #dialing = false;
  #wake: (() => void) | null = null;
  /** Servers that hung up on the hello: the next attempt there leaves it out. At most SESSIONS_MAX. */
  readonly #plainNext = new Set<string>();
  #lastFailure = 'no session server is known';

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random, { baseMs: 100, maxMs: RECONNECT_MAX_MS });
  }

  /** Why there is no connection: the last thing that failed. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** Starts looking for a session. */
  start(): void {
    this.#refreshTimer = every(this.#options.clock, SERVER_LIST_REFRESH_MS, () => this.#refresh());
    void this.#dial(0);
  }

  /** Closes everything; nothing is told any more. */
  close(): void {
    this.#abort.abort();
    this.#refreshTimer?.cancel();
    this.#wake?.();
    this.#link?.end();
    this.#link = null;
    this.#retire();
  }

  pushed(push: Push): boolean {
    return this.#options.events.pushed(push);
  }

  unreadable(className: string, error: WireError): void {
    this.#options.metrics.unreadable.value++;
    this.#options.events.warn(
      new RegistryClientError('SR_CLIENT_PUSH', `${className}: ${error.message}`, error),
    );
  }

  crashed(error: unknown): void {
    this.#options.logger.error('unexpected error in the registry client', { error: textOf(error) });
  }

  drained(link: SessionLink): void {
    if (link === this.#link) this.#options.events.drained();
  }

  moveAway(link: SessionLink, request: ReconnectRequest): void {
    if (link !== this.#link || this.#closed) return;
    this.#options.logger.info('session asks to move', {
      session: link.address,
      reason: textOf(request.reason),
    });
    this.#hint(request.sessions);
    this.#preferred = new Set(request.sessions.slice(0, SESSIONS_MAX));
    this.#leaving = true;
    const withinMs = Math.min(request.withinMs, MOVE_WITHIN_MS_MAX);
    void this.#dial(withinMs * this.#options.random.next(), true);
  }

  closed(link: SessionLink, reason: string): void {
    if (link === this.#retiring) this.#retire();
    if (link !== this.#link) return;
    this.#link = null;
    this.#leaving = false;
    this.#lastFailure = `${link.address}: ${textOf(reason)}`;
    this.#options.metrics.lost.value++;
    this.#options.logger.warn('connection to the registry lost', { session: link.address, reason });
    this.#options.events.down(this.#lastFailure);
    // A move that is being prepared goes on at once, now as a reconnect.
    this.#wake?.();
    void this.#dial(RECONNECT_FIRST_MS * this.#options.random.next());
  }

  get #closed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Looks for a session until there is one. One run at a time. */
  async #dial(firstDelayMs: number, refreshFirst = false): Promise<void> {
    if (this.#dialing) return;
    this.#dialing = true;
    try {
      await this.#sleep(firstDelayMs);
      if (refreshFirst || this.#sessions.length === 0) await this.#refresh();
      while (!this.#closed && (this.#link === null || this.#leaving)) {
        const link = await this.#round();
        if (link !== null) {
          this.#adopt(link);
          continue;
        }
        await this.#sleep(this.#backoff.nextMs());
        await this.#refresh();
      }
    } finally {
      this.#dialing = false;
    }
  }

  /** Tries all known sessions once; null if none took us. */
  async #round(): Promise<SessionLink | null> {
    const first = this.#candidates();
    const rest: SessionAddress[] = [];
    if (this.#leaving) {
      for (let at = first.length - 1; at >= 0; at--) {
        const { host, port } = first[at];
        if (!this.#preferred.has(formatAddress(host, port))) rest.push(...first.splice(at, 1));
      }
    }
    while (first.length + rest.length > 0 && !this.#closed) {
      const from = first.length > 0 ? first : rest;
      const at = pickSession(from, this.#options.random);
      const [session] = from.splice(at, 1);
      const address = formatAddress(session.host, session.port);
      // The session that sends us away is the last resort, and only when its connection has gone.
      if (this.#leaving && address === this.#link?.address) continue;
      const link = await this.#open(session, address);
      if (link !== null) return link;
    }
    return null;
  }

  async #open(session: SessionAddress, address: string): Promise<SessionLink | null> {
    const { clock, network, settings, metrics } = this.#options;
    const plain = this.#plainNext.delete(address);
    try {
      const ports = { clock, network, settings, events: this };
      const link = await SessionLink.open(session, plain, ports, this.#abort.signal);
      if (!link.closed) return link;
      throw new Error('closed at once');
    } catch (error) {
      if (this.#closed) return null;
      if (closedOnHello(error) && this.#plainNext.size < SESSIONS_MAX) this.#plainNext.add(address);
      metrics.connectFailed.value++;
      this.#lastFailure = error instanceof WireError ? `${address}: ${textOf(error)}` : textOf(error);
      return null;
    }
  }

  /** Takes a connection into use. */
  #adopt(link: SessionLink): void {
    const { metrics, logger, clock, events } = this.#options;
    if (this.#closed) {
      link.end();
      return;
    }
    const left = this.#link;
    this.#link = link;
    this.#leaving = false;
    this.#backoff.reset();
    metrics.connected.value++;
    this.#retire();
    if (left !== null) {
      metrics.moved.value++;
      this.#retiring = left;
      this.#retireTimer = clock.setTimer(MOVE_OVERLAP_MS_MAX, () => this.#retire());
    }
    if (link.welcome !== null) this.#hint(link.welcome.sessions);
    const mode = link.welcome === null ? 'protobuf' : 'hello';
    logger.info('connected to the registry', { session: link.address, mode });
    events.up(link, () => {
      if (link === this.#link) this.#retire();
    });
  }

  /** Closes the connection that was left. */
  #retire(): void {
    this.#retireTimer?.cancel();
    this.#retireTimer = null;
    const link = this.#retiring;
    this.#retiring = null;
    link?.end();
  }

  #candidates(): SessionAddress[] {
    const found = new Map<string, SessionAddress>();
    for (const session of [...this.#sessions, ...this.#hints]) {
      const address = formatAddress(session.host, session.port);
      if (!found.has(address) && found.size < SESSIONS_MAX) found.set(address, session);
    }
    return [...found.values()];
  }

  #hint(sessions: readonly string[]): void {
    const hints: SessionAddress[] = [];
    for (const address of sessions.slice(0, SESSIONS_MAX)) {
      const parsed = parseAddress(address);
      if (parsed !== null && parsed.port !== 0) hints.push({ ...parsed, weight: 0 });
    }
    if (hints.length > 0) this.#hints = hints;
  }

  /** Reads the list. A failure, or an empty list, leaves the old one. */
  async #refresh(): Promise<void> {
    const { list, clock, metrics, events } = this.#options;
    if (this.#closed) return;
    const timeout = new AbortController();
    const timer = clock.setTimer(SERVER_LIST_TIMEOUT_MS, () => {
      timeout.abort(new Error(`no answer in ${SERVER_LIST_TIMEOUT_MS} ms`));
    });
    const signal = AbortSignal.any([timeout.signal, this.#abort.signal]);
    try {
      const sessions = await list.fetch(signal);
      if (sessions.length > 0) this.#sessions = sessions.slice(0, SESSIONS_MAX);
      else if (this.#sessions.length === 0) this.#lastFailure = 'the list of session servers is empty';
    } catch (error) {
      if (this.#closed) return;
      metrics.listFailed.value++;
      const warning =
        error instanceof RegistryClientError
          ? error
          : new RegistryClientError('SR_CLIENT_SERVER_LIST', textOf(error), error);
      if (this.#link === null) this.#lastFailure = warning.message;
      events.warn(warning);
    } finally {
      timer.cancel();
    }
  }

  /** Waits; ends early when the connection in use goes or everything is closed. */
  async #sleep(ms: number): Promise<void> {
    if (ms <= 0 || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimer(ms, resolve);
    this.#wake = resolve;
    await promise;
    timer.cancel();
    this.#wake = null;
  }
}

/** True when the server closed the connection, and not because TLS refused us or plain text is not spoken there at all. */
function closedOnHello(error: unknown): boolean {
  return (
    error instanceof RpcError && error.code === 'SR_RPC_CLOSED' && !/ERR_SSL|SR_WIRE/.test(error.message)
  );
}
