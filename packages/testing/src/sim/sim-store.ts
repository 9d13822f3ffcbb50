/**
 * A store handle as one simulated process sees it: each call takes a little time, and its answer is an event of the process,
 * so it waits while the process is paused and never comes once it is dead.
 */
import type { Random } from '@sofa-registry/runtime';
import { type MemoryStoreBackend, type MetaStore, StoreError } from '@sofa-registry/store';
import type { SimClock } from './sim-clock.ts';

/** Greatest latency of a store call, ms. */
const STORE_LATENCY_MS_MAX = 2;

/** After this a call that does not reach the store is given up, ms. */
const UNREACHABLE_MS = 1500;

/** State of the way between one machine and the store. */
export interface StoreWay {
  /** The process is cut off from the store. */
  cut: boolean;
  /** Calls take effect so much later, ms, whatever becomes of the process meanwhile. */
  lateMs: number;
  /** Answers come so much later, ms; Infinity = never. */
  answersLateMs: number;
}

/** The way of a meta that nothing troubles. */
export function openWay(): StoreWay {
  return { cut: false, lateMs: 0, answersLateMs: 0 };
}

interface Way {
  readonly clock: SimClock;
  readonly random: Random;
  readonly state: StoreWay;
}

/** Wraps a handle. */
export function hostStore(store: MetaStore, clock: SimClock, random: Random, state: StoreWay): MetaStore {
  return wrap(store, { clock, random, state }) as MetaStore;
}

/** The backend at the end of a machine's way to it: calls take effect late, or their answers are lost. */
export function backendBehind(
  backend: MemoryStoreBackend,
  state: StoreWay,
  clock: SimClock,
  called: () => void,
): MemoryStoreBackend {
  const watched = (work: () => unknown) => () => {
    const result = work();
    called();
    return result;
  };
  const troubled = async (write: boolean, work: () => unknown): Promise<unknown> => {
    const { lateMs, answersLateMs } = state;
    if (lateMs > 0) await new Promise<void>((resolve) => void backend.clock.setTimer(lateMs, resolve));
    const result = await backend.run(write, watched(work));
    if (answersLateMs === Infinity) return new Promise<never>(() => {});
    // The answer is input of the process, which may stand still.
    return new Promise((resolve) => void clock.setTimer(answersLateMs, () => resolve(result)));
  };
  const run = (write: boolean, work: () => unknown): Promise<unknown> =>
    state.answersLateMs > 0 || state.lateMs > 0 ? troubled(write, work) : backend.run(write, watched(work));
  return new Proxy(backend, {
    get: (target, key) => (key === 'run' ? run : Reflect.get(target, key, target)),
  });
}

function wrap(target: object, way: Way): object {
  const parts = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_target, key) {
      if (parts.has(key)) return parts.get(key);
      const value: unknown = Reflect.get(target, key, target);
      let part = value;
      if (typeof value === 'function') part = method(target, key, value, way);
      else if (typeof value === 'object' && value !== null) part = wrap(value, way);
      else return value;
      parts.set(key, part);
      return part;
    },
  });
}

function method(target: object, key: PropertyKey, fn: Function, way: Way): unknown {
  const { clock, random, state } = way;
  return (...args: unknown[]) => {
    if (key !== 'watch' && key !== 'keyOf' && key !== 'close' && state.cut) return unreachable(clock);
    const result: unknown = fn.apply(target, args);
    if (key === 'watch') return watch(result as AsyncIterable<unknown>, way);
    return result instanceof Promise ? asEvent(result, clock, random.next() * STORE_LATENCY_MS_MAX) : result;
  };
}

function unreachable(clock: SimClock): Promise<never> {
  return new Promise((_resolve, reject) => {
    clock.setTimer(UNREACHABLE_MS, () =>
      reject(new StoreError('SR_STORE_UNAVAILABLE', 'the store is not reached')),
    );
  });
}

function asEvent<T>(promise: Promise<T>, clock: SimClock, delayMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    promise.then(
      (value) => clock.setTimer(delayMs, () => resolve(value)),
      (error) => clock.setTimer(delayMs, () => reject(error)),
    );
  });
}

/** How often a watch of a process that is cut off looks whether it is still, ms. */
const WATCH_RETRY_MS = 200;

async function* watch<T>(events: AsyncIterable<T>, way: Way): AsyncIterable<T> {
  const iterator = events[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await asEvent(iterator.next(), way.clock, 0);
      while (way.state.cut) await new Promise<void>((resolve) => way.clock.setTimer(WATCH_RETRY_MS, resolve));
      if (next.done) return;
      yield next.value;
    }
  } finally {
    void iterator.return?.();
  }
}
