/** The rules that hold the packages apart, and the pure check of one file against them. */

/** What each package may import of the others; anything else is a wrong edge. */
export const ALLOWED_EDGES: Readonly<Record<string, readonly string[]>> = {
  model: [],
  wire: ['model'],
  runtime: ['model', 'wire'],
  store: [],
  cluster: ['model', 'wire', 'runtime'],
  session: ['model', 'wire', 'runtime', 'cluster'],
  data: ['model', 'wire', 'runtime', 'cluster'],
  meta: ['model', 'wire', 'runtime', 'store', 'cluster'],
  client: ['model', 'wire', 'runtime'],
  testing: ['model', 'wire', 'runtime', 'store', 'session', 'data', 'meta', 'client'],
  server: ['model', 'wire', 'runtime', 'store', 'cluster', 'session', 'data', 'meta', 'client'],
};

/** Packages whose sources see time, randomness, the network and storage only through ports. */
export const PORTED_PACKAGES: ReadonlySet<string> = new Set([
  'model',
  'wire',
  'runtime',
  'store',
  'cluster',
  'session',
  'data',
  'meta',
  'client',
]);

/** Files that are adapters: they may touch the outside. */
export const ADAPTERS: readonly RegExp[] = [
  /^packages\/runtime\/src\/node\//,
  /^packages\/client\/src\/node\//,
  /^packages\/store\/src\/(sqlite-file|sqlite-connection|etcd-client|mysql-pool|postgres-pool)\.ts$/,
];

/** Built-in modules that are pure functions of their input. */
const PURE_BUILTINS: ReadonlySet<string> = new Set(['node:buffer', 'node:zlib', 'node:util']);
/** `node:crypto` for hashes only. */
const HASH_NAMES = /^\{?\s*(createHash|hash)\s*\}?$/;

const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)/, 'the wall clock (use the Clock port)'],
  [/\bperformance\s*\.\s*now\b/, 'the monotonic clock (use the Clock port)'],
  [/\bprocess\s*\.\s*hrtime\b/, 'the monotonic clock (use the Clock port)'],
  [/\bMath\s*\.\s*random\b/, 'randomness (use the Random port)'],
  [/(?<![.\w])set(Timeout|Interval|Immediate)\s*\(/, 'timers (use the Clock port)'],
  [/(?<![.\w])process\s*\.\s*(?!hrtime)\w+/, 'the process (only adapters and the server see it)'],
  [/(?:\bawait|\breturn|\bvoid|[=(,:>?])\s*fetch\s*\(/, 'fetch (use the Network port, or an adapter)'],
];

/** One import of a source file. */
export interface ImportSite {
  readonly specifier: string;
  /** What stands between `import` and `from`; '' for a bare or dynamic import. */
  readonly names: string;
}

/** The text without comments, and without the content of strings and templates. */
export function stripped(source: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return source.replace(token, (text) => (text.startsWith('/') ? ' ' : "''"));
}

/** Every import and re-export of a file. */
export function importsOf(source: string): ImportSite[] {
  const text = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*$/gm, ' ');
  const sites: ImportSite[] = [];
  const fixed = /(?:^|\n)\s*(?:import|export)\s+(?:type\s+)?([^'";]*?)\s*from\s*['"]([^'"]+)['"]/g;
  for (const [, names, specifier] of text.matchAll(fixed)) sites.push({ specifier, names });
  for (const [, specifier] of text.matchAll(/(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g))
    sites.push({ specifier, names: '' });
  for (const [, specifier] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g))
    sites.push({ specifier, names: '' });
  return sites;
}

/** What the check must know of a package. */
export interface PackageFacts {
  /** Folder name. */
  readonly folder: string;
  /** Names in `dependencies` and `optionalDependencies`. */
  readonly dependencies: ReadonlySet<string>;
}

/** What the check must know of all packages. */
export interface Workspace {
  /** Package folder by package name. */
  readonly folderOf: ReadonlyMap<string, string>;
  /** Sub-paths each package exports, `.` included, by folder. */
  readonly exportsOf: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Broken rules of one source file, in words. `path` is relative to the repository. */
export function violations(path: string, source: string, own: PackageFacts, workspace: Workspace): string[] {
  const found: string[] = [];
  for (const site of importsOf(source)) {
    const problem = importProblem(path, site, own, workspace);
    if (problem !== null) found.push(`${path}: ${problem}`);
  }
  if (PORTED_PACKAGES.has(own.folder) && !isAdapter(path)) {
    const code = stripped(source);
    for (const [pattern, what] of BANNED) {
      if (pattern.test(code)) found.push(`${path}: uses ${what}`);
    }
  }
  return found;
}

function isAdapter(path: string): boolean {
  return ADAPTERS.some((pattern) => pattern.test(path));
}

function importProblem(
  path: string,
  site: ImportSite,
  own: PackageFacts,
  workspace: Workspace,
): string | null {
  const { specifier } = site;
  if (specifier.startsWith('.')) return relativeProblem(path, specifier, own);
  if (specifier.startsWith('node:')) return builtinProblem(path, site, own);
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const target = workspace.folderOf.get(name);
  if (!own.dependencies.has(name)) return `imports ${name}, which its package.json does not list`;
  if (target === undefined) return null;
  if (!(ALLOWED_EDGES[own.folder] ?? []).includes(target))
    return `${own.folder} must not depend on ${target}`;
  const subPath = `.${specifier.slice(name.length)}`;
  return workspace.exportsOf.get(target)?.has(subPath) === true ? null : `deep import ${specifier}`;
}

function relativeProblem(path: string, specifier: string, own: PackageFacts): string | null {
  const root = `packages/${own.folder}/`;
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
  if (!target.startsWith(root)) return `relative import ${specifier} leaves the package`;
  return /\.(ts|json)$/.test(specifier) ? null : `relative import ${specifier} has no extension`;
}

function builtinProblem(path: string, { specifier, names }: ImportSite, own: PackageFacts): string | null {
  if (!PORTED_PACKAGES.has(own.folder) || isAdapter(path) || PURE_BUILTINS.has(specifier)) return null;
  if (specifier === 'node:crypto' && HASH_NAMES.test(names)) return null;
  return `imports ${specifier}, which only adapters may`;
}
