/** `sofa-registry doc watch`: documents and each change of them, across changes of the leader and times without one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from '@sofa-registry/runtime';
import { oneLine } from '../errors.ts';
import type { DocAnswer } from './doc.ts';
import { askJson, metaOf } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';

/** First and longest wait before meta is looked for again, ms. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 5000;

/** A document that was removed has no value. */
type Change = Pick<DocAnswer, 'key' | 'version'> & { readonly value: string | null };

/** What is new in `docs` against what was shown; takes it over. */
export function changesOf(shown: Map<string, DocAnswer>, docs: readonly DocAnswer[]): Change[] {
  const present = new Set(docs.map(({ key }) => key));
  const changes: Change[] = [];
  for (const [key, { version }] of shown) {
    if (present.has(key)) continue;
    shown.delete(key);
    changes.push({ key, version, value: null });
  }
  for (const doc of docs) {
    const known = shown.get(doc.key);
    // A leader that has not caught up yet may show an older one.
    if (known !== undefined && known.version >= doc.version) continue;
    shown.set(doc.key, doc);
    changes.push({ key: doc.key, version: doc.version, value: doc.value });
  }
  return changes;
}

/**
 * Prints all documents, then each change. Meta answers as soon as a switch or operator document changes, and every two seconds, so
 * that nothing is missed; documents under persistent/ are only looked at then. Ends with the signal that ends the process.
 */
export async function docWatch(prefix: string, flags: QueryFlags): Promise<void> {
  const shown = new Map<string, DocAnswer>();
  const { nodeRandom } = await import('@sofa-registry/runtime/node');
  const backoff = new Backoff(nodeRandom(), { baseMs: RETRY_MS, maxMs: RETRY_MS_MAX });
  const path = `/registry/v1/docs?prefix=${encodeURIComponent(prefix)}`;
  for (let said = ''; ; ) {
    try {
      const meta = await metaOf(flags);
      for (let revision = -1; ; ) {
        const since = revision < 0 ? '' : `?since=${revision}`;
        ({ revision } = await askJson<{ revision: number }>(meta, `/registry/v1/docs/revision${since}`));
        const docs = await askJson<DocAnswer[]>(meta, path);
        for (const change of changesOf(shown, docs)) show(flags, change);
        backoff.reset();
        said = '';
      }
    } catch (error) {
      const reason = oneLine(error);
      if (reason !== said) process.stderr.write(`waiting for a meta: ${reason}\n`);
      said = reason;
      await sleep(backoff.nextMs());
    }
  }
}

function show(flags: QueryFlags, { key, version, value }: Change): void {
  if (flags.json === true) process.stdout.write(`${JSON.stringify({ key, version, value })}\n`);
  else if (value === null) process.stdout.write(`${key} is removed\n`);
  else process.stdout.write(`${key} is at version ${version}: ${value}\n`);
}
