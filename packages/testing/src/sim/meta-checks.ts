/**
 * Invariants of the meta tier: who leads and when it may act (I17), what is stored and published in which order (I2), planned moves
 * (I16), who is evicted. Read from the nodes' own views at each look, and from each write of the slot table.
 */
import { META_DEFAULTS, type MetaTunables } from '@sofa-registry/meta';
import { epochTerm, type Slot, type SlotTable } from '@sofa-registry/model';
import type { ChecksWorld } from './cluster-checks.ts';
import { EvictionChecks } from './eviction-checks.ts';
import { dataOf, evictionsHeld, leads, metaOf, type SimCluster, type SimNode } from './sim-cluster.ts';
import {
  lockHolder,
  storedTable,
  type StoredTableView,
  watchLock,
  watchStoredTable,
} from './stored-table.ts';
import type { Ways } from './ways.ts';

/** Latency of the store, and of a look. */
const SLACK_MS = 40;
/** What was decided before may be written so much later, ms. */
const DECIDED_MS = 2500;
/** A state of a copy that lasts so long has been reported to the leader, ms. */
const REPORTED_MS = 3000;
/** Looks between two questions for the leader's status. */
const STATUS_LOOKS = 8;
/** Terms remembered. */
const TERMS_MAX = 64;

/** What the checks need beside {@link ChecksWorld}. */
export interface MetaChecksWorld extends ChecksWorld {
  /** True while a table may be published that is not stored: the store does not answer in time, or did not until a moment ago. */
  storeExcused(): boolean;
  /** Since when an operator has frozen the slot table; Infinity while it may move. */
  frozenMs(): number;
  readonly ways: Ways;
  count(invariant: string): void;
}

/** A copy of a slot, and since when it is as it is. */
interface Copy {
  readonly complete: boolean;
  readonly sinceMs: number;
}

/** The checks. */
export class MetaChecks {
  readonly #cluster: SimCluster;
  readonly #world: MetaChecksWorld;
  readonly #settings: MetaTunables;
  readonly #evictions: EvictionChecks;
  #stored: StoredTableView | null = null;
  /** Since when copies are complete or not, by address, process and slot. */
  #copies: ReadonlyMap<string, Copy> = new Map();
  /** When the leader of a term was first seen to lead, and whether there was a table then. */
  readonly #terms = new Map<number, { readonly ledMs: number; readonly tookOver: boolean }>();
  readonly #handedOver = new Set<number>();
  /** Highest term each process was told. */
  readonly #told = new Map<string, number>();
  /** Highest epoch that was ever stored. */
  #planned = 0;
  /** Highest epoch that was seen anywhere. */
  #newest = 0;
  /** Since when the leader holds evictions back; Infinity while it does not. */
  #protectedMs = Infinity;
  #looks = 0;
  #restores = false;
  readonly #lock: ReturnType<typeof watchLock>;

  constructor(cluster: SimCluster, world: MetaChecksWorld) {
    this.#cluster = cluster;
    this.#world = world;
    this.#settings = { ...META_DEFAULTS, ...cluster.options.metaSettings };
    this.#evictions = new EvictionChecks(cluster, world, this.#settings);
    watchStoredTable(
      cluster.backend,
      (table) => this.#written(table),
      (term) => this.#handedOver.add(term),
    );
    this.#lock = watchLock(cluster, (what) => world.violated('I17', what));
  }

  /** The store is restored from a backup: what it has then is what a new leader goes on from. */
  restoring(restore: () => void): void {
    this.#restores = true;
    restore();
    this.#restores = false;
    this.#lock.restored();
    this.#stored = storedTable(this.#cluster);
  }

  /** Call often: no table lives shorter than the time between two looks. */
  look(): void {
    const leader = this.#oneLeader();
    for (const node of this.#cluster.nodes.values()) if (node.role !== 'meta') this.#viewOf(node);
    if (leader === null) return;
    this.#newerThanStored(leader);
    // The guard decides in ticks, and asking costs.
    if (this.#looks++ % STATUS_LOOKS === 0) {
      if (metaOf(leader)?.inspect.tableStatus().protectionMode !== true) this.#protectedMs = Infinity;
      else this.#protectedMs = Math.min(this.#protectedMs, this.#world.nowMs());
    }
    this.#evictions.look(leader, this.#protectedMs !== Infinity);
  }

  #oneLeader(): SimNode | null {
    this.#world.count('I17');
    const leaders = this.#cluster.up('meta').filter((node) => this.#mayLead(node) && leads(node));
    if (leaders.length > 1)
      this.#world.violated('I17', `${leaders.map((node) => node.name).join(' and ')} both lead`);
    if (leaders.length !== 1) return null;
    const term = metaOf(leaders[0])?.inspect.leader().term ?? 0;
    if (!this.#terms.has(term)) {
      if (this.#terms.size >= TERMS_MAX) this.#terms.delete(this.#terms.keys().next().value as number);
      this.#terms.set(term, { ledMs: this.#world.nowMs(), tookOver: this.#newest > 0 });
    }
    return leaders[0];
  }

  /** A machine that was suspended believes in its lease for longer than it lasts; what it does then is fenced. */
  #mayLead({ host, address }: SimNode): boolean {
    if (host === null || host.clock.paused) return false;
    return !host.clock.lagging || lockHolder(this.#cluster) === address;
  }

  /** What a node was told. */
  #viewOf(node: SimNode): void {
    const { tier } = node;
    if (tier === null || tier.role === 'meta' || node.state !== 'up') return;
    const view = tier.server.inspect.view();
    const key = `${node.name}/${node.incarnation}`;
    const before = this.#told.get(key) ?? 0;
    if (view.term < before)
      this.#world.violated('I2', `${node.name} went from term ${before} back to ${view.term}`);
    this.#told.set(key, view.term);
    if (view.table.epoch > this.#newest) this.#published(view.table, node.name);
  }

  /** A table that nobody had before. */
  #published(table: SlotTable, where: string): void {
    this.#world.count('I17');
    this.#early(table, `${where} has`);
    if (table.epoch > (this.#stored?.epoch ?? 0) && !this.#world.storeExcused())
      this.#world.violated(
        'I2',
        `${where} has table ${table.epoch}, the store ${this.#stored?.epoch ?? 'none'}: published before it was stored`,
      );
    this.#newest = table.epoch;
  }

  /** I17: a leader that took a table over listens first. */
  #early(table: SlotTable, what: string): void {
    const term = this.#terms.get(epochTerm(table.epoch));
    // A leader that was told by the last one who belongs need not listen longer than until they are all there.
    if (term === undefined || !term.tookOver || this.#handedOver.has(epochTerm(table.epoch))) return;
    const ageMs = this.#world.nowMs() - term.ledMs;
    if (ageMs < this.#settings.listenMs - SLACK_MS)
      this.#world.violated(
        'I17',
        `${what} table ${table.epoch}, ${ageMs.toFixed(0)} ms after its leader was elected`,
      );
  }

  /** A leader that acts goes on from what is stored. */
  #newerThanStored(leader: SimNode): void {
    const meta = metaOf(leader);
    const epoch = meta?.inspect.table().epoch ?? 0;
    const { isLeader, warm, term } = meta?.inspect.leader() ?? { isLeader: false, warm: false, term: 0 };
    const stored = this.#stored?.epoch ?? 0;
    // What it wrote itself it takes over when it hears that it is written.
    if (isLeader && warm && epoch < stored && epochTerm(stored) !== term)
      this.#world.violated('I2', `${leader.name} acts on table ${epoch}, stored is ${stored}`);
  }

  /** Notes which copies are complete; call about twice a second. What a node says of them while it stands still is of an earlier time. */
  sampleCopies(): void {
    const nowMs = this.#world.nowMs();
    const copies = new Map<string, Copy>();
    for (const node of this.#cluster.up('data')) {
      if (node.host?.clock.paused === true) continue;
      for (const { slot, complete } of dataOf(node)?.inspect.slots() ?? []) {
        const key = `${node.address}/${node.incarnation}/${slot}`;
        const known = this.#copies.get(key);
        copies.set(key, known?.complete === complete ? known : { complete, sinceMs: nowMs });
      }
    }
    this.#copies = copies;
  }

  /** I15: who takes a dead leader's slot over has a complete copy, if anybody has who is there. */
  #heir(before: Slot, after: Slot, members: ReadonlySet<string>): void {
    if (!before.followers.includes(after.leader) || this.#complete(after.leader, before.id) !== false) return;
    const better = before.followers.filter(
      (address) => members.has(address) && this.#complete(address, before.id) === true,
    );
    if (better.length > 0)
      this.#world.violated(
        'I15',
        `slot ${before.id}: ${after.leader} leads with an incomplete copy, ${better.join(', ')} had a complete one`,
      );
  }

  /** Whether a copy has been complete, or incomplete, for so long that the leader knows; null if that is not sure. */
  #complete(address: string, slot: number): boolean | null {
    const node = this.#cluster.up('data').find((one) => one.address === address);
    if (node === undefined) return null;
    const copy = this.#copies.get(`${address}/${node.incarnation}/${slot}`);
    return copy === undefined || copy.sinceMs > this.#world.nowMs() - REPORTED_MS ? null : copy.complete;
  }

  #written(table: StoredTableView): void {
    if (this.#restores) return;
    const before = this.#stored;
    this.#world.count('I2');
    this.#early(table, 'stored is');
    this.#stored = table;
    if (before === null) return;
    if (table.epoch < before.epoch)
      this.#world.violated('I2', `the store went from table ${before.epoch} to ${table.epoch}`);
    for (const slot of table.slots) {
      const old = before.slots[slot.id];
      if (slot.leaderEpoch < old.leaderEpoch)
        this.#world.violated(
          'I2',
          `stored: slot ${slot.id} went from leader epoch ${old.leaderEpoch} to ${slot.leaderEpoch}`,
        );
    }
    const members = new Set(table.nodes.map(({ address }) => address));
    for (const slot of table.slots) {
      const old = before.slots[slot.id];
      if (old.leader !== slot.leader && !members.has(old.leader)) this.#heir(old, slot, members);
    }
    // What nodes offer to a leader whose store was restored was planned before.
    if (table.epoch === before.epoch + 1 && table.epoch > this.#planned) this.#moves(before, table);
    this.#planned = Math.max(this.#planned, table.epoch);
  }

  /** True if the leader holds evictions back now, and did when the table was decided. */
  #holdsBack(): boolean {
    if (this.#world.nowMs() <= this.#protectedMs + DECIDED_MS) return false;
    return evictionsHeld(this.#cluster);
  }

  /** I16 between two tables that follow each other. */
  #moves(before: StoredTableView, after: StoredTableView): void {
    this.#world.count('I16');
    const processes = new Map(before.nodes.map((node) => [node.address, node.processId] as const));
    const stays = new Set(
      after.nodes
        .filter(({ address, processId }) => processes.get(address) === processId)
        .map((node) => node.address),
    );
    let handedOver = 0;
    let copied = 0;
    let repairs = 0;
    for (const slot of after.slots) {
      const old = before.slots[slot.id];
      const copies = [old.leader, ...old.followers];
      if (copies.some((address) => !stays.has(address))) {
        repairs++;
        continue;
      }
      if (old.leader !== slot.leader) handedOver++;
      const want = Math.min(this.#cluster.options.replicas, after.nodes.length);
      if (copies.length >= want && slot.followers.some((address) => !copies.includes(address))) copied++;
    }
    // A table that repairs may also even out what the repair touched.
    if (repairs > 0) return;
    const { leaderMovesMax, copiesInFlightMax } = this.#settings;
    const bad = (what: string): void => this.#world.violated('I16', `table ${after.epoch}: ${what}`);
    if (handedOver > leaderMovesMax) bad(`${handedOver} leaders handed over, limit ${leaderMovesMax}`);
    if (copied > copiesInFlightMax) bad(`${copied} copies on their way, limit ${copiesInFlightMax}`);
    if (this.#world.nowMs() > this.#world.frozenMs() + DECIDED_MS && handedOver + copied > 0)
      bad(`${handedOver} leaders and ${copied} copies moved though an operator froze the table`);
    if (this.#holdsBack() && handedOver + copied > 0)
      bad(`${handedOver} leaders and ${copied} copies moved while evictions are held back`);
  }
}
