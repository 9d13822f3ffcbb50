/** Bounded waits: a condition is polled until it holds or its deadline has passed. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 5;

/** Waits until `condition` returns something true, and returns that. @throws with what was last seen when it never does */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  limitMs = 10_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`not within ${limitMs} ms: ${what} (last seen: ${seen})`);
    }
    await sleep(POLL_MS);
  }
}

/** Watches a condition for a while. @throws as soon as it does not hold */
export async function throughout(what: string, condition: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (!condition()) throw new Error(`did not hold: ${what}`);
    await sleep(POLL_MS);
  }
}
