/** `sofa-registry doc`: operator documents. */
import { ask, askJson, metaOf, print } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';
import { table } from './table.ts';

/** Flags of a change. */
interface DocFlags extends QueryFlags {
  /** Version the document must be at; 0: none. */
  readonly ifVersion?: string;
}

const expected = ({ ifVersion }: DocFlags): string =>
  ifVersion === undefined ? '' : `&expect=${encodeURIComponent(ifVersion)}`;

/** A document as meta answers it. */
export interface DocAnswer {
  readonly key: string;
  readonly value: string;
  readonly version: number;
  /** As last seen: the store does not answer. */
  readonly stale?: boolean;
}

function warnOfStale(docs: readonly DocAnswer[]): void {
  if (docs.some(({ stale }) => stale === true))
    process.stderr.write('the store does not answer: as last seen\n');
}

const pathOf = (key: string): string => `/registry/v1/doc?key=${encodeURIComponent(key)}`;

/** Prints a document. */
export async function docGet(key: string, flags: QueryFlags): Promise<void> {
  const doc = await askJson<DocAnswer>(await metaOf(flags), pathOf(key));
  warnOfStale([doc]);
  print(flags, doc, () => `${doc.value}\n`);
}

/** Writes a document. */
export async function docPut(key: string, value: string, flags: DocFlags): Promise<void> {
  const init = { method: 'PUT', body: value, headers: { 'content-type': 'text/plain' } };
  const answer = await askJson<{ version: number }>(await metaOf(flags), pathOf(key) + expected(flags), init);
  print(flags, answer, () => `${key} is at version ${answer.version}\n`);
}

/** Removes a document. */
export async function docRemove(key: string, flags: DocFlags): Promise<void> {
  await ask(await metaOf(flags), pathOf(key) + expected(flags), { method: 'DELETE' });
  print(flags, { key, removed: true }, () => `${key} is removed\n`);
}

/** Lists documents. */
export async function docList(prefix: string, flags: QueryFlags): Promise<void> {
  const docs = await askJson<DocAnswer[]>(
    await metaOf(flags),
    `/registry/v1/docs?prefix=${encodeURIComponent(prefix)}`,
  );
  warnOfStale(docs);
  print(flags, docs, () =>
    docs.length === 0
      ? 'no documents\n'
      : table(
          ['key', 'version', 'value'],
          docs.map(({ key, version, value }) => [key, String(version), value.slice(0, 100)]),
        ),
  );
}
