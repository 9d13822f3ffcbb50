/**
 * The slot table during one term: taken over from the last leader, changed by the allocator, written and published.
 *
 * A table is written to the store, fenced by the term, before any node hears of it. When the store does not answer while the
 * leadership is still valid by our own clock, the table is published all the same (fail-over must not wait for the store) and
 * written later; a refused write ends the term at once.
 *
 * A leader that takes over a table listens for one lease before it changes anything: until then it does not know who lives.
 */
import {
  epochCounter,
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
  /** Nodes must hear of the table. */
  tableChanged(): void;
  /** Listening is over. */
  warmed(): void;
}

interface Made {
  readonly table: SlotTable;
  readonly steps: readonly Arrangement[];
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
  readonly #startedMs: number;
  /** Process ids of the data nodes as of the last table: another id at the address means that its copies are gone. */
  readonly #processes = new Map<string, string>();
  /** Addresses whose copies died with a former process and for which the allocator has not run since. */
  readonly #fresh = new Set<string>();
  #firstDataMs = -1;
  /** Highest epoch of a table that a node knows. */
  #knownEpoch = 0;
  #arranging = false;
  #arrangeAgain = false;
  #unwritten = false;
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
    this.table = table;
    this.reports.tableChanged(NO_SLOT_TABLE, table);
    for (const node of nodes) this.#processes.set(node.address, node.processId);
    const named = new Set(table.slots.flatMap((slot) => [slot.leader, ...slot.followers]));
    return nodes.filter((node) => named.has(node.address));
  }

  /** Begins to act: at once in a new cluster, else after listening. */
  start(): void {
    const { listenMs } = this.#facts.tunables;
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
    const before = this.#processes.get(address);
    if (before !== undefined && before !== processId && !this.#fresh.has(address)) {
      this.#fresh.add(address);
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

  /** Writes a table that could not be written when it was published. */
  async rewrite(): Promise<void> {
    if (!this.#unwritten || this.#arranging || this.#closed || !this.#ports.leading()) return;
    if (this.table.epoch === 0) return;
    this.#unwritten = false;
    if ((await this.#write(this.table)) === 'failed') this.#unwritten = true;
  }

  /** Neither evicts nor moves until one lease after the start of the term. */
  #listen(): void {
    const { clock, logger } = this.#ports;
    const { listenMs } = this.#facts.tunables;
    this.warm = false;
    this.#warmTimer?.cancel();
    const leftMs = Math.max(0, this.#startedMs + listenMs - clock.monoMs());
    this.#warmTimer = clock.setTimer(leftMs, () => this.#becomeWarm());
    logger.info('meta: listens before it acts', { forMs: Math.round(leftMs), epoch: this.table.epoch });
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
        const made = this.#decide();
        if (made !== null) await this.#adopt(made);
      }
    } finally {
      this.#arranging = false;
    }
  }

  /** The next table, or null. A fail-over and the refilling it makes necessary are answered as one. */
  #decide(): Made | null {
    if (!this.warm || !this.#ports.leading() || !this.#mayPlace()) return null;
    const steps: Arrangement[] = [];
    let input = this.allocatorInput();
    const frozen = !reconciles(this.#ports.docs);
    while (steps.length < CHAINED_TABLES_MAX) {
      const next = decide(input);
      if (next === null || (frozen && next.kind !== 'fail-over' && next.kind !== 'place')) break;
      steps.push(next);
      if (next.kind !== 'fail-over') break;
      input = { ...input, table: next.table, nodes: input.nodes.map((node) => ({ ...node, fresh: false })) };
    }
    if (this.#fresh.size > 0) this.#unwritten = true;
    this.#settleProcesses();
    const last = steps.at(-1);
    return last === undefined ? null : { table: last.table, steps };
  }

  /** The allocator has taken note of which processes are there now. */
  #settleProcesses(): void {
    this.#fresh.clear();
    for (const { record, heard } of this.#host.data()) {
      if (heard) this.#processes.set(record.address, record.processId);
    }
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

  async #adopt({ table, steps }: Made): Promise<void> {
    const { metrics, logger, leading, stepDown } = this.#ports;
    if (epochCounter(table.epoch) >= EPOCH_COUNTER_MAX) {
      logger.warn('meta: the epochs of this term are used up');
      stepDown();
      return;
    }
    const written = await this.#write(table);
    if (this.#closed || !leading() || written === 'refused') return;
    this.#unwritten = written === 'failed';
    for (const { kind, moves } of steps) {
      metrics.tables.with(kind).value++;
      metrics.moves.with(kind).value += moves;
    }
    const moves = steps.map((step) => `${step.kind} ${step.moves}`).join(', ');
    logger.info('meta: slot table', { epoch: table.epoch, moves });
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
      await store.docs.put(TABLE_DOC, text, { expect: 'any', fence: { term: this.#facts.term } });
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
