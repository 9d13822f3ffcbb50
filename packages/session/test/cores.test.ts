import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Departures } from '../src/departures.ts';
import { debounceMs, fanoutDueMs } from '../src/push/debounce.ts';
import { Fifo } from '../src/push/fifo.ts';
import { parseHosts, PushSwitch } from '../src/push/push-switch.ts';
import type { SessionPublisher } from '../src/registry/registrations.ts';
import { RestartGate } from '../src/restart-gate.ts';
import { SESSION_DEFAULTS, SESSION_SETTINGS, tunablesOf } from '../src/settings.ts';
import { TokenBucket } from '../src/token-bucket.ts';

const publishers = () => new Set([{} as SessionPublisher]);
const departures = () =>
  new Departures({ graceMs: 500, holdMs: 10_000, massShare: 0.2, massMin: 10, windowMs: 1000 });

describe('departures', () => {
  it('gives a single client its grace', () => {
    const core = departures();
    expect(core.closed(0, 100, false, 'c', publishers())).toBe(false);
    expect(core.nextDueMs()).toBe(500);
    expect(core.due(499)).toEqual([]);
    expect(core.due(500)).toHaveLength(1);
    expect(core.nextDueMs()).toBe(Infinity);
  });

  it('holds everybody when a fifth of the connections closes within a second, the first ones too', () => {
    const core = departures();
    let recognised = 0;
    for (let i = 0; i < 10; i++) if (core.closed(i * 10, 40 - i, false, `c${i}`, publishers())) recognised++;
    expect(recognised).toBe(1);
    expect(core.due(5000)).toEqual([]);
    expect(core.due(10_000)).toHaveLength(1);
    expect(core.due(10_100)).toHaveLength(9);
  });

  it('a client that had taken back all it had does not count, but its close may show that no connection is left', () => {
    const core = departures();
    expect(core.closed(0, 2, false, 'a', publishers())).toBe(false);
    expect(core.left(1, 2)).toBe(false);
    expect(core.closed(1, 1, false, 'b', publishers())).toBe(false);
    expect(core.left(2, 0)).toBe(true);
    expect(core.due(5000)).toEqual([]);
    const alone = departures();
    expect(alone.left(0, 0)).toBe(false);
    expect(alone.closed(0, 0, false, 'c', publishers())).toBe(false);
    expect(alone.due(500)).toHaveLength(1);
  });

  it('does not call nine closes, or a small share, a crowd', () => {
    const few = departures();
    for (let i = 0; i < 9; i++) few.closed(0, 1, false, 'c', publishers());
    expect(few.due(500)).toHaveLength(9);
    const share = departures();
    for (let i = 0; i < 19; i++) share.closed(0, 100, false, 'c', publishers());
    expect(share.due(500)).toHaveLength(19);
  });

  it('holds everybody when a small session loses every connection at once, not when its only one closes', () => {
    const core = departures();
    for (let i = 0; i < 3; i++) core.closed(i, 2 - i, false, `c${i}`, publishers());
    expect(core.due(5000)).toEqual([]);
    expect(core.due(10_002)).toHaveLength(3);
    const single = departures();
    single.closed(0, 0, false, 'c', publishers());
    expect(single.due(500)).toHaveLength(1);
  });

  it('forgets closes that are older than the window', () => {
    const core = departures();
    for (let i = 0; i < 30; i++) expect(core.closed(i * 200, 20, false, 'c', publishers())).toBe(false);
  });

  it('holds every close while everything restarts', () => {
    const core = departures();
    core.closed(0, 100, true, 'c', publishers());
    expect(core.nextDueMs()).toBe(10_000);
  });

  it('gives out each departure once, never early', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ wait: fc.nat(700), open: fc.nat(60) }), { maxLength: 60 }),
        (closes) => {
          const core = departures();
          const made = new Map<string, number>();
          const seen = new Map<string, number>();
          let now = 0;
          const take = () => {
            for (const { clientAddress, closedMs } of core.due(now)) {
              expect(seen.has(clientAddress)).toBe(false);
              seen.set(clientAddress, now - closedMs);
            }
          };
          for (const [i, { wait, open }] of closes.entries()) {
            now += wait;
            take();
            core.closed(now, open, false, `c${i}`, publishers());
            made.set(`c${i}`, now);
          }
          now += 20_000;
          take();
          expect([...seen.keys()].toSorted()).toEqual([...made.keys()].toSorted());
          for (const age of seen.values()) expect(age).toBeGreaterThanOrEqual(500);
          expect(core.size).toBe(0);
        },
      ),
    );
  });
});

describe('restart gate', () => {
  const gate = () => new RestartGate({ backShare: 0.95, settleMs: 2000 });
  it('never closes in a new cluster', () => {
    const core = gate();
    core.start(0, 0, 10_000);
    expect(core.closed).toBe(false);
  });
  it('opens at once when all publishers are back', () => {
    const core = gate();
    core.start(0, 100, 10_000);
    expect(core.closed).toBe(true);
    expect(core.check(10, 100, 99)).toBe(false);
    expect(core.check(20, 100, 100)).toBe(true);
    expect(core.closed).toBe(false);
  });
  it('opens when nearly all are back and no more come, here or according to meta', () => {
    const here = gate();
    here.start(0, 100, 10_000);
    expect(here.check(1000, 100, 96)).toBe(false);
    expect(here.check(2900, 100, 97)).toBe(false);
    expect(here.check(4800, 100, 97)).toBe(false);
    expect(here.check(4900, 100, 97)).toBe(true);
    const told = gate();
    told.start(0, 100, 10_000);
    expect(told.check(1000, 0, 40)).toBe(false);
    expect(told.check(3000, 0, 40)).toBe(true);
  });
  it('waits for clients that are told to come again, but not beyond the hold', () => {
    const core = gate();
    core.start(0, 100, 10_000);
    expect(core.check(1000, 100, 103, 900)).toBe(false);
    expect(core.check(2899, 100, 105, 900)).toBe(false);
    expect(core.check(2900, 100, 105, 900)).toBe(true);
    const told = gate();
    told.start(0, 100, 10_000);
    expect(told.check(3000, 0, 40, 2000)).toBe(false);
    expect(told.check(9999, 0, 40, 9990)).toBe(false);
    expect(told.check(10_000, 0, 40, 9990)).toBe(true);
  });
  it('opens when the hold ends', () => {
    const core = gate();
    core.start(5, 100, 10_000);
    expect(core.check(10_004, 100, 3)).toBe(false);
    expect(core.check(10_005, 100, 3)).toBe(true);
  });
});

describe('debounce', () => {
  it('lets the first change of a quiet list go at once and then waits at least the minimum', () => {
    expect(fanoutDueMs(1000, -Infinity, 200)).toBe(1000);
    expect(fanoutDueMs(1000, 700, 200)).toBe(1000);
    expect(fanoutDueMs(1000, 950, 200)).toBe(1150);
  });
  it('grows with bytes outstanding and with lag, up to the maximum', () => {
    expect(debounceMs({ outstandingBytes: 0, lagMs: 0 }, 200, 3000)).toBe(200);
    expect(debounceMs({ outstandingBytes: 32 * 1024 * 1024, lagMs: 0 }, 200, 3000)).toBe(1600);
    expect(debounceMs({ outstandingBytes: 0, lagMs: 100 }, 200, 3000)).toBe(1600);
    expect(debounceMs({ outstandingBytes: 2 ** 40, lagMs: 9999 }, 200, 3000)).toBe(3000);
  });
});

describe('push switch', () => {
  const docs = (stop: string, gray = '') =>
    new Map([
      ['switch/stop-push', { value: stop }],
      ['switch/push-gray', { value: gray }],
    ]);
  it('allows pushing without documents and stops with them', () => {
    const core = new PushSwitch();
    expect(core.update(new Map())).toBe(false);
    expect(core.allowed('10.0.0.1')).toBe(true);
    expect(core.update(docs('true', '["10.0.0.2"]'))).toBe(false);
    expect([core.allowed('10.0.0.1'), core.allowed('10.0.0.2')]).toEqual([false, true]);
    expect(core.update(docs('true', '10.0.0.2, 10.0.0.1'))).toBe(true);
    expect(core.update(docs('false'))).toBe(true);
    expect(core.update(docs('false'))).toBe(false);
  });
  it('reads every form of the gray list and nothing else', () => {
    expect([...parseHosts('{"ips":["a","b"]}')]).toEqual(['a', 'b']);
    expect([...parseHosts('a, b,,')]).toEqual(['a', 'b']);
    for (const text of ['', 'null', '7', '{}', '[1,null]', '{"ips":7}'])
      expect(parseHosts(text).size).toBeLessThanOrEqual(0);
  });
});

describe('fifo', () => {
  it('gives out everything in order', () => {
    const line = new Fifo<number>();
    const taken: (number | undefined)[] = [];
    for (let i = 0; i < 20_000; i++) {
      line.push(i);
      if (i % 3 !== 0) taken.push(line.take());
    }
    expect(line.size).toBe(20_000 - taken.length);
    while (line.size > 0) taken.push(line.take());
    expect(taken).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
    expect(line.take()).toBeUndefined();
  });
});

describe('token bucket', () => {
  it('gives a burst of one second and then the rate', () => {
    const bucket = new TokenBucket(100, 0);
    let taken = 0;
    for (let ms = 0; ms < 2000; ms++) for (let i = 0; i < 5; i++) if (bucket.take(ms)) taken++;
    expect(taken).toBeGreaterThanOrEqual(290);
    expect(taken).toBeLessThanOrEqual(300);
  });
  it('does not go wrong when time stands still or steps back', () => {
    const bucket = new TokenBucket(1, 1000);
    expect([bucket.take(1000), bucket.take(1000), bucket.take(500), bucket.take(2000)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('settings', () => {
  it('derives the defaults, within their own bounds', () => {
    for (const [name, setting] of Object.entries(SESSION_SETTINGS)) {
      expect(SESSION_DEFAULTS[name as keyof typeof SESSION_DEFAULTS]).toBe(setting.default);
      if (typeof setting.default === 'number') {
        expect(setting.default).toBeGreaterThanOrEqual(setting.min as number);
        expect(setting.default).toBeLessThanOrEqual(setting.max as number);
      }
      expect(setting.doc.endsWith('.')).toBe(true);
    }
    expect(tunablesOf({ graceMs: 7 }).graceMs).toBe(7);
  });
});
