/** Invariants of the cluster itself, read from the nodes' own views (reference/data-and-slots.md 18.4). */
import { compareRegisterVersion, type SlotTable } from '@sofa-registry/model';
import { dataOf, sessionOf, type SimCluster, type SimNode } from './sim-cluster.ts';

/** What the checks need. */
export interface ChecksWorld {
  nowMs(): number;
  violated(invariant: string, detail: string): void;
}

/** Tables remembered for comparison. */
const TABLES_MAX = 512;

/** The checks. */
export class ClusterChecks {
  /** Checks made so far, by invariant. */
  readonly made = new Map<string, number>();
  readonly #cluster: SimCluster;
  readonly #world: ChecksWorld;
  /** Who answered for a slot and leader epoch. */
  readonly #leaders = new Map<string, string>();
  readonly #tables = new Map<number, string>();
  /** Newest table each process had. */
  readonly #seen = new Map<string, SlotTable>();
  #newest: SlotTable | null = null;

  constructor(cluster: SimCluster, world: ChecksWorld) {
    this.#cluster = cluster;
    this.#world = world;
  }

  /** Call about once per simulated second. */
  check(): void {
    for (const node of this.#cluster.nodes.values()) this.#oneLeader(node);
  }

  /** The cheap part; call it often, so that no table is missed. */
  checkTables(): void {
    for (const node of this.#cluster.nodes.values()) {
      const table = tableOf(node);
      if (table !== null && table.epoch > 0) this.#table(node, table);
    }
  }

  /** What is not as it must be when nothing happens any more: L2, L3 and complete roles. */
  unsettled(limit: number): string[] {
    const wrong: string[] = [];
    let table: SlotTable | null = null;
    for (const node of this.#cluster.up('data')) {
      const own = tableOf(node);
      if (own !== null && (table === null || own.epoch > table.epoch)) table = own;
    }
    if (table === null || table.epoch === 0) return ['no data node has a slot table'];
    for (const node of this.#cluster.nodes.values()) {
      if (node.state === 'down') continue;
      if (node.state !== 'up') wrong.push(`${node.name} is ${node.state}`);
      const own = tableOf(node);
      if (own !== null && own.epoch !== table.epoch)
        wrong.push(`${node.name} has table ${own.epoch}, not ${table.epoch}`);
      if (sessionOf(node)?.inspect.firstPushesWait === true)
        wrong.push(`${node.name} holds first pushes back`);
    }
    if (wrong.length < limit) wrong.push(...this.#slots(table));
    if (wrong.length < limit) wrong.push(...this.#stores(table));
    return wrong.slice(0, limit);
  }

  /** Notes that an invariant was looked at. */
  count(invariant: string): void {
    this.made.set(invariant, (this.made.get(invariant) ?? 0) + 1);
  }

  #oneLeader(node: SimNode): void {
    const data = dataOf(node);
    if (data === null || node.state !== 'up') return;
    for (const { slot, role, leaderEpoch, migrating } of data.inspect.slots()) {
      if (role !== 'leader' || migrating) continue;
      this.count('I1');
      const key = `${slot}@${leaderEpoch}`;
      const known = this.#leaders.get(key);
      if (known === undefined) this.#leaders.set(key, node.address);
      else if (known !== node.address)
        this.#world.violated(
          'I1',
          `slot ${slot} epoch ${leaderEpoch} is led by ${known} and by ${node.address}`,
        );
    }
  }

  #table(node: SimNode, table: SlotTable): void {
    const key = `${node.name}/${node.incarnation}`;
    const before = this.#seen.get(key);
    if (before === table) return;
    this.#seen.set(key, table);
    this.count('I2');
    // A new meta leader shows what was stored until nodes have offered it what they have; it gives nothing older to them.
    if (before !== undefined && node.role !== 'meta') this.#rises(node, before, table);
    this.#unique(table);
    // What only a meta has was not published, and may be forgotten.
    if (node.role === 'meta' || (this.#newest !== null && table.epoch <= this.#newest.epoch)) return;
    // A table that died with all who had it, before it was stored, is as if it had never been.
    if (this.#newest !== null && this.#remembered(this.#newest, before)) this.#follows(this.#newest, table);
    this.#newest = table;
  }

  #remembered(table: SlotTable, replaced: SlotTable | undefined): boolean {
    if (replaced?.epoch === table.epoch) return true;
    for (const node of this.#cluster.nodes.values()) if (tableOf(node)?.epoch === table.epoch) return true;
    return false;
  }

  #unique(table: SlotTable): void {
    const known = this.#tables.get(table.epoch);
    const text = JSON.stringify(table.slots);
    if (known === undefined) {
      if (this.#tables.size >= TABLES_MAX) this.#tables.delete(this.#tables.keys().next().value as number);
      this.#tables.set(table.epoch, text);
      this.#valid(table);
    } else if (known !== text) {
      this.#world.violated('I2', `two tables have epoch ${table.epoch}: ${known} and ${text}`);
    }
  }

  #rises(node: SimNode, before: SlotTable, after: SlotTable): void {
    if (after.epoch < before.epoch)
      this.#world.violated('I2', `${node.name} went from table ${before.epoch} to ${after.epoch}`);
    for (const slot of after.slots) {
      const old = before.slots[slot.id];
      if (old !== undefined && slot.leaderEpoch < old.leaderEpoch) {
        this.#world.violated(
          'I2',
          `${node.name}: slot ${slot.id} went from leader epoch ${old.leaderEpoch} to ${slot.leaderEpoch}`,
        );
      }
    }
  }

  #valid(table: SlotTable): void {
    this.count('I4');
    const { slotCount, replicas } = this.#cluster.options;
    const bad = (what: string): void => this.#world.violated('I4', `table ${table.epoch}: ${what}`);
    if (table.slots.length !== slotCount) bad(`${table.slots.length} slots, not ${slotCount}`);
    table.slots.forEach((slot, i) => {
      if (slot.id !== i) bad(`slot ${slot.id} at ${i}`);
      if (slot.leader === '' && slot.followers.length > 0) bad(`slot ${i} has followers and no leader`);
      if (slot.followers.includes(slot.leader)) bad(`slot ${i}: its leader follows`);
      if (new Set(slot.followers).size !== slot.followers.length) bad(`slot ${i}: a follower twice`);
      if (slot.followers.length > replicas) bad(`slot ${i}: ${slot.followers.length} followers`);
    });
  }

  /** I3 and I15 between the newest two tables that were seen. Tables between them may have been missed. */
  #follows(before: SlotTable, after: SlotTable): void {
    this.count('I3');
    this.count('I15');
    const nowMs = this.#world.nowMs();
    for (const slot of after.slots) {
      const old = before.slots[slot.id];
      if (old === undefined || old.leader === '') continue;
      const sameLeader = old.leader === slot.leader;
      if (!sameLeader && slot.leaderEpoch <= old.leaderEpoch) {
        this.#world.violated(
          'I3',
          `slot ${slot.id}: ${old.leader} to ${slot.leader} without a higher leader epoch`,
        );
      }
      if (sameLeader || old.followers.includes(slot.leader) || after.epoch !== before.epoch + 1) continue;
      const alive = old.followers.filter((address) => this.#healthy(address, nowMs));
      if (alive.length > 0)
        this.#world.violated(
          'I15',
          `slot ${slot.id}: ${slot.leader || 'nobody'} leads, though ${alive.join(', ')} had a copy and lives`,
        );
    }
  }

  #healthy(address: string, nowMs: number): boolean {
    for (const node of this.#cluster.of('data')) {
      if (node.address === address)
        return node.state === 'up' && node.disturbedMs < nowMs - 15_000 && node.startedMs < nowMs - 15_000;
    }
    return false;
  }

  #slots(table: SlotTable): string[] {
    const wrong: string[] = [];
    const nodes = new Map(this.#cluster.up('data').map((node) => [node.address, node] as const));
    const wanted = Math.min(this.#cluster.options.replicas, nodes.size);
    const views = new Map<
      string,
      Map<number, { role: string; complete: boolean; migrating: boolean; partial: boolean }>
    >();
    for (const [address, node] of nodes) {
      views.set(
        address,
        new Map(
          dataOf(node)
            ?.inspect.slots()
            .map((view) => [view.slot, view] as const),
        ),
      );
    }
    for (const slot of table.slots) {
      const copies = 1 + slot.followers.length;
      if (copies !== wanted) wrong.push(`slot ${slot.id} has ${copies} copies, not ${wanted}`);
      const led = views.get(slot.leader)?.get(slot.id);
      if (led?.role !== 'leader') wrong.push(`slot ${slot.id}: ${slot.leader || 'nobody'} does not lead it`);
      else if (led.migrating) wrong.push(`slot ${slot.id} does not answer at ${slot.leader}`);
      else if (led.partial) wrong.push(`slot ${slot.id} is partial at ${slot.leader}`);
      for (const follower of slot.followers) {
        const copy = views.get(follower)?.get(slot.id);
        if (copy?.role !== 'follower' || !copy.complete)
          wrong.push(`slot ${slot.id}: the copy at ${follower} is not complete`);
      }
    }
    return wrong;
  }

  /** L2: leaders hold exactly what sessions hold; followers hold what their leaders hold. */
  #stores(table: SlotTable): string[] {
    const wrong: string[] = [];
    const expected = this.#fromSessions();
    const nodes = new Map(this.#cluster.up('data').map((node) => [node.address, node] as const));
    const ids = new Set(expected.keys());
    for (const node of nodes.values())
      for (const [dataInfoId] of dataOf(node)?.inspect.dataInfoIds() ?? []) ids.add(dataInfoId);
    const session = this.#cluster.up('session')[0];
    if (session === undefined) return wrong;
    for (const dataInfoId of ids) {
      const slot = table.slots[sessionOf(session)?.inspect.slot(dataInfoId).id ?? 0];
      const want = expected.get(dataInfoId) ?? '';
      for (const address of [slot.leader, ...slot.followers]) {
        const node = nodes.get(address);
        const datum = node === undefined ? null : (dataOf(node)?.inspect.datum(dataInfoId) ?? null);
        const have = recordsText(new Map((datum?.publishers ?? []).map((p) => [p.registerId, p])));
        if (have !== want)
          wrong.push(
            `${dataInfoId.split('#')[0]} at ${address}${address === slot.leader ? '' : ' (follower)'} is ${have || 'empty'}, sessions hold ${want || 'nothing'}`,
          );
      }
    }
    return wrong;
  }

  /** The newest of each registration: the session that a client left, or that lost it half open, may keep an older one for a while. */
  #fromSessions(): Map<string, string> {
    const found = new Map<string, Map<string, { version: number; stamp: number }>>();
    for (const node of this.#cluster.up('session')) {
      const inspect = sessionOf(node)?.inspect;
      if (inspect === undefined) continue;
      for (const dataInfoId of inspect.dataInfoIds()) {
        for (const { registerId, version, stamp } of inspect.publishers(dataInfoId)) {
          let newest = found.get(dataInfoId);
          if (newest === undefined) found.set(dataInfoId, (newest = new Map()));
          const known = newest.get(registerId);
          if (known === undefined || compareRegisterVersion(version, stamp, known.version, known.stamp) > 0)
            newest.set(registerId, { version, stamp });
        }
      }
    }
    return new Map([...found].map(([id, newest]) => [id, recordsText(newest)]));
  }
}

function recordsText(records: ReadonlyMap<string, { version: number; stamp: number }>): string {
  return [...records]
    .map(([registerId, { version, stamp }]) => `${registerId.slice(0, 8)}@${version}/${stamp}`)
    .sort()
    .join(' ');
}

function tableOf(node: SimNode): SlotTable | null {
  const { tier } = node;
  if (tier === null || (node.state !== 'up' && node.state !== 'stopping')) return null;
  if (tier.role === 'data') return tier.server.inspect.view().table;
  if (tier.role === 'session') return tier.server.inspect.view().table;
  return tier.server.inspect.table();
}
