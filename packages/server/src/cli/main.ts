/** The commands of `sofa-registry`. Each lives in a file of its own that is loaded when it is asked for. */
import { Command, CommanderError, Option } from 'commander';
import { oneLine, SERVER_ERRORS, ServerError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { configOptions, type ConfigFlags } from './config-flags.ts';
import { queryOptions } from './query-flags.ts';
import type { StartFlags } from './start.ts';

const CLUSTER_MAX = 32;

/** Runs the command line `argv` (as in `process.argv`); sets the exit code and never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(argv as string[]);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode;
      return;
    }
    if (!(error instanceof ServerError) && process.env['SOFA_REGISTRY_DEBUG'] !== undefined)
      console.error(error);
    const code = error instanceof ServerError ? SERVER_ERRORS[error.code].exitCode || 1 : 1;
    // Whatever is still open must not keep a failed command alive.
    process.stderr.write(`sofa-registry: ${oneLine(error)}\n`, () => process.exit(code));
  }
}

function program(): Command {
  const root = new Command('sofa-registry')
    .description('Service registry: sessions, data nodes and metas in one process or in many.')
    .version(VERSION)
    .exitOverride();
  configOptions(
    root.command('start').description('start the roles of this process (default: a complete registry)'),
  )
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .action(async (flags: StartFlags) => (await import('./start.ts')).start(flags));
  configOptions(
    root.command('config').description('print the effective configuration and where each value came from'),
  )
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & { json?: boolean }) =>
      (await import('./print-config.ts')).printConfig(flags),
    );
  configOptions(
    root
      .command('health')
      .description('ask the nodes that this configuration runs here; exit code 1 if one does not answer'),
  )
    .option('--ready', 'and whether they can serve')
    .action(async (flags: ConfigFlags & { ready?: boolean }) => (await import('./health.ts')).health(flags));
  addQueries(root);
  addOperations(root);
  addClients(root);
  addCluster(root);
  return root;
}

function addQueries(root: Command): void {
  queryOptions(root.command('status').description('nodes, slots and health of the cluster'))
    .option('--wait-ready', 'wait until every node is ready, drained ones are back and no slot moves')
    .option('--timeout <seconds>', 'longest wait', '60')
    .action(async (flags) => (await import('./status.ts')).status(flags));
  queryOptions(root.command('services').description('all services with their number of publishers')).action(
    async (flags) => (await import('./services.ts')).services(flags),
  );
  queryOptions(
    root
      .command('service')
      .argument('<dataId>')
      .description('publishers by zone, subscribers and versions of a service'),
  )
    .option('--group <group>', 'group of the service')
    .option('--instance-id <id>', 'instance id of the service')
    .action(async (dataId: string, flags) => (await import('./services.ts')).service(dataId, flags));
}

function addOperations(root: Command): void {
  for (const [name, on] of [
    ['drain', true],
    ['undrain', false],
  ] as const) {
    const what = on
      ? 'take a node out gently: it keeps serving and gets nothing new'
      : 'take a drained node back in';
    const command = root
      .command(name)
      .argument(on ? '[node]' : '<node>', 'host:port of its registry port, or its process id')
      .description(what);
    if (on) command.option('--self', 'the nodes that this configuration runs here, until they end');
    queryOptions(command).action(async (node: string | undefined, flags) =>
      (await import('./drain.ts')).drain(node, on, flags),
    );
  }
  queryOptions(
    root
      .command('client-off')
      .argument('[addresses...]', 'addresses of clients; none: show who is off')
      .description('take the publications of clients out of all lists, until client-open'),
  )
    .option('--sub', 'their subscriptions as well')
    .action(async (addresses: string[], flags) =>
      (await import('./client-off.ts')).clientOff(addresses, flags),
    );
  queryOptions(
    root
      .command('client-open')
      .argument('<addresses...>', 'addresses of clients')
      .description('let clients that are off publish again: they are disconnected, and register anew'),
  ).action(async (addresses: string[], flags) =>
    (await import('./client-off.ts')).clientOpen(addresses, flags),
  );
  queryOptions(root.command('audit').description('what operators did: who, what, before and after'))
    .option('--limit <n>', 'newest entries shown', '100')
    .action(async (flags) => (await import('./audit.ts')).audit(flags));
  const doc = root.command('doc').description('operator documents stored in meta').exitOverride();
  queryOptions(doc.command('get').argument('<key>').description('print a document')).action(
    async (key: string, flags) => (await import('./doc.ts')).docGet(key, flags),
  );
  queryOptions(doc.command('put').argument('<key>').argument('<value>').description('write a document'))
    .option('--if-version <version>', 'only if it is at this version (0: only if there is none)')
    .action(async (key: string, value: string, flags) =>
      (await import('./doc.ts')).docPut(key, value, flags),
    );
  queryOptions(doc.command('remove').argument('<key>').description('remove a document'))
    .option('--if-version <version>', 'only if it is at this version')
    .action(async (key: string, flags) => (await import('./doc.ts')).docRemove(key, flags));
  queryOptions(
    doc.command('watch').argument('[prefix]').description('print documents, then each change, until Ctrl-C'),
  ).action(async (prefix: string | undefined, flags) =>
    (await import('./doc-watch.ts')).docWatch(prefix ?? '', flags),
  );
  queryOptions(doc.command('list').argument('[prefix]').description('list documents')).action(
    async (prefix: string | undefined, flags) => (await import('./doc.ts')).docList(prefix ?? '', flags),
  );
}

function addClients(root: Command): void {
  queryOptions(
    root
      .command('publish')
      .argument('<dataId>')
      .argument('<values...>')
      .description('publish values until Ctrl-C'),
  )
    .option('--group <group>', 'group of the service')
    .option('--instance-id <id>', 'instance id of the service')
    .action(async (dataId: string, values: string[], flags) =>
      (await import('./publish.ts')).publish(dataId, values, flags),
    );
  queryOptions(
    root.command('watch').argument('<dataId>').description('print every list of a service until Ctrl-C'),
  )
    .option('--group <group>', 'group of the service')
    .option('--instance-id <id>', 'instance id of the service')
    .option('--scope <scope>', 'zone, dataCenter or global', 'global')
    .action(async (dataId: string, flags) => (await import('./publish.ts')).watch(dataId, flags));
}

function addCluster(root: Command): void {
  root
    .command('cluster')
    .description('run a cluster of several processes on this machine, for development')
    .option('--meta <n>', `metas (1 unless the store is shared), at most ${CLUSTER_MAX}`, '1')
    .option('--data <n>', 'data nodes', '3')
    .option('--session <n>', 'sessions', '2')
    .option('--data-dir <dir>', 'directory for cluster.json, logs and state')
    .option('--memory', 'keep nothing: the meta stores its state in memory')
    .option('--store <url>', 'store of the metas')
    .option(
      '--base-port <port>',
      'first port; without it the usual ports for the first of each role, free ones for the rest',
    )
    .option('--set <key=value>', 'a setting for every process; may be repeated', collect, [])
    .option('--json', 'print cluster.json once all run')
    .action(async (flags) => (await import('./cluster.ts')).cluster(flags));
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
