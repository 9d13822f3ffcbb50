/** Real clock and random ports for suites against real servers. */
import { randomInt } from 'node:crypto';
import type { StorePorts } from '@sofa-registry/store';

/** Resolves after `ms` of real time. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls `probe` every 20 ms until it gives something other than undefined. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(20);
  }
}

/** Ports on the machine's own clock. */
export function realPorts(): StorePorts {
  return {
    clock: {
      monoMs: () => performance.now(),
      wallMs: () => Date.now(),
      setTimer(delayMs, fn) {
        const timer = setTimeout(fn, delayMs);
        return { cancel: () => clearTimeout(timer) };
      },
    },
    random: { uint32: () => randomInt(2 ** 32) },
  };
}
