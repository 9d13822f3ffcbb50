/** What a scenario is and what it gets. */
import { cpuMicros, rssBytes } from './proc.ts';
import { Inspector } from './inspector.ts';
import { freeRolePorts, RegistryProcess, type StartOptions } from './registry-process.ts';

/** One measured figure. */
export interface Row {
  /** What was measured, in words. */
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Largest (or with `atLeast` smallest) value that keeps the budget of design.md section 6; absent: no budget. */
  readonly budget?: number;
  /** True when larger is better. */
  readonly atLeast?: boolean;
  readonly note?: string;
}

/** A server under load: ours, or one that runs elsewhere. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  /** 0 when unknown: then no CPU and no memory. */
  readonly pid: number;
  readonly process: RegistryProcess | null;
}

/** A benchmark of one aspect. */
export interface Scenario {
  /** Name for `--only`. */
  readonly name: string;
  readonly title: string;
  /** True: works only with a server the benchmark starts itself. */
  readonly ownServer: boolean;
  /** It is given up after this long. */
  readonly limitMs: number;
  /** Options of Node for the server, e.g. the inspector. */
  readonly nodeOptions?: readonly string[];
  /** `--set` values the server is started with. */
  readonly sets?: readonly string[];
  run(context: Context): Promise<Row[]>;
}

/** What a scenario works with. */
export class Context {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  /** CPU time the server has used, microseconds; NaN when the process is not known. */
  cpu(): number {
    return this.target.pid === 0 ? Number.NaN : cpuMicros(this.target.pid);
  }

  rss(): number {
    return this.target.pid === 0 ? Number.NaN : rssBytes(this.target.pid);
  }

  /** The server's inspector, or null when it was started without. */
  async inspector(): Promise<Inspector | null> {
    const url = this.target.process?.inspectorUrl ?? null;
    return url === null ? null : Inspector.open(url);
  }
}

/** Node options that open the inspector on a free port. */
export const WITH_INSPECTOR: readonly string[] = ['--inspect=127.0.0.1:0'];

/** Lifts the limit on registrations per second, which would otherwise be what a flood measures. */
export const NO_ACCESS_LIMIT: readonly string[] = ['session.accessRatePerSecond=10000000'];

/** Starts an all-in-one server for a scenario and waits until it is healthy. */
export async function startTarget(nodeOptions: readonly string[], sets: readonly string[]): Promise<Target> {
  const ports = await freeRolePorts();
  const options: StartOptions = { roles: ['meta', 'data', 'session'], ports, nodeOptions, sets };
  const process = RegistryProcess.spawn(options);
  await process.healthy();
  return {
    host: process.host,
    port: ports.session.port,
    httpPort: ports.session.httpPort,
    pid: process.pid,
    process,
  };
}
