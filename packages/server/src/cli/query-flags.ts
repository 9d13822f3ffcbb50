/** Flags of the commands that talk to a running registry. */
import type { Command } from 'commander';
import type { CredentialFlags } from './credentials.ts';

/** What commander leaves of the flags. */
export interface QueryFlags extends CredentialFlags {
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
      'HTTP address of any node; https://host:port to ask over TLS',
      process.env['SOFA_REGISTRY_SERVER'] ?? SERVER_DEFAULT,
    )
    .option('--tls-ca <file>', 'authorities of the registry (PEM); asks over TLS [SOFA_REGISTRY_TLS_CA_FILE]')
    .option('--tls-name <name>', 'name its certificates carry [SOFA_REGISTRY_TLS_PEER_NAME]')
    .option('--tls-cert <file>', 'own certificate, where clients need one [SOFA_REGISTRY_TLS_CERT_FILE]')
    .option('--tls-key <file>', 'its key [SOFA_REGISTRY_TLS_KEY_FILE]')
    .option(
      '--token-file <file>',
      'operator token [SOFA_REGISTRY_OPERATOR_TOKEN_FILE, SOFA_REGISTRY_OPERATOR_TOKEN]',
    )
    .option('--json', 'print JSON')
    .hook('preAction', async (_command, action) => {
      const { useCredentials } = await import('./credentials.ts');
      const flags = action.opts<QueryFlags>();
      action.setOptionValue('server', useCredentials(flags, flags.server));
    });
}
