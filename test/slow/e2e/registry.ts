/** A registry of real processes on free ports, in one process or in three, that can be hurt. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeRolePorts, RegistryProcess, type Role } from '../../../bench/src/harness/registry-process.ts';

/** How the roles are spread over processes. */
export type Form = 'all-in-one' | 'three processes';

const ROLES: readonly Role[] = ['meta', 'data', 'session'];

type RolePorts = Awaited<ReturnType<typeof freeRolePorts>>;

/** See above. */
export class E2eRegistry {
  readonly form: Form;
  readonly ports: RolePorts;
  readonly #dir: string;
  readonly #sets: readonly string[];
  readonly #processes = new Map<string, RegistryProcess>();

  private constructor(form: Form, ports: RolePorts, dir: string) {
    this.form = form;
    this.ports = ports;
    this.#dir = dir;
    this.#sets = [`store=sqlite:${dir}`];
  }

  static async start(form: Form): Promise<E2eRegistry> {
    const dir = mkdtempSync(join(tmpdir(), 'sofa-e2e-'));
    const registry = new E2eRegistry(form, await freeRolePorts(), dir);
    const groups: readonly (readonly Role[])[] =
      form === 'all-in-one' ? [ROLES] : ROLES.map((role) => [role]);
    for (const roles of groups) registry.#spawn(roles.join('+'), roles, registry.ports, registry.#sets);
    await registry.healthy();
    return registry;
  }

  /** HTTP address of a role. */
  http(role: Role): string {
    return `127.0.0.1:${this.ports[role].httpPort}`;
  }

  /** Client address of the first session. */
  get sessionAddress(): string {
    return `127.0.0.1:${this.ports.session.port}`;
  }

  /** Answer of a role's HTTP port. */
  async get(
    role: Role,
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; type: string | null; body: string }> {
    const answer = await fetch(`http://${this.http(role)}${path}`, init);
    return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
  }

  async json<T>(role: Role, path: string, init?: RequestInit): Promise<T> {
    return JSON.parse((await this.get(role, path, init)).body) as T;
  }

  /** Waits until every process answers its health check. */
  async healthy(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.healthy()));
  }

  /** The process that has a role. */
  process(role: Role): RegistryProcess {
    const found = [...this.#processes.values()].find(({ options }) => options.roles.includes(role));
    if (found === undefined) throw new Error(`no process has the role ${role}`);
    return found;
  }

  /** SIGKILL to the process of a role; it stays away until {@link revive}. */
  async kill(role: Role): Promise<void> {
    await this.process(role).kill();
  }

  /** Starts the process of a role again on its old ports. */
  async revive(role: Role): Promise<void> {
    const { options } = this.process(role);
    const name = [...this.#processes].find(([, process]) => process.options === options)?.[0] ?? '';
    await this.#spawn(name, options.roles, this.ports, this.#sets).healthy();
  }

  /** SIGKILL to every process, then all start again on their old ports. */
  async restartAll(): Promise<void> {
    const before = [...this.#processes];
    await Promise.all(before.map(([, process]) => process.kill()));
    for (const [name, { options }] of before)
      this.#spawn(name, options.roles, options.ports, options.sets ?? []);
    await this.healthy();
  }

  /** A second session; returns its client address. */
  async addSession(sets: readonly string[] = []): Promise<string> {
    const { session } = await freeRolePorts();
    const ports = { ...this.ports, session };
    await this.#spawn(`session-${session.port}`, ['session'], ports, [...this.#sets, ...sets]).healthy();
    return `127.0.0.1:${session.port}`;
  }

  /** What the processes printed; for failures. */
  get output(): string {
    return [...this.#processes].map(([name, process]) => `--- ${name}\n${process.output}`).join('\n');
  }

  async stop(): Promise<void> {
    for (const process of [...this.#processes.values()].toReversed()) await process.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #spawn(name: string, roles: readonly Role[], ports: RolePorts, sets: readonly string[]): RegistryProcess {
    const process = RegistryProcess.spawn({ roles, ports, sets });
    this.#processes.set(name, process);
    return process;
  }
}
