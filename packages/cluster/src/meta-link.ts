/**
 * A node's link to the meta leader: beats each second, follows redirects, applies what the leader answers and pushes, answers
 * its probes. Keeps the last view while no leader is heard, tries for ever, and says what it waits for.
 */
import type { NodeRecord, SlotConfig } from '@sofa-registry/model';
import type { BoltChannel, ReplyHandler, RpcError, Timer } from '@sofa-registry/runtime';
import {
  Beat,
  BeatReply,
  BoltStatus,
  CODEC_INTERNAL,
  Done,
  Drain,
  type Frame,
  Leave,
  type MessageOf,
  Probe,
  ProbeReply,
  TableOffer,
  View,
} from '@sofa-registry/wire';
import { type ClusterView, type ViewChange, type ViewParts, ViewState } from './cluster-view.ts';
import {
  BEAT_MS,
  BEAT_SOON_MS,
  BEAT_TIMEOUT_MS,
  LISTENERS_MAX,
  META_CALL_TIMEOUT_MS,
  NEVER_HEARD_MS,
  WAITING_LOG_MS,
  WAITING_QUIET_MS,
} from './limits.ts';
import { MetaConnection } from './meta-connection.ts';
import { clusterCounters as counters } from './metrics.ts';
import type { ClusterPorts } from './ports.ts';

/** What a data node reports about one slot it holds. */
export type SlotReport = MessageOf<typeof Beat>['slotReports'][number];

/** Options of {@link MetaLink}. */
export interface MetaLinkOptions {
  /** `host:port` of meta nodes, at least one. A host name is resolved at each attempt. */
  readonly metas: readonly string[];
  readonly slotConfig: SlotConfig;
  /** Time between beats, ms. Default {@link BEAT_MS}; meta suspects a node after three missed ones. */
  readonly beatMs?: number;
  /** This node, as it is now. */
  readonly node: () => NodeRecord;
  /** Slots held (data nodes). */
  readonly slotReports?: () => readonly SlotReport[];
  /** Publishers held (sessions). */
  readonly publishers?: () => number;
  /** Called when a connection to a meta is lost. */
  readonly lost?: () => void;
  /** Ms since this node heard from that one, Infinity when never: the answer to sr.Probe. */
  readonly heardMsAgo?: (processId: string) => number;
}

/** The link. */
export class MetaLink implements ReplyHandler<BoltChannel> {
  readonly #ports: ClusterPorts;
  readonly #options: MetaLinkOptions;
  readonly #view: ViewState;
  readonly #meta: MetaConnection;
  readonly #listeners: ((changed: ViewChange) => void)[] = [];
  readonly #ready = Promise.withResolvers<void>();
  #started = false;
  /** The channel whose beat is unanswered. */
  #beating: BoltChannel | null = null;
  #again = false;
  #draining = false;
  #timer: Timer | null = null;
  #lastBeatMs = -Infinity;
  #waitingFor = 'meta leader: not started';
  #waitingLoggedMs = -Infinity;
  #waitingSinceMs = -1;

  constructor(ports: ClusterPorts, options: MetaLinkOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#view = new ViewState(options.metas, () => ports.clock.monoMs());
    this.#meta = new MetaConnection(ports, () => this.#view.metas, {
      opened: (_channel, address) => this.#opened(address),
      unreachable: (address, reason) => {
        this.#waitingFor = `a meta leader: no connection to ${address} (${reason})`;
      },
      lost: (reason) => {
        this.#failedBeat(`connection to meta lost: ${reason}`);
        options.lost?.();
      },
      request: (channel, frame) => this.#request(channel, frame),
    });
  }

  /** The cluster as this node knows it: one object, its fields change. */
  get view(): ClusterView {
    return this.#view;
  }

  /** True while this node asks to be left out ({@link drain}). */
  get draining(): boolean {
    return this.#draining;
  }

  /** What the link waits for; '' while a leader answers and a table is known. */
  get waitingFor(): string {
    if (this.#waitingFor !== '') return this.#waitingFor;
    return this.#view.table.epoch === 0 ? 'a slot table: no data node has joined yet' : '';
  }

  /** Calls `listener` after each change of the view, in the turn in which it was applied. */
  onChange(listener: (changed: ViewChange) => void): void {
    if (this.#listeners.length >= LISTENERS_MAX) throw new Error(`more than ${LISTENERS_MAX} listeners`);
    this.#listeners.push(listener);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#waitingFor = 'a meta leader';
    this.#meta.start();
    this.#schedule();
  }

  /** Stops beating and closes the connection. The view stays. Says no goodbye: see {@link leave}. */
  stop(): void {
    this.#started = false;
    this.#timer?.cancel();
    this.#timer = null;
    this.#beating = null;
    this.#meta.stop();
    this.#waitingFor = 'meta leader: stopped';
  }

  /** Resolves when a leader answered and a slot table is known. @throws the signal's reason */
  async ready(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#ready.promise;
    signal.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#ready.promise, promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Beats now, or as soon as the last beat is answered and {@link BEAT_SOON_MS} old. */
  beatSoon(): void {
    if (!this.#started) return;
    this.#again = true;
    if (this.#beating === null) this.#schedule();
  }

  /**
   * Tells the leader that this node wants to leave (or stays after all); resolves when it has acknowledged. Each beat says so
   * from now on, so that a new leader knows it too. Tries until the link is stopped; then it rejects.
   */
  async drain(on: boolean): Promise<void> {
    this.#draining = on;
    const content = Drain.encode({ processId: this.#options.node().processId, on });
    for (;;) {
      if (await this.#call(Drain, content)) return;
      await new Promise<void>((resolve) => this.#ports.clock.setTimer(META_CALL_TIMEOUT_MS / 4, resolve));
      if (!this.#started) throw new Error('meta link: stopped before the leader acknowledged the drain');
    }
  }

  /** Tells the leader that this node is gone for good, waits a bounded time for the answer, and stops. */
  async leave(): Promise<void> {
    // A beat behind the goodbye would make it a member again.
    this.#started = false;
    this.#timer?.cancel();
    await this.#call(Leave, Leave.encode({ processId: this.#options.node().processId }));
    this.stop();
  }

  /**
   * Asks the meta that this node follows; one that does not lead answers with an error.
   * @throws RpcError, WireError; Error without a connection
   */
  async ask<Q, A>(
    question: { readonly className: string; encode(value: Q): Buffer },
    value: Q,
    answer: { decode(content: Buffer): A },
    timeoutMs: number,
  ): Promise<A> {
    const { channel } = this.#meta;
    if (channel === null) throw new Error('no connection to meta');
    const content = question.encode(value);
    const frame = await channel.call(question.className, CODEC_INTERNAL, content, timeoutMs);
    return answer.decode(frame.content);
  }

  /** @internal answer to a beat */
  reply(channel: BoltChannel, frame: Frame): void {
    if (channel !== this.#beating) return;
    this.#beating = null;
    let reply: MessageOf<typeof BeatReply>;
    try {
      reply = BeatReply.decode(frame.content);
    } catch (error) {
      counters.badMessages.value++;
      this.#failedBeat(`bad answer of meta: ${String(error)}`);
      this.#meta.tryNext();
      return;
    }
    if (!reply.isLeader) this.#redirected(reply.leader);
    else this.#accepted(reply);
    this.#schedule();
  }

  /** @internal no answer to a beat */
  failed(channel: BoltChannel, error: RpcError): void {
    if (channel !== this.#beating) return;
    this.#beating = null;
    if (error.status === BoltStatus.errorComm) {
      counters.refused.value++;
      this.#failedBeat(`a cluster token: meta at ${this.#meta.address} asks for one (clusterTokenFile)`);
      // It closes now: that is no second reason.
      this.#meta.tryNext();
    } else if (error.code === 'SR_RPC_STATUS') {
      counters.refused.value++;
      const { slotCount, replicas, slotFunction } = this.#options.slotConfig;
      const own = `slots ${slotCount}, replicas ${replicas}, function ${slotFunction}`;
      this.#failedBeat(`meta at ${this.#meta.address} to accept this node (it refused ${own}: see its log)`);
    } else if (error.code !== 'SR_RPC_CLOSED') {
      this.#failedBeat(`an answer of meta at ${this.#meta.address}: ${error.message}`);
      this.#meta.tryNext();
    }
    this.#schedule();
  }

  #opened(address: string): void {
    this.#ports.logger.debug('meta link: connected', { meta: address });
    this.#beating = null;
    this.#beat();
  }

  #beat(): void {
    const { channel } = this.#meta;
    if (!this.#started || channel === null || this.#beating !== null) return;
    this.#again = false;
    this.#lastBeatMs = this.#ports.clock.monoMs();
    this.#beating = channel;
    counters.beats.value++;
    const { slotCount, replicas, slotFunction } = this.#options.slotConfig;
    const view = this.#view;
    const node = this.#options.node();
    const content = Beat.encode({
      node: this.#draining && !node.draining ? { ...node, draining: true } : node,
      slotCount,
      replicas,
      slotFunction,
      tableEpoch: view.table.epoch,
      membersRevision: view.membersRevision,
      docsRevision: view.docsRevision,
      publishers: this.#options.publishers?.() ?? 0,
      slotReports: this.#options.slotReports?.() ?? [],
    });
    channel.request(Beat.className, CODEC_INTERNAL, content, BEAT_TIMEOUT_MS, this, channel);
    this.#schedule();
  }

  /** One timer: the next beat, early if one was asked for. */
  #schedule(): void {
    if (!this.#started) return;
    this.#timer?.cancel();
    const waitMs = this.#again && this.#beating === null ? BEAT_SOON_MS : (this.#options.beatMs ?? BEAT_MS);
    const sinceMs = this.#ports.clock.monoMs() - this.#lastBeatMs;
    // A beat asked for after a quiet moment leaves at the end of this turn, with all that the turn still changes.
    this.#timer = this.#ports.clock.setTimer(Math.max(0, Math.min(waitMs, waitMs - sinceMs)), () => {
      this.#timer = null;
      if (this.#meta.channel === null) this.#sayWaiting();
      if (this.#beating === null && this.#meta.channel !== null) this.#beat();
      else this.#rearm();
    });
  }

  /** No beat could leave: look again after a beat's time; `opened` and `reply` come earlier. */
  #rearm(): void {
    this.#timer = this.#ports.clock.setTimer(this.#options.beatMs ?? BEAT_MS, () => this.#schedule());
  }

  #redirected(leader: string): void {
    counters.redirects.value++;
    const from = this.#meta.address;
    if (leader !== '' && leader !== from) {
      this.#failedBeat(`the meta leader at ${leader}`);
      this.#meta.turnTo(leader);
    } else {
      this.#failedBeat(`a meta leader: ${from} knows none`);
      this.#meta.tryNext();
    }
  }

  #accepted(reply: MessageOf<typeof BeatReply>): void {
    if (!this.#apply(reply)) {
      this.#failedBeat(`a newer meta leader than ${reply.leader}`);
      this.#meta.tryNext();
      return;
    }
    const view = this.#view;
    if (view.leader !== reply.leader) {
      this.#ports.logger.info('meta link: follows a leader', { leader: reply.leader, term: reply.term });
    }
    view.leader = reply.leader;
    view.warm = reply.warm;
    view.expectedPublishers = reply.expectedPublishers;
    view.expectedForMs = reply.expectedForMs;
    view.meanWeight = reply.meanWeight;
    view.appIndexVersion = reply.appIndexVersion;
    view.heardAtMs = this.#ports.clock.monoMs();
    view.learnMetas(reply.metas);
    this.#waitingFor = '';
    this.#waitingSinceMs = -1;
    this.#meta.good();
    if (view.table.epoch > 0) this.#ready.resolve();
    if (reply.table !== null && reply.table.epoch < view.table.epoch) this.#offer();
  }

  /** False when the sender was deposed. Otherwise applied, listeners called, and the news beaten back. */
  #apply(parts: ViewParts): boolean {
    const changed = this.#view.apply(parts);
    if (changed === null) {
      counters.staleTerms.value++;
      return false;
    }
    if (changed.table) counters.tablesApplied.value++;
    if (!changed.table && !changed.members && !changed.docs) return true;
    for (const listener of this.#listeners) {
      try {
        listener(changed);
      } catch (error) {
        counters.listenerFailures.value++;
        this.#ports.logger.error('meta link: a listener failed', { error: String(error) });
      }
    }
    // The leader plans the next move when every data node has reported under the new table.
    if (changed.table) this.beatSoon();
    return true;
  }

  #offer(): void {
    counters.tablesOffered.value++;
    void this.#call(TableOffer, TableOffer.encode({ table: this.#view.table }));
  }

  async #call(message: { readonly className: string }, content: Buffer): Promise<boolean> {
    const { channel } = this.#meta;
    if (channel === null) return false;
    try {
      const frame = await channel.call(message.className, CODEC_INTERNAL, content, META_CALL_TIMEOUT_MS);
      return Done.decode(frame.content).ok;
    } catch (error) {
      this.#ports.logger.debug('meta link: call failed', {
        message: message.className,
        error: String(error),
      });
      return false;
    }
  }

  #request(channel: BoltChannel, frame: Frame): void {
    try {
      if (frame.className === View.className) this.#pushed(channel, View.decode(frame.content));
      else if (frame.className === Probe.className) this.#probed(channel, frame);
      else channel.respondError(frame, BoltStatus.noProcessor);
    } catch (error) {
      counters.badMessages.value++;
      this.#ports.logger.warn('meta link: bad message of meta', {
        message: frame.className,
        error: String(error),
      });
      channel.respondError(frame, BoltStatus.codecException);
    }
  }

  #pushed(channel: BoltChannel, view: MessageOf<typeof View>): void {
    if (channel !== this.#meta.channel) return;
    if (this.#apply(view) && this.#view.heardAtMs >= 0 && this.#view.table.epoch > 0) this.#ready.resolve();
  }

  #probed(channel: BoltChannel, frame: Frame): void {
    counters.probesAnswered.value++;
    const { processId } = Probe.decode(frame.content);
    const heardMsAgo = Math.ceil(this.#options.heardMsAgo?.(processId) ?? Infinity);
    const content = ProbeReply.encode({ heardMsAgo: Math.max(0, Math.min(heardMsAgo, NEVER_HEARD_MS)) });
    channel.respond(frame, ProbeReply.className, content);
  }

  #failedBeat(waitingFor: string): void {
    counters.beatsFailed.value++;
    this.#waitingFor = waitingFor;
    this.#sayWaiting();
  }

  #sayWaiting(): void {
    const nowMs = this.#ports.clock.monoMs();
    if (this.#waitingSinceMs < 0) this.#waitingSinceMs = nowMs;
    if (nowMs - this.#waitingSinceMs < WAITING_QUIET_MS || nowMs - this.#waitingLoggedMs < WAITING_LOG_MS)
      return;
    this.#waitingLoggedMs = nowMs;
    this.#ports.logger.warn('meta link: waiting', {
      for: this.#waitingFor,
      metas: this.#view.metas.join(','),
    });
  }
}
