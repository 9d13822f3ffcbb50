/**
 * Invariants of what data nodes hold, read from their views and those of the sessions twice a second: I5 (a leader that answers knows
 * its sessions), I12 (nobody removes another's record), I14 (no data without a role), I18 (bounded buffers), I19 (nothing foreign).
 */
import { DATA_DEFAULTS, type DataTunables } from '@sofa-registry/data';
import { DEFAULT_DATA_CENTER, slotOf } from '@sofa-registry/model';
import { SESSION_DEFAULTS, type SessionTunables } from '@sofa-registry/session';
import type { ChecksWorld } from './cluster-checks.ts';
import { dataOf, sessionOf, type SimCluster, type SimNode } from './sim-cluster.ts';
import type { Ways } from './ways.ts';

/** What the checks need beside {@link ChecksWorld}. */
export interface DataChecksWorld extends ChecksWorld {
  count(invariant: string): void;
  readonly ways: Ways;
  /** Session that a client is connected to, as it sees it; '' if to none or if it is gone. */
  sessionOfClient(client: string): string;
}

/** A record of a session as it was at the last look. */
interface Held {
  readonly session: SimNode;
  readonly processId: string;
  readonly dataInfoId: string;
  readonly sinceMs: number;
  /** Its client is connected to that session and to no other. */
  readonly present: boolean;
}

/** A slot that a data node leads. */
interface Led {
  readonly sinceMs: number;
  readonly settled: boolean;
  /** Owners of the records it has, by `registerId`. */
  readonly records: ReadonlyMap<string, string>;
}

/** A record that its session has had for so long before a slot was gained was replayed, ms. */
const BEFORE_MS = 600;

type Metrics = ReturnType<typeof sessionOf> extends { readonly metrics: infer M } | null ? M : never;

/** Gauges of buffers, by the end of their names, and their limits. */
function dataLimits(settings: DataTunables): Readonly<Record<string, number>> {
  return { tombstones: settings.tombstonesMax, parked_reads: settings.parkedReadsMax };
}

function sessionLimits(settings: SessionTunables): Readonly<Record<string, number>> {
  return { push_in_flight: settings.pushInFlightMax, push_in_flight_bytes: settings.pushInFlightBytesMax };
}

/** Looks between two looks at gauges. */
const BOUNDS_LOOKS = 4;

/** The checks. */
export class DataChecks {
  readonly #cluster: SimCluster;
  readonly #world: DataChecksWorld;
  /** Records that exactly one session holds, by registerId, version and stamp. */
  #held = new Map<string, Held>();
  #led = new Map<string, Led>();
  #looks = 0;

  constructor(cluster: SimCluster, world: DataChecksWorld) {
    this.#cluster = cluster;
    this.#world = world;
  }

  /** Looks at everything; call about twice a second. */
  look(): void {
    this.#looks++;
    const held = this.#sessions();
    const ids = new Set<string>([...held.values()].map(({ dataInfoId }) => dataInfoId));
    const led = new Map<string, Led>();
    for (const node of this.#cluster.up('data')) this.#dataNode(node, held, ids, led);
    this.#held = held;
    this.#led = led;
  }

  #sessions(): Map<string, Held> {
    const found = new Map<string, Held>();
    const seen = new Set<string>();
    const twice = new Set<string>();
    const nowMs = this.#world.nowMs();
    for (const session of this.#cluster.up('session')) {
      const inspect = sessionOf(session)?.inspect;
      if (inspect === undefined) continue;
      this.#bounded(session, sessionOf(session)?.metrics);
      const processId = inspect.processId();
      for (const dataInfoId of inspect.dataInfoIds()) {
        for (const { registerId, version, stamp, clientAddress, held } of inspect.publishers(dataInfoId)) {
          if (seen.has(registerId)) twice.add(registerId);
          seen.add(registerId);
          const key = `${registerId} ${version} ${stamp}`;
          const client = clientAddress.slice(0, clientAddress.lastIndexOf(':'));
          found.set(key, {
            session,
            processId,
            dataInfoId,
            sinceMs: this.#held.get(key)?.sinceMs ?? nowMs,
            present: !held && this.#world.sessionOfClient(client) === session.name,
          });
        }
      }
    }
    for (const key of found.keys()) if (twice.has(key.slice(0, key.indexOf(' ')))) found.delete(key);
    return found;
  }

  #dataNode(
    node: SimNode,
    held: ReadonlyMap<string, Held>,
    ids: ReadonlySet<string>,
    led: Map<string, Led>,
  ): void {
    const data = dataOf(node);
    if (data === null) return;
    this.#bounded(node, data.metrics);
    const { slotCount } = this.#cluster.options;
    const view = data.inspect.view();
    this.#foreign(node, view.members);
    const listed = new Set(view.members.map(({ processId }) => processId));
    const slots = new Map(data.inspect.slots().map((slot) => [slot.slot, slot] as const));
    const records = new Map<number, Map<string, string>>();
    for (const dataInfoId of ids) {
      const slot = slotOf(dataInfoId, slotCount);
      const datum = data.inspect.datum(dataInfoId);
      this.#world.count('I14');
      if (datum !== null && !slots.has(slot))
        this.#world.violated('I14', `${node.name} has no role for slot ${slot} and can read ${dataInfoId}`);
      for (const { registerId, owner } of datum?.publishers ?? []) {
        let owners = records.get(slot);
        if (owners === undefined) records.set(slot, (owners = new Map()));
        owners.set(registerId, owner);
        if (!this.#ours(owner)) this.#world.violated('I19', `${node.name} holds a record of ${owner}`);
      }
    }
    for (const slot of slots.values()) {
      if (slot.role !== 'leader') continue;
      const key = `${node.name}/${node.incarnation}/${slot.slot}/${slot.leaderEpoch}`;
      const before = this.#led.get(key);
      const settled = !slot.migrating && !slot.partial && slot.waitingFor.length === 0;
      const now = {
        sinceMs: before?.sinceMs ?? this.#world.nowMs(),
        settled,
        records: records.get(slot.slot) ?? new Map<string, string>(),
      };
      led.set(key, now);
      if (!settled) continue;
      if (before?.settled !== true) this.#replayed(node, slot.slot, now, held, listed);
      else this.#kept(node, slot.slot, before, now, held, listed);
    }
  }

  /**
   * I5: a slot that has just begun to answer has what listed sessions held before it was gained. A complete copy answers at once;
   * what a session that is cut off could tell nobody yet is in no copy.
   */
  #replayed(
    node: SimNode,
    slot: number,
    led: Led,
    held: ReadonlyMap<string, Held>,
    listed: ReadonlySet<string>,
  ): void {
    this.#world.count('I5');
    for (const [key, record] of held) {
      if (slotOf(record.dataInfoId, this.#cluster.options.slotCount) !== slot) continue;
      if (!record.present || !listed.has(record.processId)) continue;
      if (record.sinceMs > led.sinceMs - BEFORE_MS) continue;
      if (!this.#world.ways.sound(record.session, node, this.#world.nowMs())) continue;
      const registerId = key.slice(0, key.indexOf(' '));
      if (!led.records.has(registerId))
        this.#world.violated(
          'I5',
          `slot ${slot} answers at ${node.name} without ${registerId.slice(0, 8)}, which ${record.session.name} has held since before`,
        );
    }
  }

  /**
   * I12: what a listed session holds and has sent, for a client that is connected to it alone, stays. After a cut it may go for a
   * moment: that the client had left arrives late, and what the session has said since, later.
   */
  #kept(
    node: SimNode,
    slot: number,
    before: Led,
    now: Led,
    held: ReadonlyMap<string, Held>,
    listed: ReadonlySet<string>,
  ): void {
    this.#world.count('I12');
    for (const [key, record] of held) {
      if (slotOf(record.dataInfoId, this.#cluster.options.slotCount) !== slot) continue;
      const earlier = this.#held.get(key);
      if (!record.present || earlier?.present !== true || earlier.session !== record.session) continue;
      if (!listed.has(record.processId)) continue;
      if (!this.#world.ways.sound(record.session, node, this.#world.nowMs())) continue;
      const registerId = key.slice(0, key.indexOf(' '));
      if (before.records.get(registerId) === record.processId && !now.records.has(registerId))
        this.#world.violated(
          'I12',
          `slot ${slot} at ${node.name}: ${registerId.slice(0, 8)} is gone, though ${record.session.name} and its client hold it`,
        );
    }
  }

  #foreign(
    node: SimNode,
    members: readonly { readonly address: string; readonly dataCenter: string }[],
  ): void {
    this.#world.count('I19');
    for (const { address, dataCenter } of members)
      if (dataCenter !== DEFAULT_DATA_CENTER)
        this.#world.violated('I19', `${node.name}: ${address} of ${dataCenter} is a member`);
  }

  #ours(owner: string): boolean {
    for (const session of this.#cluster.of('session'))
      if (owner.startsWith(`${session.address}/`)) return true;
    return false;
  }

  /** I18: gauges of buffers against the settings that bound them. */
  #bounded(node: SimNode, metrics: Metrics | undefined): void {
    if (this.#looks % BOUNDS_LOOKS !== 0) return;
    this.#world.count('I18');
    const { dataSettings, sessionSettings } = this.#cluster.options;
    const limits: Readonly<Record<string, number>> =
      node.role === 'data'
        ? dataLimits({ ...DATA_DEFAULTS, ...dataSettings })
        : sessionLimits({ ...SESSION_DEFAULTS, ...sessionSettings });
    for (const family of metrics?.families() ?? []) {
      const limit = limits[family.name.slice(`sofa_registry_${node.role}_`.length)];
      if (limit === undefined) continue;
      for (const sample of family.samples())
        if (typeof sample.value === 'number' && sample.value > limit)
          this.#world.violated('I18', `${node.name}: ${family.name} is ${sample.value}, limit ${limit}`);
    }
  }
}
