import { NEVER_HEARD_MS } from '@sofa-registry/cluster';
import { NO_SLOT_TABLE, type NodeRecord, type NodeRole, type SlotTable } from '@sofa-registry/model';
import { STORE_LIMITS } from '@sofa-registry/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Membership, PROBE_PEERS_MAX } from '../src/core/membership.ts';
import { PublisherMemory, RETURN_MS } from '../src/core/publisher-memory.ts';
import { ReportBook } from '../src/core/slot-reports.ts';
import { decodeTable, encodeTable } from '../src/core/table-doc.ts';
import { META_DEFAULTS, META_SETTINGS } from '../src/index.ts';

function record(role: NodeRole, address: string, process = 1, more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    role,
    processId: `${address}/${process}`,
    address,
    httpAddress: '',
    zone: '',
    dataCenter: 'dc',
    startedMs: process,
    weight: 0,
    draining: false,
    ...more,
  };
}

const pick = (): number => 0;

describe('membership', () => {
  function cluster(data: number, sessions = 0): Membership {
    const members = new Membership(META_DEFAULTS);
    for (let i = 1; i <= data; i++) members.beat(record('data', `d${i}:1`), 0, 0);
    for (let i = 1; i <= sessions; i++) members.beat(record('session', `s${i}:1`), 0, 0);
    return members;
  }

  /** Beats of everybody but `silent`, ticks, and peers that answer `heard`, from `fromMs` to `toMs`. */
  function run(
    members: Membership,
    fromMs: number,
    toMs: number,
    silent: string[],
    heard: number,
    may = true,
  ) {
    const evicted: string[] = [];
    let held = 0;
    for (let nowMs = fromMs; nowMs <= toMs; nowMs += 100) {
      if (nowMs % 1000 === 0) {
        for (const member of members.all()) {
          if (!silent.includes(member.record.address)) members.beat(member.record, 0, nowMs);
        }
      }
      const out = members.tick(nowMs, may, META_DEFAULTS.evictShareMax, pick);
      for (const { member, ask } of out.probes) {
        expect(ask.length).toBeLessThanOrEqual(PROBE_PEERS_MAX);
        for (const peer of ask) expect(silent).not.toContain(peer.record.address);
        members.probed(member.record.processId, heard, nowMs);
      }
      evicted.push(...out.evicted.map(({ record: { address } }) => `${address}@${nowMs}`));
      held = Math.max(held, out.held.length);
    }
    return { evicted, held };
  }

  it('evicts a silent node that no peer hears, three beats after its last', () => {
    expect(run(cluster(3), 100, 6000, ['d2:1'], 9999).evicted).toEqual(['d2:1@3100']);
  });

  it('evicts after a closed connection sooner', () => {
    const members = cluster(3);
    members.closed('d2:1/1', 100);
    expect(run(members, 100, 6000, ['d2:1'], 9999).evicted).toEqual(['d2:1@1600']);
  });

  it('keeps a node about which nobody can be asked, to the end of its lease', () => {
    const { evicted } = run(cluster(1), 100, 30_000, ['d1:1'], 9999);
    expect(evicted).toEqual(['d1:1@20000']);
  });

  it('does not take the word of a peer that never heard a node which the leader has not heard either', () => {
    const members = cluster(2);
    members.expect(record('data', 'd9:1'), 0);
    expect(run(members, 100, 19_900, ['d9:1'], NEVER_HEARD_MS).evicted).toEqual([]);
    expect(run(members, 20_000, 20_100, ['d9:1'], NEVER_HEARD_MS).evicted).toEqual(['d9:1@20000']);
  });

  it('keeps what a peer hears, to the end of its lease', () => {
    expect(run(cluster(3), 100, 19_900, ['d2:1'], 300).evicted).toEqual([]);
    expect(run(cluster(3), 100, 21_000, ['d2:1'], 300).evicted).toEqual(['d2:1@20000']);
  });

  it('a beat clears the suspicion', () => {
    const members = cluster(3);
    members.closed('d2:1/1', 100);
    run(members, 100, 1000, ['d2:1'], 9999);
    members.beat(record('data', 'd2:1'), 0, 1050);
    expect(run(members, 1100, 3000, [], 9999).evicted).toEqual([]);
  });

  it('evicts nobody while the leader listens', () => {
    expect(run(cluster(3), 100, 30_000, ['d1:1', 'd2:1'], 9999, false).evicted).toEqual([]);
  });

  it('blames nobody for a pause of its own', () => {
    const members = cluster(3, 1);
    run(members, 100, 2000, [], 9999);
    const out = members.tick(30_000, true, 1, pick);
    expect(out.evicted).toEqual([]);
    expect(run(members, 30_100, 34_000, ['d1:1'], 9999).evicted).toHaveLength(1);
  });

  it('a new process replaces the old one; an older one that wakes up is refused', () => {
    const members = cluster(2);
    const outcome = members.beat(record('data', 'd1:1', 2), 0, 500);
    expect(outcome).toMatchObject({ kind: 'joined', changed: true });
    expect(outcome.replaced?.record.processId).toBe('d1:1/1');
    expect(members.of('data')).toHaveLength(2);
    expect(members.beat(record('data', 'd1:1', 1), 0, 600).kind).toBe('stale');
    expect(members.at('data', 'd1:1')?.record.processId).toBe('d1:1/2');
  });

  it('nodes of different roles may share an address; a weight alone is no change', () => {
    const members = cluster(1);
    members.beat(record('session', 'd1:1', 7), 0, 0);
    expect(members.size).toBe(2);
    expect(members.beat(record('session', 'd1:1', 7, { weight: 9 }), 0, 10).changed).toBe(false);
    expect(members.beat(record('session', 'd1:1', 7, { draining: true }), 0, 10).changed).toBe(true);
  });

  it('takes no more nodes than it has room for', () => {
    const members = new Membership({ ...META_DEFAULTS, membersMax: 3 });
    for (let i = 0; i < 10; i++) members.beat(record('session', `s${i}:1`), 0, 0);
    expect(members.size).toBe(3);
    expect(members.beat(record('session', 's9:1'), 0, 0).kind).toBe('full');
    expect(members.beat(record('session', 's1:1', 2), 0, 0).kind).toBe('joined');
  });

  it('the guard lets at most half of the data nodes go within one lease, but always one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 12 }), (total, dead) => {
        const silent = Array.from({ length: Math.min(total, dead) }, (_, i) => `d${i + 1}:1`);
        const { evicted, held } = run(cluster(total, 1), 100, 10_000, silent, 9999);
        const allowed = Math.max(1, Math.floor(total / 2));
        expect(evicted).toHaveLength(Math.min(silent.length, allowed));
        expect(held).toBe(Math.max(0, silent.length - allowed));
      }),
      { numRuns: 60 },
    );
  });

  it('does not guard sessions', () => {
    const silent = ['s1:1', 's2:1', 's3:1'];
    expect(run(cluster(1, 4), 100, 5000, silent, 9999).evicted).toHaveLength(3);
  });
});

describe('reports of copies', () => {
  const table = (epoch: number, leader: string, follower: string): SlotTable => ({
    epoch,
    slots: [{ id: 0, leader, leaderEpoch: epoch, followers: [follower] }],
  });
  const report = { slot: 0, role: 0, leaderEpoch: 1, sequence: 5, complete: true };

  it('does not believe a report that is older than the copy', () => {
    const book = new ReportBook();
    const first = table(1, 'a', 'b');
    book.tableChanged(NO_SLOT_TABLE, first);
    book.beat('b', 1, [report]);
    expect(book.get('b', 0)?.complete).toBe(true);
    const without = table(2, 'a', 'c');
    const again = table(3, 'a', 'b');
    book.tableChanged(first, without);
    book.tableChanged(without, again);
    expect(book.get('b', 0)).toBeUndefined();
    book.beat('b', 1, [report]);
    expect(book.get('b', 0)).toBeUndefined();
    book.beat('b', 3, [{ ...report, complete: false }]);
    expect(book.get('b', 0)?.complete).toBe(false);
  });

  it('tells whether something changed that placement depends on', () => {
    const book = new ReportBook();
    expect(book.beat('b', 1, [report])).toBe(true);
    expect(book.beat('b', 1, [{ ...report, sequence: 900 }])).toBe(false);
    expect(book.beat('b', 1, [{ ...report, complete: false }])).toBe(true);
    expect(book.beat('b', 1, [])).toBe(true);
    book.forget('b');
    expect(book.get('b', 0)).toBeUndefined();
  });
});

describe('the stored slot table', () => {
  it('comes back as it was, and fits the store with all slots there can be', () => {
    const slotCount = 16_384;
    const address = (i: number): string => `data-node-${i}.registry.example.com:9621`;
    const table: SlotTable = {
      epoch: 261_357_112_918_017,
      slots: Array.from({ length: slotCount }, (_, id) => ({
        id,
        leader: address(id % 200),
        leaderEpoch: 261_357_112_918_000 + (id % 9),
        followers: [address((id + 1) % 200), address((id + 2) % 200)],
      })),
    };
    const nodes = Array.from({ length: 200 }, (_, i) => record('data', address(i)));
    const config = { slotCount, replicas: 3, slotFunction: 'crc32c' };
    const text = encodeTable({ config, table, nodes });
    expect(Buffer.byteLength(text)).toBeLessThan(STORE_LIMITS.docBytesMax);
    expect(decodeTable(text)).toEqual({ config, table, nodes });
  });

  it.each([
    '',
    '{}',
    '{"format":2}',
    '{"format":1,"config":{"slotCount":2},"epoch":1,"addresses":[],"slots":[]}',
  ])('refuses %j', (text) => {
    expect(() => decodeTable(text)).toThrow();
  });
});

describe('memory of the publishers', () => {
  const session = (processId: string, publishers: number, connected = true) => ({
    processId,
    publishers,
    connected,
  });

  it('hands out the old number when all sessions are new, until they have come back', () => {
    const memory = new PublisherMemory(15_000);
    memory.restore({ count: 1000, sessions: ['a', 'b'] });
    expect(memory.leftMs(0)).toBe(0);
    expect(memory.expected([], 0)).toBe(1000);
    expect(memory.leftMs(0)).toBe(15_000);
    expect(memory.expected([session('c', 0)], 0)).toBe(1000);
    expect(memory.expected([session('c', 900)], 1000)).toBe(1000);
    expect(memory.leftMs(1000)).toBe(14_000);
    expect(memory.expected([session('c', 950)], 2000)).toBe(0);
    expect(memory.leftMs(2000)).toBe(0);
    expect(memory.expected([session('c', 10)], 3000)).toBe(0);
  });

  it('does not take sessions that are about to be evicted for survivors', () => {
    const memory = new PublisherMemory(15_000);
    memory.expected([session('a', 500), session('b', 500)], 0);
    expect(memory.expected([session('a2', 0), session('b', 500, false)], 10)).toBe(1000);
    expect(memory.expected([session('a2', 100), session('b2', 0)], 20)).toBe(1000);
    expect(memory.expected([session('a2', 500), session('b2', 460)], 900)).toBe(0);
  });

  it('gives up after the hold', () => {
    const memory = new PublisherMemory(15_000);
    memory.restore({ count: 1000, sessions: ['a'] });
    expect(memory.expected([session('c', 1)], 0)).toBe(1000);
    expect(memory.expected([session('c', 1)], 14_999)).toBe(1000);
    expect(memory.expected([session('c', 1)], 15_000)).toBe(0);
  });

  it('hands out nothing while a counted session lives, and nothing in a new cluster', () => {
    const memory = new PublisherMemory(15_000);
    expect(memory.expected([session('a', 0)], 0)).toBe(0);
    memory.expected([session('a', 100)], 10);
    expect(memory.expected([session('a', 100), session('b', 0)], 20)).toBe(0);
    expect(memory.expected([session('b', 0)], 30)).toBe(0);
  });

  it('does not forget the publishers of a session that died lately', () => {
    const memory = new PublisherMemory(15_000);
    memory.expected([session('a', 500), session('b', 500)], 0);
    expect(memory.expected([session('a', 520), session('b2', 0)], 1000)).toBe(0);
    expect(memory.expected([session('a2', 0), session('b3', 300)], 2000)).toBe(1000);
    expect(memory.expected([session('a2', 500), session('b3', 460)], 3000)).toBe(0);
  });

  it('forgets at once those that left, and in the end those that never came back', () => {
    const memory = new PublisherMemory(15_000);
    memory.expected([session('a', 500), session('b', 500)], 0);
    memory.expected([session('a', 500), session('b', 300)], 1000);
    expect(memory.due(1000)?.count).toBe(800);
    memory.expected([session('a', 500)], 2000);
    memory.expected([session('a', 510)], 2000 + RETURN_MS - 1);
    expect(memory.due(2000 + RETURN_MS - 1)).toEqual({ count: 800, sessions: ['a'] });
    memory.expected([session('a', 510)], 2000 + RETURN_MS);
    expect(memory.expected([session('b', 0)], 2001 + RETURN_MS)).toBe(510);
  });

  it('forgets those that were not back when a restart was over', () => {
    const memory = new PublisherMemory(15_000);
    memory.restore({ count: 1000, sessions: ['a'] });
    memory.expected([session('b', 1)], 0);
    expect(memory.expected([session('b', 200)], 15_000)).toBe(0);
    expect(memory.expected([session('c', 0)], 16_000)).toBe(200);
  });

  it('is as it was when another meta takes over before all sessions were heard', () => {
    const memory = new PublisherMemory(15_000);
    memory.restore({ count: 1000, sessions: ['a', 'b'] });
    expect(memory.expected([session('a', 500)], 0)).toBe(0);
    expect(memory.expected([session('c', 0)], 1000)).toBe(1000);
  });

  it('is written when it changed by more than a tenth, at most every second', () => {
    const memory = new PublisherMemory(15_000);
    memory.expected([session('a', 100)], 0);
    expect(memory.due(0)).toEqual({ count: 100, sessions: ['a'] });
    memory.expected([session('a', 105)], 4000);
    expect(memory.due(4000)).toBeNull();
    memory.expected([session('a', 200)], 4100);
    expect(memory.due(4100)?.count).toBe(200);
    memory.expected([session('a', 400)], 5000);
    expect(memory.due(5000)).toBeNull();
    expect(memory.due(5100)?.count).toBe(400);
    expect(memory.due(7000)).toBeNull();
    memory.unwritten();
    expect(memory.due(8000)?.count).toBe(400);
  });
});

describe('settings', () => {
  it('have a default within their bounds and a text', () => {
    for (const [name, setting] of Object.entries(META_SETTINGS)) {
      expect(setting.doc.length, name).toBeGreaterThan(20);
      expect(setting.default, name).toBeGreaterThanOrEqual(setting.min ?? -Infinity);
      expect(setting.default, name).toBeLessThanOrEqual(setting.max ?? Infinity);
    }
  });
});
