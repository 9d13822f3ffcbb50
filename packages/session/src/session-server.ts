/**
 * One session: the shell around its parts. Starts and stops them in the order that clients need (session.md 1 "Startup order", 9
 * "Graceful stop"), and does what is done by the clock.
 */
import type { ViewChange } from '@sofa-registry/cluster';
import { formatAddress, type NodeRecord, toProcessId } from '@sofa-registry/model';
import { every, type Listener, type MetricSet, type Timer } from '@sofa-registry/runtime';
import type { ClientConnection } from './client-connection.ts';
import type { SessionTraffic } from './operator/session-traffic.ts';
import type { SessionInspect } from './session-inspect.ts';
import { SessionParts, type SessionPorts } from './session-parts.ts';
import type { SessionConfig } from './settings.ts';

/** Document by which an operator ends holds: groups separated by commas, or `*`. */
export const RELEASE_HOLD_KEY = 'operator/release-hold';

/** Longest wait for the links to all leaders before the client port opens all the same. */
const LINKS_WAIT_MS = 5000;
/** How often the start looks whether the links are up. */
const LINKS_POLL_MS = 5;
/** Period of the small chores: SDK silence, restart gate, operator override. */
const CHORE_MS = 250;
/** Longest wait for meta's answer and for the last writes while stopping. */
const STOP_WAIT_MS = 1000;

type Phase = 'new' | 'starting' | 'serving' | 'draining' | 'stopped';

/** A session server. */
export class SessionServer {
  readonly inspect: SessionInspect;
  readonly metrics: MetricSet;
  /** Takes clients out of the traffic and lets them in again. */
  readonly traffic: SessionTraffic;
  readonly #ports: SessionPorts;
  readonly #config: SessionConfig;
  readonly #parts: SessionParts;
  readonly #timers: Timer[] = [];
  readonly #startedMs: number;
  readonly #tag: number;
  /** Ends a start that is under way when the session is stopped. */
  readonly #stopped = new AbortController();
  #phase: Phase = 'new';
  /** True once meta has named this session to it as one that takes clients. */
  #listed = false;
  #address = '';
  #processId = '';
  #listener: Listener | null = null;

  constructor(ports: SessionPorts, config: SessionConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#startedMs = ports.clock.wallMs();
    this.#tag = ports.random.uint32();
    this.#parts = new SessionParts(ports, config, {
      address: () => this.#address,
      processId: () => this.#processId,
      node: () => this.#node(),
      clientClosed: (connection) => this.#clientClosed(connection),
      listed: () => this.#listed,
      readiness: () => this.#readiness(),
    });
    this.inspect = this.#parts.inspect;
    this.metrics = this.#parts.metrics.set;
    this.traffic = this.#parts.traffic;
  }

  /** `host:port` clients use; '' before the start. */
  get address(): string {
    return this.#address;
  }

  /** Identity of this process in the cluster. */
  get processId(): string {
    return this.#processId;
  }

  /**
   * Joins the cluster and opens the client port last, when the session can route, filter and push.
   * @throws RuntimeError SR_NET_LISTEN when the port cannot be opened; the signal's reason
   */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#phase !== 'new') throw new Error('session was started before');
    this.#phase = 'starting';
    const { clock, logger } = this.#ports;
    const { listen, advertise } = this.#config;
    // Only with an unnamed port: the cluster must be told the real one. The door stays shut until we are ready.
    if (listen.port === 0) await this.#listen();
    const bound = this.#listener?.address ?? listen;
    this.#address = advertise === '' ? formatAddress(bound.host, bound.port) : advertise;
    this.#processId = toProcessId(this.#address, this.#startedMs, this.#config.pid ?? 0, this.#tag);
    this.#parts.meta.onChange((changed) => this.#viewChanged(changed));
    this.#parts.meta.start();
    try {
      await this.#parts.meta.ready(
        AbortSignal.any([this.#stopped.signal, ...(signal === undefined ? [] : [signal])]),
      );
    } catch (error) {
      if (this.#stopping()) return;
      throw error;
    }
    await this.#linksUp(signal);
    if (this.#stopping()) return;
    const { expectedPublishers, expectedForMs } = this.#parts.meta.view;
    this.#parts.gate.start(clock.monoMs(), expectedPublishers, expectedForMs);
    if (this.#listener === null) await this.#listen();
    if (this.#stopping()) return;
    this.#parts.door.setOpen(true);
    this.#phase = 'serving';
    this.#parts.meta.beatSoon();
    const { scanMs } = this.#parts.settings;
    this.#timers.push(
      every(clock, scanMs, () => {
        this.#parts.engine.scan();
        this.#parts.data.antiEntropy.compareAll();
      }),
      every(clock, CHORE_MS, () => this.#chores()),
    );
    logger.info('session serves clients', { address: this.#address, zone: this.#parts.zone });
  }

  /** Leaves in good order: off the list first, then clients move elsewhere and stay listed meanwhile (session.md 9). */
  async stop(): Promise<void> {
    if (this.#stopping()) return;
    const serving = this.#phase === 'serving';
    this.#phase = 'draining';
    this.#stopped.abort();
    if (serving) {
      await this.#within(this.#parts.meta.drain(true), STOP_WAIT_MS);
      const others = this.#otherSessions();
      await this.#parts.leaver.sendClientsAway(
        others,
        others.length === 0 ? 0 : this.#parts.settings.drainMs,
      );
      await this.#parts.leaver.flushWrites(STOP_WAIT_MS);
    }
    await this.#listener?.close();
    this.#close('session stops');
    await this.#within(this.#parts.meta.leave(), STOP_WAIT_MS);
    this.#teardown();
  }

  /** True while the session asks to be left out of the lists. */
  get draining(): boolean {
    return this.#parts.meta.draining;
  }

  /** Takes the session out of the lists, or back in: it keeps serving the clients it has (F183). */
  async drain(on: boolean): Promise<void> {
    await this.#parts.meta.drain(on);
  }

  /** As if killed: everything is dropped at once, nobody is told. */
  kill(): void {
    if (this.#phase === 'stopped') return;
    this.#phase = 'stopped';
    this.#stopped.abort();
    void this.#listener?.close();
    this.#close('killed');
    this.#teardown();
  }

  #close(reason: string): void {
    this.#parts.door.setOpen(false);
    this.#parts.door.destroyAll(reason);
  }

  #teardown(): void {
    this.#phase = 'stopped';
    for (const timer of this.#timers) timer.cancel();
    this.#parts.departures.stop();
    this.#parts.meta.stop();
    this.#parts.data.stop();
  }

  #stopping(): boolean {
    return this.#phase === 'draining' || this.#phase === 'stopped';
  }

  async #listen(): Promise<void> {
    const listener = await this.#ports.clientNetwork.listen(this.#config.listen, (connection) =>
      this.#parts.door.accept(connection),
    );
    if (this.#stopping()) await listener.close();
    this.#listener = listener;
  }

  /** Waits for a link to each leader: a session that cannot fetch would make its first clients wait. */
  async #linksUp(signal: AbortSignal | undefined): Promise<void> {
    const { clock, logger } = this.#ports;
    const untilMs = clock.monoMs() + LINKS_WAIT_MS;
    while (!this.#stopping() && this.#parts.data.missingLeaders().length > 0) {
      signal?.throwIfAborted();
      if (clock.monoMs() >= untilMs) {
        logger.warn('session opens without links to all data leaders', {
          missing: this.#parts.data.missingLeaders().join(','),
        });
        return;
      }
      await this.#sleep(LINKS_POLL_MS);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#ports.clock.setTimer(ms, resolve));
  }

  /** Waits for `done`, but not longer; an error of it is not ours to report. */
  async #within(done: Promise<unknown>, ms: number): Promise<void> {
    await Promise.race([done.catch(() => undefined), this.#sleep(ms)]);
  }

  /** Client addresses of the other sessions that take clients: those of our zone, without any all others. */
  #otherSessions(): string[] {
    const others = this.inspect.sessions().filter((node) => node.processId !== this.#processId);
    const near = others.filter(({ zone }) => zone === this.#parts.zone);
    return (near.length === 0 ? others : near).map(({ address }) => address);
  }

  #node(): NodeRecord {
    return {
      role: 'session',
      processId: this.#processId,
      address: this.#address,
      httpAddress: this.#config.httpAddress,
      zone: this.#parts.zone,
      dataCenter: this.#config.dataCenter,
      startedMs: this.#startedMs,
      weight: this.#parts.door.connections.size,
      // Not offered to clients before the port is open, and not while we leave.
      draining: this.#phase !== 'serving',
    };
  }

  #viewChanged(changed: ViewChange): void {
    if (this.#phase === 'stopped') return;
    if (changed.members) this.#noteListed();
    this.#parts.data.viewChanged(changed);
    if (!changed.docs) return;
    if (this.#parts.pushSwitch.update(this.#parts.meta.view.docs)) this.#catchUpAll();
    this.#parts.compression.update(this.#parts.meta.view.docs);
    this.traffic.update(this.#parts.meta.view.docs);
  }

  /** Clients that ask right after the start must find this session: an official one that finds none comes back after 5 s. */
  #noteListed(): void {
    const own = this.#processId;
    // An operator may have drained its address before the restart: then clients shall not find it.
    this.#listed ||=
      this.inspect.sessions().some(({ processId }) => processId === own) ||
      this.#parts.meta.view.docs.get('operator/draining')?.value.includes(JSON.stringify(this.#address)) ===
        true;
  }

  /** Pushing is allowed again: everybody who is behind is pushed to at once (F213). */
  #catchUpAll(): void {
    for (const service of this.#parts.store.services.values()) this.#parts.engine.catchUp(service);
  }

  #clientClosed(connection: ClientConnection): void {
    const { registry, balancer, departures, door, gate } = this.#parts;
    const { saidGoodbye, spoke } = connection;
    const publishers = registry.connectionClosed(connection);
    // While we stop, closes are our doing: data nodes keep the publishers until they are registered elsewhere or the lease ends.
    const reopened = this.traffic.takeLeft(connection);
    const sentAway = balancer.takeLeft(connection) || reopened;
    if (this.#phase !== 'serving' || !spoke) return;
    const open = door.spoken;
    if (saidGoodbye) departures.left(open);
    else if (sentAway) departures.sentAway(connection.address, publishers);
    else departures.closed(connection.address, open, gate.closed, publishers);
  }

  #chores(): void {
    const { registrationStamps, doubts, door, engine, metadata, balancer } = this.#parts;
    const nowMs = this.#ports.clock.monoMs();
    registrationStamps.tick();
    doubts.recheck();
    door.sweep();
    engine.sweepSlow();
    this.#checkGate(nowMs);
    this.#releaseHolds();
    this.traffic.check();
    metadata.check();
    if (this.#phase === 'serving') balancer.check(nowMs);
  }

  #checkGate(nowMs: number): void {
    const { gate, meta, engine, store, accessRate, data } = this.#parts;
    const { expectedPublishers } = meta.view;
    // What the sessions hold together is known to meta only: tell and ask more often than each second.
    if (gate.closed) meta.beatSoon();
    const unsettledMs = Math.max(accessRate.lackedMs, data.forwarder.troubledMs);
    if (!gate.check(nowMs, expectedPublishers, store.counts.publishers, unsettledMs)) return;
    this.#ports.logger.info('first pushes begin', {
      publishers: store.counts.publishers,
      expectedPublishers,
    });
    engine.openGate();
  }

  /** Operator override: publishers of these groups are not held any longer. */
  #releaseHolds(): void {
    const { gate, meta, engine, departures } = this.#parts;
    const value = meta.view.docs.get(RELEASE_HOLD_KEY)?.value ?? '';
    if (value === '') return;
    const groups = new Set(value.split(',').map((group) => group.trim()));
    const all = groups.has('*');
    if (all && gate.closed) {
      gate.open();
      engine.openGate();
    }
    departures.release(({ service }) => all || groups.has(service.group));
  }

  #readiness(): { ready: boolean; waitingFor: string } {
    if (this.#phase === 'serving' && this.#listed) return { ready: true, waitingFor: '' };
    if (this.#phase === 'serving') return { ready: false, waitingFor: 'its place in the list of sessions' };
    if (this.#phase !== 'starting') return { ready: false, waitingFor: `session is ${this.#phase}` };
    const waitingFor = this.#parts.meta.waitingFor;
    return {
      ready: false,
      waitingFor:
        waitingFor === '' ? `data leaders ${this.#parts.data.missingLeaders().join(',')}` : waitingFor,
    };
  }
}
