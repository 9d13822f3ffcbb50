/** Names, ports and commands of the processes of a development cluster. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ServerError } from '../errors.ts';
import { commandOfStart } from './start-command.ts';

/** What commander leaves of the flags. */
export interface ClusterFlags {
  readonly meta: string;
  readonly data: string;
  readonly session: string;
  readonly dataDir?: string;
  readonly memory?: boolean;
  readonly store?: string;
  readonly basePort?: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** One process. */
export interface ClusterNode {
  readonly name: string;
  readonly role: 'meta' | 'data' | 'session';
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  readonly dataDir: string;
  /** Program and arguments that start it. */
  readonly command: readonly string[];
}

const HOST = '127.0.0.1';
const NODES_MAX = 32;
/** Usual ports: registry and HTTP. */
const USUAL = { meta: [9610, 9615], data: [9620, 9622], session: [9600, 9603] } as const;

/** Decides everything before the first process starts. @throws ServerError SR_CONFIG_VALUE */
export async function planCluster(flags: ClusterFlags, dir: string): Promise<ClusterNode[]> {
  const counts = { meta: count(flags, 'meta'), data: count(flags, 'data'), session: count(flags, 'session') };
  const shared = flags.store !== undefined && !/^(memory|sqlite):/.test(flags.store);
  if (counts.meta > 1 && !shared) {
    throw new ServerError(
      'SR_CONFIG_VALUE',
      `--meta ${counts.meta}: several metas need a store they share: --store postgres://..., mysql://... or etcd://...`,
    );
  }
  const ports = new PortChoice(flags.basePort);
  const bare: Omit<ClusterNode, 'command'>[] = [];
  for (const role of ['meta', 'data', 'session'] as const) {
    for (let i = 1; i <= counts[role]; i++) {
      const [port, httpPort] = await ports.next(role, i === 1);
      const name = `${role}-${i}`;
      bare.push({ name, role, host: HOST, port, httpPort, dataDir: join(dir, name) });
    }
  }
  const metas = bare
    .filter(({ role }) => role === 'meta')
    .map(({ port }) => `${HOST}:${port}`)
    .join(',');
  return bare.map((node) => ({ ...node, command: commandOf(node, metas, flags) }));
}

function count(flags: ClusterFlags, role: 'meta' | 'data' | 'session'): number {
  const value = Number(flags[role]);
  if (Number.isInteger(value) && value >= 1 && value <= NODES_MAX) return value;
  throw new ServerError(
    'SR_CONFIG_VALUE',
    `--${role} ${flags[role]}: it must be a whole number from 1 to ${NODES_MAX}`,
  );
}

function commandOf(node: Omit<ClusterNode, 'command'>, metas: string, flags: ClusterFlags): string[] {
  const { role, port, httpPort, dataDir } = node;
  const command = [...commandOfStart(), '--roles', role, '--metas', metas];
  command.push(
    '--set',
    `${role}.port=${port}`,
    '--set',
    `${role}.httpPort=${httpPort}`,
    '--data-dir',
    dataDir,
  );
  if (role === 'meta' && flags.store !== undefined) command.push('--store', flags.store);
  if (role === 'meta' && flags.memory === true) command.push('--memory');
  // The first placement waits for all data nodes: nothing has to move afterwards.
  if (role === 'meta') command.push('--set', `meta.expectedDataNodes=${flags.data}`);
  for (const set of flags.set) command.push('--set', set);
  return command;
}

/** Hands out ports: from a base upwards, or the usual ones for the first node of a role and free ones after it. */
class PortChoice {
  #next: number | null = null;

  constructor(basePort: string | undefined) {
    if (basePort === undefined) return;
    const base = Number(basePort);
    if (!Number.isInteger(base) || base < 1 || base > 65_000) {
      throw new ServerError(
        'SR_CONFIG_VALUE',
        `--base-port ${basePort}: it must be a whole number from 1 to 65000`,
      );
    }
    this.#next = base;
  }

  async next(role: 'meta' | 'data' | 'session', first: boolean): Promise<readonly [number, number]> {
    if (this.#next !== null) return [this.#next++, this.#next++];
    return first ? USUAL[role] : [await freePort(), await freePort()];
  }
}

function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ host: HOST, port: 0 }, () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
