/** Scopes of a subscription (F021-F023). */

/** zone: own zone only; dataCenter: all zones of the data centre; global: all data centres. */
export type Scope = 'zone' | 'dataCenter' | 'global';

/** Scope by its wire name; null, '' and unknown names mean 'zone' (reference/wire.md 2.6). */
export function parseScope(name: string | null): Scope {
  return name === 'dataCenter' || name === 'global' ? name : 'zone';
}

/**
 * True if a publisher of `zone` is in the view of a subscriber with `scope` on a session of `region`. Exact, case-sensitive
 * comparison with the upper-cased region, as the reference does (reference/wire.md 4.6).
 */
export function zoneInScope(scope: Scope, zone: string, region: string): boolean {
  return scope !== 'zone' || zone === region;
}
