/** Stamps of registrations around a moment in which the process stood still (design section 4). */
import { HybridClock } from '@sofa-registry/model';
import { ManualClock } from '@sofa-registry/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import { RegistrationStamps } from '../src/registry/registration-stamps.ts';

let clock: ManualClock;
let other: HybridClock;
let stamps: RegistrationStamps;

beforeEach(async () => {
  clock = new ManualClock();
  await clock.advance(60_000);
  other = new HybridClock(() => clock.wallMs());
  stamps = new RegistrationStamps(clock, new HybridClock(() => clock.wallMs()));
});

/** Time in which the process runs. */
async function run(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    await clock.advance(Math.min(250, left));
    stamps.tick();
  }
}

describe('stamps of registrations', () => {
  it('are those of the clock while the process runs, and before it serves', async () => {
    await clock.advance(30_000);
    const before = other.next();
    expect(stamps.next()).toBeGreaterThanOrEqual(before);
    await run(10_000);
    expect(stamps.awake).toBe(true);
    await clock.advance(100);
    const meanwhile = other.next();
    expect(stamps.next()).toBeGreaterThanOrEqual(meanwhile);
  });

  it.each([
    ['registered first', (ms: number) => clock.advance(ms)],
    // A suspended machine: only the wall clock has gone on.
    ['suspended', (ms: number) => Promise.resolve(clock.stepWall(ms))],
  ])('of what is read right after a stand-still are of before it, in rising order: %s', async (_, stand) => {
    await run(1000);
    const last = stamps.next();
    await clock.advance(50);
    const elsewhere = other.next();
    await stand(25_000);
    const old = [stamps.next(), stamps.next()];
    stamps.tick();
    old.push(stamps.next());
    expect(stamps.awake).toBe(false);
    expect(old).toEqual([...old].sort((a, b) => a - b));
    expect(new Set(old).size).toBe(3);
    expect(old[0]).toBeGreaterThan(last);
    expect(old[2]).toBeLessThan(elsewhere);
    await run(1250);
    expect(stamps.awake).toBe(true);
    const now = other.next();
    expect(stamps.next()).toBeGreaterThanOrEqual(now);
  });
});
