/** Connections of nodes to this meta: decodes what they send, and pushes views to them. Knows nothing of leading. */
import {
  BoltChannel,
  type BoltChannelOptions,
  type Clock,
  type Connection,
  type Logger,
  type ReplyHandler,
  type RpcError,
} from '@sofa-registry/runtime';
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
import { APP_METADATA_REQUESTS, type MetadataAnswer } from './app-metadata.ts';
import type { MetaMetrics } from './metrics.ts';

/** Connections of nodes at the same time; more are closed at once. */
const CONNECTIONS_MAX = 16_384;
/** A node connection without a byte for so long is closed, ms. Nodes beat each second. */
const IDLE_CLOSE_MS = 15_000;

/** A node's connection and what was last sent on it. */
export interface NodeLink {
  readonly channel: BoltChannel<NodeLink>;
  /** '' before the first accepted beat. */
  processId: string;
  tableEpoch: number;
  membersRevision: number;
  docsRevision: number;
}

/** What the owner decides. */
export interface NodeHubEvents {
  /** Answer of a beat; null = refuse the node (settings differ). */
  beat(link: NodeLink, beat: MessageOf<typeof Beat>): MessageOf<typeof BeatReply> | null;
  leave(processId: string): boolean;
  drain(processId: string, on: boolean): boolean;
  offer(table: MessageOf<typeof TableOffer>['table']): boolean;
  /** A request about applications; null = this meta cannot answer now. @throws WireError, StoreError */
  metadata(frame: Frame): Promise<MetadataAnswer | null>;
  /** The connection of a node that had beaten is gone. */
  closed(link: NodeLink): void;
}

class ProbeWait implements ReplyHandler<null> {
  readonly promise: Promise<number | null>;
  readonly #resolve: (heardMsAgo: number | null) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.promise = promise;
    this.#resolve = resolve;
  }

  reply(_token: null, frame: Frame): void {
    try {
      this.#resolve(ProbeReply.decode(frame.content).heardMsAgo);
    } catch {
      this.#resolve(null);
    }
  }

  failed(_token: null, _error: RpcError): void {
    this.#resolve(null);
  }
}

/** The connections. */
export class NodeHub {
  readonly links = new Set<NodeLink>();
  readonly #events: NodeHubEvents;
  readonly #metrics: MetaMetrics;
  readonly #logger: Logger;
  readonly #options: BoltChannelOptions<NodeLink>;

  constructor(ports: { clock: Clock; logger: Logger }, metrics: MetaMetrics, events: NodeHubEvents) {
    this.#events = events;
    this.#metrics = metrics;
    this.#logger = ports.logger;
    this.#options = {
      clock: ports.clock,
      idleCloseMs: IDLE_CLOSE_MS,
      proto: 1,
      handler: {
        request: (channel, frame) => this.#request(channel, frame),
        closed: (channel) => this.#closed(channel),
        crashed: (_channel, error) => {
          metrics.crashes.value++;
          ports.logger.error('meta: a handler failed', { error: String(error) });
        },
      },
    };
  }

  /** Takes a connection over. */
  accept(connection: Connection): void {
    if (this.links.size >= CONNECTIONS_MAX) {
      this.#metrics.refused.with('connections').value++;
      connection.attach({ data: () => undefined, drained: () => undefined, closed: () => undefined });
      connection.destroy('too many connections');
      return;
    }
    const channel = new BoltChannel<NodeLink>(connection, this.#options);
    const link: NodeLink = { channel, processId: '', tableEpoch: -1, membersRevision: -1, docsRevision: -1 };
    channel.userData = link;
    this.links.add(link);
  }

  /** Closes all connections: `graceful` lets queued bytes leave. */
  close(graceful: boolean): void {
    for (const { channel } of this.links) {
      if (graceful) channel.end();
      else channel.destroy('meta stopped');
    }
    this.links.clear();
  }

  /** The open link of a process, or null. */
  linkOf(processId: string): NodeLink | null {
    for (const link of this.links) if (link.processId === processId && !link.channel.closed) return link;
    return null;
  }

  /** Pushes a view. */
  send(link: NodeLink, content: Buffer): void {
    this.#metrics.views.value++;
    link.channel.oneway(View.className, CODEC_INTERNAL, content);
  }

  /** Asks a node when it last heard from another; null when it does not answer. */
  probe(link: NodeLink, processId: string, address: string, timeoutMs: number): Promise<number | null> {
    const wait = new ProbeWait();
    this.#metrics.probes.value++;
    const content = Probe.encode({ processId, address });
    link.channel.request(Probe.className, CODEC_INTERNAL, content, timeoutMs, wait, null);
    return wait.promise;
  }

  #request(channel: BoltChannel<NodeLink>, frame: Frame): void {
    try {
      this.#dispatch(channel, frame);
    } catch (error) {
      this.#metrics.refused.with('malformed').value++;
      this.#logger.warn('meta: a message could not be read', {
        message: frame.className,
        from: channel.remoteAddress,
        error: String(error),
      });
      channel.respondError(frame, BoltStatus.codecException);
    }
  }

  #dispatch(channel: BoltChannel<NodeLink>, frame: Frame): void {
    switch (frame.className) {
      case Beat.className: {
        const reply = this.#events.beat(channel.userData, Beat.decode(frame.content));
        if (reply === null) channel.respondError(frame, BoltStatus.error);
        else channel.respond(frame, BeatReply.className, BeatReply.encode(reply));
        return;
      }
      case Leave.className:
        this.#done(channel, frame, this.#events.leave(Leave.decode(frame.content).processId));
        return;
      case Drain.className: {
        const { processId, on } = Drain.decode(frame.content);
        this.#done(channel, frame, this.#events.drain(processId, on));
        return;
      }
      case TableOffer.className:
        this.#done(channel, frame, this.#events.offer(TableOffer.decode(frame.content).table));
        return;
      default:
        if (APP_METADATA_REQUESTS.has(frame.className)) {
          void this.#metadata(channel, frame);
          return;
        }
        this.#metrics.refused.with('unknown-message').value++;
        channel.respondError(frame, BoltStatus.noProcessor);
    }
  }

  async #metadata(channel: BoltChannel<NodeLink>, frame: Frame): Promise<void> {
    try {
      const answer = await this.#events.metadata(frame);
      if (answer === null) channel.respondError(frame, BoltStatus.error);
      else channel.respond(frame, answer.className, answer.content);
    } catch (error) {
      this.#logger.debug('meta: a request about applications failed', {
        message: frame.className,
        error: String(error),
      });
      channel.respondError(frame, BoltStatus.error);
    }
  }

  #done(channel: BoltChannel<NodeLink>, frame: Frame, ok: boolean): void {
    channel.respond(frame, Done.className, Done.encode({ ok }));
  }

  #closed(channel: BoltChannel<NodeLink>): void {
    const link = channel.userData;
    if (!this.links.delete(link) || link.processId === '') return;
    this.#events.closed(link);
  }
}
