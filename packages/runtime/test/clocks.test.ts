import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { every, ManualClock } from '@sofa-registry/runtime';
import { NodeClock } from '../src/node/node-clock.ts';

describe('manual clock', () => {
  test('timers fire when due, in order of time, then of setting; cancelled ones never', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ delayMs: fc.nat({ max: 100 }), cancel: fc.boolean() })),
        fc.array(fc.nat({ max: 40 })),
        async (timers, steps) => {
          const clock = new ManualClock();
          const fired: string[] = [];
          const set = timers.map(({ delayMs }, i) =>
            clock.setTimer(delayMs, () => fired.push(`${clock.monoMs()}#${i}`)),
          );
          for (const [i, { cancel }] of timers.entries()) if (cancel) set[i].cancel();
          for (const ms of steps) await clock.advance(ms);
          const untilMs = steps.reduce((sum, ms) => sum + ms, 0);
          const expected = timers
            .map(({ delayMs, cancel }, i) => ({ delayMs, cancel, i }))
            .filter(({ delayMs, cancel }) => !cancel && steps.length > 0 && delayMs <= untilMs)
            .toSorted((a, b) => a.delayMs - b.delayMs || a.i - b.i)
            .map(({ delayMs, i }) => `${delayMs}#${i}`);
          expect(fired).toEqual(expected);
          expect(clock.monoMs()).toBe(untilMs);
        },
      ),
    );
  });

  test('promise chains and deferred functions run between timers', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    clock.setTimer(10, () => {
      void (async () => {
        for (let i = 0; i < 10; i++) await Promise.resolve();
        seen.push(`chain at ${clock.monoMs()}`);
        clock.defer(() => void seen.push(`deferred at ${clock.monoMs()}`));
      })();
    });
    clock.setTimer(11, () => seen.push('next timer'));
    await clock.advance(20);
    expect(seen).toEqual(['chain at 10', 'deferred at 10', 'next timer']);
  });

  test('a deferred function that throws does not lose the ones behind it', () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    clock.defer(() => {
      throw new Error('bug');
    });
    clock.defer(() => void seen.push(1));
    expect(() => clock.settleSync()).toThrow('bug');
    clock.settleSync();
    expect(seen).toEqual([1]);
  });

  test('functions that defer one another for ever are an error, not a hang', async () => {
    const clock = new ManualClock();
    const again = (): void => clock.defer(again);
    again();
    await expect(clock.settle()).rejects.toThrow('without end');
    expect(() => clock.settleSync()).toThrow('without end');
  });

  test('the wall clock steps without touching timers', async () => {
    const clock = new ManualClock({ wallMs: 1_000_000 });
    let fired = 0;
    clock.setTimer(100, () => void fired++);
    clock.stepWall(-10_000);
    expect([clock.wallMs(), clock.monoMs()]).toEqual([990_000, 0]);
    await clock.advance(100);
    expect([fired, clock.wallMs()]).toEqual([1, 990_100]);
  });
});

describe('node clock', () => {
  const clock = new NodeClock();

  test('no timer is early, short or long, and long ones a tick apart keep their order', async () => {
    const waits = [1, 5, 19, 20, 30, 47, 60];
    const startMs = clock.monoMs();
    const fired: [number, number][] = [];
    await new Promise<void>((resolve) => {
      for (const waitMs of waits.toReversed()) {
        clock.setTimer(waitMs, () => {
          fired.push([waitMs, clock.monoMs() - startMs]);
          if (fired.length === waits.length) resolve();
        });
      }
    });
    // A Node timer may fire up to a millisecond before its time.
    for (const [waitMs, tookMs] of fired) expect(tookMs).toBeGreaterThanOrEqual(waitMs - 1);
    const long = fired.filter(([waitMs]) => waitMs >= 20).map(([waitMs]) => waitMs);
    expect(long).toEqual(long.toSorted((a, b) => a - b));
  });

  test('cancelled timers do not fire', async () => {
    let fired = 0;
    const timers = [3, 25, 30].map((ms) => clock.setTimer(ms, () => void fired++));
    for (const timer of timers) timer.cancel();
    await new Promise<void>((resolve) => clock.setTimer(50, resolve));
    for (const timer of timers) timer.cancel();
    expect(fired).toBe(0);
  });

  test('a thousand long timers hold one Node timer', () => {
    const setTimeoutSpy = vi.spyOn(globalThis, 'setTimeout');
    try {
      const timers = Array.from({ length: 1000 }, (_, i) => clock.setTimer(60_000 + i * 10, () => undefined));
      expect(setTimeoutSpy.mock.calls.length).toBeLessThanOrEqual(1);
      for (const timer of timers) timer.cancel();
    } finally {
      setTimeoutSpy.mockRestore();
    }
  });

  test('a cancelled long timer does not keep the process alive, a waiting one does', () => {
    const holding = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = holding();
    const timer = clock.setTimer(60_000, () => undefined);
    expect(holding()).toBe(before + 1);
    timer.cancel();
    expect(holding()).toBe(before);
    const again = clock.setTimer(70_000, () => undefined);
    expect(holding()).toBe(before + 1);
    again.cancel();
    expect(holding()).toBe(before);
  });

  test('defer runs after the present turn and its promises', async () => {
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      clock.defer(() => {
        seen.push('deferred');
        resolve();
      });
      queueMicrotask(() => void seen.push('microtask'));
      seen.push('turn');
    });
    expect(seen).toEqual(['turn', 'microtask', 'deferred']);
  });

  test('what deferred functions defer runs in the same turn, until the time for that is over', async () => {
    const order = async (deferMsMax: number): Promise<string[]> => {
      const own = new NodeClock(deferMsMax);
      const seen: string[] = [];
      await new Promise<void>((resolve) => {
        own.defer(() => {
          seen.push('first');
          own.defer(() => {
            seen.push('second');
            setImmediate(resolve);
          });
        });
        setImmediate(() => void seen.push('turn over'));
      });
      return seen;
    };
    expect(await order(Infinity)).toEqual(['first', 'second', 'turn over']);
    expect(await order(0)).toEqual(['first', 'turn over', 'second']);
  });

  test('functions that defer one another for ever let input in', async () => {
    let over = false;
    const again = (): void => {
      if (!over) clock.defer(again);
    };
    again();
    await new Promise((resolve) => setImmediate(resolve));
    over = true;
    await new Promise<void>((resolve) => clock.defer(resolve));
  });

  test('a deferred function that throws is an error of the process and does not lose the ones behind it', async () => {
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const errors: unknown[] = [];
    process.on('uncaughtException', (error) => errors.push(error));
    try {
      const seen = await new Promise<string[]>((resolve) => {
        const order: string[] = [];
        clock.defer(() => {
          clock.defer(() => resolve([...order, 'deferred last']));
          throw new Error('bug');
        });
        clock.defer(() => void order.push('behind'));
      });
      expect(seen).toEqual(['behind', 'deferred last']);
      expect(errors).toEqual([new Error('bug')]);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    }
  });

  test('wall time is the time of day', () => {
    expect(clock.wallMs()).toBeGreaterThan(1_700_000_000_000);
  });
});

describe('every', () => {
  test('repeats until cancelled, the next wait starting when the run has ended', async () => {
    const clock = new ManualClock();
    const at: number[] = [];
    const timer = every(clock, 100, () => {
      at.push(clock.monoMs());
      return new Promise<void>((resolve) => {
        clock.setTimer(30, resolve);
      });
    });
    await clock.advance(400);
    timer.cancel();
    await clock.advance(1000);
    expect(at).toEqual([100, 230, 360]);
    expect(clock.nextTimerMs()).toBe(Infinity);
  });

  test('goes on after an error, which is not hidden', () => {
    const clock = new ManualClock();
    let runs = 0;
    every(clock, 10, () => {
      runs++;
      throw new Error('bug');
    });
    expect(() => clock.advanceSync(10)).toThrow('bug');
    expect(() => clock.advanceSync(10)).toThrow('bug');
    expect(runs).toBe(2);
  });

  test('may be cancelled from inside its own run', async () => {
    const clock = new ManualClock();
    let runs = 0;
    const timer = every(clock, 10, () => {
      if (++runs === 2) timer.cancel();
    });
    await clock.advance(100);
    expect(runs).toBe(2);
  });
});
