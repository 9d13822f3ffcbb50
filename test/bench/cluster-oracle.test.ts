import { describe, expect, it } from 'vitest';
import { Oracle } from '../../bench/src/cluster/oracle.ts';
import { choose, readServerList } from '../../bench/src/cluster/server-list.ts';
import { readValue, valueOf } from '../../bench/src/cluster/value.ts';

function world() {
  const oracle = new Oracle(1);
  const a = oracle.publish(0);
  const b = oracle.publish(0);
  a.ackedMs = b.ackedMs = -1e9;
  const sight = oracle.watch(0, 'client');
  const push = (version: number, ...values: [number, number][]): void =>
    oracle.pushed(
      sight,
      { dataId: 'x', version, boxes: values.map(([n, revision]) => valueOf(n, revision)) },
      'session',
    );
  const counts = () => {
    const { shrunken, empty, older, revived } = oracle.findings;
    return { shrunken, empty, older, revived };
  };
  const clean = { shrunken: 0, empty: 0, older: 0, revived: 0 };
  return { oracle, a, b, sight, push, counts, clean };
}

describe('oracle of the cluster tests', () => {
  it('finds nothing wrong with growing, changing and leaving', () => {
    const { oracle, a, b, push, counts, clean } = world();
    push(1, [a.number, 1]);
    push(2, [a.number, 1], [b.number, 1]);
    expect(oracle.wrong()).toEqual([]);
    oracle.update(a);
    expect([oracle.wrong().length, oracle.isSeen(a, 2)]).toEqual([1, false]);
    push(3, [a.number, 2], [b.number, 1]);
    expect(oracle.isSeen(a, 2)).toBe(true);
    oracle.withdraw(b);
    expect([oracle.wrong().length, oracle.isGone(b)]).toEqual([1, false]);
    push(4, [a.number, 2]);
    expect([oracle.wrong().length, oracle.isGone(b)]).toEqual([0, true]);
    expect(counts()).toEqual(clean);
  });

  it.each([
    ['somebody lost', 2, [[1, 1]], { shrunken: 1 }],
    ['an empty list', 2, [], { shrunken: 1, empty: 1 }],
    [
      'an older version',
      0,
      [
        [1, 1],
        [2, 1],
      ],
      { older: 1 },
    ],
    [
      'an older revision',
      2,
      [
        [1, 1],
        [2, 0],
      ],
      { older: 1 },
    ],
  ] as [string, number, [number, number][], object][])('finds %s', (_what, version, values, found) => {
    const { a, b, push, counts, clean } = world();
    push(1, [a.number, 1], [b.number, 1]);
    push(version, ...values);
    expect(counts()).toEqual({ ...clean, ...found });
  });

  it('finds somebody who comes back from the dead', () => {
    const { oracle, a, b, push, counts, clean } = world();
    push(1, [a.number, 1], [b.number, 1]);
    oracle.withdraw(b);
    push(2, [a.number, 1]);
    push(3, [a.number, 1], [b.number, 1]);
    expect(counts()).toEqual({ ...clean, revived: 1 });
    expect(oracle.explain(oracle.wrong()[0])).toContain(`${b.number}: has left`);
  });

  it('reads payloads back and refuses foreign ones', () => {
    expect(readValue(valueOf(12, 34))).toEqual({ publication: 12, revision: 34 });
    expect(() => readValue('10.0.0.1')).toThrow('nobody published');
  });
});

describe('server list of official clients', () => {
  it('reads weights and takes the lighter one of two neighbours', () => {
    const list = readServerList('10.0.0.1:9600?weight=5;10.0.0.2:9600?weight=3;bad;10.0.0.3:9600');
    expect(list.map(({ host, weight }) => [host, weight])).toEqual([
      ['10.0.0.1', 5],
      ['10.0.0.2', 3],
      ['10.0.0.3', 0],
    ]);
    const two = readServerList('10.0.0.1:1?weight=1;10.0.0.2:1?weight=2');
    for (const random of [0, 0.99]) {
      expect(choose(two, () => random).map(({ host }) => host)).toEqual(['10.0.0.1', '10.0.0.1']);
    }
    const equal = readServerList('10.0.0.1:1?weight=1;10.0.0.2:1?weight=1');
    expect(new Set(choose(equal, () => 0).map(({ host }) => host)).size).toBe(2);
  });
});
