/**
 * Starts real stores on loopback with temporary data directories, as an unprivileged user where the server demands it, and
 * stops them. Installed by `test/slow/install-stores.sh`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './real-time.ts';

/** A server that can be hurt. */
export interface RealServer {
  /** Store address for `openStore`. */
  readonly url: string;
  /** Takes the process away without warning and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port and waits until it answers. */
  restart(): Promise<void>;
  /** Stops the process in its tracks and waits until no thread of it runs; the kernel still accepts connections. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Kills the process and deletes its data. */
  stop(): Promise<void>;
}

/** What a kind of server needs. */
interface Recipe {
  readonly name: string;
  /** Must run as this user when we are root. */
  readonly user?: string;
  init(dir: string, run: (command: string, args: string[]) => void): void;
  command(dir: string, ports: readonly number[]): [string, string[]];
  ready(ports: readonly number[], dir: string): Promise<boolean>;
  url(ports: readonly number[]): string;
  /** Once, after the first start. */
  setUp?(dir: string, ports: readonly number[], run: (command: string, args: string[]) => void): void;
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string): number => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between the listing and the signal.
  }
}

/** Whether no thread of a process runs; a process that ended counts as well. */
function stands(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      // The state follows the name, which stands in brackets and may contain anything.
      return /^[TtZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
    });
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) return true;
    throw error;
  }
}

/** The signal returns before it has reached the threads that run on other cores: a query may still be answered then. */
async function stop(pid: number): Promise<void> {
  send(pid, 'SIGSTOP');
  await eventually(`process ${pid} to stand`, 10_000, () => (stands(pid) ? true : undefined));
}

class Server implements RealServer {
  readonly url: string;
  private readonly recipe: Recipe;
  private readonly dir: string;
  private readonly ports: readonly number[];
  private readonly ids: { uid: number; gid: number } | undefined;
  private child: ChildProcess | null = null;
  private output = '';

  constructor(recipe: Recipe, dir: string, ports: readonly number[]) {
    this.recipe = recipe;
    this.dir = dir;
    this.ports = ports;
    this.url = recipe.url(ports);
    if (recipe.user !== undefined && process.getuid?.() === 0) this.ids = idsOf(recipe.user);
    if (this.ids !== undefined) chownSync(dir, this.ids.uid, this.ids.gid);
  }

  async first(): Promise<void> {
    this.recipe.init(this.dir, (command, args) => this.run(command, args));
    await this.restart();
    this.recipe.setUp?.(this.dir, this.ports, (command, args) => this.run(command, args));
  }

  async restart(): Promise<void> {
    const [command, args] = this.recipe.command(this.dir, this.ports);
    const child = spawn(command, args, { ...this.ids, cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString()).slice(-4_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.child = child;
    // A test that timed out never reaches its stop().
    process.once('exit', () => child.kill('SIGKILL'));
    await eventually(`${this.recipe.name} to answer`, 60_000, async () => {
      if (child.exitCode !== null) throw new Error(`${this.recipe.name} exited: ${this.output}`);
      return (await this.recipe.ready(this.ports, this.dir)) ? true : undefined;
    });
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    this.signalAll('SIGKILL');
    await gone;
    this.child = null;
  }

  async freeze(): Promise<void> {
    const [parent, ...before] = this.pids();
    await stop(parent);
    // Once it stands it starts no further children.
    await Promise.all([...new Set([...before, ...this.pids().slice(1)])].map(stop));
  }

  thaw(): void {
    this.signalAll('SIGCONT');
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private signalAll(signal: NodeJS.Signals): void {
    for (const pid of this.pids()) send(pid, signal);
  }

  /** The server and its own children (PostgreSQL has a process per connection). */
  private pids(): number[] {
    const pid = this.child?.pid;
    if (pid === undefined) return [];
    const children = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout;
    return [pid, ...children.trim().split(/\s+/).filter(Boolean).map(Number)];
  }

  private run(command: string, args: string[]): void {
    const done = spawnSync(command, args, { ...this.ids, cwd: this.dir, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`${command} failed: ${done.stderr}${done.stdout}`);
  }
}

const postgresBin = (): string => {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  return join(base, versions[0] ?? 'none', 'bin');
};

const POSTGRES: Recipe = {
  name: 'postgresql',
  user: 'postgres',
  init: (dir, run) => {
    writeFileSync(join(dir, 'pw'), 'secret');
    const auth = ['-A', 'scram-sha-256', `--pwfile=${join(dir, 'pw')}`];
    run(join(postgresBin(), 'initdb'), ['-D', join(dir, 'data'), '-U', 'sofa', '-N', ...auth]);
  },
  command: (dir, [port]) => [
    join(postgresBin(), 'postgres'),
    ['-D', join(dir, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', dir, '-c', 'max_connections=200'],
  ],
  ready: async ([port], dir) =>
    spawnSync(join(postgresBin(), 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port), '-t', '1'], {
      cwd: dir,
    }).status === 0,
  url: ([port]) => `postgres://sofa:secret@127.0.0.1:${port}/postgres`,
};

const MARIADB: Recipe = {
  name: 'mariadb',
  user: 'mysql',
  init: (dir, run) =>
    run('/usr/bin/mariadb-install-db', [
      '--no-defaults',
      `--datadir=${join(dir, 'data')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ]),
  command: (dir, [port]) => [
    '/usr/sbin/mariadbd',
    [
      '--no-defaults',
      `--datadir=${join(dir, 'data')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(dir, 's')}`,
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=32M',
    ],
  ],
  ready: async (_ports, dir) =>
    spawnSync('/usr/bin/mariadb-admin', ['--no-defaults', '-u', 'root', `--socket=${join(dir, 's')}`, 'ping'])
      .status === 0,
  url: ([port]) => `mariadb://sofa:secret@127.0.0.1:${port}/registry`,
  setUp: (dir, _ports, run) =>
    run('/usr/bin/mariadb', [
      '--no-defaults',
      '-u',
      'root',
      `--socket=${join(dir, 's')}`,
      '-e',
      "CREATE DATABASE registry; CREATE USER sofa@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON registry.* TO sofa@'127.0.0.1'",
    ]),
};

/** One etcd member; `members` are the peer URLs of all. */
const etcd = (name: string, members: string): Recipe => ({
  name: 'etcd',
  init: () => {},
  command: (dir, [client, peer]) => {
    const at = (port: number): string => `http://127.0.0.1:${port}`;
    const urls = {
      name,
      'data-dir': join(dir, 'data'),
      'listen-client-urls': at(client),
      'advertise-client-urls': at(client),
      'listen-peer-urls': at(peer),
      'initial-advertise-peer-urls': at(peer),
      'initial-cluster': members === '' ? `${name}=${at(peer)}` : members,
    };
    return ['/usr/bin/etcd', Object.entries(urls).flatMap(([key, value]) => [`--${key}`, value])];
  },
  ready: async ([client]) => {
    try {
      const response = await fetch(`http://127.0.0.1:${client}/health`, { signal: AbortSignal.timeout(500) });
      return ((await response.json()) as { health?: string }).health === 'true';
    } catch {
      return false;
    }
  },
  url: ([client]) => `etcd://127.0.0.1:${client}`,
});

const KINDS = {
  postgres: { recipe: POSTGRES, binary: () => join(postgresBin(), 'postgres') },
  mariadb: { recipe: MARIADB, binary: () => '/usr/sbin/mariadbd' },
  etcd: { recipe: etcd('default', ''), binary: () => '/usr/bin/etcd' },
};

/** Kinds of server a suite can ask for. */
export type ServerKind = keyof typeof KINDS;

/** All kinds. */
export const SERVER_KINDS = Object.keys(KINDS) as readonly ServerKind[];

/** Why a kind of server cannot be started here, or null when it can. */
export function missingServer(kind: ServerKind): string | null {
  const binary = KINDS[kind].binary();
  return existsSync(binary)
    ? null
    : `${kind} left out: ${binary} is not installed (test/slow/install-stores.sh)`;
}

/** Starts an empty server. */
export async function startServer(kind: ServerKind): Promise<RealServer> {
  const dir = mkdtempSync(join(tmpdir(), `sofa-${kind}-`));
  const server = new Server(KINDS[kind].recipe, dir, [await freePort(), await freePort()]);
  try {
    await server.first();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Starts an empty etcd cluster of three members. */
export async function startEtcdCluster(): Promise<RealServer[]> {
  const members = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => ({ name, ports: [await freePort(), await freePort()] })),
  );
  const peers = members.map((m) => `${m.name}=http://127.0.0.1:${m.ports[1]}`).join(',');
  const servers = members.map(
    ({ name, ports }) => new Server(etcd(name, peers), mkdtempSync(join(tmpdir(), 'sofa-etcd-')), ports),
  );
  // A member is ready only when a majority runs.
  await Promise.all(servers.map((server) => server.first()));
  return servers;
}

/** Address of an etcd cluster for `openStore`. */
export function etcdUrl(servers: readonly RealServer[]): string {
  return servers
    .map(({ url }) => url)
    .join(',')
    .replaceAll(',etcd://', ',');
}

/** The member that leads. @throws when none says so */
export async function etcdLeader(servers: readonly RealServer[]): Promise<RealServer> {
  for (const server of servers) {
    const response = await fetch(`${server.url.replace('etcd:', 'http:')}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    });
    const status = (await response.json()) as { leader: string; header: { member_id: string } };
    if (status.leader === status.header.member_id) return server;
  }
  throw new Error('no leader');
}
