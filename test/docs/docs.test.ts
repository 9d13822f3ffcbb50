/** Reference pages say what the code says, both ways. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SERVER_ERRORS } from '../../packages/server/src/errors.ts';
import { SETTINGS } from '../../packages/server/src/config/settings.ts';
import { docTables, errorRows, pagePath, withTable } from './tables.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const tables = docTables();
const read = (page: string): string => readFileSync(pagePath(page), 'utf8');

describe('reference pages', () => {
  it.each(tables.map((table) => [`${table.page} ${table.marker}`, table] as const))(
    '%s equals the code (npm run docs)',
    (_name, table) => {
      const page = read(table.page);
      expect(withTable(page, table)).toBe(page);
    },
  );

  it('have no table that the code does not make', () => {
    for (const page of new Set(tables.map((table) => table.page))) {
      const markers = [...read(page).matchAll(/<!-- table (\S+): /g)].map(([, marker]) => marker);
      expect(markers.toSorted()).toEqual(
        tables
          .filter((table) => table.page === page)
          .map(({ marker }) => marker)
          .toSorted(),
      );
    }
  });

  it('have a meaning for every error code', () => {
    const source = readFileSync(join(ROOT, 'packages/server/src/errors.ts'), 'utf8');
    const rows = errorRows(source);
    expect(rows.map(({ code }) => code)).toEqual(Object.keys(SERVER_ERRORS));
    expect(rows.every(({ meaning }) => meaning.length > 10)).toBe(true);
  });

  it('every key names its unit, meaning and a distinct variable', () => {
    const variables = [...SETTINGS.values()].map(({ env }) => env);
    expect(new Set(variables).size).toBe(variables.length);
    for (const { key, doc } of SETTINGS.values()) expect(doc.length, key).toBeGreaterThan(5);
  });
});

describe('links', () => {
  const pages = [
    ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].filter((page) => existsSync(join(ROOT, page))),
    ...readdirSync(join(ROOT, 'docs'))
      .filter((page) => page.endsWith('.md'))
      .map((page) => `docs/${page}`),
  ];
  it.each(pages)('%s points at files that exist', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target]) => target);
    const missing = targets.filter((target) => !existsSync(join(ROOT, dirname(page), target)));
    expect(missing).toEqual([]);
  });

  it('ARCHITECTURE.md names files that exist', () => {
    const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const files = [...text.matchAll(/`((?:packages|test|bench|docs|examples)\/[\w./-]+\.ts)`/g)].map(
      ([, file]) => file,
    );
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});
