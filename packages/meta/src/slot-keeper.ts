/**
 * The slot table during one term: taken over from the last leader, changed by the allocator, written and published.
 *
 * No node hears of a table that is not in the store: a later leader, who goes on from what is stored, would take back leader epochs
 * that were given (I2, I3). A write that fails is followed by another decision a moment later; one that is refused ends the term at
 * once. A write replaces exactly what was there before: a write that was given up and arrives late replaces nothing.
 *
 * A leader that takes over a table listens for one lease before it changes anything: until then it does not know who lives.
 */
import {
  epochCounter,
  epochTerm,
  NO_SLOT_TABLE,
  type NodeRecord,
  parseAddress,
  type SlotConfig,
  type SlotTable,
} from '@sofa-registry/model';
import type { Timer } from '@sofa-registry/runtime';
import { errorText, isStoreError } from '@sofa-registry/store';
import type { Beat, MessageOf } from '@sofa-registry/wire';
import type { AllocatorInput, Arrangement } from './core/allocator-types.ts';
import { decide, tableBalance, tableStable } from './core/slot-allocator.ts';
import { ReportBook } from './core/slot-reports.ts';
import { decodeTable, encodeTable, TABLE_DOC } from './core/table-doc.ts';
import { reconciles } from './operator-docs.ts';
import type { TermFacts, TermPorts } from './term-ports.ts';

/** Tables made in memory before one is published: a fail-over and the refilling that follows it. */
const CHAINED_TABLES_MAX = 3;
/** A new leader notices within so long that it slept instead of listening, ms. */
const LISTEN_STEP_MS = 250;
/** A term ends when its epochs are nearly used up (2^20 tables). */
const EPOCH_COUNTER_MAX = 2 ** 20 - 16;

/** A data node as a member of the term. */
export interface DataMember {
  readonly record: NodeRecord;
  /** False while it is known only from the table of the last leader. */
  readonly heard: boolean;
  readonly draining: boolean;
}

/** What the keeper needs to know of the term. */
export interface KeeperHost {
  data(): readonly DataMember[];
  /** True while the guard holds evictions back. */
  protected(): boolean;
  /** Nodes must hear of the table. */
  tableChanged(): void;
  /** Listening is over. */
  warmed(): void;
}

/** What the allocator wants: tables in a row, maybe none. */
interface Decision {
  readonly steps: readonly Arrangement[];
  /** The data nodes as they were then: process ids by address. */
  readonly processes: ReadonlyMap<string, string>;
}

/** The keeper of the table. */
export class SlotKeeper {
  table: SlotTable = NO_SLOT_TABLE;
  readonly reports = new ReportBook();
  /** True once the leader may evict and move. */
  warm = false;
  readonly #ports: TermPorts;
  readonly #facts: TermFacts;
  readonly #host: KeeperHost;
  /** Since when nodes are heard. */
  #startedMs: number;
  /** Process ids of the data nodes as of the last table: another id at the address means that its copies are gone. */
  readonly #processes = new Map<string, string>();
  /** Addresses whose copies died with a former process, with the present one, until a table takes that into account. */
  readonly #fresh = new Map<string, string>();
  #firstDataMs = -1;
  /** Highest epoch of a table that a node knows. */
  #knownEpoch = 0;
  #arranging = false;
  #arrangeAgain = false;
  /** The store lacks the table, or what it should say of processes, or the last write failed. */
  #unwritten = false;
  /** What the next write replaces. */
  #stored: 'absent' | number = 'absent';
  #closed = false;
  #settleTimer: Timer | null = null;
  #warmTimer: Timer | null = null;

  constructor(ports: TermPorts, facts: TermFacts, host: KeeperHost) {
    this.#ports = ports;
    this.#facts = facts;
    this.#host = host;
    this.#startedMs = ports.clock.monoMs();
  }

  /**
   * Reads the table of the last leader.
   * @returns the data nodes it names
   * @throws StoreError, Error when the document is broken, SlotConfigError when the cluster was created with other settings
   */
  async load(): Promise<readonly NodeRecord[]> {
    const doc = await this.#ports.store.docs.get(TABLE_DOC);
    if (doc === null) return [];
    const { config, table, nodes } = decodeTable(doc.value);
    checkConfig(config, this.#facts.config.slotConfig);
    this.#stored = doc.version;
    this.table = table;
    this.reports.tableChanged(NO_SLOT_TABLE, table);
    for (const node of nodes) this.#processes.set(node.address, node.processId);
    const named = new Set(table.slots.flatMap((slot) => [slot.leader, ...slot.followers]));
    return nodes.filter((node) => named.has(node.address));
  }

  /** Begins to act: at once in a new cluster, else after listening. */
  start(): void {
    const { listenMs } = this.#facts.tunables;
    this.#startedMs = this.#ports.clock.monoMs();
    if (this.table.epoch === 0 || listenMs === 0) this.warm = true;
    else this.#listen();
  }

  close(): void {
    this.#closed = true;
    this.#settleTimer?.cancel();
    this.#warmTimer?.cancel();
  }

  /** Any node's beat names the table it knows. */
  noteEpoch(tableEpoch: number): void {
    this.#knownEpoch = Math.max(this.#knownEpoch, tableEpoch);
  }

  /** A data node's beat. */
  dataBeat({ node, tableEpoch, slotReports }: MessageOf<typeof Beat>, memberChanged: boolean): void {
    const { address, processId } = node;
    const before = this.#fresh.get(address) ?? this.#processes.get(address);
    if (before !== undefined && before !== processId) {
      this.#fresh.set(address, processId);
      this.reports.forget(address);
    }
    if (this.#firstDataMs < 0) this.#firstDataMs = this.#ports.clock.monoMs();
    const changed = this.reports.beat(address, tableEpoch, slotReports);
    if (changed || memberChanged) this.arrangeSoon();
  }

  /** A node has a later table than the store (which was lost, or restored from a backup). Taken while listening only. */
  offer(table: SlotTable): boolean {
    if ((this.warm && this.table.epoch > 0) || table.epoch <= this.table.epoch) return false;
    if (table.slots.length !== this.#facts.config.slotConfig.slotCount) return false;
    if (table.slots.some((slot, id) => slot.id !== id || parseAddress(slot.leader) === null)) return false;
    this.#ports.logger.warn('meta: takes over a later slot table than the store has', { epoch: table.epoch });
    if (this.table.epoch === 0) this.#listen();
    this.#setTable(table);
    this.#unwritten = true;
    return true;
  }

  /** Asks the allocator at the end of this turn. */
  arrangeSoon(): void {
    if (this.#arrangeAgain) return;
    this.#arrangeAgain = true;
    if (!this.#arranging) this.#ports.clock.defer(() => void this.#arrange());
  }

  /** Asks the allocator now; resolves when it has nothing more to do for the moment. */
  async arrange(): Promise<void> {
    this.#arrangeAgain = true;
    await this.#arrange();
  }

  /** Input of the allocator now. */
  allocatorInput(): AllocatorInput {
    return {
      table: this.table,
      nodes: this.#host.data().map(({ record: { address, zone }, draining }) => ({
        address,
        zone,
        draining,
        fresh: this.#fresh.has(address),
      })),
      reports: (address, slot) => this.reports.get(address, slot),
      term: this.#facts.term,
      config: this.#facts.config.slotConfig,
      limits: this.#facts.tunables,
    };
  }

  /** Balance and stability of the table. */
  status() {
    const input = this.allocatorInput();
    return { ...tableBalance(this.table, input.nodes), stable: this.warm && tableStable(input) };
  }

  /** Tries again what the store did not take. */
  retry(): void {
    if (this.#unwritten) this.arrangeSoon();
  }

  /**
   * True if the table must not reach a data node yet: it would lead slots whose copies died with its former process, though another
   * node may have a copy. It gets the next table, or this one when there is nobody else.
   */
  holdsBack(address: string): boolean {
    if (!this.#fresh.has(address)) return false;
    return this.table.slots.some(
      ({ leader, followers }) =>
        leader === address && followers.some((follower) => !this.#fresh.has(follower)),
    );
  }

  /** Neither evicts nor moves until it has listened for a while. */
  #listen(): void {
    const { clock, logger } = this.#ports;
    this.warm = false;
    const leftMs = Math.max(0, this.#startedMs + this.#facts.tunables.listenMs - clock.monoMs());
    logger.info('meta: listens before it acts', { forMs: Math.round(leftMs), epoch: this.table.epoch });
    this.#listenFor(leftMs);
  }

  /** In steps: one that ends late was slept through, and who spoke meanwhile was not heard. */
  #listenFor(leftMs: number): void {
    const { clock } = this.#ports;
    const stepMs = Math.min(LISTEN_STEP_MS, leftMs);
    const untilMs = clock.monoMs() + stepMs;
    this.#warmTimer?.cancel();
    this.#warmTimer = clock.setTimer(stepMs, () => {
      const slept = clock.monoMs() > untilMs + LISTEN_STEP_MS;
      if (slept || leftMs > stepMs) this.#listenFor(slept ? leftMs : leftMs - stepMs);
      else this.#becomeWarm();
    });
  }

  /** Everybody is there: ends the listening, unless a node has a later table, which it must have time to offer. */
  accountedFor(): void {
    if (this.warm || this.table.epoch === 0 || this.#knownEpoch > this.table.epoch) return;
    this.#warmTimer?.cancel();
    this.#becomeWarm();
  }

  #becomeWarm(): void {
    if (this.#closed || this.warm) return;
    this.warm = true;
    this.#host.warmed();
  }

  async #arrange(): Promise<void> {
    if (this.#arranging) return;
    this.#arranging = true;
    try {
      while (this.#arrangeAgain && !this.#closed) {
        this.#arrangeAgain = false;
        const decision = this.#decide();
        if (decision !== null && decision.steps.length > 0) await this.#adopt(decision);
        else await this.#keep(decision);
      }
    } finally {
      this.#arranging = false;
    }
  }

  /** The next table; null when there may be none. A fail-over and the refilling it makes necessary are answered as one. */
  #decide(): Decision | null {
    if (!this.warm || !this.#ports.leading() || !this.#mayPlace()) return null;
    const steps: Arrangement[] = [];
    let input = this.allocatorInput();
    while (steps.length < CHAINED_TABLES_MAX) {
      const next = decide(input);
      if (next === null || !this.#allowed(next.kind)) break;
      steps.push(next);
      if (next.kind !== 'fail-over') break;
      input = { ...input, table: next.table, nodes: input.nodes.map((node) => ({ ...node, fresh: false })) };
    }
    const heard = this.#host.data().filter((node) => node.heard);
    return { steps, processes: new Map(heard.map(({ record }) => [record.address, record.processId])) };
  }

  /** An operator may hold everything back but repairs; held evictions hold back planned moves: who is gone is not known then (I16). */
  #allowed(kind: Arrangement['kind']): boolean {
    if (kind === 'fail-over' || kind === 'place') return true;
    if (!reconciles(this.#ports.docs)) return false;
    return kind === 'refill' || !this.#host.protected();
  }

  /** The table stays; the processes it is meant for may be others. */
  async #keep(decision: Decision | null): Promise<void> {
    if (decision !== null && this.#settle(decision)) {
      this.#unwritten = true;
      this.#host.tableChanged();
    }
    if (this.#unwritten && this.table.epoch > 0 && this.#ports.leading())
      this.#unwritten = (await this.#write(this.table)) === 'failed';
  }

  /** The table in force takes note of which processes are there now. True if one of them is new at its address. */
  #settle({ processes }: Decision): boolean {
    let fresh = false;
    for (const [address, processId] of processes) {
      this.#processes.set(address, processId);
      if (this.#fresh.get(address) !== processId) continue;
      this.#fresh.delete(address);
      fresh = true;
    }
    return fresh;
  }

  /** The first placement waits for the data nodes that are expected, but not for ever. */
  #mayPlace(): boolean {
    if (this.table.epoch > 0) return true;
    const { clock } = this.#ports;
    const { expectedDataNodes, settleMs, expectWaitMs, listenMs } = this.#facts.tunables;
    const nowMs = clock.monoMs();
    if (this.#knownEpoch > 0) {
      // Nodes have a table that the store lost: they offer it. Place anew only if none of them comes up with it in time.
      if (nowMs >= this.#startedMs + listenMs) return true;
      this.#listen();
      return false;
    }
    const count = this.#host.data().length;
    if (count === 0 || this.#firstDataMs < 0) return false;
    const leftMs = this.#firstDataMs + (count >= expectedDataNodes ? settleMs : expectWaitMs) - nowMs;
    if (leftMs <= 0) return true;
    this.#settleTimer?.cancel();
    this.#settleTimer = clock.setTimer(leftMs, () => this.arrangeSoon());
    return false;
  }

  async #adopt(decision: Decision): Promise<void> {
    const { steps } = decision;
    const { table } = steps[steps.length - 1];
    const { metrics, logger, leading, stepDown } = this.#ports;
    if (epochCounter(table.epoch) >= EPOCH_COUNTER_MAX) {
      logger.warn('meta: the epochs of this term are used up');
      stepDown();
      return;
    }
    const written = await this.#write(table);
    if (this.#closed || !leading()) return;
    this.#unwritten = written === 'failed';
    if (written !== 'written') return;
    for (const { kind, moves } of steps) {
      metrics.tables.with(kind).value++;
      metrics.moves.with(kind).value += moves;
    }
    const moves = steps.map((step) => `${step.kind} ${step.moves}`).join(', ');
    logger.info('meta: slot table', { epoch: table.epoch, moves });
    this.#settle(decision);
    this.#setTable(table);
    // Members and reports may have changed while the table was written.
    this.#arrangeAgain = true;
  }

  #setTable(table: SlotTable): void {
    this.reports.tableChanged(this.table, table);
    this.table = table;
    this.#host.tableChanged();
  }

  async #write(table: SlotTable): Promise<'written' | 'failed' | 'refused'> {
    const { store, logger, metrics, fenced } = this.#ports;
    const nodes = this.#host.data().map(({ record }) => record);
    const text = encodeTable({ config: this.#facts.config.slotConfig, table, nodes });
    try {
      const fence = { term: this.#facts.term };
      const { version } = await store.docs.put(TABLE_DOC, text, { expect: this.#stored, fence });
      this.#stored = version;
      return 'written';
    } catch (error) {
      if (isStoreError(error, 'SR_STORE_FENCED')) {
        fenced();
        return 'refused';
      }
      metrics.storeFailures.value++;
      logger.warn('meta: the slot table was not written, it will be', { error: errorText(error) });
      if (isStoreError(error, 'SR_STORE_CONFLICT')) await this.#reread();
      return 'failed';
    }
  }

  /**
   * An earlier write arrived although it seemed to fail, or the store was restored: what is there now is what comes to be replaced. A
   * table of ours that is stored after all is the table: the store must not go back behind it.
   */
  async #reread(): Promise<void> {
    const { store, leading, logger } = this.#ports;
    try {
      const doc = await store.docs.get(TABLE_DOC);
      this.#stored = doc?.version ?? 'absent';
      if (doc === null || this.#closed || !leading()) return;
      const { table } = decodeTable(doc.value);
      if (table.epoch > this.table.epoch && epochTerm(table.epoch) === this.#facts.term)
        this.#setTable(table);
    } catch (error) {
      // The next write conflicts again.
      logger.debug('meta: the slot table was not read again', { error: errorText(error) });
    }
  }
}

/** The cluster was created with another slot count or function than this meta has. */
export class SlotConfigError extends Error {
  constructor(created: SlotConfig, own: SlotConfig) {
    const text = ({ slotCount, slotFunction }: SlotConfig): string => `${slotCount} slots by ${slotFunction}`;
    super(`the cluster was created with ${text(created)}, this meta is configured for ${text(own)}`);
    this.name = 'SlotConfigError';
  }
}

function checkConfig(created: SlotConfig, own: SlotConfig): void {
  if (created.slotCount !== own.slotCount || created.slotFunction !== own.slotFunction) {
    throw new SlotConfigError(created, own);
  }
}
