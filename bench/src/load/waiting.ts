/** Waiting with a limit. */

/** Sleeps. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks again and again until `condition` holds. @returns false if it did not within `limitMs` */
export async function until(condition: () => boolean, limitMs: number, everyMs = 5): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await sleep(everyMs);
  }
  return true;
}
