/**
 * A data node as sessions see it, for tests of the session alone: speaks the internal messages, keeps records in plain maps, and
 * can be told to misbehave. Its rules are the ones the doc comments of the messages give.
 */
import { crc32c, HybridClock, type PublisherRecord, RollingDigest, slotOf } from '@sofa-registry/model';
import { BoltChannel, type Clock, type Listener, type Network } from '@sofa-registry/runtime';
import {
  AccessCode,
  BoltStatus,
  Changed,
  CODEC_INTERNAL,
  Compare,
  CompareReply,
  type DatumUpdate,
  Fetch,
  FetchReply,
  Forget,
  type Frame,
  Hello,
  HelloReply,
  Interests,
  InterestsReply,
  keepPacked,
  Listing,
  ListingReply,
  REJECT_STALE,
  Superseded,
  UpdateKind,
  WriteBatch,
  type WriteItem,
  WriteOp,
  WriteReply,
} from '@sofa-registry/wire';

interface Held {
  readonly owner: string;
  readonly version: number;
  readonly stamp: number;
  /** Null = tombstone. */
  readonly record: PublisherRecord | null;
}

class FakeDatum {
  version = 1;
  readonly records = new Map<string, Held>();
}

interface LinkState {
  processId: string;
  readonly interests: Map<string, number>;
  readonly listed: Map<number, Set<string>>;
}

export class FakeDataNode {
  readonly address: string;
  readonly data = new Map<string, FakeDatum>();
  readonly channels = new Set<BoltChannel<LinkState>>();
  /** Answers with this code instead of serving; null = serve. */
  refuse: number | null = null;
  /** Requests of these classes are never answered. */
  readonly deaf = new Set<string>();
  /** Changed carries only versions. */
  tellVersionsOnly = false;
  /** Nothing is told. */
  silent = false;
  /** Told the class of each request, before it is answered. */
  onRequest: ((className: string) => void) | null = null;
  /** Class names of all requests, in order. */
  readonly seen: string[] = [];
  readonly writes: WriteItem[] = [];
  readonly #clock: Clock;
  readonly #network: Network;
  readonly #hybrid: HybridClock;
  readonly #slotCount: number;
  #listener: Listener | null = null;

  constructor(clock: Clock, network: Network, address: string, slotCount: number) {
    this.#clock = clock;
    this.#network = network;
    this.address = address;
    this.#slotCount = slotCount;
    this.#hybrid = new HybridClock(() => clock.wallMs());
  }

  async start(): Promise<void> {
    const at = this.address.lastIndexOf(':');
    const target = { host: this.address.slice(0, at), port: Number(this.address.slice(at + 1)) };
    this.#listener = await this.#network.listen(target, (connection) => {
      const channel = new BoltChannel<LinkState>(connection, {
        clock: this.#clock,
        handler: {
          request: (from, frame) => this.#request(from, frame),
          closed: (from) => void this.channels.delete(from),
        },
      });
      channel.userData = { processId: '', interests: new Map(), listed: new Map() };
      this.channels.add(channel);
    });
  }

  async kill(): Promise<void> {
    await this.#listener?.close();
    for (const channel of this.channels) channel.destroy('killed');
    this.data.clear();
  }

  /** Live registerIds of a datum. */
  live(dataInfoId: string): string[] {
    return [...(this.data.get(dataInfoId)?.records ?? [])]
      .filter(([, held]) => held.record !== null)
      .map(([id]) => id);
  }

  /** A registration that came through another session. */
  publishElsewhere(dataInfoId: string, record: PublisherRecord, owner = 'elsewhere'): void {
    const before = this.#datum(dataInfoId).version;
    this.#datum(dataInfoId).records.set(record.registerId, {
      owner,
      version: record.version,
      stamp: record.stamp,
      record,
    });
    this.#bump(dataInfoId, before, [record.registerId]);
  }

  /** {@link publishElsewhere}, and the sessions that had it are told. */
  takeOver(dataInfoId: string, record: PublisherRecord): void {
    this.publishElsewhere(dataInfoId, record);
    const { registerId, version, stamp } = record;
    const content = Superseded.encode({ records: [{ dataInfoId, registerId, version, stamp }] });
    for (const channel of this.channels) channel.oneway(Superseded.className, CODEC_INTERNAL, content);
  }

  removeElsewhere(dataInfoId: string, registerId: string): void {
    const datum = this.#datum(dataInfoId);
    const held = datum.records.get(registerId) as Held;
    datum.records.set(registerId, { ...held, record: null });
    this.#bump(dataInfoId, datum.version, [registerId]);
  }

  #datum(dataInfoId: string): FakeDatum {
    let datum = this.data.get(dataInfoId);
    if (datum === undefined) {
      datum = new FakeDatum();
      this.data.set(dataInfoId, datum);
    }
    return datum;
  }

  #bump(dataInfoId: string, from: number, changed: readonly string[]): void {
    const datum = this.#datum(dataInfoId);
    datum.version = this.#hybrid.next();
    const update = this.#update(dataInfoId, datum, from, changed);
    if (this.silent) return;
    for (const channel of this.channels) {
      if (!channel.userData.interests.has(dataInfoId)) continue;
      const told: DatumUpdate = this.tellVersionsOnly
        ? { ...update, kind: UpdateKind.version, entries: [], removed: [] }
        : update;
      channel.oneway(Changed.className, CODEC_INTERNAL, Changed.encode({ updates: [told] }));
    }
  }

  #update(
    dataInfoId: string,
    datum: FakeDatum,
    from: number,
    changed: readonly string[] | null,
  ): DatumUpdate {
    const ids = changed ?? [...datum.records.keys()];
    const entries = [];
    const removed = [];
    for (const registerId of ids) {
      const record = datum.records.get(registerId)?.record ?? null;
      if (record !== null) entries.push({ registerId, zone: record.zone, payload: record.payload });
      else if (changed !== null) removed.push(registerId);
    }
    const kind = changed === null ? UpdateKind.full : UpdateKind.delta;
    const changedMs = this.#clock.wallMs();
    return {
      dataInfoId,
      kind,
      from,
      to: datum.version,
      count: entries.length,
      changedMs,
      entries,
      removed,
      once: null,
    };
  }

  #request(channel: BoltChannel<LinkState>, frame: Frame): void {
    this.seen.push(frame.className);
    this.onRequest?.(frame.className);
    if (this.deaf.has(frame.className)) return;
    const respond = (className: string, content: Buffer): void => channel.respond(frame, className, content);
    if (frame.className === Hello.className) {
      const hello = Hello.decode(frame.content);
      channel.userData.processId = hello.node.processId;
      respond(
        HelloReply.className,
        HelloReply.encode({ processId: `${this.address}/1/1`, tableEpoch: 0, clock: this.#hybrid.last }),
      );
    } else if (frame.className === WriteBatch.className)
      respond(WriteReply.className, this.#write(channel, frame));
    else if (frame.className === Fetch.className) respond(FetchReply.className, this.#fetch(channel, frame));
    else if (frame.className === Compare.className)
      respond(CompareReply.className, this.#compare(channel, frame));
    else if (frame.className === Listing.className)
      respond(ListingReply.className, this.#listing(channel, frame));
    else if (frame.className === Interests.className) {
      respond(InterestsReply.className, this.#interests(channel, frame));
    } else if (frame.className === Forget.className) {
      for (const id of Forget.decode(frame.content).dataInfoIds) channel.userData.interests.delete(id);
    } else channel.respondError(frame, BoltStatus.serverException);
  }

  #write(channel: BoltChannel<LinkState>, frame: Frame): Buffer {
    const { items, clock } = WriteBatch.decode(frame.content);
    this.#hybrid.observe(clock);
    const rejected: { index: number; code: number; version: number; stamp: number }[] = [];
    const changes = new Map<string, string[]>();
    items.forEach((item, index) => {
      const code = this.refuse;
      if (code !== null) {
        rejected.push({ index, code, version: 0, stamp: 0 });
        return;
      }
      this.writes.push(item);
      const stale = this.#apply(channel.userData.processId, item, changes);
      if (stale !== null)
        rejected.push({ index, code: REJECT_STALE, version: stale.version, stamp: stale.stamp });
    });
    for (const [dataInfoId, ids] of changes) this.#bump(dataInfoId, this.#datum(dataInfoId).version, ids);
    return WriteReply.encode({ tableEpoch: 0, clock: this.#hybrid.last, rejected });
  }

  #apply(owner: string, item: WriteItem, changes: Map<string, string[]>): Held | null {
    const datum = this.#datum(item.dataInfoId);
    const held = datum.records.get(item.registerId);
    const order =
      held === undefined
        ? 1
        : item.version === held.version
          ? item.stamp - held.stamp
          : item.version - held.version;
    const note = (): void =>
      void changes.set(item.dataInfoId, [...(changes.get(item.dataInfoId) ?? []), item.registerId]);
    if (item.op === WriteOp.clientOff) {
      if (held === undefined || held.record === null || held.owner !== owner || order < 0) return null;
      datum.records.set(item.registerId, { ...held, record: null });
      note();
      return null;
    }
    if (order < 0) return held as Held;
    const { version, stamp } = item;
    const record =
      item.record === null
        ? null
        : { ...item.record, payload: keepPacked(item.record.payload, 0, item.record.payload.length) };
    datum.records.set(item.registerId, { owner, version, stamp, record });
    const before = held?.record ?? null;
    const same =
      before !== null &&
      record !== null &&
      before.payload.equals(record.payload) &&
      before.zone === record.zone;
    if (!same && (before !== null || record !== null)) note();
    return null;
  }

  #fetch(channel: BoltChannel<LinkState>, frame: Frame): Buffer {
    const { items } = Fetch.decode(frame.content);
    return FetchReply.encode({
      tableEpoch: 0,
      clock: this.#hybrid.last,
      items: items.map(({ dataInfoId, since }) => {
        if (this.refuse !== null) return { code: this.refuse, update: null };
        const known = this.data.get(dataInfoId);
        const datum = known ?? new FakeDatum();
        channel.userData.interests.set(dataInfoId, datum.version);
        const changed = since === datum.version ? [] : null;
        const update = this.#update(dataInfoId, datum, changed === null ? 0 : since, changed);
        return { code: AccessCode.accept, update };
      }),
    });
  }

  #digest(slot: number, owner: string): RollingDigest {
    const digest = new RollingDigest();
    for (const [id, datum] of this.data) {
      if (slotOf(id, this.#slotCount) !== slot) continue;
      for (const [registerId, held] of datum.records) {
        if (held.record !== null && held.owner === owner)
          digest.add(crc32c(id), registerId, held.version, held.stamp);
      }
    }
    return digest;
  }

  #interestDigest(slot: number, interests: Iterable<string>): RollingDigest {
    const digest = new RollingDigest();
    for (const id of interests) {
      if (slotOf(id, this.#slotCount) === slot)
        digest.add(crc32c(id), '', this.data.get(id)?.version ?? 1, 0);
    }
    return digest;
  }

  #compare(channel: BoltChannel<LinkState>, frame: Frame): Buffer {
    const { slots } = Compare.decode(frame.content);
    const { processId, interests } = channel.userData;
    const differing = slots.map(({ slot, publishers, interests: theirs }) => ({
      slot,
      code: this.refuse ?? AccessCode.accept,
      publishersDiffer: this.#digest(slot, processId).toHex() !== publishers.toString('hex'),
      interestsDiffer: this.#interestDigest(slot, interests.keys()).toHex() !== theirs.toString('hex'),
    }));
    return CompareReply.encode({
      tableEpoch: 0,
      clock: this.#hybrid.last,
      slots: differing.filter((slot) => slot.publishersDiffer || slot.interestsDiffer || slot.code !== 0),
    });
  }

  #listing(channel: BoltChannel<LinkState>, frame: Frame): Buffer {
    const { slot, asOfStamp, last, records } = Listing.decode(frame.content);
    const { processId, listed } = channel.userData;
    const named = listed.get(slot) ?? new Set<string>();
    listed.set(slot, named);
    const missing = records.filter(({ dataInfoId, registerId, version, stamp }) => {
      named.add(`${dataInfoId} ${registerId}`);
      const held = this.data.get(dataInfoId)?.records.get(registerId);
      return held === undefined || held.version < version || (held.version === version && held.stamp < stamp);
    });
    if (last) {
      listed.delete(slot);
      for (const [id, datum] of this.data) {
        if (slotOf(id, this.#slotCount) !== slot) continue;
        for (const [registerId, held] of datum.records) {
          const gone = held.record !== null && held.owner === processId && held.stamp <= asOfStamp;
          if (gone && !named.has(`${id} ${registerId}`)) this.removeElsewhere(id, registerId);
        }
      }
    }
    return ListingReply.encode({ code: AccessCode.accept, missing });
  }

  #interests(channel: BoltChannel<LinkState>, frame: Frame): Buffer {
    const { slot, ids } = Interests.decode(frame.content);
    const { interests } = channel.userData;
    for (const id of interests.keys()) if (slotOf(id, this.#slotCount) === slot) interests.delete(id);
    const differing = [];
    for (const { dataInfoId, version } of ids) {
      const datum = this.#datum(dataInfoId);
      interests.set(dataInfoId, version);
      if (version > datum.version) {
        this.#hybrid.observe(version);
        datum.version = this.#hybrid.next();
      }
      if (datum.version !== version) differing.push({ dataInfoId, version: datum.version });
    }
    return InterestsReply.encode({ code: AccessCode.accept, differing });
  }
}
