import { slotOf } from '@sofa-registry/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from '../src/http/answer.ts';
import { javaHash, javaString, modifiedUtf8 } from '../src/http/shapes/java-string.ts';
import { NodeNames, nodeRow, tableRow, tableNames } from '../src/http/shapes/nodes.ts';

describe('strings as Java serializes them', () => {
  it('is the recorded form of a box', () => {
    expect(javaString('10.10.1.1:12200?xx=yy').toString('base64')).toBe(
      'rO0ABXQAFTEwLjEwLjEuMToxMjIwMD94eD15eQ==',
    );
  });

  it('has a length of eight bytes from 64 KiB on', () => {
    expect(javaString('a'.repeat(65_535)).subarray(0, 7).toString('hex')).toBe('aced000574ffff');
    expect(javaString('a'.repeat(65_536)).subarray(0, 13).toString('hex')).toBe('aced00057c0000000000010000');
  });

  it('writes NUL and characters beyond 16 bits in the modified form', () => {
    expect(modifiedUtf8('\u0000').toString('hex')).toBe('c080');
    expect(modifiedUtf8('\u{1f600}').toString('hex')).toBe('eda0bdedb880');
    expect(modifiedUtf8('é€').toString('hex')).toBe('c3a9e282ac');
  });

  it('is UTF-8 for text without NUL and surrogates', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/[\u0000\ud800-\udfff]/.test(text));
        expect(modifiedUtf8(text).equals(Buffer.from(text, 'utf8'))).toBe(true);
      }),
    );
  });

  it('hashes as Java does', () => {
    expect(javaHash('golden.service:1.0@DEFAULT#@#DEFAULT_INSTANCE_ID#@#SOFA')).toBe(689_856_434);
  });
});

describe('node names', () => {
  it('are hosts where they tell nodes apart, else host:port', () => {
    const names = new NodeNames(['10.0.0.1:9620', '10.0.0.2:9620', '10.0.0.2:9630', '10.0.0.1:9620']);
    expect(names.of('10.0.0.1:9620')).toBe('10.0.0.1');
    expect(names.of('10.0.0.2:9630')).toBe('10.0.0.2:9630');
    expect(names.of('')).toBe('');
  });

  it('stand in slot tables', () => {
    const table = {
      epoch: 7,
      slots: [{ id: 0, leader: '10.0.0.1:1', leaderEpoch: 3, followers: ['10.0.0.1:2'] }],
    };
    expect(tableRow(table, tableNames(table))).toEqual({
      epoch: 7,
      slots: [{ id: 0, leader: '10.0.0.1:1', leaderEpoch: 3, followers: ['10.0.0.1:2'] }],
    });
  });

  it('make the rows of the reference', () => {
    const node = {
      role: 'session' as const,
      processId: '10.0.0.1:9600/kf3/1o/z',
      address: '10.0.0.1:9600',
      httpAddress: '10.0.0.1:9603',
      zone: 'DEFAULT_ZONE',
      dataCenter: 'DefaultDataCenter',
      startedMs: 5,
      weight: 1,
      draining: false,
    };
    expect(nodeRow(node, new NodeNames([node.address]))).toEqual({
      nodeUrl: { protocol: null, ipAddress: '10.0.0.1', port: 0, serializerIndex: 1 },
      regionId: 'DEFAULT_ZONE',
      dataCenter: null,
      nodeName: '10.0.0.1',
      processId: { hostAddress: '10.0.0.1', timestamp: 5, pid: 60, rand: 35 },
      weight: 1,
      systemLoad: null,
      nodeType: 'SESSION',
      ip: '10.0.0.1',
      addressString: '10.0.0.1:0',
    });
  });
});

describe('JSON', () => {
  it('keeps integers beyond 2^53', () => {
    expect(stringify({ version: 9_007_199_254_740_993n, list: [1n] })).toBe(
      '{"version":9007199254740993,"list":[1]}',
    );
  });

  it('keeps hostile names', () => {
    const rows = Object.create(null) as Record<string, unknown>;
    rows['__proto__'] = 1;
    expect(stringify(rows)).toBe('{"__proto__":1}');
  });
});

it('the recorded slot of the golden service', () => {
  expect(slotOf('golden.service:1.0@DEFAULT#@#DEFAULT_INSTANCE_ID#@#SOFA', 256)).toBe(136);
});
