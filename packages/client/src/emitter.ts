/** A small typed event emitter. */
import { RegistryClientError } from './errors.ts';
import { EVENT_LISTENERS_MAX } from './limits.ts';

/** Listeners by event name. `E` maps event names to the type of their one argument. */
export class Emitter<E extends object> {
  readonly #listeners = new Map<keyof E, Set<(value: never) => void>>();
  readonly #crashed: (error: unknown) => void;

  /** @param crashed gets what listeners throw */
  constructor(crashed: (error: unknown) => void) {
    this.#crashed = crashed;
  }

  /** Adds a listener. @returns a function that takes it away @throws RegistryClientError SR_CLIENT_LIMIT */
  on<K extends keyof E>(event: K, listener: (value: E[K]) => void): () => void {
    let set = this.#listeners.get(event);
    if (set === undefined) {
      set = new Set();
      this.#listeners.set(event, set);
    }
    if (set.size >= EVENT_LISTENERS_MAX && !set.has(listener)) {
      throw new RegistryClientError(
        'SR_CLIENT_LIMIT',
        `${EVENT_LISTENERS_MAX} listeners of '${String(event)}'`,
      );
    }
    set.add(listener);
    return () => this.off(event, listener);
  }

  /** Takes a listener away; harmless if it is not there. */
  off<K extends keyof E>(event: K, listener: (value: E[K]) => void): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** Calls all listeners of an event, each one whatever the others throw. */
  emit<K extends keyof E>(event: K, value: E[K]): void {
    const set = this.#listeners.get(event);
    if (set === undefined) return;
    // A copy: listeners may come and go while they are called.
    for (const listener of Array.from(set)) {
      try {
        (listener as (value: E[K]) => void)(value);
      } catch (error) {
        this.#crashed(error);
      }
    }
  }
}
