/**
 * Sends the write queue to the data leaders and deals with their answers (session.md 5, data-and-slots.md 3). A batch leaves at
 * the end of the turn, or at once when it is full.
 */
import type { PublisherRecord } from '@sofa-registry/model';
import {
  Backoff,
  type BoltChannel,
  type Clock,
  type Random,
  type ReplyHandler,
  type RpcError,
  type Timer,
} from '@sofa-registry/runtime';
import {
  AccessCode,
  CODEC_INTERNAL,
  type Frame,
  REJECT_STALE,
  WriteBatch,
  WriteOp,
  WriteReply,
} from '@sofa-registry/wire';
import type { Routing } from '../data/routing.ts';
import type { SessionMetrics } from '../metrics.ts';
import type { SessionPublisher } from '../registry/registrations.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import type { SessionTunables } from '../settings.ts';
import { type PendingWrite, type WriteInFlight, WriteQueue } from './write-queue.ts';

/** Longest wait before failed writes are sent again. */
const WRITE_RETRY_MS_MAX = 2000;

/** What the forwarder needs. */
export interface WriteForwarderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SessionTunables;
  readonly metrics: SessionMetrics;
  readonly routing: Routing;
  channel(leader: string): BoltChannel | null;
  /** Greatest stamp made or observed here. */
  lastStamp(): number;
  observe(stamp: number): void;
  /** A newer record is held by the leader (see write-batch.ts). */
  stale(write: PendingWrite, version: number, stamp: number): void;
}

/** The forwarder. */
export class WriteForwarder implements ReplyHandler<WriteInFlight> {
  readonly queue: WriteQueue;
  /** When a write last found no leader that takes it, monotonic ms: the lists lack it since. */
  troubledMs = -Infinity;
  readonly #ports: WriteForwarderPorts;
  readonly #backoff: Backoff;
  readonly #flush: () => void;
  #armed = false;
  #retry: Timer | null = null;

  constructor(ports: WriteForwarderPorts) {
    const { settings, metrics } = ports;
    this.#ports = ports;
    this.#backoff = new Backoff(ports.random, { baseMs: settings.writeRetryMs, maxMs: WRITE_RETRY_MS_MAX });
    this.#flush = () => {
      this.#armed = false;
      this.flush();
    };
    this.queue = new WriteQueue(
      {
        leaderOf: (slot) => ports.routing.leaderOf(slot),
        itemsMax: settings.writeItemsMax,
        batchBytes: settings.writeBatchBytes,
        inFlightMax: settings.writeInFlightMax,
        removalsMax: settings.removalsPendingMax,
      },
      {
        stale: (write, version, stamp) => {
          metrics.writeStale.value++;
          ports.stale(write, version, stamp);
        },
        full: () => {
          metrics.writeFull.value++;
        },
        lost: () => {
          metrics.temporariesLost.value++;
        },
        removalDropped: ({ op }) => {
          if (op === WriteOp.temporary) metrics.temporariesLost.value++;
          else metrics.removalsDropped.value++;
        },
      },
    );
  }

  /** Forwards a registration. */
  publish(publisher: SessionPublisher): void {
    const { service } = publisher;
    this.#want(WriteOp.publish, service, publisher.registerId, publisher.version, publisher.stamp, publisher);
  }

  /** Forwards a publication that is shown once. */
  temporary(service: ServiceEntry, record: PublisherRecord): void {
    const { registerId, version, stamp } = record;
    if (!this.#want(WriteOp.temporary, service, registerId, version, stamp, record))
      this.#ports.metrics.temporariesLost.value++;
  }

  /** Forwards an explicit removal; the session need not have known the publisher. */
  unpublish(service: ServiceEntry, registerId: string, version: number, stamp: number): void {
    this.#want(WriteOp.unpublish, service, registerId, version, stamp, null);
  }

  /** Forwards a removal because the connection closed. */
  clientOff(publisher: SessionPublisher): void {
    this.#want(
      WriteOp.clientOff,
      publisher.service,
      publisher.registerId,
      publisher.version,
      publisher.stamp,
      null,
    );
  }

  #want(
    op: WriteOp,
    service: ServiceEntry,
    registerId: string,
    version: number,
    stamp: number,
    record: PublisherRecord | null,
  ): boolean {
    const { queue } = this;
    const wanted = queue.want(op, service.slot, service.dataInfoId, registerId, version, stamp, record);
    if (queue.batchWaits(service.slot)) this.#flushLeader(this.#ports.routing.leaderOf(service.slot));
    this.#arm();
    return wanted;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#ports.clock.defer(this.#flush);
  }

  /** Sends what is ready. */
  flush(): void {
    for (const leader of this.queue.leaders()) this.#flushLeader(leader);
  }

  /** The table changed: what waits goes to the present leaders at once. */
  reroute(): void {
    this.queue.reroute();
    this.flush();
  }

  /** A link came up: what waits is sent at once. */
  wake(): void {
    this.#backoff.reset();
    this.queue.release();
    this.flush();
  }

  reply(batch: WriteInFlight, frame: Frame): void {
    let reply: ReturnType<typeof WriteReply.decode>;
    try {
      reply = WriteReply.decode(frame.content);
    } catch {
      this.#failed(batch);
      return;
    }
    const { routing, metrics } = this.#ports;
    this.#ports.observe(reply.clock);
    this.#backoff.reset();
    const rejected = reply.rejected.toSorted((a, b) => a.index - b.index);
    let refused = 0;
    for (const { code } of rejected) {
      if (code < REJECT_STALE) {
        metrics.writeRetries.access.value++;
        this.#trouble();
      }
      if (code === AccessCode.moved || code === AccessCode.misMatch) refused++;
    }
    if (refused > 0) routing.tableIsOld();
    if (reply.tableEpoch > routing.table.epoch) routing.tableIsOld();
    if (this.queue.answered(batch, rejected)) this.#retryLater();
    this.#arm();
  }

  failed(batch: WriteInFlight, _error: RpcError): void {
    this.#failed(batch);
  }

  /** Stops the timer. */
  stop(): void {
    this.#retry?.cancel();
  }

  #trouble(): void {
    this.troubledMs = this.#ports.clock.monoMs();
  }

  #failed(batch: WriteInFlight): void {
    this.#trouble();
    this.#ports.metrics.writeRetries.noAnswer.value += batch.items.length;
    if (this.queue.failed(batch)) this.#retryLater();
    this.#arm();
  }

  #retryLater(): void {
    if (this.#retry !== null) return;
    this.#retry = this.#ports.clock.setTimer(this.#backoff.nextMs(), () => {
      this.#retry = null;
      this.queue.release();
      this.flush();
    });
  }

  #flushLeader(leader: string): void {
    const channel = this.#ports.channel(leader);
    // Without a link the writes stay ready; `wake` and `reroute` come back to them.
    if (channel === null) return this.#trouble();
    const { routing, settings, metrics } = this.#ports;
    for (let batch = this.queue.take(leader); batch !== null; batch = this.queue.take(leader)) {
      metrics.writeBatches.value++;
      metrics.writeItems.value += batch.items.length;
      const content = WriteBatch.encode({
        tableEpoch: routing.table.epoch,
        clock: this.#ports.lastStamp(),
        items: batch.items,
      });
      channel.request(WriteBatch.className, CODEC_INTERNAL, content, settings.writeTimeoutMs, this, batch);
    }
  }
}
