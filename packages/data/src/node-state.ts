/** What the parts of a data node share: its state and its ports. */
import { crc32c, HybridClock, type NodeRecord, type SlotConfig } from '@sofa-registry/model';
import type { ClusterView } from '@sofa-registry/cluster';
import type { Clock, Logger, Network, Random } from '@sofa-registry/runtime';
import { DatumStore } from './datum-store.ts';
import type { Datum } from './datum.ts';
import { HeldSlot } from './held-slot.ts';
import type { Link } from './link.ts';
import type { DataMetrics } from './metrics.ts';
import { type Owner, OwnerTable } from './owner.ts';
import type { DataTunables } from './settings.ts';
import { SlotStore } from './slot-store.ts';
import type { StoredPublisher } from './stored-publisher.ts';

/** Ports of a data node. */
export interface DataPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
}

/** What a data node needs from its side of the cluster; MetaLink is one. */
export interface ClusterPort {
  readonly view: ClusterView;
  /** What the link to meta waits for; '' for nothing. */
  readonly waitingFor: string;
  /** Ask meta for news at once. */
  beatSoon(): void;
}

/** Who this node is. */
export interface DataIdentity {
  readonly processId: string;
  /** Advertised `host:port`: the name of this node in slot tables. */
  readonly address: string;
  readonly dataCenter: string;
  readonly slotConfig: SlotConfig;
  /** This node as others see it: what its hello says. */
  readonly node: () => NodeRecord;
}

/** The shared state. */
export class NodeState {
  readonly ports: DataPorts;
  readonly identity: DataIdentity;
  readonly cluster: ClusterPort;
  readonly tunables: DataTunables;
  readonly metrics: DataMetrics;
  readonly hybrid: HybridClock;
  readonly owners: OwnerTable;
  readonly store: DatumStore;
  readonly slots: readonly HeldSlot[];
  readonly links = new Set<Link>();
  /** Called when a datum's version moved; set by the notifier. */
  onChanged: (datum: Datum, from: number) => void = () => undefined;
  /** Called when another owner's record replaced one of `owner`; set by the takeovers. */
  onSuperseded: (owner: Owner, datum: Datum, by: StoredPublisher) => void = () => undefined;
  /** Called when an operation was logged; set by the feeds. */
  onLogged: (slotId: number) => void = () => undefined;
  readonly #logged = (slotId: number): void => this.onLogged(slotId);
  /** Epoch of the table that was applied last. */
  tableEpoch = 0;

  constructor(
    ports: DataPorts,
    identity: DataIdentity,
    cluster: ClusterPort,
    tunables: DataTunables,
    metrics: DataMetrics,
  ) {
    const { clock } = ports;
    const nowMs = () => clock.monoMs();
    this.ports = ports;
    this.identity = identity;
    this.cluster = cluster;
    this.tunables = tunables;
    this.metrics = metrics;
    this.hybrid = new HybridClock(() => clock.wallMs());
    this.owners = new OwnerTable(nowMs, crc32c);
    const { slotCount } = identity.slotConfig;
    this.slots = Array.from({ length: slotCount }, (_, id) => new HeldSlot(id));
    this.store = new DatumStore({
      clock: this.hybrid,
      nowMs,
      slotCount,
      tunables,
      metrics,
      superseded: (owner, datum, by) => this.onSuperseded(owner, datum, by),
      changed: (datum, from) => this.onChanged(datum, from),
    });
  }

  nowMs(): number {
    return this.ports.clock.monoMs();
  }

  /** Stays ahead of another process's stamps. */
  observe(stamp: number): void {
    if (!this.hybrid.observe(stamp)) this.metrics.clockRefused.value++;
  }

  /** A new stream identity. Random: stamps of two clocks can be equal. */
  newStream(): number {
    const { random } = this.ports;
    return random.uint32() * 2 ** 20 + (random.uint32() % 2 ** 20) + 1;
  }

  /** A store for a slot that is gained without a copy. */
  newStore(id: number): SlotStore {
    const store = new SlotStore(id);
    store.logged = this.#logged;
    return store;
  }
}
