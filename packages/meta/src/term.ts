/**
 * One term of leadership: members, slot table, and what follows from them. Made when this meta is elected, dropped when it is
 * deposed; nothing of it outlives the term but what the store holds.
 *
 * A table is written to the store, fenced by the term, before any node hears of it. When the store does not answer while the
 * leadership is still valid by our own clock, the table is published all the same (fail-over must not wait for the store) and
 * written later; a refused write ends the term at once.
 */
import {
  epochCounter,
  epochOf,
  NO_SLOT_TABLE,
  NODE_ROLES,
  type NodeRecord,
  parseAddress,
  type SlotTable,
} from '@sofa-registry/model';
import { type Clock, every, type Logger, type Random, type Timer } from '@sofa-registry/runtime';
import { errorText, isStoreError, type MetaStore } from '@sofa-registry/store';
import { type Beat, type BeatReply, type MessageOf, View } from '@sofa-registry/wire';
import type { AllocatorInput, AllocatorNode, Arrangement, MoveKind } from './core/allocator-types.ts';
import { type Member, Membership } from './core/membership.ts';
import { PublisherMemory, type PublisherCount } from './core/publisher-memory.ts';
import { decide, tableBalance, tableStable } from './core/slot-allocator.ts';
import { ReportBook } from './core/slot-reports.ts';
import { decodeTable, encodeTable, TABLE_DOC } from './core/table-doc.ts';
import type { DocMirror } from './doc-mirror.ts';
import type { MetaMetrics } from './metrics.ts';
import type { NodeHub, NodeLink } from './node-hub.ts';
import { drainedNames, evictShare, reconciles } from './operator-docs.ts';
import type { MetaConfig, MetaTunables } from './settings.ts';

/** Key of the cold restart memory. */
const PUBLISHERS_DOC = 'publisher-count';
/** Changes within so long go out together, ms: short, fail-over waits for it. */
const VIEW_COALESCE_MS = 5;
/** The allocator is asked at least so often, ms, in case a report that would have asked it was lost. */
const ARRANGE_MS = 5000;
/** Tables made in memory before one is published: a fail-over and the refilling that follows it. */
const CHAINED_TABLES_MAX = 3;
/** A term ends when its epochs are used up (2^20 tables). */
const EPOCH_COUNTER_MAX = 2 ** 20 - 16;
/** Longest address or process id of a node. */
const NAME_UNITS_MAX = 512;
const TABLE_WRITE_RETRY_MS = 500;

/** What a term works with. */
export interface TermPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly store: MetaStore;
  readonly docs: DocMirror;
  readonly hub: NodeHub;
  readonly metrics: MetaMetrics;
  /** True while this meta may act as the leader. */
  readonly leading: () => boolean;
  /** The store says that another leads. */
  readonly fenced: () => void;
  readonly stepDown: () => void;
}

/** Fixed facts of a term. */
export interface TermFacts {
  readonly term: number;
  /** Own record. */
  readonly self: () => NodeRecord;
  readonly config: MetaConfig;
  readonly tunables: MetaTunables;
}

/** The term. */
export class Term {
  readonly term: number;
  readonly members: Membership;
  readonly reports = new ReportBook();
  table: SlotTable = NO_SLOT_TABLE;
  /** True once it may evict and move. */
  warm = false;
  /** True while the guard holds evictions back. */
  protection = false;
  /** Set when the stored table was made with other slot settings: nothing is served then. */
  mismatch = '';
  readonly #ports: TermPorts;
  readonly #facts: TermFacts;
  readonly #memory: PublisherMemory;
  /** Process ids of the data nodes as of the last table: another id at the address means that its copies are gone. */
  readonly #processes = new Map<string, string>();
  /** Addresses whose copies died with a former process and for which the allocator has not run since. */
  readonly #fresh = new Set<string>();
  /** Process ids that asked to be drained. */
  readonly #leaving = new Set<string>();
  readonly #startedMs: number;
  #revision: number;
  #expected = 0;
  #firstDataMs = -1;
  #offeredEpoch = 0;
  #loaded = false;
  #closed = false;
  #arranging = false;
  #arrangeAgain = false;
  #unwritten = false;
  #viewTimer: Timer | null = null;
  #settleTimer: Timer | null = null;
  #warmTimer: Timer | null = null;
  #weightsDirty = false;
  readonly #timers: Timer[] = [];

  constructor(ports: TermPorts, facts: TermFacts) {
    this.term = facts.term;
    this.#ports = ports;
    this.#facts = facts;
    this.#startedMs = ports.clock.monoMs();
    this.#revision = epochOf(facts.term, 0);
    this.members = new Membership(facts.tunables);
    this.#memory = new PublisherMemory(facts.tunables.restartHoldMs);
  }

  /** Reads what the last leader left and begins to act. */
  async open(): Promise<void> {
    await this.#load();
    if (this.#closed) return;
    const { tickMs, weightPublishMs } = this.#facts.tunables;
    const { clock } = this.#ports;
    this.#timers.push(
      every(clock, tickMs, () => this.#tick()),
      every(clock, weightPublishMs, () => this.#publishWeights()),
      every(clock, ARRANGE_MS, () => this.arrangeSoon()),
      every(clock, TABLE_WRITE_RETRY_MS, () => this.#rewrite()),
    );
    this.#warmUp();
    this.membersChanged();
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#viewTimer?.cancel();
    this.#settleTimer?.cancel();
    this.#warmTimer?.cancel();
  }

  /** True when nodes can be answered. */
  get serving(): boolean {
    return this.#loaded && !this.#closed && this.mismatch === '';
  }

  get revision(): number {
    return this.#revision;
  }

  /** Publishers remembered for a cold restart that is going on; 0 = none. */
  get expectedPublishers(): number {
    return this.#expected;
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
    if (node.role === 'data') this.#dataBeat(beat, outcome.kind === 'joined' || outcome.changed);
    this.#offeredEpoch = Math.max(this.#offeredEpoch, beat.tableEpoch);
    if (outcome.changed) this.membersChanged();
    if (node.role === 'session') this.#countPublishers(nowMs);
    link.tableEpoch = beat.tableEpoch;
    link.membersRevision = beat.membersRevision;
    link.docsRevision = beat.docsRevision;
    return this.#reply(link);
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

  /** A node has a later table than this leader (the store was lost, or was restored from a backup). Taken while listening. */
  offer(table: SlotTable): boolean {
    const { config } = this.#facts;
    if (this.warm && this.table.epoch > 0) return false;
    if (table.epoch <= this.table.epoch || table.slots.length !== config.slotConfig.slotCount) return false;
    if (table.slots.some((slot, id) => slot.id !== id || parseAddress(slot.leader) === null)) return false;
    if (this.table.epoch === 0) this.#listen();
    this.#ports.logger.warn('meta: takes over a later slot table than the store has', { epoch: table.epoch });
    this.#setTable(table);
    this.#unwritten = true;
    return true;
  }

  closed(link: NodeLink): void {
    if (this.#ports.hub.linkOf(link.processId) !== null) return;
    this.members.closed(link.processId, this.#ports.clock.monoMs());
    this.#tick();
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
    this.#revision++;
    this.pushSoon();
    this.arrangeSoon();
  }

  /** Sends nodes what they lack, a moment later. */
  pushSoon(): void {
    if (this.#closed) return;
    this.#viewTimer ??= this.#ports.clock.setTimer(VIEW_COALESCE_MS, () => {
      this.#viewTimer = null;
      this.#push();
    });
  }

  /** Asks the allocator at the end of this turn. */
  arrangeSoon(): void {
    if (this.#arrangeAgain) return;
    this.#arrangeAgain = true;
    if (this.#arranging) return;
    this.#ports.clock.defer(() => void this.arrange());
  }

  /** Runs the allocator until it has nothing to do now. */
  async arrange(): Promise<void> {
    if (this.#arranging) return;
    this.#arranging = true;
    try {
      while (this.#arrangeAgain && !this.#closed) {
        this.#arrangeAgain = false;
        const made = this.#decide();
        if (made !== null) await this.#adopt(made);
      }
    } finally {
      this.#arranging = false;
    }
  }

  /** Input of the allocator now. */
  allocatorInput(): AllocatorInput {
    const drained = drainedNames(this.#ports.docs);
    const nodes = this.members.of('data').map(
      ({ record }): AllocatorNode => ({
        address: record.address,
        zone: record.zone,
        draining: this.#drains(record, drained),
        fresh: this.#fresh.has(record.address),
      }),
    );
    return {
      table: this.table,
      nodes,
      reports: (address, slot) => this.reports.get(address, slot),
      term: this.term,
      config: this.#facts.config.slotConfig,
      limits: this.#facts.tunables,
    };
  }

  /** Balance and stability of the table. */
  status() {
    const input = this.allocatorInput();
    return { ...tableBalance(this.table, input.nodes), stable: this.warm && tableStable(input) };
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

  #dataBeat({ node, tableEpoch, slotReports }: MessageOf<typeof Beat>, joined: boolean): void {
    const { address, processId } = node;
    const before = this.#processes.get(address);
    if (before !== undefined && before !== processId && !this.#fresh.has(address)) {
      this.#fresh.add(address);
      this.reports.forget(address);
    }
    const changed = this.reports.beat(address, tableEpoch, slotReports);
    if (this.#firstDataMs < 0) this.#firstDataMs = this.#ports.clock.monoMs();
    if (changed || joined) this.arrangeSoon();
  }

  #countPublishers(nowMs: number): void {
    const sessions = this.members.of('session').map((m) => ({
      processId: m.record.processId,
      publishers: m.publishers,
    }));
    this.#expected = this.#memory.expected(sessions, nowMs);
  }

  #reply(link: NodeLink): MessageOf<typeof BeatReply> {
    const metas = this.members.of('meta').map(({ record }) => record.address);
    const self = this.#facts.self().address;
    return {
      leader: self,
      isLeader: true,
      term: this.term,
      warm: this.warm,
      ...this.#partsFor(link),
      metas: [...new Set([...this.#facts.config.metas, self, ...metas])],
      expectedPublishers: this.#expected,
      meanWeight: this.#meanWeight(),
    };
  }

  /** What the node at the other end lacks; marks it as sent. A table that is older than the node's goes out too: it then offers its own. */
  #partsFor(link: NodeLink) {
    const { docs } = this.#ports;
    // A list that is not complete yet must not replace a complete one; a node that has none gets what there is.
    const known = link.membersRevision;
    const ofThisTerm = known >= epochOf(this.term, 0);
    const withMembers = known !== this.#revision && (this.warm || known <= 0 || ofThisTerm);
    const withTable = link.tableEpoch !== this.table.epoch;
    const withDocs = link.docsRevision !== docs.revision && docs.revision > 0;
    link.tableEpoch = this.table.epoch;
    if (withMembers) link.membersRevision = this.#revision;
    if (withDocs) link.docsRevision = docs.revision;
    return {
      table: withTable ? this.table : null,
      membersRevision: this.#revision,
      members: withMembers ? this.records() : null,
      docsRevision: docs.revision,
      docs: withDocs ? [...docs.docs.values()] : null,
    };
  }

  #meanWeight(): number {
    const sessions = this.members.of('session').filter(({ record }) => !record.draining);
    const sum = sessions.reduce((total, { record }) => total + record.weight, 0);
    return sessions.length === 0 ? 0 : Math.round(sum / sessions.length);
  }

  #push(): void {
    if (this.#closed || !this.#ports.leading()) return;
    const encoded = new Map<string, Buffer>();
    for (const link of this.#ports.hub.links) {
      if (link.processId === '') continue;
      const parts = this.#partsFor(link);
      if (parts.table === null && parts.members === null && parts.docs === null) continue;
      const key = `${parts.table === null}${parts.members === null}${parts.docs === null}`;
      let content = encoded.get(key);
      if (content === undefined) encoded.set(key, (content = View.encode({ term: this.term, ...parts })));
      this.#ports.hub.send(link, content);
    }
  }

  #publishWeights(): void {
    if (!this.#weightsDirty || !this.warm) return;
    this.#weightsDirty = false;
    this.#revision++;
    this.pushSoon();
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
    if (least <= this.#facts.tunables.peerHeardMs) metrics.rescued.value++;
    this.members.probed(processId, least, clock.monoMs());
    this.#tick();
  }

  #gone(members: readonly Member[]): void {
    for (const { record } of members) {
      this.#leaving.delete(record.processId);
      if (record.role === 'data') this.reports.forget(record.address);
    }
    this.#countPublishers(this.#ports.clock.monoMs());
    this.membersChanged();
  }

  /** Listens for one lease when a table was left behind or nodes know one; else it may act at once. */
  #warmUp(): void {
    const { logger } = this.#ports;
    const { listenMs } = this.#facts.tunables;
    if (this.table.epoch === 0 || listenMs === 0) {
      this.warm = true;
      return;
    }
    logger.info('meta: listens before it acts', { listenMs, epoch: this.table.epoch });
    this.#listen();
  }

  /** Neither evicts nor moves until one lease after the start of the term. */
  #listen(): void {
    const { clock } = this.#ports;
    this.warm = false;
    this.#warmTimer?.cancel();
    const leftMs = this.#startedMs + this.#facts.tunables.listenMs - clock.monoMs();
    this.#warmTimer = clock.setTimer(Math.max(0, leftMs), () => this.#becomeWarm());
  }

  #becomeWarm(): void {
    if (this.#closed || this.warm) return;
    this.warm = true;
    this.membersChanged();
  }

  /** The next table, or null. A fail-over and the refilling it makes necessary are answered as one. */
  #decide(): { table: SlotTable; made: readonly Arrangement[] } | null {
    if (!this.warm || !this.#ports.leading() || !this.#mayPlace()) return null;
    const made: Arrangement[] = [];
    let input = this.allocatorInput();
    const frozen = !reconciles(this.#ports.docs);
    for (let i = 0; i < CHAINED_TABLES_MAX; i++) {
      const next = decide(input);
      if (next === null || (frozen && next.kind !== 'fail-over' && next.kind !== 'place')) break;
      made.push(next);
      if (next.kind !== 'fail-over') break;
      input = { ...input, table: next.table, nodes: input.nodes.map((node) => ({ ...node, fresh: false })) };
    }
    const settledFresh = this.#fresh.size > 0;
    this.#settleProcesses();
    const last = made.at(-1);
    if (last !== undefined) return { table: last.table, made };
    if (settledFresh) this.#unwritten = true;
    return null;
  }

  /** The allocator has taken note of which processes are there now. */
  #settleProcesses(): void {
    this.#fresh.clear();
    for (const { record, heard } of this.members.of('data')) {
      if (heard) this.#processes.set(record.address, record.processId);
    }
  }

  /** The first placement waits for the data nodes that are expected, but not for ever. */
  #mayPlace(): boolean {
    if (this.table.epoch > 0) return true;
    const { clock, logger } = this.#ports;
    if (this.#offeredEpoch > 0) {
      // Nodes have a table that the store lost: they offer it; place anew only if none of them comes up with it in time.
      const lateMs = this.#startedMs + this.#facts.tunables.listenMs;
      if (clock.monoMs() >= lateMs) return true;
      this.#listen();
      return false;
    }
    const count = this.members.of('data').length;
    if (count === 0 || this.#firstDataMs < 0) return false;
    const { expectedDataNodes, settleMs, expectWaitMs } = this.#facts.tunables;
    const sinceMs = clock.monoMs() - this.#firstDataMs;
    const waitMs = count >= expectedDataNodes ? settleMs : expectWaitMs;
    if (sinceMs >= waitMs) return true;
    if (count < expectedDataNodes) logger.debug('meta: waits for data nodes', { count, expectedDataNodes });
    this.#settleTimer?.cancel();
    this.#settleTimer = clock.setTimer(waitMs - sinceMs, () => this.arrangeSoon());
    return false;
  }

  async #adopt({ table, made }: { table: SlotTable; made: readonly Arrangement[] }): Promise<void> {
    const { metrics, logger, leading, stepDown } = this.#ports;
    if (epochCounter(table.epoch) >= EPOCH_COUNTER_MAX) {
      logger.warn('meta: the epochs of this term are used up');
      stepDown();
      return;
    }
    const written = await this.#write(table);
    if (this.#closed || !leading() || written === 'refused') return;
    this.#unwritten = written === 'failed';
    for (const { kind, moves } of made) {
      metrics.tables.with(kind).value++;
      metrics.moves.with(kind).value += moves;
    }
    const kinds = made.map(({ kind, moves }): string => `${kind satisfies MoveKind} ${moves}`).join(', ');
    logger.info('meta: slot table', { epoch: table.epoch, moves: kinds });
    this.#setTable(table);
    // The table was made some milliseconds ago: what arrived meanwhile is for the next round.
    this.#arrangeAgain = true;
  }

  #setTable(table: SlotTable): void {
    const before = this.table;
    this.table = table;
    this.reports.tableChanged(before, table);
    this.pushSoon();
  }

  async #write(table: SlotTable): Promise<'written' | 'failed' | 'refused'> {
    const { store, logger, metrics, fenced } = this.#ports;
    const nodes = this.members.of('data').map(({ record }) => record);
    const text = encodeTable({ config: this.#facts.config.slotConfig, table, nodes });
    try {
      await store.docs.put(TABLE_DOC, text, { expect: 'any', fence: { term: this.term } });
      return 'written';
    } catch (error) {
      if (isStoreError(error, 'SR_STORE_FENCED')) {
        fenced();
        return 'refused';
      }
      metrics.storeFailures.value++;
      logger.warn('meta: the slot table was not written, it will be', { error: errorText(error) });
      return 'failed';
    }
  }

  async #rewrite(): Promise<void> {
    if (!this.#unwritten || this.#arranging || !this.#ports.leading() || this.table.epoch === 0) return;
    this.#unwritten = false;
    const { table } = this;
    if ((await this.#write(table)) === 'failed') this.#unwritten = true;
  }

  /** Writes how many publishers there are, when that changed much. */
  #remember(nowMs: number): void {
    const due = this.#memory.due(nowMs);
    if (due === null) return;
    const { store, logger, metrics } = this.#ports;
    const write = { expect: 'any', fence: { term: this.term } } as const;
    store.docs.put(PUBLISHERS_DOC, JSON.stringify(due), write).catch((error: unknown) => {
      metrics.storeFailures.value++;
      logger.debug('meta: the number of publishers was not written', { error: errorText(error) });
    });
  }

  async #load(): Promise<void> {
    const { store, clock, logger, leading } = this.#ports;
    while (!this.#closed && leading()) {
      try {
        const [table, count] = [await store.docs.get(TABLE_DOC), await store.docs.get(PUBLISHERS_DOC)];
        if (table !== null) this.#takeOver(table.value);
        if (count !== null) this.#memory.restore(JSON.parse(count.value) as PublisherCount);
        this.#expected = this.#memory.expected([], clock.monoMs());
        this.#loaded = true;
        return;
      } catch (error) {
        logger.warn('meta: what the last leader left cannot be read', { error: errorText(error) });
        await new Promise<void>((resolve) => clock.setTimer(TABLE_WRITE_RETRY_MS, resolve));
      }
    }
  }

  #takeOver(text: string): void {
    const { config, table, nodes } = decodeTable(text);
    const own = this.#facts.config.slotConfig;
    if (config.slotCount !== own.slotCount || config.slotFunction !== own.slotFunction) {
      this.mismatch = `the cluster was created with ${config.slotCount} slots by ${config.slotFunction}, this meta is configured for ${own.slotCount} by ${own.slotFunction}`;
      this.#ports.logger.error('meta: cannot lead', { reason: this.mismatch });
      return;
    }
    this.table = table;
    const named = new Set(table.slots.flatMap((slot) => [slot.leader, ...slot.followers]));
    for (const node of nodes) {
      this.#processes.set(node.address, node.processId);
      if (named.has(node.address)) this.members.expect(node, this.#startedMs);
    }
    this.reports.tableChanged(NO_SLOT_TABLE, table);
  }
}
