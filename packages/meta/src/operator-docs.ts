/** Operator documents that meta itself obeys, typed per key. A value that cannot be read counts as absent. */
import type { DocMirror } from './doc-mirror.ts';

/** 'false' freezes the slot table: no planned moves and no new copies; fail-over goes on. */
export const RECONCILE_DOC = 'operator/slot-reconcile';
/** Share of the data nodes that may be evicted within one lease, 0 to 1; 'off' is 1. */
export const PROTECTION_DOC = 'operator/protection';
/** JSON list of addresses and process ids that are drained. */
export const DRAINING_DOC = 'operator/draining';
/** Nodes an operator can drain at the same time. */
export const DRAINING_MAX = 1000;

/** False when an operator froze the slot table. */
export function reconciles(docs: DocMirror): boolean {
  return docs.value(RECONCILE_DOC) !== 'false';
}

/** The share an operator allows, or `configured`. */
export function evictShare(docs: DocMirror, configured: number): number {
  const value = docs.value(PROTECTION_DOC);
  if (value === null) return configured;
  if (value === 'off') return 1;
  const share = Number(value);
  return value.trim() !== '' && share >= 0 && share <= 1 ? share : configured;
}

/** Addresses and process ids that are drained. */
export function drainedNames(docs: DocMirror): ReadonlySet<string> {
  return new Set(parseNames(docs.value(DRAINING_DOC)));
}

/** Names of a stored list. */
export function parseNames(value: string | null): string[] {
  if (value === null) return [];
  try {
    const names: unknown = JSON.parse(value);
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
