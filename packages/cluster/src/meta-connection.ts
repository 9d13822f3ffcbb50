/**
 * Finds a meta node to talk to and keeps one channel to it. Which one leads is for the caller to find out: it says `tryNext`
 * (this one does not know a leader) or `turnTo` (a redirect). Never gives up; waits are jittered and bounded.
 */
import { parseAddress } from '@sofa-registry/model';
import {
  Backoff,
  BoltChannel,
  type BoltChannelOptions,
  type BoltHandler,
  type Timer,
} from '@sofa-registry/runtime';
import {
  CONNECT_TIMEOUT_MS,
  LINK_HEARTBEAT_MISSES_MAX,
  LINK_HEARTBEAT_MS,
  META_RETRY_MS,
  META_RETRY_MS_MAX,
} from './limits.ts';
import { clusterCounters as counters } from './metrics.ts';
import type { ClusterPorts } from './ports.ts';

/** What the owner hears. */
export interface MetaConnectionEvents {
  /** A channel to `address` is open. */
  opened(channel: BoltChannel, address: string): void;
  /** No connection to `address` could be made; another attempt follows by itself. */
  unreachable(address: string, reason: string): void;
  /** The channel that was open has gone; another attempt follows by itself. */
  lost(reason: string): void;
  /** A request or oneway of the meta node. */
  request: BoltHandler['request'];
}

/** The channel of a node to one meta node at a time. */
export class MetaConnection {
  /** Address tried or connected to; '' while waiting. */
  address = '';
  readonly #ports: ClusterPorts;
  readonly #metas: () => readonly string[];
  readonly #events: MetaConnectionEvents;
  readonly #backoff: Backoff;
  readonly #options: BoltChannelOptions;
  #aborter = new AbortController();
  #channel: BoltChannel | null = null;
  #retry: Timer | null = null;
  #stopped = true;
  /** Next of the known addresses to try. */
  #turn = 0;
  /** Addresses tried since the last wait. */
  #triedInRound = 0;
  /** True when the current channel's node led: its loss is news, not one more failed attempt. */
  #led = false;
  /** Address to try first, from a redirect. */
  #hint = '';

  /** @param metas addresses known now, the configured ones first */
  constructor(ports: ClusterPorts, metas: () => readonly string[], events: MetaConnectionEvents) {
    this.#ports = ports;
    this.#metas = metas;
    this.#events = events;
    this.#backoff = new Backoff(ports.random, { baseMs: META_RETRY_MS, maxMs: META_RETRY_MS_MAX });
    this.#options = {
      clock: ports.clock,
      proto: 1,
      heartbeatMs: LINK_HEARTBEAT_MS,
      heartbeatMissesMax: LINK_HEARTBEAT_MISSES_MAX,
      handler: {
        request: (channel, frame) => events.request(channel, frame),
        closed: (channel, reason) => this.#lost(channel, reason),
        crashed: (_channel, error) =>
          ports.logger.error('meta link: handler failed', { error: String(error) }),
      },
    };
  }

  /** The open channel, or null. */
  get channel(): BoltChannel | null {
    return this.#channel;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#aborter = new AbortController();
    this.#next();
  }

  /** Closes the channel; what was written before still leaves. `lost` is not called. */
  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#retry = null;
    this.#aborter.abort();
    this.#drop();
  }

  /** The node at the other end leads: the next failure starts with short waits again. */
  good(): void {
    this.#led = true;
    this.#triedInRound = 0;
    this.#backoff.reset();
  }

  /** Leaves the current node for the next known one, after a wait once all have been tried. */
  tryNext(): void {
    this.#drop();
    this.#next();
  }

  /** Leaves the current node for `address`. Counts as an attempt, so two nodes that name each other do not spin. */
  turnTo(address: string): void {
    this.#hint = address;
    this.tryNext();
  }

  #drop(): void {
    const channel = this.#channel;
    this.#channel = null;
    this.#led = false;
    this.address = '';
    channel?.end();
  }

  #next(): void {
    if (this.#stopped || this.#retry !== null) return;
    const metas = this.#metas();
    const count = Math.max(1, metas.length);
    if (this.#triedInRound < count + (this.#hint === '' ? 0 : 1) || this.#triedInRound === 0) {
      this.#triedInRound++;
      void this.#connect(this.#pick(metas));
      return;
    }
    this.#triedInRound = 0;
    this.#retry = this.#ports.clock.setTimer(this.#backoff.nextMs(), () => {
      this.#retry = null;
      this.#next();
    });
  }

  #pick(metas: readonly string[]): string {
    const hint = this.#hint;
    this.#hint = '';
    if (hint !== '') return hint;
    return metas.length === 0 ? '' : metas[this.#turn++ % metas.length];
  }

  async #connect(address: string): Promise<void> {
    const target = parseAddress(address);
    this.address = address;
    const { signal } = this.#aborter;
    let channel: BoltChannel;
    try {
      if (target === null) throw new Error(`"${address}" is not host:port`);
      const connection = await this.#ports.network.connect(target, { timeoutMs: CONNECT_TIMEOUT_MS, signal });
      channel = new BoltChannel(connection, this.#options);
    } catch (error) {
      counters.metaConnectsFailed.value++;
      this.#ports.logger.debug('meta link: no connection', { meta: address, error: String(error) });
      if (signal.aborted) return;
      this.#events.unreachable(address, error instanceof Error ? error.message : String(error));
      this.tryNext();
      return;
    }
    if (signal.aborted) {
      channel.destroy('stopped');
      return;
    }
    counters.metaConnects.value++;
    this.#channel = channel;
    this.#events.opened(channel, address);
  }

  #lost(channel: BoltChannel, reason: string): void {
    if (channel !== this.#channel) return;
    const address = this.address;
    this.#channel = null;
    this.address = '';
    // The same node first: a restart of meta is over sooner than a new leader is found; then the others.
    if (this.#led) this.#hint = address;
    this.#led = false;
    this.#events.lost(reason);
    this.#next();
  }
}
