/** A meta process reduced to its store: takes commands over IPC, one at a time. Started by `suite.ts`. */
import { openStore, type StoreOptions } from '@sofa-registry/store';
import { realPorts } from './real-time.ts';

interface Command {
  readonly acquire?: number;
  readonly put?: string;
  readonly renew?: number;
  readonly storm?: number;
  readonly term?: number;
}

const store = await openStore(JSON.parse(process.argv[2]) as StoreOptions, realPorts());

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const writeTable = (value: string, term: number): Promise<string> =>
  codeOf(store.docs.put('table', value, { expect: 'any', fence: { term } }));

async function storm(term: number): Promise<void> {
  for (;;) await Promise.all([1, 2, 3].map((n) => writeTable(`storm ${n}`, term)));
}

async function run(command: Command): Promise<unknown> {
  if (command.acquire !== undefined) return store.lease.tryAcquire('10.0.0.1:9610', command.acquire);
  if (command.put !== undefined) return writeTable(command.put, command.term ?? 0);
  if (command.renew !== undefined) return codeOf(store.lease.renew(command.renew));
  if (command.storm !== undefined) {
    void storm(command.storm);
    return 'started';
  }
  return 'unknown command';
}

process.on('message', (command: Command) => {
  void run(command).then((answer) => process.send?.(answer as object));
});
process.send?.('ready');
