/**
 * The meta tier of one process: takes part in the election, answers nodes as leader or sends them to the leader, and shows what
 * it knows. Decisions are in `core/`; what belongs to one term of leadership is in `term.ts`.
 */
import { MetaLink } from '@sofa-registry/cluster';
import {
  formatAddress,
  NO_SLOT_TABLE,
  type NodeRecord,
  type NodeRole,
  type SlotTable,
  toProcessId,
} from '@sofa-registry/model';
import type { Clock, Listener, Logger, MetricSet, Network, Random } from '@sofa-registry/runtime';
import type { MetaStore } from '@sofa-registry/store';
import { type Beat, type BeatReply, type MessageOf, SlotRole } from '@sofa-registry/wire';
import { tableBalance } from './core/slot-allocator.ts';
import { DocMirror } from './doc-mirror.ts';
import { Elector } from './elector.ts';
import { MetaAdmin } from './meta-admin.ts';
import {
  countsOf,
  type LeaderInfo,
  type MetaInspect,
  type SlotReportRow,
  type TableStatus,
} from './meta-inspect.ts';
import { type MetaMetrics, metaMetrics } from './metrics.ts';
import { NodeHub, type NodeLink } from './node-hub.ts';
import { type MetaConfig, type MetaTunables, tunablesOf } from './settings.ts';
import { drainedNames } from './operator-docs.ts';
import { Term } from './term.ts';

/** Outside world of a meta. The store is open; the caller closes it. */
export interface MetaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  readonly store: MetaStore;
}

/** What a meta knew when it stopped leading: shown, as stale, until it hears from another leader. */
interface LastReign {
  readonly members: readonly NodeRecord[];
  readonly table: SlotTable;
  readonly endedMs: number;
}

const ROLE_NAMES: readonly SlotReportRow['role'][] = ['follower', 'migrating', 'leader', 'partial'];

/** One meta. */
export class MetaServer implements MetaInspect {
  readonly inspect: MetaInspect;
  readonly admin: MetaAdmin;
  readonly metrics: MetricSet;
  readonly #ports: MetaPorts;
  readonly #config: MetaConfig;
  readonly #tunables: MetaTunables;
  readonly #metrics: MetaMetrics;
  readonly #elector: Elector;
  readonly #docs: DocMirror;
  readonly #hub: NodeHub;
  #listener: Listener | null = null;
  #self: NodeRecord;
  #term: Term | null = null;
  /** Follows the leader while this meta does not lead: members, table and documents for inspection. */
  #follower: MetaLink | null = null;
  #lastReign: LastReign | null = null;
  #stopped = false;

  constructor(ports: MetaPorts, config: MetaConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#tunables = tunablesOf(config);
    this.#self = selfRecord(ports, config, config.advertise);
    this.#metrics = metaMetrics({
      leading: () => this.#active() !== null,
      term: () => this.#elector.term,
      members: () => this.#memberCounts(),
      tableEpoch: () => this.table().epoch,
      protection: () => this.#term?.protection ?? false,
      storeAvailable: () => this.#elector.storeAvailable,
    });
    this.metrics = this.#metrics.set;
    this.#elector = new Elector(ports, this.#metrics, this.#tunables.leaseTtlMs, {
      elected: (term) => this.#elected(term),
      deposed: () => this.#deposed(),
    });
    this.#docs = new DocMirror(ports, () => this.#docsChanged());
    this.#hub = new NodeHub(ports, this.#metrics, {
      beat: (link, beat) => this.#beat(link, beat),
      leave: (processId) => this.#active()?.leave(processId) ?? false,
      drain: (processId, on) => this.#active()?.drain(processId, on) ?? false,
      offer: (table) => this.#active()?.slots.offer(table) ?? false,
      metadata: (frame) => this.#active()?.metadata.answer(frame) ?? Promise.resolve(null),
      closed: (link) => this.#active()?.closed(link),
    });
    this.inspect = this;
    this.admin = new MetaAdmin({
      clock: ports.clock,
      store: ports.store,
      docs: this.#docs,
      term: () => this.#active(),
      leader: () => this.leader().leader,
    });
  }

  /**
   * Opens the port and joins the election. Resolves when the store was asked once; whether this meta leads, follows or still
   * waits is in `inspect.ready()`.
   * @throws RuntimeError SR_NET_LISTEN
   */
  async start(): Promise<void> {
    const { network } = this.#ports;
    this.#listener = await network.listen(this.#config.listen, (connection) => this.#hub.accept(connection));
    if (this.#stopped) {
      await this.#listener.close();
      return;
    }
    if (this.#config.advertise === '') {
      const { host, port } = this.#listener.address;
      this.#self = selfRecord(this.#ports, this.#config, formatAddress(host, port));
    }
    this.#docs.start();
    await this.#elector.start(this.#self.address);
    if (this.#term === null) this.#follow();
  }

  /** Releases the lock, so that another meta leads at once, then closes. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#active()?.handOver();
    await this.#elector.stop(true);
    await this.#follower?.leave();
    await this.#close(true);
  }

  /** Drops everything at once, as if the process had been killed. */
  kill(): void {
    this.#stopped = true;
    void this.#elector.stop(false);
    void this.#close(false);
  }

  /** Gives the leadership up for two lease times. Does nothing on a meta that does not lead. */
  stepDown(): Promise<void> {
    return this.#elector.stepDown();
  }

  leader(): LeaderInfo {
    const term = this.#active();
    if (term !== null) {
      return { leader: this.#self.address, term: term.term, isLeader: true, warm: term.warm };
    }
    const view = this.#follower?.view;
    const { owner } = this.#elector;
    const leader = owner === this.#self.address ? '' : owner;
    return { leader, term: this.#elector.term, isLeader: false, warm: view?.leader === leader && view.warm };
  }

  members(role: NodeRole): readonly NodeRecord[] {
    return this.#records().filter((record) => record.role === role);
  }

  table(): SlotTable {
    const led = this.#active()?.table;
    if (led !== undefined) return led;
    const heard = this.#follower?.view.table ?? NO_SLOT_TABLE;
    const last = this.#term?.table ?? this.#lastReign?.table ?? NO_SLOT_TABLE;
    return heard.epoch >= last.epoch ? heard : last;
  }

  seenMsAgo(): number {
    if (this.#active() !== null) return 0;
    const heardMsAgo = this.#follower?.view.heardMetaMsAgo ?? Infinity;
    const ledMsAgo =
      this.#lastReign === null ? Infinity : this.#ports.clock.monoMs() - this.#lastReign.endedMs;
    return Math.min(heardMsAgo, ledMsAgo);
  }

  slotReports(): Record<string, SlotReportRow[]> {
    const out = Object.create(null) as Record<string, SlotReportRow[]>;
    const term = this.#active();
    if (term === null) return out;
    for (const { address } of this.members('data')) {
      const rows = [...term.slots.reports.of(address)].map(
        ([slot, { role, leaderEpoch, sequence, complete }]) => ({
          slot,
          role: ROLE_NAMES[role] ?? ROLE_NAMES[SlotRole.follower],
          leaderEpoch,
          sequence,
          complete,
        }),
      );
      out[address] = rows.sort((a, b) => a.slot - b.slot);
    }
    return out;
  }

  tableStatus(): TableStatus {
    const term = this.#active();
    const { epoch } = this.table();
    const status = term?.slots.status() ?? {
      ...tableBalance(this.table(), this.members('data')),
      stable: false,
    };
    return {
      epoch,
      leaderCount: countsOf(status.leaderCount),
      followerCount: countsOf(status.followerCount),
      leaderBalanced: status.leaderBalanced,
      followerBalanced: status.followerBalanced,
      stable: status.stable,
      protectionMode: term?.protection ?? false,
    };
  }

  ready(): { ready: boolean; waitingFor: string } {
    if (this.#stopped) return { ready: false, waitingFor: 'stopped' };
    if (this.#listener === null) return { ready: false, waitingFor: 'its port' };
    const mismatch = this.#term?.mismatch ?? '';
    if (mismatch !== '') return { ready: false, waitingFor: `other settings: ${mismatch}` };
    const trouble = this.#term?.trouble ?? '';
    if (trouble !== '') return { ready: false, waitingFor: `the store's documents: ${trouble}` };
    const { leader } = this.leader();
    if (leader !== '') return { ready: true, waitingFor: '' };
    if (!this.#elector.storeAvailable)
      return { ready: false, waitingFor: `the store: ${this.#elector.storeError}` };
    return { ready: false, waitingFor: 'a meta leader' };
  }

  drained(): readonly string[] {
    return [...drainedNames(this.#docs)];
  }

  storeInfo() {
    const { kind, address, shared } = this.#ports.store;
    const { storeAvailable, storeError } = this.#elector;
    return { kind, address, shared, available: storeAvailable, error: storeError };
  }

  /** The term, when nodes may be answered in it now. */
  #active(): Term | null {
    return this.#term !== null && this.#term.serving && this.#elector.leading ? this.#term : null;
  }

  #records(): readonly NodeRecord[] {
    const term = this.#active();
    if (term !== null) return term.records();
    const heard = this.#follower?.view.members ?? [];
    const known = heard.length > 0 ? heard : (this.#lastReign?.members ?? []);
    return known.some(({ processId }) => processId === this.#self.processId) ? known : [this.#self, ...known];
  }

  #memberCounts(): (readonly [readonly string[], number])[] {
    const counts = new Map<string, number>();
    for (const { role } of this.#records()) counts.set(role, (counts.get(role) ?? 0) + 1);
    return [...counts].map(([role, count]) => [[role], count] as const);
  }

  #elected(termNumber: number): void {
    this.#follower?.stop();
    this.#follower = null;
    const { clock, random, logger, store } = this.#ports;
    const term = new Term(
      {
        clock,
        random,
        logger,
        store,
        docs: this.#docs,
        hub: this.#hub,
        metrics: this.#metrics,
        leading: () => this.#elector.leading,
        fenced: () => this.#elector.fenced(),
        stepDown: () => void this.#elector.stepDown(),
      },
      { term: termNumber, self: () => this.#self, config: this.#config, tunables: this.#tunables },
    );
    this.#term = term;
    void this.#openTerm(term);
  }

  async #openTerm(term: Term): Promise<void> {
    try {
      await term.open();
    } catch (error) {
      this.#ports.logger.error('meta: cannot lead', { error: String(error) });
      await this.#elector.stepDown();
      return;
    }
    // A meta with other slot settings must not sit on the lock.
    if (term.mismatch !== '' && this.#term === term) await this.#elector.stepDown();
  }

  #deposed(): void {
    const { clock } = this.#ports;
    if (this.#term?.serving === true) {
      this.#lastReign = {
        members: this.#term.records(),
        table: this.#term.table,
        endedMs: clock.monoMs(),
      };
    }
    this.#term?.close();
    if ((this.#term?.mismatch ?? '') === '') this.#term = null;
    if (!this.#stopped) this.#follow();
  }

  /** Beats the leader as a member of the cluster. */
  #follow(): void {
    if (this.#stopped || this.#follower !== null || this.#term?.serving === true) return;
    const { clock, random, network, logger } = this.#ports;
    const others = this.#config.metas.filter((meta) => meta !== this.#self.address);
    this.#follower = new MetaLink(
      { clock, random, network, logger },
      {
        metas: [...others, this.#self.address],
        slotConfig: this.#config.slotConfig,
        beatMs: this.#tunables.beatMs,
        node: () => this.#self,
        lost: () => this.#elector.look(),
      },
    );
    this.#follower.start();
  }

  #beat(link: NodeLink, beat: MessageOf<typeof Beat>): MessageOf<typeof BeatReply> | null {
    const term = this.#active();
    if (term !== null) return term.beat(link, beat);
    this.#metrics.redirects.value++;
    const { leader, term: known } = this.leader();
    return {
      leader,
      isLeader: false,
      term: known,
      warm: false,
      table: null,
      membersRevision: 0,
      members: null,
      docsRevision: 0,
      docs: null,
      metas: this.#config.metas,
      expectedPublishers: 0,
      expectedForMs: 0,
      meanWeight: 0,
      appIndexVersion: 0,
    };
  }

  #docsChanged(): void {
    this.admin.docsChanged();
    const term = this.#active();
    if (term === null) return;
    // Drain marks and the switches of the allocator are among the documents.
    term.membersChanged();
  }

  async #close(graceful: boolean): Promise<void> {
    this.#docs.stop();
    this.#term?.close();
    this.#follower?.stop();
    this.#hub.close(graceful);
    await this.#listener?.close();
  }
}

function selfRecord(ports: MetaPorts, config: MetaConfig, address: string): NodeRecord {
  const startedMs = ports.clock.wallMs();
  return Object.freeze({
    role: 'meta',
    processId: toProcessId(address, Math.round(startedMs), config.pid ?? 0, ports.random.uint32()),
    address,
    httpAddress: config.httpAddress,
    zone: config.zone.toUpperCase(),
    dataCenter: config.dataCenter,
    startedMs: Math.round(startedMs),
    weight: 0,
    draining: false,
  });
}
