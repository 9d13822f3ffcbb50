/** The data role of a process: its port, its link to meta, its node. */
import { MetaLink } from '@sofa-registry/cluster';
import { formatAddress, type NodeRecord, toProcessId } from '@sofa-registry/model';
import { BoltChannel, type BoltChannelOptions, type Listener, type MetricSet } from '@sofa-registry/runtime';
import { DataNode } from './data-node.ts';
import { DataInspect } from './inspect.ts';
import type { Link } from './link.ts';
import { DataMetrics } from './metrics.ts';
import type { DataPorts } from './node-state.ts';
import { type DataConfig, type DataTunables, dataTunables } from './settings.ts';

/** How often a graceful stop looks whether its slots have gone, in ms. */
const DRAIN_LOOK_MS = 50;
/** Longest wait of a graceful stop for each answer of meta, in ms. */
const META_ANSWER_MS = 2000;

/** One data node. */
export class DataServer {
  readonly #ports: DataPorts;
  readonly #config: DataConfig;
  readonly #tunables: DataTunables;
  readonly #metrics = new DataMetrics();
  #listener: Listener | null = null;
  #node: DataNode | null = null;
  #meta: MetaLink | null = null;
  #inspect: DataInspect | null = null;
  #record: NodeRecord | null = null;
  #stopping = false;

  constructor(ports: DataPorts, config: DataConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#tunables = dataTunables(config);
    this.#metrics.gauges({
      publishers: () => this.#node?.state.store.publishers ?? 0,
      data: () => this.#node?.state.store.data ?? 0,
      tombstones: () => this.#node?.state.store.tombstones ?? 0,
      payloadBytes: () => this.#node?.state.store.payloadBytes ?? 0,
      links: () => this.#node?.state.links.size ?? 0,
      parkedReads: () => this.#node?.parkedReads ?? 0,
      lateRemovals: () => this.#node?.lateRemovals ?? 0,
      slotsLed: () => this.#slots((slot) => slot.role === 'leader'),
      slotsFollowed: () => this.#slots((slot) => slot.role === 'follower'),
      slotsMigrating: () => this.#slots((slot) => slot.migrating),
      slotsPartial: () => this.#slots((slot) => slot.partial),
      slotsIncomplete: () => this.#slots((slot) => slot.role === 'follower' && !slot.complete),
    });
  }

  /** Views of the node. @throws Error before `start` */
  get inspect(): DataInspect {
    if (this.#inspect === null) throw new Error('data server is not started');
    return this.#inspect;
  }

  get metrics(): MetricSet {
    return this.#metrics.set;
  }

  /** The node's record as meta has it. @throws Error before `start` */
  get record(): NodeRecord {
    if (this.#record === null) throw new Error('data server is not started');
    return { ...this.#record, draining: this.#stopping };
  }

  /**
   * Opens the port and begins to beat. `inspect.ready()` says when the node takes part.
   * @throws RuntimeError SR_NET_LISTEN
   */
  async start(): Promise<void> {
    const { clock, random, network, logger } = this.#ports;
    const config = this.#config;
    let options: BoltChannelOptions<Link> | null = null;
    const listener = await network.listen(config.listen, (connection) => {
      if (options === null || this.#node === null) connection.destroy('not ready');
      else this.#node.opened(new BoltChannel<Link>(connection, options));
    });
    this.#listener = listener;
    const bound = formatAddress(listener.address.host, listener.address.port);
    const address = config.advertise === '' ? bound : config.advertise;
    const startedMs = clock.wallMs();
    const processId = toProcessId(address, startedMs, config.pid ?? 0, random.uint32());
    this.#record = {
      role: 'data',
      processId,
      address,
      httpAddress: config.httpAddress,
      zone: config.zone,
      dataCenter: config.dataCenter,
      startedMs,
      weight: 0,
      draining: false,
    };
    const meta = new MetaLink(this.#ports, {
      metas: config.metas,
      slotConfig: config.slotConfig,
      node: () => this.record,
      slotReports: () => this.#node?.reports() ?? [],
      heardMsAgo: (other) => this.#node?.heardMsAgo(other) ?? Infinity,
    });
    this.#meta = meta;
    const { dataCenter, slotConfig } = config;
    const identity = { processId, address, dataCenter, slotConfig, node: () => this.record };
    const node = new DataNode(this.#ports, identity, meta, this.#tunables, this.#metrics);
    this.#node = node;
    options = Object.freeze({ clock, handler: node, idleCloseMs: this.#tunables.linkIdleCloseMs });
    this.#inspect = new DataInspect(node);
    meta.onChange((changed) => {
      if (changed.table || changed.members) node.viewChanged();
    });
    node.start();
    meta.start();
    logger.info('data node started', { address, processId });
  }

  /** Graceful: asks meta to move the slots away, waits (bounded) until they have gone, says goodbye, closes. */
  async stop(): Promise<void> {
    if (this.#stopping || this.#meta === null || this.#node === null) return;
    this.#stopping = true;
    if (this.#others()) {
      await this.#within(this.#meta.drain(true), 'drain');
      await this.#drained();
    }
    await this.#within(this.#meta.leave(), 'leave');
    await this.#close('data node stopped');
  }

  /** True while the node asks to be left out of the lists. */
  get draining(): boolean {
    return this.#meta?.draining ?? false;
  }

  /** Takes the node out of the lists, or back in: it keeps serving, its slots move away (F183). */
  async drain(on: boolean): Promise<void> {
    if (this.#meta === null) throw new Error('data server is not started');
    await this.#meta.drain(on);
  }

  /** As if SIGKILL: everything is dropped at once. */
  async kill(): Promise<void> {
    this.#stopping = true;
    await this.#close('data node killed');
  }

  async #close(reason: string): Promise<void> {
    this.#meta?.stop();
    const closing = this.#listener?.close();
    this.#node?.stop(reason);
    await closing;
  }

  /** Waits for meta's answer, but not long: meta may be gone, or leave at the same time. */
  async #within(answer: Promise<void>, what: string): Promise<void> {
    const { clock, logger } = this.#ports;
    const late = new Promise<'late'>((resolve) => clock.setTimer(META_ANSWER_MS, () => resolve('late')));
    const outcome = await Promise.race([answer.catch((error: unknown) => String(error)), late]);
    if (outcome !== undefined) logger.warn(`meta did not take the ${what}`, { error: outcome });
  }

  /** True if somebody else could take the slots. */
  #others(): boolean {
    const members = this.#meta?.view.members ?? [];
    return members.some((m) => m.role === 'data' && !m.draining && m.processId !== this.#record?.processId);
  }

  async #drained(): Promise<void> {
    const { clock } = this.#ports;
    const untilMs = clock.monoMs() + this.#tunables.drainMs;
    // Pointless once nobody is left to take the slots: the whole cluster stops.
    while (clock.monoMs() < untilMs && this.#others() && this.#slots((slot) => slot.role === 'leader') > 0)
      await new Promise<void>((resolve) => clock.setTimer(DRAIN_LOOK_MS, resolve));
  }

  #slots(which: (slot: ReturnType<DataInspect['slots']>[number]) => boolean): number {
    return this.#inspect === null ? 0 : this.#inspect.slots().filter(which).length;
  }
}
