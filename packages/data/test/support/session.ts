/** A session as a data node sees it: it keeps what its clients registered and speaks the messages of the wire package. */
import {
  crc32c,
  HybridClock,
  parseAddress,
  type PublisherRecord,
  RollingDigest,
  slotOf,
} from '@sofa-registry/model';
import { BoltChannel, type RpcError } from '@sofa-registry/runtime';
import {
  AccessCode,
  Changed,
  CODEC_INTERNAL,
  Compare,
  CompareReply,
  type DatumUpdate,
  digestBytes,
  Fetch,
  FetchReply,
  Forget,
  type Frame,
  Hello,
  HelloReply,
  type InternalMessage,
  Interests,
  InterestsReply,
  Listing,
  ListingReply,
  type MessageOf,
  Superseded,
  UpdateKind,
  WriteBatch,
  type WriteItem,
  WriteOp,
  WriteReply,
} from '@sofa-registry/wire';
import { nodeRecord, type TestCluster } from './cluster.ts';
import { publish, removal, SLOT_COUNT } from './records.ts';

interface Cached {
  version: number;
  list: Map<string, string>;
}

export class TestSession {
  readonly processId: string;
  readonly #cluster: TestCluster;
  readonly hybrid: HybridClock;
  channel: BoltChannel | null = null;
  /** dataInfoId -> registerId -> record. */
  readonly own = new Map<string, Map<string, PublisherRecord>>();
  /** What it caches of the data it watches. */
  readonly cache = new Map<string, Cached>();
  readonly notices: DatumUpdate[] = [];
  readonly listings: number[] = [];
  /** registerIds that were told to be another session's now. */
  readonly superseded: string[] = [];
  closedReason = '';

  constructor(cluster: TestCluster, processId: string) {
    this.#cluster = cluster;
    this.processId = processId;
    this.hybrid = new HybridClock(() => cluster.clock.wallMs());
  }

  get node() {
    return nodeRecord('session', this.processId, this.processId);
  }

  /** Between heartbeats, ms; 0: it says nothing by itself, as if it had lost its power. */
  heartbeatMs = 5000;

  async connect(address: string, slotCount = SLOT_COUNT): Promise<MessageOf<typeof HelloReply>> {
    const target = parseAddress(address) as { host: string; port: number };
    let connection: Awaited<ReturnType<TestCluster['network']['connect']>> | null = null;
    const opening = this.#cluster.network.connect(target).then((opened) => {
      connection = opened;
      this.channel = new BoltChannel(opened, {
        clock: this.#cluster.clock,
        proto: 1,
        heartbeatMs: this.heartbeatMs,
        handler: {
          request: (_channel, frame) => this.#changed(frame),
          closed: (_channel, reason) => {
            this.closedReason = reason;
          },
        },
      });
    });
    await this.#cluster.clock.settle();
    await opening;
    if (connection === null) throw new Error('not connected');
    return this.call(Hello, HelloReply, {
      node: this.node,
      tableEpoch: this.tableEpoch,
      slotCount,
      clock: this.hybrid.last,
    });
  }

  /** Epoch of the table it says it has; -1 = the newest. */
  hasEpoch = -1;

  get tableEpoch(): number {
    return this.hasEpoch < 0 ? this.#cluster.view.table.epoch : this.hasEpoch;
  }

  /** Sends; the answer can be taken once it is there. */
  ask<Q, R>(request: InternalMessage<Q>, reply: InternalMessage<R>, value: Q): () => R {
    let answer: R | null = null;
    let failure: RpcError | null = null;
    const done = {
      reply: (_: null, frame: Frame) => {
        answer = reply.decode(Buffer.from(frame.content));
      },
      failed: (_: null, error: RpcError) => {
        failure = error;
      },
    };
    const { className } = request;
    (this.channel as BoltChannel).request(
      className,
      CODEC_INTERNAL,
      request.encode(value),
      30_000,
      done,
      null,
    );
    return () => {
      if (failure !== null) throw failure;
      if (answer === null) throw new Error(`no answer to ${className}`);
      return answer;
    };
  }

  /** Sends and waits `withinMs` of simulated time for the answer. */
  async call<Q, R>(
    request: InternalMessage<Q>,
    reply: InternalMessage<R>,
    value: Q,
    withinMs = 0,
  ): Promise<R> {
    const answer = this.ask(request, reply, value);
    await this.#cluster.clock.advance(withinMs);
    return answer();
  }

  async write(items: readonly WriteItem[]): Promise<MessageOf<typeof WriteReply>> {
    const { tableEpoch } = this;
    const reply = await this.call(WriteBatch, WriteReply, { tableEpoch, clock: this.hybrid.last, items });
    this.hybrid.observe(reply.clock);
    return reply;
  }

  /** Registers a client's publisher: keeps it and writes it. */
  async register(dataInfoId: string, record: Omit<PublisherRecord, 'stamp'>): Promise<void> {
    const stamped = { ...record, stamp: this.hybrid.next() };
    this.keep(dataInfoId, stamped);
    await this.write([publish(dataInfoId, stamped)]);
  }

  keep(dataInfoId: string, record: PublisherRecord): void {
    const records = this.own.get(dataInfoId) ?? new Map<string, PublisherRecord>();
    this.own.set(dataInfoId, records.set(record.registerId, record));
  }

  async unregister(dataInfoId: string, registerId: string): Promise<void> {
    const held = this.own.get(dataInfoId)?.get(registerId) as PublisherRecord;
    this.own.get(dataInfoId)?.delete(registerId);
    const { unpublish } = WriteOp;
    await this.write([removal(unpublish, dataInfoId, registerId, held.version + 1, this.hybrid.next())]);
  }

  /** Sends a read; the answers can be taken (and are applied) once they are there. */
  askFetch(dataInfoIds: readonly string[]): () => MessageOf<typeof FetchReply>['items'] {
    const items = dataInfoIds.map((dataInfoId) => ({
      slot: slotOf(dataInfoId, SLOT_COUNT),
      dataInfoId,
      since: this.cache.get(dataInfoId)?.version ?? 0,
    }));
    const answer = this.ask(Fetch, FetchReply, { tableEpoch: this.tableEpoch, items });
    return () => {
      const reply = answer();
      for (const item of reply.items) if (item.update !== null) this.apply(item.update);
      return reply.items;
    };
  }

  async fetch(dataInfoIds: readonly string[], withinMs = 0): Promise<MessageOf<typeof FetchReply>['items']> {
    const answers = this.askFetch(dataInfoIds);
    await this.#cluster.clock.advance(withinMs);
    return answers();
  }

  /** Fetches what notices told by version only. */
  async refresh(): Promise<void> {
    const behind = this.notices.filter(({ dataInfoId, to }) => {
      const known = this.cache.get(dataInfoId);
      return known !== undefined && known.version < to;
    });
    if (behind.length > 0) await this.fetch([...new Set(behind.map(({ dataInfoId }) => dataInfoId))]);
  }

  forget(dataInfoId: string): void {
    this.cache.delete(dataInfoId);
    const content = Forget.encode({ dataInfoIds: [dataInfoId] });
    this.channel?.oneway(Forget.className, CODEC_INTERNAL, content);
  }

  apply(update: DatumUpdate): void {
    const known = this.cache.get(update.dataInfoId);
    if (update.kind === UpdateKind.version) return;
    if (update.kind === UpdateKind.delta && known?.version !== update.from) return;
    const list = update.kind === UpdateKind.full ? new Map<string, string>() : (known as Cached).list;
    for (const id of update.removed) list.delete(id);
    for (const entry of update.entries) list.set(entry.registerId, entry.payload.toString('latin1'));
    this.cache.set(update.dataInfoId, { version: update.to, list });
  }

  ids(dataInfoId: string): string[] {
    return [...(this.cache.get(dataInfoId)?.list.keys() ?? [])].sort();
  }

  digests(slot: number): { slot: number; publishers: Buffer; interests: Buffer } {
    const publishers = new RollingDigest();
    const interests = new RollingDigest();
    for (const [id, records] of this.own)
      if (slotOf(id, SLOT_COUNT) === slot)
        for (const r of records.values()) publishers.add(crc32c(id), r.registerId, r.version, r.stamp);
    for (const [id, cached] of this.cache)
      if (slotOf(id, SLOT_COUNT) === slot) interests.add(crc32c(id), '', cached.version, 0);
    return { slot, publishers: digestBytes(publishers), interests: digestBytes(interests) };
  }

  async compare(slots: readonly number[], withinMs = 0): Promise<MessageOf<typeof CompareReply>['slots']> {
    const message = {
      tableEpoch: this.tableEpoch,
      clock: this.hybrid.last,
      slots: slots.map((slot) => this.digests(slot)),
    };
    const reply = await this.call(Compare, CompareReply, message, withinMs);
    this.hybrid.observe(reply.clock);
    return reply.slots;
  }

  /** Lists the slot in pages of `pageSize` and writes again what is asked for. */
  async list(slot: number, pageSize = 2, restore = true, asOf = 0): Promise<number> {
    const records = [...this.own]
      .filter(([id]) => slotOf(id, SLOT_COUNT) === slot)
      .flatMap(([dataInfoId, held]) => [...held.values()].map((r) => ({ dataInfoId, record: r })));
    const asOfStamp = asOf === 0 ? this.hybrid.last : asOf;
    const items: WriteItem[] = [];
    for (let at = 0; at === 0 || at < records.length; at += pageSize) {
      const page = records.slice(at, at + pageSize).map(({ dataInfoId, record: r }) => ({
        dataInfoId,
        registerId: r.registerId,
        version: r.version,
        stamp: r.stamp,
      }));
      const last = at + pageSize >= records.length;
      const reply = await this.call(Listing, ListingReply, { slot, asOfStamp, last, records: page });
      for (const missing of reply.missing) {
        const held = this.own.get(missing.dataInfoId)?.get(missing.registerId) as PublisherRecord;
        items.push(publish(missing.dataInfoId, held));
      }
    }
    this.listings.push(items.length);
    if (restore && items.length > 0) await this.write(items);
    return items.length;
  }

  async watch(slot: number): Promise<MessageOf<typeof InterestsReply>> {
    const ids = [...this.cache]
      .filter(([id]) => slotOf(id, SLOT_COUNT) === slot)
      .map(([dataInfoId, { version }]) => ({ dataInfoId, version }));
    return this.call(Interests, InterestsReply, { slot, ids });
  }

  /** What a session does when it connects or the table changes: compares and repairs both ways. */
  async sync(slots: readonly number[] = [0, 1, 2, 3]): Promise<void> {
    for (const found of await this.compare(slots)) {
      if (found.code > AccessCode.migrating) continue;
      if (found.publishersDiffer) await this.list(found.slot);
      if (!found.interestsDiffer) continue;
      const { differing } = await this.watch(found.slot);
      if (differing.length > 0) await this.fetch(differing.map(({ dataInfoId }) => dataInfoId));
    }
  }

  #changed(frame: Frame): void {
    if (frame.className === Superseded.className) {
      const { records } = Superseded.decode(Buffer.from(frame.content));
      this.superseded.push(...records.map(({ registerId }) => registerId));
      return;
    }
    if (frame.className !== Changed.className) throw new Error(`unexpected ${frame.className}`);
    for (const update of Changed.decode(Buffer.from(frame.content)).updates) {
      this.notices.push(update);
      this.apply(update);
    }
  }
}
