/** Java and Maven: are they there, and the class paths of the programs in test/interop. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../interop/', import.meta.url));
const MAVEN_LIMIT_MS = 300_000;

/** Newest and oldest client of each generation that Maven Central has. */
export const CLIENT_VERSIONS = ['6.3.0', '6.5.6', '5.4.2'] as const;
/** The client most of the suite runs with. */
export const MAIN_CLIENT = CLIENT_VERSIONS[0];

/** Why the suite cannot run here, or null. */
export const MISSING: string | null = missing();

if (MISSING !== null) {
  process.stderr.write(`\nLEFT OUT: the suites with the official Java clients, because ${MISSING}.\n\n`);
}

function missing(): string | null {
  for (const [program, flag] of [
    ['java', '-version'],
    ['javac', '-version'],
    ['mvn', '-v'],
  ]) {
    if (spawnSync(program, [flag]).status !== 0) return `there is no ${program}`;
  }
  return null;
}

/** Options every JVM of the suite runs with: small, quick to start, quiet. */
export const JVM_OPTIONS: readonly string[] = [
  '-Xmx256m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  `-Dlogging.path=${join(tmpdir(), 'sofa-registry-interop-logs')}`,
];

/** Compiles a module and returns its class path. Online only when something was never resolved on this machine. */
export function classPath(module: 'driver' | 'rpc', clientVersion: string = MAIN_CLIENT): string {
  const file = join(PROJECT, module, 'target', `classpath-${clientVersion}.txt`);
  const classes = join(PROJECT, module, 'target', 'classes');
  const goals = ['-pl', module, `-Dclient.version=${clientVersion}`];
  // The program is compiled against one version and run with all: applications upgrade without recompiling, too.
  maven(['-pl', module, 'compile']);
  if (!existsSync(file)) {
    mkdirSync(join(PROJECT, module, 'target'), { recursive: true });
    maven([...goals, 'dependency:build-classpath', `-Dmdep.outputFile=${file}`]);
  }
  return `${classes}:${readFileSync(file, 'utf8').trim()}`;
}

function maven(args: readonly string[]): void {
  const run = (flags: string[]): ReturnType<typeof spawnSync> =>
    spawnSync('mvn', ['-q', ...flags, ...args], { cwd: PROJECT, timeout: MAVEN_LIMIT_MS, encoding: 'utf8' });
  if (run(['-o']).status === 0) return;
  const online = run([]);
  if (online.status !== 0) throw new Error(`mvn ${args.join(' ')} failed:\n${online.stdout}${online.stderr}`);
}
