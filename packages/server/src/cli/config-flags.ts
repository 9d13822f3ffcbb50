/** Flags that set configuration values, shared by `start` and `config`. */
import type { Command } from 'commander';
import type { Config } from '../config/effective.ts';
import type { RawValue } from '../config/sources.ts';

/** What commander leaves of the flags. */
export interface ConfigFlags {
  readonly config?: string;
  readonly set?: readonly string[];
  readonly memory?: boolean;
  readonly roles?: string;
  readonly bind?: string;
  readonly advertise?: string;
  readonly zone?: string;
  readonly metas?: string;
  readonly dataDir?: string;
  readonly store?: string;
  readonly port?: string;
  readonly httpPort?: string;
  readonly processes?: string;
}

/** Named flags and the key each sets. */
const KEY_OF_FLAG = {
  roles: 'roles',
  bind: 'bind',
  advertise: 'advertise',
  zone: 'zone',
  metas: 'metas',
  dataDir: 'dataDir',
  store: 'store',
  processes: 'processes',
} as const;

/** Adds the flags to a command. */
export function configOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (YAML)')
    .option('--roles <list>', 'roles of this process: meta,data,session')
    .option('--bind <address>', 'address to listen on; 0.0.0.0 opens the registry to other machines')
    .option('--advertise <host>', 'host under which others reach this process')
    .option('--zone <zone>', 'zone of this process')
    .option('--metas <list>', 'internal addresses of all metas, host:port,host:port')
    .option('--port <port>', 'registry port of the one role this process has')
    .option('--http-port <port>', 'HTTP port of the one role this process has')
    .option('--processes <n>', 'processes on this host, for the roles session and data')
    .option('--data-dir <dir>', 'directory for what must survive a restart')
    .option('--store <url>', 'store of the meta role')
    .option('--memory', 'keep the state of the meta role in memory')
    .option(
      '--set <key=value>',
      'any setting; may be repeated',
      (value: string, before: string[]) => [...before, value],
      [],
    );
}

/** The configuration that flags, environment and file add up to. @throws ServerError SR_CONFIG_* */
export async function configOf(
  flags: ConfigFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  const { loadConfig } = await import('../config/effective.ts');
  const values: RawValue[] = [];
  for (const [flag, key] of Object.entries(KEY_OF_FLAG)) {
    const value = flags[flag as keyof typeof KEY_OF_FLAG];
    if (value !== undefined) values.push({ key, value, from: `--${dashed(flag)}`, exposed: true });
  }
  if (flags.memory === true) values.push({ key: 'store', value: 'memory:', from: '--memory', exposed: true });
  values.push(...portValues(flags, env));
  return loadConfig({ file: flags.config, flags: values, sets: flags.set ?? [], env });
}

/** `--port` and `--http-port` mean the one role of the process. */
function portValues(flags: ConfigFlags, env: Readonly<Record<string, string | undefined>>): RawValue[] {
  const roles = (flags.roles ?? env['SOFA_REGISTRY_ROLES'] ?? 'session').split(',');
  const role = roles.includes('session') ? 'session' : roles[0].trim();
  const values: RawValue[] = [];
  if (flags.port !== undefined)
    values.push({ key: `${role}.port`, value: flags.port, from: '--port', exposed: true });
  if (flags.httpPort !== undefined) {
    values.push({ key: `${role}.httpPort`, value: flags.httpPort, from: '--http-port', exposed: true });
  }
  return values;
}

function dashed(flag: string): string {
  return flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
