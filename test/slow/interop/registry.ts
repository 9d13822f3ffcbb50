/** The registry under test: one process with all roles, or one process per role. */
import { freeRolePorts, RegistryProcess, type Role } from '../../../bench/src/harness/registry-process.ts';

/** How the roles are spread over processes. */
export type Form = 'all-in-one' | 'three processes';

const ROLES: readonly Role[] = ['meta', 'data', 'session'];

/** A running registry on free ports. */
export class TestRegistry {
  readonly form: Form;
  #main: RegistryProcess[] = [];
  readonly #more: RegistryProcess[] = [];
  #ports = {} as Awaited<ReturnType<typeof freeRolePorts>>;
  readonly #sets: readonly string[];

  private constructor(form: Form, sets: readonly string[]) {
    this.form = form;
    this.#sets = sets;
  }

  static async start(form: Form, sets: readonly string[] = []): Promise<TestRegistry> {
    const registry = new TestRegistry(form, sets);
    registry.#ports = await freeRolePorts();
    const parts: (readonly Role[])[] = form === 'all-in-one' ? [ROLES] : ROLES.map((role) => [role]);
    registry.#main = parts.map((roles) => registry.#spawn(roles));
    await Promise.all(registry.#main.map((process) => process.healthy()));
    return registry;
  }

  /** HTTP port of the session: where clients ask for servers. */
  get httpPort(): number {
    return this.#ports.session.httpPort;
  }

  /** A further session of another zone; returns its HTTP port. */
  async addSession(zone: string): Promise<number> {
    const { session } = await freeRolePorts();
    const options = {
      roles: ['session'] as const,
      ports: { ...this.#ports, session },
      sets: [...this.#sets, `zone=${zone}`],
    };
    const process = RegistryProcess.spawn(options);
    this.#more.push(process);
    await process.healthy();
    return session.httpPort;
  }

  /** Kills the process that holds the session role and starts it again on the same ports. */
  async restartSession(): Promise<void> {
    const index = this.#main.length - 1;
    const { roles } = this.#main[index].options;
    await this.#main[index].kill();
    this.#main[index] = this.#spawn(roles);
    await this.#main[index].healthy();
  }

  /** What the processes printed; for failures. */
  get output(): string {
    return [...this.#main, ...this.#more].map((process) => process.output).join('\n');
  }

  async stop(): Promise<void> {
    for (const process of [...this.#more, ...this.#main.toReversed()]) await process.stop();
  }

  #spawn(roles: readonly Role[]): RegistryProcess {
    return RegistryProcess.spawn({ roles, ports: this.#ports, sets: this.#sets });
  }
}
