/** `npm run docs`: writes the tables of the reference pages anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { docTables, pagePath, withTable } from './tables.ts';

for (const table of docTables()) {
  const path = pagePath(table.page);
  writeFileSync(path, withTable(readFileSync(path, 'utf8'), table));
}
process.exit(0);
