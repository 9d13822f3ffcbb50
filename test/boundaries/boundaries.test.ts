/** Dependency edges, deep imports and banned globals of every source file; and that the check can fail. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALLOWED_EDGES, importsOf, type PackageFacts, violations, type Workspace } from './rules.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const folders = readdirSync(join(ROOT, 'packages'));
const manifests = new Map(
  folders.map((folder) => [
    folder,
    JSON.parse(readFileSync(join(ROOT, 'packages', folder, 'package.json'), 'utf8')) as Manifest,
  ]),
);
const workspace: Workspace = {
  folderOf: new Map([...manifests].map(([folder, { name }]) => [name, folder])),
  exportsOf: new Map(
    [...manifests].map(([folder, { exports = {} }]) => [folder, new Set(Object.keys(exports))]),
  ),
};

function factsOf(folder: string): PackageFacts {
  const { dependencies, optionalDependencies } = manifests.get(folder) ?? {
    dependencies: {},
    optionalDependencies: {},
  };
  return {
    folder,
    dependencies: new Set([...Object.keys(dependencies ?? {}), ...Object.keys(optionalDependencies ?? {})]),
  };
}

function sourcesOf(folder: string): string[] {
  const dir = join(ROOT, 'packages', folder, 'src');
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.ts')).map((file) => `packages/${folder}/src/${file}`);
}

describe('boundaries of the packages', () => {
  it('every package has a row in the table of edges', () => {
    const known = folders.filter((folder) => folder !== 'console').toSorted();
    expect(known).toEqual(
      Object.keys(ALLOWED_EDGES)
        .filter((name) => folders.includes(name))
        .toSorted(),
    );
  });

  it.each(folders.filter((folder) => folder in ALLOWED_EDGES))('%s keeps them', (folder) => {
    const facts = factsOf(folder);
    const found = sourcesOf(folder).flatMap((path) =>
      violations(path, readFileSync(join(ROOT, path), 'utf8'), facts, workspace),
    );
    expect(found).toEqual([]);
  });

  it('the table of edges has no cycle', () => {
    const seen = new Set<string>();
    const visit = (name: string, path: readonly string[]): void => {
      expect(path, `${[...path, name].join(' -> ')}`).not.toContain(name);
      if (seen.has(name)) return;
      for (const next of ALLOWED_EDGES[name]) visit(next, [...path, name]);
      seen.add(name);
    };
    for (const name of Object.keys(ALLOWED_EDGES)) visit(name, []);
  });

  it('a package declares what it may use and nothing upwards', () => {
    for (const folder of Object.keys(ALLOWED_EDGES).filter((name) => folders.includes(name))) {
      const inner = [...factsOf(folder).dependencies].flatMap((name) => workspace.folderOf.get(name) ?? []);
      expect(ALLOWED_EDGES[folder]).toEqual(expect.arrayContaining(inner));
    }
  });
});

describe('ARCHITECTURE.md', () => {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const rows = /<!-- edges -->([\s\S]*?)<!-- end -->/.exec(text)?.[1].match(/^\| (\w+) \|([^|]*)\|/gm) ?? [];
  const edges = new Map(
    rows.slice(1).map((row) => {
      const [, name, imports] = row.split('|').map((cell) => cell.trim());
      return [name, imports.split(', ').filter((other) => other !== '')] as const;
    }),
  );

  it('shows exactly the edges that are allowed', () => {
    const shown = [...edges].map(([name, imports]) => [name, imports.toSorted()]);
    const allowed = Object.entries(ALLOWED_EDGES).map(([name, imports]) => [name, imports.toSorted()]);
    expect(shown).toEqual(allowed);
  });

  it('every edge it shows is used', () => {
    for (const [folder, imports] of edges) {
      const used = new Set(
        sourcesOf(folder)
          .flatMap((path) => importsOf(readFileSync(join(ROOT, path), 'utf8')))
          .flatMap(
            ({ specifier }) => workspace.folderOf.get(specifier.split('/').slice(0, 2).join('/')) ?? [],
          ),
      );
      expect(
        imports.filter((other) => !used.has(other)),
        folder,
      ).toEqual([]);
    }
  });
});

describe('the check itself', () => {
  const session: PackageFacts = {
    folder: 'session',
    dependencies: new Set(['@sofa-registry/model', '@sofa-registry/data', '@sofa-registry/wire']),
  };
  const check = (source: string, path = 'packages/session/src/a/b.ts'): string[] =>
    violations(path, source, session, workspace);

  it.each([
    ["import { x } from '@sofa-registry/data';", 'must not depend'],
    ["import { x } from '@sofa-registry/wire/src/pb/reader.ts';", 'deep import'],
    ["import { x } from '@sofa-registry/store';", 'does not list'],
    ["import fastify from 'fastify';", 'does not list'],
    ["import { x } from '../../../data/src/owner.ts';", 'leaves the package'],
    ["import { x } from './c';", 'no extension'],
    ["import { connect } from 'node:net';", 'only adapters'],
    ["import { randomUUID } from 'node:crypto';", 'only adapters'],
    ["export { x } from '@sofa-registry/data';", 'must not depend'],
    ["const x = await import('@sofa-registry/data');", 'must not depend'],
    ['const now = Date.now();', 'wall clock'],
    ['const now = new Date();', 'wall clock'],
    ['const now = performance . now();', 'monotonic'],
    ['const r = Math.random();', 'randomness'],
    ['setTimeout(() => {}, 5);', 'timers'],
    ['const e = process.env;', 'the process'],
    ['await fetch(url);', 'fetch'],
  ])('refuses %s', (source, why) => {
    expect(check(source).join('\n')).toContain(why);
  });

  it.each([
    "import { x } from '@sofa-registry/wire';",
    "import { createHash } from 'node:crypto';",
    "import { gzip } from 'node:zlib';",
    "import { x } from '../c.ts';",
    '// Date.now() is banned\n/* setTimeout(f) */ const text = "Math.random() process.env";',
    'this.clock.setTimer(5, fn); registry.process.id = 1; client.fetch(x);',
  ])('lets through %s', (source) => {
    expect(check(source)).toEqual([]);
  });

  it('lets adapters touch the outside', () => {
    const runtime: PackageFacts = { folder: 'runtime', dependencies: new Set() };
    const source = "import * as net from 'node:net';\nsetTimeout(f, 1);";
    expect(violations('packages/runtime/src/node/tcp.ts', source, runtime, workspace)).toEqual([]);
    expect(violations('packages/runtime/src/tcp.ts', source, runtime, workspace)).toHaveLength(2);
  });

  it('sees every form of import', () => {
    const source =
      "import a, { type B,\n c } from 'x';\nimport 'y';\nexport * from 'z';\nconst d = import('w');";
    expect(
      importsOf(source)
        .map(({ specifier }) => specifier)
        .toSorted(),
    ).toEqual(['w', 'x', 'y', 'z']);
  });
});
