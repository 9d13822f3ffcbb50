/** Registry processes started through the command line, on free ports of the loopback address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { get } from './http.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CLI = fileURLToPath(new URL('../../../packages/server/src/cli.js', import.meta.url));
const HOST = '127.0.0.1';
const HEALTHY_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 5_000;
const OUTPUT_CHARS_MAX = 64 * 1024;
/** Error lines kept of one process. */
const ERROR_LINES_MAX = 20;

/** Roles in the order in which they start. */
export type Role = 'meta' | 'data' | 'session';

/** The two ports of a role. */
export interface RolePorts {
  readonly port: number;
  readonly httpPort: number;
}

/** How to start a process. */
export interface StartOptions {
  readonly roles: readonly Role[];
  readonly ports: Readonly<Record<Role, RolePorts>>;
  /** Further `--set` values. */
  readonly sets?: readonly string[];
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
  /** Further environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Ports that are free at the moment, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, HOST, () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Free ports for all roles. */
export async function freeRolePorts(): Promise<Record<Role, RolePorts>> {
  const [a, b, c, d, e, f] = await freePorts(6);
  return {
    meta: { port: a, httpPort: b },
    data: { port: c, httpPort: d },
    session: { port: e, httpPort: f },
  };
}

/** One running process of the registry. */
export class RegistryProcess {
  readonly host = HOST;
  readonly options: StartOptions;
  readonly pid: number;
  /** Address of the V8 inspector, once the process printed it. */
  inspectorUrl: string | null = null;
  readonly #child: ChildProcess;
  #output = '';
  /** The begun line at the end of what was printed. */
  #line = '';
  readonly #errorLines: string[] = [];
  #exited = false;

  private constructor(options: StartOptions) {
    this.options = options;
    this.#child = spawn(process.execPath, RegistryProcess.commandLine(options), {
      cwd: ROOT,
      // The pipe closes when this process ends, however it ends; then the registry ends too.
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...options.env },
    });
    this.pid = this.#child.pid ?? 0;
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#heard(chunk));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#heard(chunk));
    this.#child.once('exit', () => {
      this.#exited = true;
    });
    children.add(this.#child);
  }

  static commandLine(options: StartOptions): string[] {
    const sets = [
      `roles=${options.roles.join(',')}`,
      `bind=${HOST}`,
      `metas=${HOST}:${options.ports.meta.port}`,
      ...options.roles.flatMap((role) => [
        `${role}.port=${options.ports[role].port}`,
        `${role}.httpPort=${options.ports[role].httpPort}`,
      ]),
      ...(options.sets ?? []),
    ];
    return [
      ...(options.nodeOptions ?? []),
      '--conditions=development',
      CLI,
      'start',
      '--memory',
      '--until-stdin-ends',
      ...sets.flatMap((set) => ['--set', set]),
    ];
  }

  /** Starts and returns at once; see {@link healthy}. */
  static spawn(options: StartOptions): RegistryProcess {
    return new RegistryProcess(options);
  }

  /** What the process printed, the newest part. */
  get output(): string {
    return this.#output;
  }

  /** What it logged at level error, the first of them: each is a bug of the registry, unless a test provokes it. */
  get errorLines(): readonly string[] {
    return this.#errorLines;
  }

  get exited(): boolean {
    return this.#exited;
  }

  /** Waits until every role answers its health check. @throws with the output if it does not come to that */
  async healthy(limitMs = HEALTHY_LIMIT_MS): Promise<void> {
    const end = performance.now() + limitMs;
    for (const role of this.options.roles) {
      while (!(await isHealthy(this.options.ports[role].httpPort))) {
        if (this.#exited) throw new Error(`the registry ended:\n${this.#output}`);
        if (performance.now() > end) throw new Error(`not healthy after ${limitMs} ms:\n${this.#output}`);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    }
  }

  /** Ends it: politely first. */
  async stop(limitMs = STOP_LIMIT_MS): Promise<void> {
    if (this.#exited) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    await gone;
    clearTimeout(timer);
    children.delete(this.#child);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#exited) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    await gone;
    children.delete(this.#child);
  }

  #heard(chunk: Buffer): void {
    const text = chunk.toString('utf8');
    this.#output = (this.#output + text).slice(-OUTPUT_CHARS_MAX);
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines)
      if (line.startsWith('{"level":"error"') && this.#errorLines.length < ERROR_LINES_MAX)
        this.#errorLines.push(line);
    const url = /ws:\/\/[\w.:/-]+/.exec(this.#output);
    if (url !== null) this.inspectorUrl ??= url[0];
  }
}

async function isHealthy(httpPort: number): Promise<boolean> {
  try {
    return (await get(HOST, httpPort, '/health/check')).status === 200;
  } catch {
    return false;
  }
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
