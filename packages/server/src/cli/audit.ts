/** `sofa-registry audit`: what operators did, on all nodes. */
import type { AuditEntry } from '../http/audit.ts';
import { askJson, print, sight } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';
import { table } from './table.ts';

const VALUE_UNITS_SHOWN = 60;

/** Prints the newest entries of all nodes, oldest first. Nodes that do not answer are named on stderr. */
export async function audit(flags: QueryFlags & { readonly limit: string }): Promise<void> {
  const { entry, members } = await sight(flags);
  const addresses = [...new Set([entry.httpAddress, ...members.map(({ httpAddress }) => httpAddress)])];
  const path = `/registry/v1/audit?limit=${encodeURIComponent(flags.limit)}`;
  const answers = await Promise.allSettled(addresses.map((address) => askJson<AuditEntry[]>(address, path)));
  const found = new Map<string, AuditEntry>();
  for (const [i, answer] of answers.entries()) {
    if (answer.status === 'rejected') {
      if (addresses.length === 1) throw answer.reason;
      process.stderr.write(`${addresses[i]}: ${String((answer.reason as Error).message)}\n`);
      continue;
    }
    // The roles of one process share their entries.
    for (const item of answer.value) found.set(JSON.stringify(item), item);
  }
  const entries = [...found.values()].sort((a, b) => (a.time < b.time ? -1 : 1)).slice(-Number(flags.limit));
  print(flags, entries, () => (entries.length === 0 ? 'no operator calls\n' : readable(entries)));
}

function readable(entries: readonly AuditEntry[]): string {
  const rows = entries.map(({ time, node, who, what, input, outcome, status, before, after }) => [
    time,
    node,
    [who.operator || '-', who.says].filter((name) => name !== '').join(' '),
    who.from,
    outcome === 'done' ? 'done' : `${outcome} ${status}`,
    what,
    short(input),
    outcome === 'refused' ? '' : `${short(JSON.stringify(before))} -> ${short(JSON.stringify(after))}`,
  ]);
  return table(['time', 'node', 'who', 'from', 'outcome', 'what', 'input', 'before -> after'], rows);
}

function short(text: string): string {
  return text.length > VALUE_UNITS_SHOWN ? `${text.slice(0, VALUE_UNITS_SHOWN)}...` : text;
}
