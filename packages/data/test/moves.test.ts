/**
 * Random life of two data nodes: writes, cuts, planned moves, crashes and restarts. At every step no list of a subscriber lacks a
 * publisher it had that is still registered (I6), versions rise (I7); at the end leader, follower and session hold the same (L2).
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nodeRecord, TestCluster } from './support/cluster.ts';
import { idOf, record } from './support/records.ts';
import { TestSession } from './support/session.ts';

const NODES = ['data:1', 'data:2'];
const SLOTS = [0, 1, 2, 3];
const IDS = [0, 1, 2, 3, 4, 5].map((n) => idOf(n % 4, n));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      id: fc.nat(5),
      reg: fc.nat(5),
      text: fc.nat(2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('unregister' as const), id: fc.nat(5), reg: fc.nat(5) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(400) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('sync' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Life {
  readonly cluster = new TestCluster();
  readonly session = new TestSession(this.cluster, 'S1');
  leader = NODES[0];
  follower = NODES[1];
  #version = 0;
  #seen = new Map<string, { version: number; ids: string[] }>();

  async start(): Promise<void> {
    this.cluster.setTable(() => NODES);
    for (const address of NODES) await this.cluster.startData(address, { opLogOpsMax: 6 });
    this.#members();
    await this.reach();
    await this.session.fetch(IDS);
  }

  #members(): void {
    const data = [...this.cluster.nodes.keys()].map((address) => nodeRecord('data', address, address));
    this.cluster.setMembers([...data, this.session.node]);
  }

  /** Connects to the leader and repairs both ways, as a session does on a new table. */
  async reach(): Promise<void> {
    await this.session.connect(this.leader);
    await this.session.sync();
  }

  async step(next: Step): Promise<void> {
    const { cluster, session } = this;
    if (next.do === 'register') {
      const version = ++this.#version;
      await session.register(IDS[next.id], record(`r${next.reg}`, version, 0, `${next.text}`));
    } else if (next.do === 'unregister') {
      if (session.own.get(IDS[next.id])?.has(`r${next.reg}`))
        await session.unregister(IDS[next.id], `r${next.reg}`);
    } else if (next.do === 'cut') cluster.cut(this.leader, this.follower);
    else if (next.do === 'move') await this.#move();
    else if (next.do === 'crash') await this.#crash();
    else if (next.do === 'restart') await this.#restart();
    else if (next.do === 'wait') await cluster.clock.advance(next.ms);
    else await session.sync();
    await session.refresh();
    this.#check(next);
  }

  async #move(): Promise<void> {
    if (this.cluster.nodes.size < 2) return;
    [this.leader, this.follower] = [this.follower, this.leader];
    this.cluster.setTable(() => [this.leader, this.follower]);
    await this.reach();
  }

  async #crash(): Promise<void> {
    if (this.cluster.nodes.size < 2) return;
    await this.cluster.killData(this.leader);
    [this.leader, this.follower] = [this.follower, this.leader];
    this.#members();
    this.cluster.setTable(() => [this.leader]);
    await this.reach();
  }

  async #restart(): Promise<void> {
    if (this.cluster.nodes.size === 2) return;
    this.cluster.setTable(() => [this.leader, this.follower], false);
    await this.cluster.startData(this.follower, { opLogOpsMax: 6 });
    this.#members();
  }

  #check(next: Step): void {
    for (const id of IDS) {
      const now = this.session.ids(id);
      const version = this.session.cache.get(id)?.version as number;
      const before = this.#seen.get(id);
      const registered = this.session.own.get(id);
      const lost = (before?.ids ?? []).filter((reg) => registered?.has(reg) && !now.includes(reg));
      expect(lost, `after ${next.do} ${id} lost`).toEqual([]);
      expect(version).toBeGreaterThanOrEqual(before?.version ?? 0);
      this.#seen.set(id, { version, ids: now });
    }
  }

  async end(): Promise<void> {
    await this.#restart();
    await this.cluster.clock.advance(3000);
    await this.session.sync();
    await this.cluster.clock.advance(1000);
    await this.session.sync();
    expect(await this.session.compare(SLOTS)).toEqual([]);
    const [leader, follower] = [this.leader, this.follower].map((address) => this.cluster.nodes.get(address));
    for (const slot of SLOTS) {
      const [a, b] = [leader, follower].map((node) => node?.state.slots[slot].store);
      expect(b?.digest().words).toEqual(a?.digest().words);
      expect(b?.publishers).toBe(a?.publishers);
    }
    expect(follower?.reports().every(({ complete }) => complete)).toBe(true);
    for (const id of IDS)
      expect(this.session.ids(id)).toEqual([...(this.session.own.get(id)?.keys() ?? [])].sort());
  }
}

it('keeps every list whole, and ends with equal copies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const life = new Life();
      try {
        await life.start();
        for (const next of steps) await life.step(next);
        await life.end();
      } finally {
        await life.cluster.stop();
      }
    }),
    { numRuns: 60 },
  );
});
