/** The list of a service as the application sees it. */
import type { ServiceKey } from './service-key.ts';

/** Who provides a service, at one moment. Immutable; a newer list is another object. */
export interface ServiceList {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  /**
   * Version of the list: rises with every change. It is the registry's hybrid clock (design 4), comparable between lists of
   * one service. 1 = nobody has published the service yet. With scope global the greatest version of all data centres.
   */
  readonly version: number;
  /** Zone of the session that sent the list. */
  readonly localZone: string;
  /** Values by zone of their publishers, in the order of the registry. */
  readonly zones: ReadonlyMap<string, readonly string[]>;
  /** Values of all zones, in the order of `zones`. */
  readonly all: readonly string[];
  /** When this process received the list: milliseconds since 1970. */
  readonly receivedMs: number;
}

/** A map that can be filled once and is read-only from then on, also for callers without types. */
class SealedMap<K, V> extends Map<K, V> {
  #sealed = false;

  seal(): this {
    this.#sealed = true;
    return this;
  }

  override set(key: K, value: V): this {
    this.#check();
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    this.#check();
    return super.delete(key);
  }

  override clear(): void {
    this.#check();
    super.clear();
  }

  #check(): void {
    if (this.#sealed) throw new TypeError('a list of the registry is immutable');
  }
}

/** Builds an immutable list. */
export function serviceList(
  key: ServiceKey,
  version: number,
  localZone: string,
  zones: Iterable<readonly [string, readonly string[]]>,
  receivedMs: number,
): ServiceList {
  const sealed = new SealedMap<string, readonly string[]>();
  const all: string[] = [];
  for (const [zone, values] of zones) {
    sealed.set(zone, Object.freeze([...values]));
    for (const value of values) all.push(value);
  }
  return Object.freeze({
    dataId: key.dataId,
    group: key.group,
    instanceId: key.instanceId,
    version,
    localZone,
    zones: sealed.seal(),
    all: Object.freeze(all),
    receivedMs,
  });
}
