/**
 * One term of leadership: who is a member, what nodes are told, who is evicted. Made when this meta is elected, dropped when it
 * is deposed; nothing of it outlives the term but what the store holds. The slot table is kept by `slot-keeper.ts`.
 */
import { epochOf, NODE_ROLES, type NodeRecord, parseAddress, type SlotTable } from '@sofa-registry/model';
import { every, type Timer } from '@sofa-registry/runtime';
import { errorText } from '@sofa-registry/store';
import type { Beat, BeatReply, MessageOf } from '@sofa-registry/wire';
import { AppMetadata } from './app-metadata.ts';
import { type Member, Membership } from './core/membership.ts';
import { type PublisherCount, PublisherMemory } from './core/publisher-memory.ts';
import { Handover } from './handover.ts';
import type { NodeLink } from './node-hub.ts';
import { drainedNames, evictShare } from './operator-docs.ts';
import { type DataMember, SlotConfigError, SlotKeeper } from './slot-keeper.ts';
import type { TermFacts, TermPorts } from './term-ports.ts';
import { ViewPusher } from './view-pusher.ts';

/** Key of the cold restart memory. */
const PUBLISHERS_DOC = 'publisher-count';
/** The allocator is asked at least so often, ms, in case a report that would have asked it was lost. */
const ARRANGE_MS = 5000;
/** Longest address or process id of a node. */
const NAME_UNITS_MAX = 512;
/** Wait before a failed read or write of the store is tried again, ms. */
const STORE_RETRY_MS = 500;

/** The term. */
export class Term {
  readonly term: number;
  readonly members: Membership;
  readonly slots: SlotKeeper;
  readonly metadata: AppMetadata;
  /** Names the member list: rises with each change. */
  revision: number;
  /** True while the guard holds evictions back. */
  protection = false;
  /** Set when the cluster was created with other slot settings: nothing is served then. */
  mismatch = '';
  /** Why the store's documents cannot be read yet; '' when they were. */
  trouble = '';
  /** Publishers remembered for a cold restart that is going on; 0 = none. */
  expectedPublishers = 0;
  readonly #ports: TermPorts;
  readonly #facts: TermFacts;
  readonly #memory: PublisherMemory;
  readonly #pusher: ViewPusher;
  /** Process ids that asked to be drained. */
  readonly #leaving = new Set<string>();
  readonly #handover: Handover;
  #loaded = false;
  #closed = false;
  #weightsDirty = false;
  readonly #timers: Timer[] = [];

  constructor(ports: TermPorts, facts: TermFacts) {
    this.term = facts.term;
    this.#ports = ports;
    this.#facts = facts;
    this.revision = epochOf(facts.term, 0);
    this.members = new Membership(facts.tunables);
    this.#handover = new Handover(ports, facts.term, this.members);
    this.#memory = new PublisherMemory(facts.tunables.restartHoldMs);
    this.slots = new SlotKeeper(ports, facts, {
      data: () => this.#data(),
      protected: () => this.protection,
      tableChanged: () => this.#pusher.pushSoon(),
      warmed: () => this.membersChanged(),
    });
    this.metadata = new AppMetadata(ports, facts);
    this.#pusher = new ViewPusher(ports, this);
  }

  /** Reads what the last leader left and begins to act. */
  async open(): Promise<void> {
    while (!this.#loaded && this.mismatch === '' && !this.#closed && this.#ports.leading()) {
      await this.#load();
    }
    if (!this.#loaded || this.#closed) return;
    const { tickMs, weightPublishMs } = this.#facts.tunables;
    const { clock } = this.#ports;
    this.#timers.push(
      every(clock, tickMs, () => this.#tick()),
      every(clock, weightPublishMs, () => this.#publishWeights()),
      every(clock, ARRANGE_MS, () => this.slots.arrangeSoon()),
      every(clock, STORE_RETRY_MS, () => this.slots.retry()),
    );
    this.slots.start();
    this.#settled();
    this.metadata.start();
    this.membersChanged();
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#pusher.close();
    this.slots.close();
    this.metadata.close();
  }

  /** Leaves word of who is there to the next leader, before the lock is released. */
  async handOver(): Promise<void> {
    if (this.warm) await this.#handover.give();
  }

  /** True when nodes can be answered. */
  get serving(): boolean {
    return this.#loaded && !this.#closed;
  }

  get table(): SlotTable {
    return this.slots.table;
  }

  /** False while the leader listens before it evicts or moves anything. */
  get warm(): boolean {
    return this.slots.warm;
  }

  /** A node's beat, as leader. Null when its settings differ. */
  beat(link: NodeLink, beat: MessageOf<typeof Beat>): MessageOf<typeof BeatReply> | null {
    const { metrics, logger, clock } = this.#ports;
    const refusal = this.#refusal(beat);
    if (refusal !== '') return this.#refuse(beat, refusal, 'settings');
    const nowMs = clock.monoMs();
    const weightBefore = this.members.get(beat.node.processId)?.record.weight;
    const outcome = this.members.beat(beat.node, beat.publishers, nowMs);
    if (outcome.kind === 'stale' || outcome.kind === 'full')
      return this.#refuse(beat, outcome.kind, outcome.kind);
    metrics.beats.value++;
    const { node } = beat;
    link.processId = node.processId;
    if (weightBefore !== undefined && weightBefore !== node.weight) this.#weightsDirty = true;
    if (outcome.kind === 'joined') {
      metrics.joins.with(node.role).value++;
      logger.info('meta: node joined', {
        nodeRole: node.role,
        address: node.address,
        processId: node.processId,
        replaced: outcome.replaced?.record.processId ?? '',
      });
    }
    this.#handover.heardOf(node.processId);
    if (outcome.replaced !== null) this.#handover.heardOf(outcome.replaced.record.processId);
    this.slots.noteEpoch(beat.tableEpoch);
    if (node.role === 'data') this.slots.dataBeat(beat, outcome.changed);
    if (outcome.changed) this.membersChanged();
    if (node.role === 'session') this.#countPublishers(nowMs);
    this.#settled();
    link.tableEpoch = beat.tableEpoch;
    link.membersRevision = beat.membersRevision;
    link.docsRevision = beat.docsRevision;
    return this.#reply(link, node);
  }

  /** A node says goodbye. */
  leave(processId: string): boolean {
    const member = this.members.get(processId);
    if (member === undefined) return true;
    this.#ports.logger.info('meta: node left', {
      nodeRole: member.record.role,
      address: member.record.address,
    });
    this.members.remove(member);
    this.#handover.heardOf(processId);
    this.#gone([member]);
    return true;
  }

  /** A node wants to leave, or not any more. */
  drain(processId: string, on: boolean): boolean {
    if (this.members.get(processId) === undefined) return false;
    if (on) this.#leaving.add(processId);
    else this.#leaving.delete(processId);
    this.membersChanged();
    return true;
  }

  closed(link: NodeLink): void {
    if (this.#ports.hub.linkOf(link.processId) !== null) return;
    this.members.closed(link.processId, this.#ports.clock.monoMs());
    this.#tick();
  }

  /** True if the table must not reach this node yet, see {@link SlotKeeper.holdsBack}. */
  holdsBack(processId: string): boolean {
    const record = this.members.get(processId)?.record;
    return record?.role === 'data' && this.slots.holdsBack(record.address);
  }

  /** Members with the drain marks that meta adds. */
  records(): NodeRecord[] {
    const drained = drainedNames(this.#ports.docs);
    const records = [this.#facts.self()];
    for (const { record } of this.members.all()) {
      if (record.processId === records[0].processId) continue;
      records.push(this.#drains(record, drained) ? { ...record, draining: true } : record);
    }
    return records;
  }

  /** The member list changed: nodes hear of it, and slots may have to move. */
  membersChanged(): void {
    this.revision++;
    this.#pusher.pushSoon();
    this.slots.arrangeSoon();
  }

  #data(): DataMember[] {
    const drained = drainedNames(this.#ports.docs);
    return this.members.of('data').map(({ record, heard }) => ({
      record,
      heard,
      draining: this.#drains(record, drained),
    }));
  }

  #drains(record: NodeRecord, drained: ReadonlySet<string>): boolean {
    return (
      record.draining ||
      this.#leaving.has(record.processId) ||
      drained.has(record.address) ||
      drained.has(record.processId)
    );
  }

  #refusal({ node, slotCount, replicas, slotFunction, slotReports }: MessageOf<typeof Beat>): string {
    const { dataCenter, slotConfig } = this.#facts.config;
    if (!NODE_ROLES.includes(node.role)) return 'unknown role';
    if (parseAddress(node.address) === null || node.address.length > NAME_UNITS_MAX) return 'no address';
    if (node.processId === '' || node.processId.length > NAME_UNITS_MAX) return 'no process id';
    if (slotReports.length > slotConfig.slotCount) return 'more slot reports than slots';
    if (node.dataCenter !== dataCenter) return `data centre ${node.dataCenter}, here ${dataCenter}`;
    if (slotCount !== slotConfig.slotCount) return `${slotCount} slots, here ${slotConfig.slotCount}`;
    if (replicas !== slotConfig.replicas) return `${replicas} replicas, here ${slotConfig.replicas}`;
    if (slotFunction !== slotConfig.slotFunction)
      return `slot function ${slotFunction}, here ${slotConfig.slotFunction}`;
    return '';
  }

  #refuse({ node }: MessageOf<typeof Beat>, detail: string, reason: string): null {
    this.#ports.metrics.refused.with(reason).value++;
    this.#ports.logger.warn('meta: node refused', {
      nodeRole: node.role,
      address: node.address,
      reason: detail,
    });
    return null;
  }

  #countPublishers(nowMs: number): void {
    const sessions = this.members.of('session').map((m) => ({
      processId: m.record.processId,
      publishers: m.publishers,
      connected: m.connected,
    }));
    this.expectedPublishers = this.#memory.expected(sessions, nowMs);
  }

  #reply(link: NodeLink, node: NodeRecord): MessageOf<typeof BeatReply> {
    const metas = this.members.of('meta').map(({ record }) => record.address);
    const self = this.#facts.self().address;
    return {
      leader: self,
      isLeader: true,
      term: this.term,
      warm: this.warm,
      ...this.#pusher.partsFor(link),
      metas: [...new Set([...this.#facts.config.metas, self, ...metas])],
      expectedPublishers: this.expectedPublishers,
      expectedForMs: Math.ceil(this.#memory.leftMs(this.#ports.clock.monoMs())),
      meanWeight: this.#meanWeight(node.zone),
      appIndexVersion: this.metadata.version,
    };
  }

  /** Mean connections of the sessions that take clients of the zone: a client stays in its zone. */
  #meanWeight(zone: string): number {
    const drained = drainedNames(this.#ports.docs);
    const sessions = this.members
      .of('session')
      .filter(({ record }) => record.zone === zone && !this.#drains(record, drained));
    const sum = sessions.reduce((total, { record }) => total + record.weight, 0);
    return sessions.length === 0 ? 0 : Math.round(sum / sessions.length);
  }

  #publishWeights(): void {
    if (!this.#weightsDirty || !this.warm) return;
    this.#weightsDirty = false;
    this.revision++;
    this.#pusher.pushSoon();
  }

  #tick(): void {
    const { clock, random, docs, leading, metrics, logger } = this.#ports;
    if (this.#closed || !leading()) return;
    const nowMs = clock.monoMs();
    const share = evictShare(docs, this.#facts.tunables.evictShareMax);
    const { probes, evicted, held } = this.members.tick(nowMs, this.warm, share, () => random.next());
    for (const { member, ask } of probes) void this.#probe(member, ask);
    if (held.length > 0 !== this.protection) {
      this.protection = held.length > 0;
      if (this.protection) metrics.evictionsHeld.value++;
      else this.slots.arrangeSoon();
      logger.warn(this.protection ? 'meta: evictions held back' : 'meta: evictions go on', {
        nodes: held.map(({ record }) => record.address).join(','),
        word: 'document operator/protection',
      });
    }
    for (const { record } of evicted) {
      metrics.evictions.with(record.role).value++;
      logger.warn('meta: node evicted', {
        nodeRole: record.role,
        address: record.address,
        processId: record.processId,
      });
    }
    if (evicted.length > 0) this.#gone(evicted);
    if (this.warm) this.#remember(nowMs);
  }

  async #probe(suspect: Member, ask: readonly Member[]): Promise<void> {
    const { hub, clock, metrics } = this.#ports;
    const { processId, address } = suspect.record;
    const links = ask.map(({ record }) => hub.linkOf(record.processId)).filter((link) => link !== null);
    const { probeMs } = this.#facts.tunables;
    const answers = await Promise.all(links.map((link) => hub.probe(link, processId, address, probeMs)));
    const heard = answers.filter((answer) => answer !== null);
    // Nobody answered: nothing is proved, the next round asks others; the lease bounds it.
    if (heard.length === 0 || this.#closed) return;
    const least = Math.min(...heard);
    this.#ports.logger.debug('meta: peers were asked about a suspect', {
      address,
      asked: ask.map(({ record }) => record.address).join(','),
      heardMsAgo: least,
    });
    if (least <= this.#facts.tunables.peerHeardMs) metrics.rescued.value++;
    this.members.probed(processId, least, clock.monoMs());
    this.#tick();
  }

  #gone(members: readonly Member[]): void {
    for (const { record } of members) {
      this.#leaving.delete(record.processId);
      if (record.role === 'data') this.slots.reports.forget(record.address);
    }
    this.#countPublishers(this.#ports.clock.monoMs());
    this.membersChanged();
  }

  /** Writes how many publishers there are, when that changed much. */
  #remember(nowMs: number): void {
    const due = this.#memory.due(nowMs);
    if (due === null) return;
    const { store, logger, metrics } = this.#ports;
    const write = { expect: 'any', fence: { term: this.term } } as const;
    store.docs.put(PUBLISHERS_DOC, JSON.stringify(due), write).catch((error: unknown) => {
      metrics.storeFailures.value++;
      this.#memory.unwritten();
      logger.debug('meta: the number of publishers was not written', { error: errorText(error) });
    });
  }

  /** Everybody the last leader knew has been heard: there is nothing more to listen for. */
  #settled(): void {
    if (this.#handover.complete) this.slots.accountedFor();
  }

  async #load(): Promise<void> {
    const { store, docs, clock, logger } = this.#ports;
    try {
      await docs.refresh();
      for (const node of await this.slots.load()) this.members.expect(node, clock.monoMs());
      const count = await store.docs.get(PUBLISHERS_DOC);
      if (count !== null) this.#memory.restore(JSON.parse(count.value) as PublisherCount);
      this.expectedPublishers = this.#memory.expected([], clock.monoMs());
      await this.#handover.take();
      this.#loaded = true;
      this.trouble = '';
    } catch (error) {
      if (error instanceof SlotConfigError) {
        this.mismatch = error.message;
        logger.error('meta: cannot lead', { reason: this.mismatch });
        return;
      }
      this.trouble = errorText(error);
      logger.warn('meta: what the last leader left cannot be read', { error: errorText(error) });
      await new Promise<void>((resolve) => clock.setTimer(STORE_RETRY_MS, resolve));
    }
  }
}
