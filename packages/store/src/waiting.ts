/** Waiting on the store's clock: deadlines for calls, and the wake-up of watches. */
import type { StoreError } from './errors.ts';
import type { StoreClock } from './ports.ts';

/**
 * The result of `work`, or `late()` as a rejection after `ms`. The work goes on unseen; its late result is dropped, so
 * `late` should also break what it hangs on.
 */
export function withDeadline<T>(
  clock: StoreClock,
  ms: number,
  work: Promise<T>,
  late: () => StoreError,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = clock.setTimer(ms, () => reject(late()));
  work.then(
    (value) => {
      timer.cancel();
      resolve(value);
    },
    (error: unknown) => {
      timer.cancel();
      reject(error);
    },
  );
  return promise;
}

/** A bell: rings wake everybody who waits, and a ring between `mark` and `wait` is not lost. */
export class Bell {
  private rings = 0;
  private readonly sleepers = new Set<() => void>();
  private readonly clock: StoreClock;

  constructor(clock: StoreClock) {
    this.clock = clock;
  }

  /** Remember this before looking at what the bell announces. */
  mark(): number {
    return this.rings;
  }

  /** Wakes all who wait. */
  ring(): void {
    this.rings += 1;
    const woken = [...this.sleepers];
    this.sleepers.clear();
    for (const wake of woken) wake();
  }

  /** Resolves at the first ring after `mark`, after `ms` (0 = never by time), or when `signal` aborts. */
  wait(mark: number, ms: number, signal?: AbortSignal): Promise<void> {
    if (this.rings !== mark || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.sleepers.delete(wake);
        timer?.cancel();
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const timer = ms > 0 ? this.clock.setTimer(ms, wake) : undefined;
      this.sleepers.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}
