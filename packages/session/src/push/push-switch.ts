/**
 * The push switch (F212-F217): documents `switch/stop-push` ('true' stops) and `switch/push-gray` (hosts that get pushes all the
 * same: a JSON list, `{"ips": [...]}`, or names separated by commas).
 */

/** Key of the switch. */
export const STOP_PUSH_KEY = 'switch/stop-push';
/** Key of the gray list. */
export const PUSH_GRAY_KEY = 'switch/push-gray';
/** Hosts of a gray list; further ones are ignored. */
export const GRAY_HOSTS_MAX = 10_000;

/** State of the switch. Pure. */
export class PushSwitch {
  #stopped = false;
  #gray: ReadonlySet<string> = new Set();

  /** True while pushing is stopped for everybody who is not on the gray list. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Hosts on the gray list. */
  get gray(): ReadonlySet<string> {
    return this.#gray;
  }

  /** True if this client may be pushed to. */
  allowed(host: string): boolean {
    return !this.#stopped || this.#gray.has(host);
  }

  /** Takes the documents. @returns true if somebody may be pushed to who could not before */
  update(docs: ReadonlyMap<string, { readonly value: string }>): boolean {
    const stopped = docs.get(STOP_PUSH_KEY)?.value.trim() === 'true';
    const gray = parseHosts(docs.get(PUSH_GRAY_KEY)?.value ?? '');
    const opened = this.#stopped && (!stopped || [...gray].some((host) => !this.#gray.has(host)));
    this.#stopped = stopped;
    this.#gray = gray;
    return opened;
  }
}

/** Hosts of a gray list in any of its forms; what cannot be read is no host. */
export function parseHosts(text: string): Set<string> {
  const hosts = new Set<string>();
  let items: unknown = null;
  try {
    items = JSON.parse(text);
  } catch {
    items = text.split(',');
  }
  if (items !== null && typeof items === 'object' && !Array.isArray(items))
    items = (items as { ips?: unknown }).ips;
  if (!Array.isArray(items)) return hosts;
  for (const item of items.slice(0, GRAY_HOSTS_MAX)) {
    if (typeof item === 'string' && item.trim() !== '') hosts.add(item.trim());
  }
  return hosts;
}
