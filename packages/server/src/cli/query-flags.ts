/** Flags of the commands that talk to a running registry. */
import type { Command } from 'commander';

/** What commander leaves of the flags. */
export interface QueryFlags {
  /** Any HTTP address of the registry. */
  readonly server: string;
  readonly json?: boolean;
}

/** Where a registry on this machine answers: session, else meta, else data. */
export const SERVER_DEFAULT = '127.0.0.1:9603';

/** Adds the flags to a command. */
export function queryOptions(command: Command): Command {
  return command
    .option(
      '--server <host:port>',
      'HTTP address of any node',
      process.env['SOFA_REGISTRY_SERVER'] ?? SERVER_DEFAULT,
    )
    .option('--json', 'print JSON');
}
