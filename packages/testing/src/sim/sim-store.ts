/**
 * A store handle as one simulated process sees it: each call takes a little time, and its answer is an event of the process,
 * so it waits while the process is paused and never comes once it is dead.
 */
import type { Random } from '@sofa-registry/runtime';
import type { MetaStore } from '@sofa-registry/store';
import type { SimClock } from './sim-clock.ts';

/** Greatest latency of a store call, ms. */
const STORE_LATENCY_MS_MAX = 2;

/** Wraps a handle. */
export function hostStore(store: MetaStore, clock: SimClock, random: Random): MetaStore {
  return wrap(store, clock, random) as MetaStore;
}

function wrap(target: object, clock: SimClock, random: Random): object {
  const parts = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_target, key) {
      if (parts.has(key)) return parts.get(key);
      const value: unknown = Reflect.get(target, key, target);
      let part = value;
      if (typeof value === 'function') part = method(target, key, value, clock, random);
      else if (typeof value === 'object' && value !== null) part = wrap(value, clock, random);
      else return value;
      parts.set(key, part);
      return part;
    },
  });
}

function method(target: object, key: PropertyKey, fn: Function, clock: SimClock, random: Random): unknown {
  return (...args: unknown[]) => {
    const result: unknown = fn.apply(target, args);
    if (key === 'watch') return watch(result as AsyncIterable<unknown>, clock);
    return result instanceof Promise ? asEvent(result, clock, random.next() * STORE_LATENCY_MS_MAX) : result;
  };
}

function asEvent<T>(promise: Promise<T>, clock: SimClock, delayMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    promise.then(
      (value) => clock.setTimer(delayMs, () => resolve(value)),
      (error) => clock.setTimer(delayMs, () => reject(error)),
    );
  });
}

async function* watch<T>(events: AsyncIterable<T>, clock: SimClock): AsyncIterable<T> {
  const iterator = events[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await asEvent(iterator.next(), clock, 0);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    void iterator.return?.();
  }
}
