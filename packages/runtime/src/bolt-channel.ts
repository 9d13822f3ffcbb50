/**
 * Hot path. Bolt frames over one connection, in both directions: the one way in which clients, sessions, data and meta nodes
 * talk. Nothing here allocates a closure or a promise per message except `call`; what is written in one turn leaves in one
 * batch (the connection sees to that); the many idle channels of a session share one timer wheel.
 */
import { formatAddress } from '@sofa-registry/model';
import {
  type BoltProto,
  BoltStatus,
  CMD_HEARTBEAT,
  encodeHeartbeat,
  encodeHeartbeatAck,
  type Frame,
  FRAME_REQUEST,
  FRAME_RESPONSE,
  type WireError,
} from '@sofa-registry/wire';
import type { CloseKind } from './bolt-metrics.ts';
import { type BoltChannelOptions, REQUEST_TIMEOUT_MS_MAX, type ReplyHandler } from './bolt-options.ts';
import { PromiseReply } from './call.ts';
import { type ChannelContext, channelContext } from './channel-context.ts';
import { ChannelWatch, type WatchedChannel } from './channel-watch.ts';
import { RpcError, type RpcErrorCode } from './errors.ts';
import { type FrameOwner, FrameReceiver } from './frame-receiver.ts';
import { type FrameContent, writeOneway, writeRequest, writeResponse, writeStatus } from './frame-writer.ts';
import { type PendingOwner, PendingRequest, PendingTable } from './pending-table.ts';
import type { Connection } from './ports.ts';

let lastChannelId = 0;

/** One Bolt connection. `T` is the type of {@link userData}. */
export class BoltChannel<T = unknown> implements PendingOwner, WatchedChannel, FrameOwner {
  /** Unique in the process, rising. */
  readonly id: number;
  /** `ip:port` of the peer. */
  readonly remoteAddress: string;
  /** When bytes last arrived, on the clock's monotonic time; the time of opening before that. */
  lastReceivedMonoMs: number;
  /** The owner's state of this channel; undefined until the owner sets it. */
  userData: T;
  readonly #connection: Connection;
  readonly #context: ChannelContext<T>;
  readonly #receiver: FrameReceiver;
  readonly #watch: ChannelWatch | null;
  #pending: PendingTable | null = null;
  #proto: BoltProto;
  #ver1: number;
  #heard = false;
  #closeKind: CloseKind = 'peer';
  #pausedFull = false;

  /** Takes the connection over: attaches to it, in the turn in which it was handed out. */
  constructor(connection: Connection, options: BoltChannelOptions<T>) {
    const context = channelContext(options);
    this.id = ++lastChannelId;
    this.remoteAddress = formatAddress(connection.remote.host, connection.remote.port);
    this.lastReceivedMonoMs = context.clock.monoMs();
    this.userData = undefined as T;
    this.#connection = connection;
    this.#context = context;
    this.#receiver = new FrameReceiver(this, context.limits, context.assembly);
    this.#proto = options.proto ?? 1;
    this.#ver1 = options.ver1 ?? 1;
    this.#watch = context.watch === null ? null : new ChannelWatch(this, context.watch);
    context.metrics.opened.value++;
    connection.attach(this.#receiver);
  }

  /** `ip:port` of this end. */
  get localAddress(): string {
    return formatAddress(this.#connection.local.host, this.#connection.local.port);
  }

  /** True once nothing can be sent any more: after `end`, `destroy`, or when the peer has gone. */
  get closed(): boolean {
    return this.#connection.closed;
  }

  /** Bytes written and not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.#connection.bufferedBytes;
  }

  /** Requests of this side without reply so far. */
  get pendingCount(): number {
    return this.#pending === null ? 0 : this.#pending.count;
  }

  /** Protocol of what this side sends: given, or learnt from the peer (wire 1.3). */
  get proto(): BoltProto {
    return this.#proto;
  }

  /** Version within protocol 2. */
  get ver1(): number {
    return this.#ver1;
  }

  /**
   * Sends a request; its outcome goes to `done` with `token`. The buffers must not be changed afterwards.
   * @param timeoutMs also told to the peer, which may drop the request when it is older
   * @returns the request id; 0 if it was not sent (`done.failed` follows, at the end of the turn)
   * @throws WireError SR_WIRE_ENCODE if the content does not fit a frame
   */
  request<K>(
    className: string | Buffer,
    codec: number,
    content: FrameContent,
    timeoutMs: number,
    done: ReplyHandler<K>,
    token: K,
  ): number {
    const context = this.#context;
    if (this.#connection.closed) return this.#refuse('SR_RPC_CLOSED', done, token);
    this.#pending ??= new PendingTable();
    const pending = this.#pending;
    if (pending.count >= context.pendingMax) return this.#refuse('SR_RPC_BUSY', done, token);
    const waitMs = Math.min(Math.max(1, Math.ceil(timeoutMs)), REQUEST_TIMEOUT_MS_MAX);
    const id = pending.nextId();
    writeRequest(this.#connection, this.#proto, this.#ver1, id, codec, waitMs, className, content);
    this.#noteWrite();
    context.metrics.requestsSent.value++;
    const request = new PendingRequest(id, done, token, this);
    pending.add(request);
    context.requests.schedule(request, waitMs);
    return id;
  }

  /** {@link request} as a promise. @throws RpcError; the signal's reason when it aborts */
  call(
    className: string | Buffer,
    codec: number,
    content: FrameContent,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Frame> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const outcome = new PromiseReply(signal, () => this.cancel(id));
    let id = 0;
    try {
      id = this.request(className, codec, content, timeoutMs, outcome, null);
    } catch (error) {
      outcome.abandon(error);
    }
    return outcome.promise;
  }

  /** Forgets a request: its handler is not called, its reply counts as late. False if it is not waiting. */
  cancel(requestId: number): boolean {
    const request = this.#pending?.take(requestId) ?? null;
    if (request === null) return false;
    this.#context.requests.cancel(request);
    return true;
  }

  /** Sends a request that is never answered. Ignored when closed. */
  oneway(className: string | Buffer, codec: number, content: FrameContent): void {
    if (this.#connection.closed) return;
    this.#pending ??= new PendingTable();
    const id = this.#pending.nextId();
    writeOneway(this.#connection, this.#proto, this.#ver1, id, codec, className, content);
    this.#noteWrite();
    this.#context.metrics.requestsSent.value++;
  }

  /** Answers a request with status success. Nothing happens for a oneway request or when closed. */
  respond(request: Frame, className: string | Buffer, content: FrameContent): void {
    if (request.type !== FRAME_REQUEST || this.#connection.closed) return;
    const below = writeResponse(this.#connection, this.#proto, this.#ver1, request, className, content);
    this.#noteWrite();
    if (!below) this.#full();
  }

  /** Answers a request with a Bolt status other than success and nothing else (wire 1.4): codec 1, switch 0, no content. */
  respondError(request: Frame, status: number): void {
    if (request.type !== FRAME_REQUEST || this.#connection.closed) return;
    const below = writeStatus(this.#connection, this.#proto, this.#ver1, request.requestId, status);
    this.#noteWrite();
    if (!below) this.#full();
  }

  /** Stops reading, so that the peer is slowed down by its own backpressure. Not together with `pauseWhenFull`. */
  pause(): void {
    this.#connection.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#connection.resume();
  }

  /** Sends what is queued, then closes. Replies that still arrive are delivered; new requests fail. */
  end(): void {
    this.#closeKind = 'ended';
    this.#connection.end();
  }

  /** Closes at once. Frames that have not been handled are dropped; `handler.closed` follows with this reason. */
  destroy(reason: string): void {
    this.#close('other', reason);
  }

  /** @internal called by the request wheel */
  timedOut(request: PendingRequest): void {
    this.#pending?.take(request.id);
    this.#context.metrics.requestsTimedOut.value++;
    this.#fail(request, new RpcError('SR_RPC_TIMEOUT', this.remoteAddress));
  }

  /** Asks for a sign of life: a peer that is there answers at once, and `lastReceivedMonoMs` moves. The watch calls it, too. */
  sendHeartbeat(): void {
    if (this.#connection.closed) return;
    this.#pending ??= new PendingTable();
    this.#context.metrics.heartbeatsSent.value++;
    this.#connection.write(encodeHeartbeat(this.#proto, this.#ver1, this.#pending.nextId()));
  }

  /** @internal called by the watch */
  closeSilent(kind: 'idle' | 'heartbeat'): void {
    this.#close(kind, kind === 'idle' ? 'idle: nothing received' : 'heartbeats unanswered');
  }

  /** @internal called by the receiver */
  touched(): void {
    this.lastReceivedMonoMs = this.#context.clock.monoMs();
  }

  /** @internal called by the receiver */
  received(frame: Frame): void {
    const { metrics, handler } = this.#context;
    metrics.framesReceived.value++;
    if (!this.#heard) {
      this.#heard = true;
      if (this.#context.learnsProto) {
        this.#proto = frame.proto;
        this.#ver1 = frame.ver1;
      }
      handler.heard?.(this);
    }
    if (frame.type === FRAME_RESPONSE) {
      if (frame.cmdCode !== CMD_HEARTBEAT) this.#replied(frame);
      return;
    }
    if (frame.cmdCode === CMD_HEARTBEAT) {
      metrics.heartbeatsReceived.value++;
      if (frame.type === FRAME_REQUEST) {
        this.#connection.write(encodeHeartbeatAck(this.#proto, this.#ver1, frame.requestId));
        this.#noteWrite();
      }
      return;
    }
    try {
      handler.request(this, frame);
    } catch (error) {
      this.#crashed(error);
      this.respondError(frame, BoltStatus.serverException);
    }
  }

  /** @internal called by the receiver */
  garbled(error: WireError): void {
    this.#context.metrics.wireErrors.with(error.code).value++;
    this.#close('wire', `${error.code}: ${error.message}`);
  }

  /** @internal called by the receiver */
  crowdedOut(): void {
    this.#close('crowded', 'too many unfinished frames: the oldest must go');
  }

  /** @internal called by the receiver */
  writable(): void {
    if (this.#pausedFull) {
      this.#pausedFull = false;
      this.#connection.resume();
    }
    try {
      this.#context.handler.drained?.(this);
    } catch (error) {
      this.#crashed(error);
    }
  }

  /** @internal called by the receiver */
  gone(reason: string): void {
    const { metrics, requests, watch, handler } = this.#context;
    this.#watch?.stop();
    metrics.closed.with(this.#closeKind).value++;
    const unanswered = this.#pending === null ? [] : this.#pending.takeAll();
    if (unanswered.length > 0) {
      const error = new RpcError('SR_RPC_CLOSED', `${this.remoteAddress}: ${reason}`);
      for (const request of unanswered) {
        requests.cancel(request);
        this.#fail(request, error);
      }
    }
    requests.release();
    watch?.wheel.release();
    try {
      handler.closed(this, reason);
    } catch (error) {
      this.#crashed(error);
    }
  }

  #close(kind: CloseKind, reason: string): void {
    this.#closeKind = kind;
    this.#receiver.stop();
    this.#connection.destroy(reason);
  }

  /** More answers are queued than the peer reads. */
  #full(): void {
    if (!this.#context.pauseWhenFull || this.#pausedFull) return;
    this.#pausedFull = true;
    this.#connection.pause();
  }

  /** Tells the watch that this side is not silent. */
  #noteWrite(): void {
    if (this.#watch !== null) this.#watch.wrote = true;
  }

  /** Fails a request that was never sent, later: the caller has not stored its id yet. */
  #refuse(code: RpcErrorCode, done: ReplyHandler, token: unknown): number {
    this.#context.metrics.requestsRefused.value++;
    const error = new RpcError(code, this.remoteAddress);
    this.#context.clock.defer(() => this.#fail({ done, token }, error));
    return 0;
  }

  #fail(request: { readonly done: ReplyHandler; readonly token: unknown }, error: RpcError): void {
    try {
      request.done.failed(request.token, error);
    } catch (crash) {
      this.#crashed(crash);
    }
  }

  #crashed(error: unknown): void {
    const { metrics, handler } = this.#context;
    metrics.crashes.value++;
    try {
      handler.crashed?.(this, error);
    } catch {
      metrics.crashes.value++;
    }
  }

  #replied(frame: Frame): void {
    const request = this.#pending === null ? null : this.#pending.take(frame.requestId);
    if (request === null) {
      this.#context.metrics.repliesLate.value++;
      return;
    }
    this.#context.requests.cancel(request);
    if (frame.status !== BoltStatus.success) {
      const detail = `status 0x${frame.status.toString(16).padStart(4, '0')} from ${this.remoteAddress}`;
      this.#fail(request, new RpcError('SR_RPC_STATUS', detail, frame.status));
      return;
    }
    try {
      request.done.reply(request.token, frame);
    } catch (error) {
      this.#crashed(error);
    }
  }
}
